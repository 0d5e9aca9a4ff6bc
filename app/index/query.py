"""One question to one binary's columns: which rows, in which order, with the counts of their facets.

A selection is an array of row numbers, kept for the next part of the same list, so that any offset of a
million rows costs the same.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import Generic, Literal, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from app.elf import spell
from app.elf.dwarf.languages import language_name
from app.elf.model import TABLES
from app.errors import BadInput
from app.index import matching
from app.index.column_file import NO_ADDRESS
from app.index.columns import Array, Columns
from app.index.items import Items
from app.index.model import Ask

Kind = Literal["symbol", "function", "variable"]
_FACETS: dict[Kind, tuple[str, ...]] = {
    "symbol": ("type", "bind", "section", "table", "visibility"),
    "function": ("type", "bind", "section", "source", "kind", "language", "verdict"),
    "variable": ("type", "bind", "section", "source", "language"),
}
# Facets of one value say nothing.
_ONLY_SEVERAL = {"kind", "language"}
_KINDS = ("function", "inline only")
_SOURCES = ("dwarf", *TABLES)
_KEPT = 64
_KEPT_BYTES = 32 << 20
_FUNC, _OBJECT = 2, 1
_EXTERNAL = 1
_UNSET = 0xFFFF
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Selection:
    """Row numbers in their order (of symbols, functions or variables), and facet -> value -> count."""

    rows: npt.NDArray[np.intp]
    facets: dict[str, dict[str, int]]

    @property
    def nbytes(self) -> int:
        return self.rows.nbytes


class Sized(Protocol):
    @property
    def nbytes(self) -> int: ...


Kept = TypeVar("Kept", bound=Sized)


class Selections(Generic[Kept]):
    """The last selections, by what was asked of which columns."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, Kept] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def get(self, key: Hashable, make: Callable[[], Kept]) -> Kept:
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
                return found
        made = make()
        with self._lock:
            before = self._kept.pop(key, None)
            self._kept[key] = made
            self._bytes += made.nbytes - (before.nbytes if before is not None else 0)
            # The last one stays, however long: its next part is what will be asked for.
            while len(self._kept) > 1 and (len(self._kept) > _KEPT or self._bytes > _KEPT_BYTES):
                _, oldest = self._kept.popitem(last=False)
                self._bytes -= oldest.nbytes
        return made


def select(columns: Columns, found: Items, kind: Kind, ask: Ask, seconds: float) -> Selection:
    """Raises BadInput for an unknown order, and what ``matching.ranks`` raises."""
    table = _Table(columns, found, kind)
    chosen = np.ones(table.count, bool)
    rank = None
    if ask.q:
        rank = table.ranks(matching.ranks(columns, ask.q, ask.mode, seconds))
        chosen = rank != matching.NONE
    if kind != "symbol" and ask.filters.get("file"):
        chosen &= table.in_files(ask.filters["file"])
    masks = {name: table.filter(name, ask.filters[name]) for name in _FACETS[kind] if ask.filters.get(name)}
    if kind == "symbol" and "table" not in masks:
        # The tables of the file itself, as readelf prints them, unless those of its debug file are asked for.
        own = columns["table"] != TABLES.index("debug_symtab")
        if not own.all():
            masks["table"] = own
    facets = {}
    for name in _FACETS[kind] if ask.facets else ():
        # A facet counts what the other filters leave, so that its other values can be chosen.
        others = chosen
        for other, mask in masks.items():
            if other != name:
                others = others & mask
        counted = table.counts(name, others)
        if len(counted) > 1 or name in masks or name not in _ONLY_SEVERAL:
            facets[name] = counted
    for mask in masks.values():
        chosen = chosen & mask
    return Selection(table.ordered(np.flatnonzero(chosen), rank, ask), facets)


