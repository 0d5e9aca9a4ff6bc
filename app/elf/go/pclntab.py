"""Go's table of functions and lines (``.gopclntab``) to columns: names, entries, ends, files and lines.

Go needs the table at run time, so a stripped program still has it. Its four layouts (Go 1.2, 1.16, 1.18 and
1.20) are told by their magic; both byte orders and word sizes. Where the sections have no names, or are gone,
it is searched by that magic in what is loaded and not code. A function whose record lies outside is left out.
Sources: https://go.dev/s/go12symtab; runtime/symtab.go and debug/gosym/pclntab.go of Go 1.16, 1.18 and 1.26.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from app.elf.go import marks as gomarks
from app.elf.go.module import pointer, text_start
from app.elf.image import PT_LOAD, SHT_NOBITS, Image, decode
from app.elf.model import TABLES, Places, SymbolColumns

_VERSIONS = {0xFFFFFFFB: (1, 2), 0xFFFFFFFA: (1, 16), 0xFFFFFFF0: (1, 18), 0xFFFFFFF1: (1, 20)}
_QUANTA = {"x86_64": 1, "i386": 1, "s390x": 2}
STT_FUNC, STB_GLOBAL = 2, 1
LONGEST_TEXT = 4096
NO_SECTION = 0xFFFE  # of a function in a file without section headers
Words = npt.NDArray[np.uint32]
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Table:
    """The table's bytes and what its header says; offsets count from its first byte."""

    data: memoryview
    address: int
    version: tuple[int, int]
    quantum: int
    word: int  # bytes of a pointer
    endian: Literal["little", "big"]
    count: int
    text: int  # address of the first code; 0 before 1.18, whose entries are addresses
    names: int
    units: int
    files: int
    values: int
    functions: int

    @property
    def order(self) -> str:
        return "<" if self.endian == "little" else ">"

    def word_at(self, offset: int) -> int:
        return int.from_bytes(self.data[offset : offset + self.word], self.endian)

    def number(self, offset: int) -> int:
        """The 4 bytes at ``offset``; 0 outside."""
        return int.from_bytes(self.data[offset : offset + 4], self.endian)

    def text_at(self, offset: int) -> str:
        part = bytes(self.data[max(offset, 0) : max(offset, 0) + LONGEST_TEXT])
        return decode(part.partition(b"\0")[0])


@dataclass(frozen=True, slots=True)
class GoFunctions:
    """One row a function, by address: its name in ``names``, its file in ``files``, its line."""

    table: Table
    names: bytes
    name_at: Words
    name_len: Words
    address: npt.NDArray[np.uint64]
    end: npt.NDArray[np.uint64]
    record: Words  # where its record begins, from the table's first byte
    file: Words  # index into files; 0 where it is not known
    line: Words  # of the declaration from Go 1.20 on, else of the entry; 0 where it is not known
    files: tuple[str, ...] = field(default=("",))

    def __len__(self) -> int:
        return len(self.address)

    def name(self, row: int) -> str:
        at = int(self.name_at[row])
        return decode(self.names[at : at + int(self.name_len[row])])


def read_gopclntab(image: Image) -> GoFunctions | None:
    """The functions of a Go program or library; None for any other file, or a table that is broken."""
    table = find_table(image)
    if table is None:
        return None
    found = _functions(table)
    if found is None:
        image.note("gopclntab", "Go's table of functions is shorter than its header says.")
    return found


def find_table(image: Image) -> Table | None:
    """The table where its section is, else where its magic is, in a file that shows marks of Go."""
    for name in gomarks.TABLES:
        section = image.by_name(name)
        if section is None or image.section_types[section.index] == SHT_NOBITS:
            continue
        table = _header(image, image.content(section), section.address)
        if table is None:
            image.note("gopclntab", f"The header of {name} is of no known version.")
        return table
    if gomarks.is_worth_a_search(image):
        for segment, kind in zip(image.segments, image.segment_types, strict=True):
            if kind == PT_LOAD and "E" not in segment.flags:
                part = image.part(segment.offset, segment.file_size)
                table = _searched(image, part, segment.address)
                if table is not None:
                    return table
    return None


