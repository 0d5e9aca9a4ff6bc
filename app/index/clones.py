"""What compilers made of functions, by their names: copies and parts, and whose calls the copies take.

gcc names a copy after its function: ``f.constprop.0`` (-fipa-cp-clone), ``f.isra.0`` (-fipa-sra),
``f.part.0`` (-fpartial-inlining), ``f.cold``; LLVM's ThinLTO ``f.llvm.NUMBER``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from app.errors import Busy
from app.index import matching
from app.index.column_file import NO_ADDRESS
from app.index.columns import Array, Columns
from app.index.rows import lines_of, rows_of, spellings_of

_KINDS = r"\.(constprop|isra|part|cold|lto_priv|llvm)(?:\.|$)"
CLONE = re.compile(_KINDS)
# Calls go to these in place of the function; of them to no ``part``, which bpftrace does not list.
_TAKES = re.compile(rb"\.(?:constprop|isra)(?:\.|$)")
_NO_BASE = re.compile(rb"\.(?:constprop|isra|part)(?:\.|$)")
_SECONDS = 5.0
_TAIL = 8  # bytes at the end of a name that are compared at once
_ODD = 0x9E3779B97F4A7C15


@dataclass(frozen=True, slots=True)
class Clones:
    """``made``: which functions are a copy or part; ``taken``: the copies of a function, by its number."""

    made: npt.NDArray[np.bool_]
    taken: dict[int, tuple[str, ...]] = field(default_factory=dict)


def clones(columns: Columns) -> Clones:
    """All of one binary; none where its names take too long to look through."""
    nothing = np.zeros(columns.count("function"), bool)
    try:
        ranks = matching.ranks(columns, _KINDS, "regex", _SECONDS)
    except Busy:
        return Clones(nothing)
    ids = np.flatnonzero(ranks != matching.NONE)
    if not len(ids):
        return Clones(nothing)
    names = columns.names_of(ids)
    fits = [CLONE.search(name.decode("utf-8", "backslashreplace")) is not None for name in names]
    made = _marks(len(ranks), ids[np.array(fits)])[columns["function_name"]]
    rows, named = rows_of(columns, "function")
    placed = _marks(len(ranks), named[columns["function_address"][rows] != NO_ADDRESS])
    copies: dict[bytes, list[str]] = {}
    for name, there in zip(names, placed[ids].tolist(), strict=True):
        if there and _TAKES.search(name) and b".part." not in name:
            for base in _bases(name):
                copies.setdefault(base, []).append(name.decode("utf-8", "backslashreplace"))
    taken = {row: tuple(sorted(copies[name])) for row, name in _rows_named(columns, copies)}
    return Clones(made, taken)


def _marks(count: int, numbers: Array) -> npt.NDArray[np.bool_]:
    """Which of so many numbers are among these."""
    found = np.zeros(count, bool)
    found[numbers] = True
    return found


def _bases(name: bytes) -> Iterable[bytes]:
    """The functions that ``name`` may be a copy of."""
    end = name.find(b".", 1)
    while end > 0 and not _NO_BASE.search(name, 0, end):
        yield name[:end]
        end = name.find(b".", end + 1)


def _rows_named(columns: Columns, wanted: Iterable[bytes]) -> list[tuple[int, bytes]]:
    """The functions with these names: those whose length and end fit one are looked at."""
    listed = list(wanted)
    if not listed:
        return []
    ends = np.cumsum([len(name) for name in listed])
    text = np.frombuffer(b"".join(listed), np.uint8)
    keys = _keys(text, ends - [len(name) for name in listed], ends)
    lines = lines_of(columns)
    spelled = spellings_of(lines)[columns["function_name"]].astype(np.int64)
    at = columns["line_at"].astype(np.int64)
    own = _keys(columns["text"], at[spelled], at[spelled + 1] - 1)
    keys.sort()
    near = np.flatnonzero(keys[np.minimum(np.searchsorted(keys, own), len(keys) - 1)] == own)
    known = set(listed)
    names = columns.names_of(columns["function_name"][near])
    return [(row, name) for row, name in zip(near.tolist(), names, strict=True) if name in known]


def _keys(text: Array, begins: Array, ends: Array) -> Array:
    """A number of each name's length and last bytes; two names may share one."""
    found = (ends - begins).astype(np.uint64) * np.uint64(_ODD)
    for back in range(1, _TAIL + 1):
        places = ends - back
        taken = text[np.maximum(places, 0)].astype(np.uint64) << np.uint64(8 * (back - 1))
        found ^= np.where(places >= begins, taken, np.uint64(0))
    return found
