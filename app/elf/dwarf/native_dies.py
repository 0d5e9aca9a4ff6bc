"""Subtrees, units, scopes and lines of one file by the native core, which reads only what is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.elf.dwarf.dies import IN_ALTERNATE, IN_SPLIT, Row, Tree, Unit, UnitEntry
from app.elf.dwarf.lines import LineTable, line_table
from app.elf.dwarf.scopes import Scopes, scopes
from app.elf.dwarf.sections import Buffer

Sections = dict[str, Buffer]
_PART_SHIFT, _PART_MASK = 44, 0xFFFF


class NativeSource:
    """A Source over the sections of a file, of its alternate file and of its split parts, by their names."""

    def __init__(
        self,
        core: Any,
        main: Sections,
        alternate: Sections | None,
        splits: Sequence[Sections],
        big: bool,
        zero_is_used: bool,
    ) -> None:
        self._core = core
        self._parts = (main, alternate or {}, *splits)
        self._handle = core.open_details(main, alternate, splits, big, zero_is_used)

    def tree(self, key: int, depth: int, count: int) -> Tree | None:
        """See ``app.elf.dwarf.dies.Source``, also for the rest."""
        found = self._core.die_tree(self._handle, key, depth, count)
        if found is None:
            return None
        unit, rows, cut = found
        return Tree(Unit(*unit), [Row(*row) for row in rows], cut)

    def section(self, name: str, key: int) -> Buffer:
        index = 0
        if key & IN_SPLIT:
            index = 2 + (key >> _PART_SHIFT & _PART_MASK)
            name += ".dwo"
        elif key & IN_ALTERNATE:
            index = 1
        return self._parts[index].get(name, b"") if index < len(self._parts) else b""

    def units(self) -> list[UnitEntry]:
        return [
            UnitEntry(Unit(*unit), tuple(ranges), holder, whole)
            for unit, ranges, holder, whole in self._core.unit_list(self._handle)
        ]

    def scopes(self, key: int) -> Scopes:
        return scopes(self._core.scopes(self._handle, key))

    def lines(self, unit: Unit, only_files: bool = False) -> LineTable:
        if unit.lines is None:
            return LineTable()
        return line_table(self._core.line_rows(self._handle, unit.key, unit.lines, unit.comp_dir, only_files))

    def find_types(self, names: tuple[str, ...], most: int) -> list[tuple[int, int, bool]]:
        found: list[tuple[int, int, bool]] = self._core.find_types(self._handle, names, most)
        return found
