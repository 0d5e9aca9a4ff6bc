"""One question to one binary's columns: which rows, in which order, with the counts of their facets.

A selection is an array of row numbers, kept for the next part of the same list, so that any offset of a
million rows costs the same.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from threading import Lock
from typing import Literal

import numpy as np
import numpy.typing as npt

from app.elf import spell
from app.elf.model import TABLES, Section
from app.errors import BadInput
from app.index import matching
from app.index.columns import Array, Columns
from app.index.model import Ask

Kind = Literal["symbol", "function", "variable"]
_FACETS: dict[Kind, tuple[str, ...]] = {
    "symbol": ("type", "bind", "section", "table", "visibility"),
    "function": ("type", "bind", "section", "source"),
    "variable": ("type", "bind", "section", "source"),
}
_COLUMN = {
    "type": "type",
    "bind": "bind",
    "section": "section_index",
    "table": "table",
    "source": "table",
    "visibility": "visibility",
}
_KEPT = 64


@dataclass(frozen=True, slots=True)
class Selection:
    """Row numbers in their order (of symbols, functions or variables), and facet -> value -> count."""

    rows: npt.NDArray[np.intp]
    facets: dict[str, dict[str, int]]


class Selections:
    """The last selections, by what was asked of which columns."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, Selection] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable, make: Callable[[], Selection]) -> Selection:
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
                return found
        made = make()
        with self._lock:
            self._kept[key] = made
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return made


def select(
    columns: Columns, sections: tuple[Section, ...], kind: Kind, ask: Ask, seconds: float
) -> Selection:
    """Raises BadInput for an unknown order, and what ``matching.ranks`` raises."""
    firsts = _firsts(columns, kind)
    chosen = np.ones(len(firsts), bool)
    rank = None
    if ask.q:
        rank = _row_ranks(columns, kind, matching.ranks(columns, ask.q, ask.mode, seconds))
        chosen = rank != matching.NONE
    masks = {
        name: _filter(columns, sections, kind, firsts, name, ask.filters[name])
        for name in _FACETS[kind]
        if ask.filters.get(name)
    }
    facets = {}
    for name in _FACETS[kind]:
        # A facet counts what the other filters leave, so that its other values can be chosen.
        others = chosen.copy()
        for other, mask in masks.items():
            if other != name:
                others &= mask
        facets[name] = _count(columns, sections, kind, firsts, name, others)
    for mask in masks.values():
        chosen &= mask
    rows = np.flatnonzero(chosen)
    return Selection(_ordered(columns, sections, kind, rows, firsts, rank, ask), facets)


def _firsts(columns: Columns, kind: Kind) -> Array:
    """The symbol that stands for each row."""
    if kind == "symbol":
        return np.arange(len(columns["address"]))
    return columns[f"{kind}_rows"][columns[f"{kind}_start"][:-1]]


def _row_ranks(columns: Columns, kind: Kind, ranks: matching.Ranks) -> matching.Ranks:
    """The best rank over a row's names; an alias finds its function."""
    of_symbol = ranks[columns["name_id"]]
    if kind == "symbol":
        return of_symbol
    starts = columns[f"{kind}_start"][:-1]
    if not len(starts):
        return np.zeros(0, np.uint16)
    best: matching.Ranks = np.minimum.reduceat(of_symbol[columns[f"{kind}_rows"]], starts)
    return best


def _tables(columns: Columns, kind: Kind, number: int) -> npt.NDArray[np.bool_]:
    """Rows that have a symbol in this table."""
    starts = columns[f"{kind}_start"][:-1]
    if not len(starts):
        return np.zeros(0, bool)
    return np.logical_or.reduceat(columns["table"][columns[f"{kind}_rows"]] == number, starts)


def _spelled(name: str, number: int, sections: tuple[Section, ...]) -> str:
    if name == "type":
        return spell.symbol_type(number)
    if name == "bind":
        return spell.symbol_bind(number)
    if name == "visibility":
        return spell.symbol_visibility(number)
    return spell.section_of(number, sections) if name == "section" else TABLES[number]


def _count(
    columns: Columns,
    sections: tuple[Section, ...],
    kind: Kind,
    firsts: Array,
    name: str,
    mask: npt.NDArray[np.bool_],
) -> dict[str, int]:
    if name == "source":
        counted = {table: int((_tables(columns, kind, n) & mask).sum()) for n, table in enumerate(TABLES)}
        return {value: count for value, count in counted.items() if count}
    values, counts = np.unique(columns[_COLUMN[name]][firsts][mask], return_counts=True)
    out: dict[str, int] = {}
    for value, count in zip(values.tolist(), counts.tolist(), strict=True):
        word = _spelled(name, value, sections)
        out[word] = out.get(word, 0) + count
    return dict(sorted(out.items(), key=lambda entry: (-entry[1], entry[0])))


def _filter(
    columns: Columns, sections: tuple[Section, ...], kind: Kind, firsts: Array, name: str, wanted: str
) -> npt.NDArray[np.bool_]:
    words = set(wanted.split(","))
    if name == "source":
        mask = np.zeros(len(firsts), bool)
        for number, table in enumerate(TABLES):
            if table in words:
                mask |= _tables(columns, kind, number)
        return mask
    column = columns[_COLUMN[name]][firsts]
    numbers = [number for number in np.unique(column).tolist() if _spelled(name, number, sections) in words]
    return np.isin(column, numbers)


def _ordered(
    columns: Columns,
    sections: tuple[Section, ...],
    kind: Kind,
    rows: npt.NDArray[np.intp],
    firsts: Array,
    rank: matching.Ranks | None,
    ask: Ask,
) -> npt.NDArray[np.intp]:
    by, down = ask.sort.removeprefix("-"), ask.sort.startswith("-")
    symbols = firsts[rows]
    alphabet = columns["name_rank"][columns["name_id"][symbols]]
    if not by:
        if rank is not None:
            return rows[np.lexsort((alphabet, rank[rows]))]
        # The whole tables as they lie in the file; functions and variables by name.
        return rows if kind == "symbol" else rows[np.argsort(alphabet, kind="stable")]
    if by in {"name", "demangled"}:
        key: Array = alphabet
    elif by in {"address", "size"}:
        key = columns[by][symbols]
    elif by in _FACETS[kind] and by != "source":
        column = columns[_COLUMN[by]][symbols]
        values, inverse = np.unique(column, return_inverse=True)
        words = [_spelled(by, number, sections) for number in values.tolist()]
        place = {word: number for number, word in enumerate(sorted(words))}
        key = np.array([place[word] for word in words], np.int64)[inverse] if len(words) else column
    else:
        raise BadInput(
            f"The list cannot be sorted by {by!r}.",
            "Use one of: name, address, size, " + ", ".join(f for f in _FACETS[kind] if f != "source") + ".",
        )
    key = key.astype(np.uint64)
    if down:
        key = np.uint64(0xFFFFFFFFFFFFFFFF) - key
    return rows[np.lexsort((alphabet, key))]
