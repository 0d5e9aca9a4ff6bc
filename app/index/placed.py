"""What symbols and debug information say of many functions or variables at once, as lists of one order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from app.elf.dwarf.languages import language_name
from app.index.columns import Columns

EXTERNAL = 1  # a bit of fn_flags and var_flags


@dataclass(frozen=True, slots=True)
class Placed:
    """What the symbols say of some functions or variables, as lists; the best symbol stands for each."""

    names: list[str]
    shown: list[str]
    addresses: list[int | None]
    sizes: list[int]
    sections: list[int]
    types: list[int]
    binds: list[int]
    tables: list[int]
    offsets: list[int | None]
    known: npt.NDArray[np.int64]  # the row of the debug information, -1 for none
    rows: npt.NDArray[np.uint32]  # symbols of all: those of each from its begin to its end
    begins: list[int]
    ends: list[int]


class Known:
    """What the debug information says of some functions or variables: "" and 0 where it is silent."""

    def __init__(
        self, columns: Columns, prefix: Literal["fn", "var"], numbers: npt.NDArray[np.int64]
    ) -> None:
        self._columns, self._prefix = columns, prefix
        self._told = numbers >= 0
        self._any = bool(self._told.any())
        self._numbers = np.where(self._told, numbers, 0)
        self.name, self.scope, self.file = self.texts("name"), self.texts("scope"), self.texts("file")
        self.line, self.flags = self.values("line"), self.values("flags")

    def texts(self, name: str) -> list[str]:
        if not self._any:
            return [""] * len(self._told)
        column = self._columns[f"{self._prefix}_{name}"][self._numbers]
        return self._columns.strings(np.where(self._told, column, 0))

    def values(self, name: str) -> list[int]:
        if not self._any:
            return [0] * len(self._told)
        column = self._columns[f"{self._prefix}_{name}"][self._numbers]
        found: list[int] = np.where(self._told, column, 0).tolist()
        return found

    @property
    def language(self) -> list[str | None]:
        if not self._any:
            return [None] * len(self._told)
        unit = self._columns[f"{self._prefix}_unit"][self._numbers]
        numbers = self._columns["unit_language"][unit].tolist()
        names = {number: language_name(number) for number in set(numbers)}
        return [
            names[number] if told else None for number, told in zip(numbers, self._told.tolist(), strict=True)
        ]

    def binds(self, placed: Placed) -> list[int]:
        return [
            bind if begin < end else flags & EXTERNAL
            for bind, begin, end, flags in zip(
                placed.binds, placed.begins, placed.ends, self.flags, strict=True
            )
        ]

    def external(self, placed: Placed) -> list[bool]:
        return [bind != 0 for bind in self.binds(placed)]

    def qualified(self, placed: Placed) -> list[str]:
        """The name with what is around it, where no linkage name has it."""
        return [
            f"{scope}::{name}" if scope and name and not linkage and own == name else shown
            for scope, name, linkage, own, shown in zip(
                self.scope, self.name, self.values("linkage"), placed.names, placed.shown, strict=True
            )
        ]


def spelled(numbers: list[int], spelling: Callable[[int], str]) -> list[str]:
    names = {number: spelling(number) for number in set(numbers)}
    return [names[number] for number in numbers]