class _Table:
    """The rows of one list, and their columns by what people filter and sort by."""

    def __init__(self, columns: Columns, found: Items, kind: Kind) -> None:
        self._columns = columns
        self._items = found
        self._kind = kind
        self.count = columns.count(kind)

    @cached_property
    def _named(self) -> Mask:
        """Rows that have a symbol."""
        starts = self._columns[f"{self._kind}_start"]
        return starts[1:] > starts[:-1]

    def _of_symbol(self, name: str, default: Array) -> Array:
        """A column of the symbol that stands for each row; ``default`` where there is none."""
        if self._kind == "symbol":
            return self._columns[name]
        found = default.copy()
        starts, rows = self._columns[f"{self._kind}_start"][:-1], self._columns[f"{self._kind}_rows"]
        found[self._named] = self._columns[name][rows[starts[self._named]]]
        return found

    @cached_property
    def _entry(self) -> Array:
        """The row of the debug information, -1 for none."""
        return self._columns["function_fn" if self._kind == "function" else "variable_var"]

    def _of_entry(self, name: str, default: int, kind: str = "i8") -> Array:
        """A column of the debug information; ``default`` where it knows nothing of a row."""
        found = np.full(self.count, default, kind)
        known = self._entry >= 0
        if known.any():
            prefix = "fn" if self._kind == "function" else "var"
            found[known] = self._columns[f"{prefix}_{name}"][self._entry[known]]
        return found

    def _numbers(self, name: str) -> Array:
        if name == "type":
            return self._of_symbol(
                "type", np.full(self.count, _FUNC if self._kind == "function" else _OBJECT, np.uint8)
            )
        if name == "bind":
            if self._kind == "symbol" or self._named.all():
                return self._of_symbol("bind", np.zeros(self.count, np.uint8))
            return self._of_symbol("bind", (self._of_entry("flags", 0) & _EXTERNAL).astype(np.uint8))
        if name == "section":
            name = "section_index" if self._kind == "symbol" else f"{self._kind}_section"
        if name == "kind":
            without: Mask = self._columns["function_address"] == NO_ADDRESS
            return without.astype(np.uint8)
        if name == "language":
            units = self._of_entry("unit", -1)
            found = np.full(self.count, _UNSET, np.uint16)
            found[units >= 0] = self._columns["unit_language"][units[units >= 0]]
            return found
        other: Array = self._columns[name]
        return other

    def _word(self, name: str, number: int) -> str:
        if name == "type":
            return spell.symbol_type(number)
        if name == "bind":
            return spell.symbol_bind(number)
        if name == "visibility":
            return spell.symbol_visibility(number)
        if name == "section":
            return spell.section_of(number, self._items.sections)
        if name == "kind":
            return _KINDS[number]
        if name == "language":
            return language_name(number) or ("not known" if number == _UNSET else f"{number:#x}")
        return TABLES[number]

    def _source(self, source: str) -> Mask:
        """Rows that are known from the debug information, or from this symbol table."""
        if source == "dwarf":
            return self._entry >= 0
        found = np.zeros(self.count, bool)
        if source in TABLES:
            starts, rows = self._columns[f"{self._kind}_start"], self._columns[f"{self._kind}_rows"]
            of_symbol = self._columns["table"][rows] == TABLES.index(source)
            found[np.searchsorted(starts, np.flatnonzero(of_symbol), side="right") - 1] = True
        return found

    def ranks(self, ranks: matching.Ranks) -> matching.Ranks:
        """The best rank over a row's names; an alias finds its function."""
        if self._kind == "symbol":
            return ranks[self._columns["name_id"]]
        if not self.count:
            return np.zeros(0, np.uint16)
        starts = self._columns[f"{self._kind}_name_at"][:-1]
        best: matching.Ranks = np.minimum.reduceat(ranks[self._columns[f"{self._kind}_names"]], starts)
        return best

    def counts(self, name: str, mask: Mask) -> dict[str, int]:
        if name == "source":
            counted = {source: int((self._source(source) & mask).sum()) for source in _SOURCES}
            return {value: count for value, count in counted.items() if count}
        if name == "verdict":
            counted = {code: int((found & mask).sum()) for code, found in self._items.traits.items()}
            return {code: count for code, count in sorted(counted.items(), key=_most) if count}
        numbers = self._numbers(name)[mask]
        if name == "section" and self._kind != "symbol":
            numbers = numbers[numbers != 0]
        values, counts = np.unique(numbers, return_counts=True)
        out: dict[str, int] = {}
        for value, count in zip(values.tolist(), counts.tolist(), strict=True):
            word = self._word(name, value)
            out[word] = out.get(word, 0) + count
        return dict(sorted(out.items(), key=_most))

    def filter(self, name: str, wanted: str) -> Mask:
        words = set(wanted.split(","))
        if name == "source":
            mask = np.zeros(self.count, bool)
            for source in _SOURCES:
                if source in words:
                    mask |= self._source(source)
            return mask
        if name == "verdict":
            chosen = [found for code, found in self._items.traits.items() if code in words]
            return np.logical_or.reduce(chosen) if chosen else np.zeros(self.count, bool)
        column = self._numbers(name)
        numbers = [number for number in np.unique(column).tolist() if self._word(name, number) in words]
        return np.isin(column, numbers)

    def _place(self, name: str) -> Array:
        """File or line of each row's declaration, 0 where it is not known."""
        if self._columns.count("placed") == self._columns.count("symbol") > 0:
            return self._of_symbol(f"symbol_{name}", np.zeros(self.count, np.uint32))
        return self._of_entry(name, 0)

    def in_files(self, part: str) -> Mask:
        """Rows whose declaration lies in a file with ``part`` in its path."""
        files = self._place("file")
        values, inverse = np.unique(files, return_inverse=True)
        if not self._columns.count("string"):
            return np.zeros(self.count, bool)
        paths = self._columns.strings(values)
        fits = np.array(
            [value != 0 and part in path for value, path in zip(values, paths, strict=True)], bool
        )
        found: Mask = fits[inverse]
        return found

    def ordered(
        self, rows: npt.NDArray[np.intp], rank: matching.Ranks | None, ask: Ask
    ) -> npt.NDArray[np.intp]:
        by, down = ask.sort.removeprefix("-"), ask.sort.startswith("-")
        # Name ids are the alphabetical order.
        alphabet = self._columns["name_id" if self._kind == "symbol" else f"{self._kind}_name"][rows]
        if not by:
            if rank is not None:
                return rows[np.lexsort((alphabet, rank[rows]))]
            # The whole tables as they lie in the file; functions and variables by name.
            return rows if self._kind == "symbol" else rows[np.argsort(alphabet, kind="stable")]
        key = alphabet if by in {"name", "demangled"} else self._key(by, rows)
        key = key.astype(np.uint64)
        if down:
            key = np.uint64(0xFFFFFFFFFFFFFFFF) - key
        return rows[np.lexsort((alphabet, key))]

    def _key(self, by: str, rows: npt.NDArray[np.intp]) -> Array:
        fields = ["name", "address", "size", *(f for f in _FACETS[self._kind] if f != "source")]
        if self._kind != "symbol":
            fields += ["file", "line"]
        if by not in fields:
            raise BadInput(f"The list cannot be sorted by {by!r}.", f"Use one of: {', '.join(fields)}.")
        if by in {"address", "size"}:
            return self._columns[by if self._kind == "symbol" else f"{self._kind}_{by}"][rows]
        if by == "line":
            return self._place("line")[rows]
        column = self._place("file") if by == "file" else self._numbers(by)
        values, inverse = np.unique(column[rows], return_inverse=True)
        if by != "file":
            words = [self._word(by, number) for number in values.tolist()]
        else:
            words = self._columns.strings(values) if self._columns.count("string") else [""] * len(values)
        place = {word: number for number, word in enumerate(sorted(set(words)))}
        return np.array([place[word] for word in words], np.int64)[inverse] if len(words) else rows


def _most(entry: tuple[str, int]) -> tuple[int, str]:
    return -entry[1], entry[0]
