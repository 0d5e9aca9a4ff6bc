"""The marks of ``app.elf.traits`` without the native core, by numpy; the tests hold the core against it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from app.elf.arrays import SymbolArrays
from app.elf.model import SymbolColumns

_LOOKED_AT = 16384  # names; the languages of a file are all over it
_LONGEST_MARK = 63  # a longer name than any of ours


def defined(symbols: SymbolColumns, names: Sequence[bytes]) -> set[bytes]:
    """Those of ``names`` that a symbol defines, not only needs."""
    found: set[bytes] = set()
    columns = SymbolArrays.of(symbols)
    wanted = np.zeros(_LONGEST_MARK + 1, bool)
    wanted[[len(name) for name in names]] = True
    rows = np.flatnonzero(wanted[np.minimum(columns.name_len, _LONGEST_MARK)] & (columns.section_index != 0))
    at, size = columns.name_at[rows].astype(np.int64), columns.name_len[rows]
    blob = np.frombuffer(symbols.names, np.uint8)
    last = np.where(size > 0, blob[at + size - 1], 0)
    for name in names:
        places = at[(size == len(name)) & (last == name[-1])]
        places = places[blob[places + len(name) // 2] == name[len(name) // 2]]
        if any(symbols.names[start : start + len(name)] == name for start in places.tolist()):
            found.add(name)
    return found


def mangled(symbols: SymbolColumns) -> tuple[int, int]:
    """How many of some names Rust has mangled, and how many C++.

    Rust's new scheme begins with _R; its old one is C++'s with ``17h``, 16 digits and an E at the end.
    """
    blob = np.frombuffer(symbols.names, np.uint8)
    columns = SymbolArrays.of(symbols)
    some = slice(None, None, max(1, symbols.rows // _LOOKED_AT))
    size = columns.name_len[some]
    at, size = columns.name_at[some][size >= 4].astype(np.int64), size[size >= 4]
    end = at + size
    underscored = blob[at] == ord("_")
    second = np.where(underscored, blob[at + 1], 0)
    new = (second == ord("R")) & np.isin(blob[at + 2], np.frombuffer(b"NICMXY", np.uint8))
    old = (second == ord("Z")) & (size > 24) & _holds(blob, end - 20, b"17h")
    rust = new | (old & (blob[end - 1] == ord("E")))
    return int(rust.sum()), int(((second == ord("Z")) & ~rust).sum())


def _holds(blob: npt.NDArray[np.uint8], at: npt.NDArray[np.int64], text: bytes) -> npt.NDArray[np.bool_]:
    found = np.ones(len(at), bool)
    for index, byte in enumerate(text):
        found &= blob[np.clip(at + index, 0, len(blob) - 1)] == byte
    return found
