"""An address in Go code to file and line, with the functions that were inlined there, without DWARF.

Of each function the table keeps runs of (value, length of code) for the file, the line and the place in its
tree of inlined calls. The tree is read from Go 1.18 on; before it, only the function itself is known.
Source: funcline1, pcvalue, and the inline unwinder in runtime/symtab.go and symtabinl.go of Go 1.19 and 1.26.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from app.elf.dwarf.locate import Frame, Location
from app.elf.go.module import loaded, module_words
from app.elf.go.pclntab import (
    GoFunctions,
    Table,
    entry_values,
    file_offset,
    gathered,
    read_gopclntab,
)
from app.elf.image import Image

_PCDATA_TREE, _FUNCDATA_TREE = 2, 3
_NONE = 0xFFFFFFFF
_MOST_FRAMES = 100
_MOST_RUNS = 1 << 20


# Few functions begin inside an inlined call; a table where many do is no compiler's.
_MOST_BEGINNINGS = 5000


def go_functions(image: Image) -> GoFunctions | None:
    """``read_gopclntab``, with the file and line of the function itself where it begins in an inlined one."""
    found = read_gopclntab(image)
    if found is None or found.table.version < (1, 18):
        return found
    record = found.record.astype(np.int64)
    counts = record + (40 if found.table.version >= (1, 20) else 36)
    has_tree = gathered(found.table, record + 28) > _PCDATA_TREE
    runs = np.where(has_tree, gathered(found.table, counts + 4 + 4 * _PCDATA_TREE), 0)
    rows = np.flatnonzero(entry_values(found.table, runs) >= 0)
    if not 0 < len(rows) <= _MOST_BEGINNINGS:
        return found
    lines = GoLines(image, found)
    numbers = {text: number for number, text in enumerate(found.files)}
    file, line = found.file.copy(), found.line.copy()
    for row in rows.tolist():
        place = lines.lines(int(found.address[row]))[-1:]
        if place:
            file[row] = numbers.setdefault(place[0].file, len(numbers))
            line[row] = line[row] if found.table.version >= (1, 20) else place[0].line
    return replace(found, file=file, line=line, files=tuple(numbers))


class Place(NamedTuple):
    function: str
    file: str  # "" where it is not known
    line: int  # 0 where it is not known


class GoLines:
    """Answers for one program; ``image`` must stay open."""

    def __init__(self, image: Image, functions: GoFunctions) -> None:
        self._image = image
        self._functions = functions
        self._table = functions.table
        self._trees = 0  # address that the offsets of trees count from
        if self._table.version >= (1, 18):
            words = module_words(image, self._table.address)
            if words is not None:
                self._trees = words[38 if self._table.version == (1, 18) else 40]

    def lines(self, address: int) -> tuple[Place, ...]:
        """The innermost inlined function first, the real one last; empty outside Go's code."""
        found = self._functions
        row = int(np.searchsorted(found.address, np.uint64(address), side="right")) - 1
        if row < 0 or address >= int(found.end[row]):
            return ()
        entry, record = int(found.address[row]), int(found.record[row])
        places: list[Place] = []
        at = address
        while len(places) < _MOST_FRAMES:
            file, line = self._file(record, entry, at), self._value(record, 6, entry, at)
            call = self._inlined(record, entry, at)
            if call is None:
                places.append(Place(found.name(row), file, max(line, 0)))
                break
            name, parent = call
            places.append(Place(name, file, max(line, 0)))
            at = entry + parent
        return tuple(places)

    def locate(self, address: int) -> Location | None:
        """``lines`` in the form that DWARF's answers have; None outside Go's code."""
        places = self.lines(address)
        if not places:
            return None
        calls = [(place.file or None, place.line or None) for place in places]
        inlined = tuple(
            Frame(place.function, *calls[index], *calls[index + 1], None)
            for index, place in enumerate(places[:-1])
        )
        row = int(np.searchsorted(self._functions.address, np.uint64(address), side="right")) - 1
        offset = address - int(self._functions.address[row])
        return Location(address, places[-1].function, offset, *calls[0], None, inlined)

    def _field(self, record: int, index: int) -> int:
        """The ``index``-th field of a record, of 4 bytes each but the entry before 1.18."""
        first = 4 if self._table.version >= (1, 18) else self._table.word
        return self._table.number(record + first + 4 * (index - 1))

    def _file(self, record: int, entry: int, at: int) -> str:
        number = self._value(record, 5, entry, at)
        unit = self._field(record, 8) if self._table.version > (1, 2) else 0
        offset = file_offset(self._table, number, unit)
        return self._table.text_at(offset) if offset >= 0 else ""

    def _value(self, record: int, index: int, entry: int, at: int) -> int:
        offset = self._field(record, index)
        return run_value(self._table, offset, entry, at) if offset else -1

    def _inlined(self, record: int, entry: int, at: int) -> tuple[str, int] | None:
        """Name of the function inlined at ``at``, and an instruction at its call, from the entry."""
        if not self._trees:
            return None
        table = self._table
        modern = table.version >= (1, 20)
        counts = record + (40 if modern else 36)
        pcdata_count = self._field(record, 7)
        funcdata_count = table.data[counts + 3] if counts + 3 < len(table.data) else 0
        if pcdata_count <= _PCDATA_TREE or funcdata_count <= _FUNCDATA_TREE:
            return None
        runs = table.number(counts + 4 + 4 * _PCDATA_TREE)
        tree = table.number(counts + 4 + 4 * pcdata_count + 4 * _FUNCDATA_TREE)
        if not runs or tree == _NONE:
            return None
        index = run_value(table, runs, entry, at)
        if index < 0:
            return None
        size, name_at, parent_at = (16, 4, 8) if modern else (20, 12, 16)
        raw = loaded(self._image, self._trees + tree + index * size, size)
        if len(raw) < size:
            return None
        name = int.from_bytes(raw[name_at : name_at + 4], table.endian)
        parent = int.from_bytes(raw[parent_at : parent_at + 4], table.endian)
        return table.text_at(table.names + name), parent


def run_value(table: Table, offset: int, entry: int, address: int) -> int:
    """The value at ``address`` in the runs at ``offset``; -1 where they end before it."""
    data = table.data
    at = table.values + offset
    value, code = -1, entry
    for run in range(_MOST_RUNS):
        difference, at = _varint(data, at)
        if at > len(data) or (difference == 0 and run):
            return -1
        value += ~(difference >> 1) if difference & 1 else difference >> 1
        length, at = _varint(data, at)
        code += length * table.quantum
        if address < code:
            return value
    return -1


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """A number of at most 5 bytes, and where it ends; beyond the data where it does not."""
    number = 0
    for shift in range(0, 35, 7):
        if at >= len(data):
            return 0, len(data) + 1
        byte = data[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            break
    return number, at