def _searched(image: Image, part: memoryview, address: int) -> Table | None:
    assert image.layout is not None
    assert image.header is not None
    quantum = _QUANTA.get(image.header.machine, 4)
    tail = bytes([0, 0, quantum, image.layout.bits // 8])
    order: Literal["little", "big"] = "little" if image.layout.endian == "little" else "big"
    raw = bytes(part)
    for magic in _VERSIONS:
        wanted = magic.to_bytes(4, order) + tail
        at = raw.find(wanted)
        while at >= 0:
            table = _header(image, part[at:], address + at)
            if table is not None and _functions(table) is not None:
                return table
            at = raw.find(wanted, at + 1)
    return None


def _header(image: Image, data: memoryview, address: int) -> Table | None:
    assert image.layout is not None
    order: Literal["little", "big"] = "little" if image.layout.endian == "little" else "big"
    version = _VERSIONS.get(int.from_bytes(data[:4], order))
    word = image.layout.bits // 8
    if version is None or len(data) < 8 + 8 * word or data[6] not in (1, 2, 4) or data[7] != word:
        return None
    words = [int.from_bytes(data[8 + at * word : 8 + (at + 1) * word], order) for at in range(8)]
    text = 0
    if version == (1, 2):
        fields = {"count": words[0], "names": 0, "units": 0, "values": 0, "functions": 0}
        after = 8 + word + (2 * words[0] + 1) * word
        fields["files"] = int.from_bytes(data[after : after + 4], order)
    else:
        start = 2 if version == (1, 16) else 3
        fields = dict(zip(("names", "units", "files", "values", "functions"), words[start:], strict=False))
        fields["count"] = words[0]
        if start == 3:
            # Where the file has no number here, a relocation writes it; Go 1.26 leaves it out.
            text = words[2] or pointer(image, address + 8 + 2 * word) or text_start(image, address)
    # Parts are no longer than the whole; a larger number belongs to no table.
    if max(fields.values()) > len(data):
        return None
    return Table(data, address, version, data[6], word, order, text=text, **fields)


def _functions(table: Table) -> GoFunctions | None:
    relative = table.version >= (1, 18)
    size = 4 if relative else table.word
    begin = table.functions if table.version > (1, 2) else 8 + table.word
    count = table.count
    if count <= 0 or begin + (2 * count + 1) * size > len(table.data):
        return None
    pairs = np.frombuffer(table.data, f"{table.order}u{size}", 2 * count + 1, begin).astype(np.uint64)
    starts = pairs[::2] + np.uint64(table.text)
    # A table that is no table is full of anything: entries rise.
    if (starts[1:] < starts[:-1]).any():
        return None
    begins = pairs[1::2] + np.uint64(table.functions)
    first = size if not relative else 4
    fields = 7 if table.version == (1, 2) else 10 if table.version >= (1, 20) else 9
    inside = begins + np.uint64(first + 4 * (fields - 1)) <= len(table.data)
    kept = np.flatnonzero(inside & (pairs[1::2] < len(table.data)))
    if not len(kept):
        return None
    record: Numbers = begins[kept].astype(np.int64)

    def value(index: int) -> Numbers:
        return gathered(table, record + (first + 4 * (index - 1)))

    names, name_at, name_len = _names(table, value(1))
    file_numbers = entry_values(table, value(5))
    unit = value(8) if table.version > (1, 2) else np.zeros(len(kept), np.int64)
    file, files = _files(table, file_numbers, unit)
    # From 1.20 on a record has the line of the declaration; before it, that of the first instruction tells.
    line = value(9) if table.version >= (1, 20) else entry_values(table, value(6))
    return GoFunctions(
        table=table,
        names=names,
        name_at=name_at,
        name_len=name_len,
        address=starts[:-1][kept],
        end=starts[1:][kept],
        record=record.astype(np.uint32),
        file=file,
        line=np.where(line > 0, line, 0).astype(np.uint32),
        files=files,
    )


def gathered(table: Table, offsets: Numbers) -> Numbers:
    """The unsigned 4 bytes at each offset; -1 where they lie outside, or not where Go aligns them."""
    data = np.frombuffer(table.data[: len(table.data) // 4 * 4], f"{table.order}u4")
    inside = (offsets >= 0) & (offsets & 3 == 0) & (offsets >> 2 < len(data))
    if inside.all():
        taken: Numbers = data[offsets >> 2].astype(np.int64)
        return taken
    return np.where(inside, data[np.where(inside, offsets >> 2, 0)].astype(np.int64), -1)


def _names(table: Table, offsets: Numbers) -> tuple[bytes, Words, Words]:
    """The part of the table that holds the names, and where each lies in it."""
    begin = table.names
    end = table.units if table.version > (1, 2) and table.units > begin else len(table.data)
    blob = bytes(table.data[begin:end])
    ends = np.append(np.flatnonzero(np.frombuffer(blob, np.uint8) == 0), len(blob))
    places = np.where((offsets >= 0) & (offsets < len(blob)), offsets, len(blob))
    lengths = ends[np.searchsorted(ends, places)] - places
    if table.version == (1, 2):
        # Names lie between everything else: only they are kept.
        parts = [blob[at : at + size] for at, size in zip(places.tolist(), lengths.tolist(), strict=True)]
        blob = b"\0".join(parts)
        places = np.cumsum(np.append(0, lengths[:-1] + 1))
    return blob, places.astype(np.uint32), lengths.astype(np.uint32)


def entry_values(table: Table, offsets: Numbers) -> Numbers:
    """The first value of each pc-value table: -1 and the first difference, a zigzag varint. 0 is no table."""
    data = np.frombuffer(table.data, np.uint8)
    at = offsets + table.values
    found = np.zeros(len(at), np.int64)
    rows = np.flatnonzero((offsets > 0) & (at >= 0))
    for index in range(5):
        rows = rows[at[rows] + index < len(data)]
        byte = data[at[rows] + index].astype(np.int64)
        found[rows] |= (byte & 127) << 7 * index
        rows = rows[byte >= 128]
    # Of 0, which is what those without a table have, this makes -1.
    return -1 + np.where(found & 1, ~(found >> 1), found >> 1)


def _files(table: Table, numbers: Numbers, unit: Numbers) -> tuple[Words, tuple[str, ...]]:
    """Each function's file as an index into the names, each name once."""
    offsets = file_offsets(table, numbers, unit)
    distinct, index = np.unique(offsets, return_inverse=True)
    texts = _texts(table, distinct.tolist())
    names = {text: place for place, text in enumerate(dict.fromkeys(["", *texts]))}
    return np.array([names[text] for text in texts], np.uint32)[index], tuple(names)


def _texts(table: Table, offsets: Sequence[int]) -> list[str]:
    """``Table.text_at`` of each offset, which rise; "" for one below 0."""
    first = next((at for at in offsets if at >= 0), 0)
    raw = bytes(table.data[first : offsets[-1] + LONGEST_TEXT])
    found = []
    for offset in offsets:
        at = offset - first
        end = raw.find(b"\0", at, at + LONGEST_TEXT) if offset >= 0 else at
        found.append(decode(raw[at : end if end >= 0 else at + LONGEST_TEXT]) if offset >= 0 else "")
    return found


def file_offset(table: Table, number: int, unit: int) -> int:
    """``file_offsets`` of one."""
    base = table.files if table.version == (1, 2) else table.units
    slot = base + 4 * (number + unit)
    if number < 0 or unit < 0 or slot & 3 or slot + 4 > len(table.data):
        return -1
    found = table.number(slot)
    if table.version == (1, 2):
        return found or -1
    return -1 if found == 0xFFFFFFFF else found + table.files


def file_offsets(table: Table, numbers: Numbers, unit: Numbers) -> Numbers:
    """Where the name of each file begins, from the table's first byte; -1 where there is none."""
    base = table.files if table.version == (1, 2) else table.units
    slots = np.where((numbers >= 0) & (unit >= 0), base + 4 * (numbers + unit), -1)
    found = gathered(table, slots)
    if table.version == (1, 2):
        return np.where(found > 0, found, -1)
    return np.where((found < 0) | (found == 0xFFFFFFFF), -1, found + table.files)


def as_symbols(image: Image, found: GoFunctions) -> SymbolColumns:
    """The functions as rows of a symbol table named gopclntab."""
    count = len(found)
    section = np.full(count, NO_SECTION, np.uint32)
    for each in image.sections:
        if "X" in each.flags:
            inside = (found.address >= each.address) & (found.address < each.address + each.size)
            section[inside] = each.index
    return SymbolColumns(
        names=found.names,
        name_at=found.name_at.data,
        name_len=found.name_len.data,
        address=found.address.data,
        size=(found.end - found.address).data,
        type=np.full(count, STT_FUNC, np.uint8).data,
        bind=np.full(count, STB_GLOBAL, np.uint8).data,
        visibility=np.zeros(count, np.uint8).data,
        section_index=section.data,
        table=np.full(count, TABLES.index("gopclntab"), np.uint8).data,
        version_id=np.zeros(count, np.uint32).data,
    )


def places_of(found: GoFunctions, before: int) -> Places:
    """Files and lines of the functions, which lie behind so many other symbols."""
    others = bytes(4 * before)
    return Places(found.files, others + found.file.tobytes(), others + found.line.tobytes())
