"""What symbols and debug information say of many functions or variables at once, as columns of one order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from app.elf.dwarf.languages import language_name
from app.elf.model import TABLES
from app.index.cells import Alike, Numbers, Texts, alike, distinct
from app.index.column_file import NO_ADDRESS
from app.index.columns import Array, Columns

EXTERNAL = 1  # a bit of fn_flags and var_flags
_FUNC, _OBJECT = 2, 1


@dataclass(frozen=True, slots=True)
class Placed:
    """What the symbols say of some functions or variables; the best symbol stands for each."""

    columns: Columns
    names: Texts
    shown: Texts  # the same where no name is mangled
    address: Array
    size: Array
    section: Array
    type: Array
    bind: Array
    table: Array
    file: Array | None  # string, and line, of the declaration, where the symbols say so; 0 for not known
    line: Array | None
    known: npt.NDArray[np.int64]  # the row of the debug information, -1 for none
    rows: Array  # symbols of all: those of each from its begin to its end
    begin: npt.NDArray[np.int64]
    end: npt.NDArray[np.int64]

    @property
    def addresses(self) -> Numbers:
        return Numbers([None if each == NO_ADDRESS else each for each in self.address.tolist()])

    def sections(self, spelling: Callable[[int], str]) -> Alike[str]:
        """ "" for what has no place, or one that only the debug information knows."""
        numbers, which = distinct(
            np.where((self.section == 0) & (self.begin == self.end), -1, self.section.astype(np.int64))
        )
        return Alike(["" if number < 0 else spelling(number) for number in numbers], which)

    def sources(self) -> Alike[tuple[str, ...]]:
        """Where each was found: bit 0 the debug information, then the symbol tables."""
        found = (self.known >= 0).astype(np.int64)
        counts = self.end - self.begin
        one = counts == 1
        found[one] |= 2 << self.table[one].astype(np.int64)
        several = np.flatnonzero(counts > 1)
        if len(several):
            places, starts = _spread(self.begin[several], counts[several])
            tables = self.columns["table"][self.rows[places]]
            found[several] |= np.bitwise_or.reduceat(2 << tables.astype(np.int64), starts)
        numbers, which = distinct(found)
        words = ("dwarf", *TABLES)
        return Alike(
            [tuple(word for bit, word in enumerate(words) if number >> bit & 1) for number in numbers], which
        )

    def aliases(self) -> Alike[tuple[str, ...]]:
        """Its other names, in their order."""
        found: dict[int, tuple[str, ...]] = {}
        names = self.names.values()
        counts = self.end - self.begin
        several = np.flatnonzero(counts > 1)
        counts = counts[several]
        places, starts = _spread(self.begin[several], counts)
        ids = self.columns["name_id"][self.rows[places]]
        # Most have one name in both tables.
        other = ids != np.repeat(ids[starts], counts)
        texts = self.columns.spelled_names(ids[other])
        for number, text in zip(np.repeat(several, counts)[other].tolist(), texts, strict=True):
            before = found.get(number, ())
            if text and text not in before and text != names[number]:
                found[number] = (*before, text)
        return few(len(names), found)


class Known:
    """What the debug information says of some functions or variables: "" and 0 where it is silent."""

    def __init__(
        self, columns: Columns, prefix: Literal["fn", "var"], numbers: npt.NDArray[np.int64]
    ) -> None:
        self._columns, self._prefix = columns, prefix
        self.told = numbers >= 0
        self._any = bool(self.told.any())
        self._numbers = np.where(self.told, numbers, 0)
        self.flags = self.values("flags")

    def values(self, name: str) -> Array:
        if not self._any:
            return np.zeros(len(self.told), np.uint32)
        column = self._columns[f"{self._prefix}_{name}"][self._numbers]
        found: Array = np.where(self.told, column, 0)
        return found

    def strings(self, numbers: Array | Sequence[int]) -> list[str]:
        return self._columns.strings(numbers) if self._any else [""] * len(numbers)

    def texts(self, name: str) -> list[str]:
        return self.strings(self.values(name))

    def files(self, placed: Placed) -> Alike[str | None]:
        """Where each is declared; what the symbols say where they say so."""
        if placed.file is None:
            return self.words("file")
        numbers, which = distinct(placed.file)
        return Alike([kind or None for kind in self._columns.strings(numbers)], which)

    def words(self, name: str, lost: npt.NDArray[np.bool_] | None = None) -> Alike[str | None]:
        """Texts of which many are alike; None where it is silent, or where they were lost."""
        values = self.values(name)
        numbers, which = distinct(values if lost is None else np.where(lost, 0, values))
        return Alike([kind or None for kind in self.strings(numbers)], which)

    def lines(self, placed: Placed) -> Numbers:
        numbers = self.values("line") if placed.line is None else placed.line
        return Numbers([line or None for line in numbers.tolist()])

    def language(self, otherwise: str | None) -> Alike[str | None]:
        if not self._any:
            return Alike([otherwise], np.zeros(len(self.told), np.intp))
        unit = self._columns[f"{self._prefix}_unit"][self._numbers]
        numbers, which = distinct(
            np.where(self.told, self._columns["unit_language"][unit].astype(np.int64), -1)
        )
        names = [None if number < 0 else language_name(number) for number in numbers]
        return Alike([name or otherwise for name in names], which)

    def names(self, placed: Placed) -> Texts:
        """The unqualified names; what the symbols say where it is silent."""
        if not self._any:
            return placed.names
        pairs = zip(self.texts("name"), placed.names.values(), strict=True)
        return Texts([name or own for name, own in pairs])

    def qualified(self, placed: Placed) -> Texts:
        """The name with what is around it, where no linkage name has it."""
        if not self.values("scope").any():
            return placed.shown
        return Texts(
            [
                f"{scope}::{name}" if scope and name and not linkage and own == name else shown
                for scope, name, linkage, own, shown in zip(
                    self.texts("scope"),
                    self.texts("name"),
                    self.values("linkage").tolist(),
                    placed.names.values(),
                    placed.shown.values(),
                    strict=True,
                )
            ]
        )

    def binds(self, placed: Placed) -> Array:
        found: Array = np.where(placed.begin < placed.end, placed.bind, self.flags & EXTERNAL)
        return found


def placed_of(columns: Columns, kind: Literal["function", "variable"], indices: Array) -> Placed:
    """The functions or variables of these numbers, in their order."""
    start = columns[f"{kind}_start"]
    begin, end = start[indices].astype(np.int64), start[indices + 1].astype(np.int64)
    rows, named = columns[f"{kind}_rows"], begin < end
    firsts = rows[np.where(named, begin, 0)] if len(rows) else np.zeros(len(indices), np.uint32)
    default = _FUNC if kind == "function" else _OBJECT

    def of_symbol(name: str, otherwise: int) -> Array:
        if not len(columns["type"]):
            return np.full(len(indices), otherwise, np.uint8)
        return np.where(named, columns[name][firsts], np.uint8(otherwise))

    told = columns.count("placed") == len(columns["type"]) > 0
    name_ids = columns[f"{kind}_name"][indices]
    names = Texts(columns.spelled_names(name_ids))
    return Placed(
        columns=columns,
        names=names,
        shown=Texts(columns.displays(name_ids)) if columns.count("linkage") else names,
        address=columns[f"{kind}_address"][indices],
        size=columns[f"{kind}_size"][indices],
        section=columns[f"{kind}_section"][indices],
        type=of_symbol("type", default),
        bind=of_symbol("bind", 0),
        table=of_symbol("table", 0),
        file=of_symbol("symbol_file", 0) if told else None,
        line=of_symbol("symbol_line", 0) if told else None,
        known=columns["function_fn" if kind == "function" else "variable_var"][indices].astype(np.int64),
        rows=rows,
        begin=begin,
        end=end,
    )


def few(count: int, found: Mapping[int, tuple[str, ...]]) -> Alike[tuple[str, ...]]:
    """Texts that few have, by their places."""
    which = np.zeros(count, np.intp)
    others = alike(found.values())
    which[list(found)] = others.which + 1
    return Alike([(), *others.kinds], which)


def spelled(numbers: Array, spelling: Callable[[int], Any]) -> Alike[Any]:
    """Each number in its word."""
    kinds, which = distinct(numbers)
    return Alike([spelling(number) for number in kinds], which)


def _spread(begins: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]) -> tuple[Array, Array]:
    """All places of these slices, of which each has one or more, and where each slice starts among them."""
    stops = np.cumsum(counts)
    starts = stops - counts
    return np.arange(stops[-1] if len(stops) else 0) + np.repeat(begins - starts, counts), starts
