"""The DWARF of one file, opened for questions: its units, and what was read of them so far.

Nothing but the units' first DIEs is read until it is asked for. A file without DWARF has no units, and every
question then finds nothing.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from app.elf.dwarf import columns as dwarf
from app.elf.dwarf import sections
from app.elf.dwarf.dies import At, Class, Die, Dies, Source, Unit, UnitEntry
from app.elf.dwarf.lines import LINE_STATES, LineTable
from app.elf.dwarf.locations import PlaceRange, Setting, location_list
from app.elf.dwarf.native_dies import NativeSource
from app.elf.dwarf.scopes import Scopes
from app.elf.image import Image
from app.elf.problem import Problem

_NAMES = (*sections.WALKED, *sections.LOCATED)

_Spans = tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]


class Debug:
    def __init__(self, source: Source, machine: str, big: bool) -> None:
        self.source = source
        self.machine = machine
        self.big = big
        self.dies = Dies(source)
        self.problems: list[Problem] = []
        self._scopes: dict[int, Scopes] = {}
        self._lines: dict[int, LineTable] = {}

    @cached_property
    def units(self) -> list[UnitEntry]:
        return self.source.units()

    @cached_property
    def _spans(self) -> _Spans:
        """Which unit has the code, from each address on where that changes; -1 for none.

        Units that share a function, of which the linker kept one copy, all claim its addresses; the first
        has it.
        """
        table = np.array(
            [
                (low, high, index)
                for index, entry in enumerate(self.units)
                for low, high in self.ranges_of(entry)
            ],
            np.uint64,
        ).reshape(-1, 3)
        table = table[np.lexsort((table[:, 2], table[:, 1], table[:, 0]))]
        again = np.all(table[1:, :2] == table[:-1, :2], axis=1)
        table = table[np.concatenate(([True], ~again))[: len(table)]]
        starts, units = [], []
        open_: list[tuple[int, int]] = []  # a heap of (unit, high)
        for low, high, index in [*table.tolist(), [2**64 - 1, 0, 0]]:
            while open_ and open_[0][1] <= low:
                end = open_[0][1]
                while open_ and open_[0][1] <= end:
                    heapq.heappop(open_)
                starts.append(end)
                units.append(open_[0][0] if open_ else -1)
            heapq.heappush(open_, (index, high))
            starts.append(low)
            units.append(open_[0][0])
        return np.array(starts[:-1], np.uint64), np.array(units[:-1], np.int64)

    def ranges_of(self, entry: UnitEntry) -> Sequence[tuple[int, int]]:
        """A unit's code; where its first DIE does not say, what its functions and lines have."""
        if entry.ranges:
            return entry.ranges
        scopes = self.scopes(entry)
        found = list(zip(scopes.range_low.tolist(), scopes.range_high.tolist(), strict=True))
        lines = self.lines(entry.unit)
        ends = np.flatnonzero(lines.flags & 2)
        starts = np.concatenate(([0], ends[:-1] + 1)).astype(np.int64) if len(ends) else ends
        found += zip(lines.address[starts].tolist(), lines.address[ends].tolist(), strict=True)
        return found

    def units_at(self, addresses: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
        """The number of the unit that each address lies in; -1 for none."""
        starts, units = self._spans
        index = np.searchsorted(starts, addresses, "right").astype(np.int64) - 1
        if not len(starts):
            return np.full(len(addresses), -1, np.int64)
        return np.where(index < 0, -1, units[np.maximum(index, 0)])

    def scopes(self, entry: UnitEntry) -> Scopes:
        if entry.holder not in self._scopes:
            self._scopes[entry.holder] = self.source.scopes(entry.holder)
        return self._scopes[entry.holder]

    def lines(self, unit: Unit) -> LineTable:
        if unit.key not in self._lines:
            table = self._lines[unit.key] = self.source.lines(unit)
            if table.state in LINE_STATES:
                code, text = LINE_STATES[table.state]
                self.problem(code, f"{text} Unit {unit.name or hex(unit.key)}.")
        return self._lines[unit.key]

    def files(self, unit: Unit) -> LineTable:
        """The unit's line table, at least with its files."""
        return self._lines.get(unit.key) or self.source.lines(unit, only_files=True)

    def problem(self, code: str, text: str) -> None:
        found = Problem(code, text)
        if found not in self.problems:
            self.problems.append(found)

    def setting(self, die: Die, function: Die | None = None) -> Setting:
        """What expressions of ``die`` stand on; ``function`` is the one whose frame they speak of."""
        unit = die.unit
        frame = function.value(At.frame_base) if function is not None else None
        return Setting(
            self.machine,
            unit.address_size,
            unit.offset_size,
            unit.version,
            self.big,
            unit.low,
            frame if isinstance(frame, bytes) else None,
            lambda index: self._address(unit, index),
            lambda offset: self._expression(unit, offset),
            unit.split,
        )

    def _address(self, unit: Unit, index: int) -> int | None:
        table = self.source.section(".debug_addr", 0)
        at = unit.address_base + index * unit.address_size
        raw = bytes(table[at : at + unit.address_size])
        return int.from_bytes(raw, "big" if self.big else "little") if len(raw) == unit.address_size else None

    def _expression(self, unit: Unit, offset: int) -> bytes | None:
        called = self.dies.die(unit.key + offset)
        found = called.value(At.location) if called is not None else None
        return found if isinstance(found, bytes) else None

    def places(self, die: Die, function: Die | None, name: int = At.location) -> tuple[PlaceRange, ...]:
        """Where the value of a variable is, by address; one entry without addresses: everywhere."""
        kind, value = die.kind(name), die.value(name)
        setting = self.setting(die, function)
        if kind == Class.EXPRESSION and isinstance(value, bytes):
            return (PlaceRange(None, None, value, setting),)
        if kind == Class.LOCATION_LIST and isinstance(value, int):
            section = ".debug_loclists" if die.unit.version >= 5 else ".debug_loc"
            return location_list(self.source.section(section, die.key), value, setting)
        return ()


def as_addresses(addresses: Iterable[int]) -> npt.NDArray[np.uint64]:
    return np.array([address & 0xFFFFFFFFFFFFFFFF for address in addresses], np.uint64)


def open_debug(image: Image, alternate: Image | None = None, splits: Sequence[Image] = ()) -> Debug:
    """The DWARF of ``image``; ``alternate`` and ``splits`` are the files that it refers to."""
    header = image.header
    machine, big = (header.machine, header.endian == "big") if header is not None else ("", False)
    known = len(image.problems)
    source: Source
    if dwarf._dwarf is None:
        from app.elf.dwarf.slow.dies import SlowSource

        source = SlowSource(image.data)
    else:
        main = sections.debug_sections(image, _NAMES)
        other = sections.debug_sections(alternate, _NAMES) if alternate is not None else None
        parts = [sections.debug_sections(part, _NAMES, split=True) for part in splits]
        source = NativeSource(dwarf._dwarf, main, other, parts, big, sections.zero_is_used(image))
    debug = Debug(source, machine, big)
    for part in (image, alternate, *splits):
        if part is not None:
            debug.problems += part.problems[known if part is image else 0 :]
    return debug
