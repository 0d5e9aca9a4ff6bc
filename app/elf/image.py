"""Bytes of one ELF file to its header, sections and segments; the one place that checks bounds.

Headers are unpacked as plain numbers; the Section and Segment that people read are made from these only when
somebody asks. Refuses nothing: what lies outside the file, or does not fit, becomes a Problem, and the rest
is read. Source: System V gABI, chapters 4 (header, sections) and 5 (segments).
"""

from __future__ import annotations

import mmap
import struct
from array import array
from collections.abc import Iterable, Sequence
from functools import cached_property, lru_cache, partial
from itertools import chain
from typing import NamedTuple

from app.elf import spell
from app.elf.model import Header, Section, Segment
from app.elf.problem import Problem

Data = bytes | memoryview | mmap.mmap
SHT_NOBITS = 8
PT_LOAD = 1
_PN_XNUM = 0xFFFF
_SHN_XINDEX = 0xFFFF
# A table longer than this is no compiler's work; a page of it would serve nobody.
MOST_SECTIONS = 1 << 20
_LONGEST_NAMES = 16 << 20


class SectionHeader(NamedTuple):
    """The numbers of one section header, in the order in which the columns keep them."""

    name: int
    type: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    align: int
    entry_size: int


class ProgramHeader(NamedTuple):
    """The numbers of one program header, in the order in which the columns keep them."""

    type: int
    flags: int
    offset: int
    address: int
    physical: int
    file_size: int
    memory_size: int
    align: int


# As ``_make`` of each does it, without its look at the length: each record has as many numbers.
_SECTION = partial(tuple.__new__, SectionHeader)
_PROGRAM = partial(tuple.__new__, ProgramHeader)
_SIZE, _LINK = SectionHeader._fields.index("size"), SectionHeader._fields.index("link")


class Layout(NamedTuple):
    """The records of one class and byte order."""

    bits: int
    endian: str
    order: str  # as struct writes it
    ehdr: struct.Struct
    shdr: struct.Struct
    phdr: struct.Struct
    dyn: struct.Struct
    note: struct.Struct


@lru_cache(maxsize=4)
def layout(bits: int, endian: str) -> Layout:
    order = "<" if endian == "little" else ">"
    wide = bits == 64
    return Layout(
        bits,
        endian,
        order,
        ehdr=struct.Struct(order + ("16xHHIQQQIHHHHHH" if wide else "16xHHIIIIIHHHHHH")),
        shdr=struct.Struct(order + ("IIQQQQIIQQ" if wide else "10I")),
        phdr=struct.Struct(order + ("IIQQQQQQ" if wide else "8I")),
        dyn=struct.Struct(order + ("qQ" if wide else "iI")),
        note=struct.Struct(order + "III"),
    )


class Headers:
    """Section and program headers as numbers, and as what people read once somebody asks."""

    def __init__(
        self,
        machine: int = 0,
        abi: int = 0,  # EI_OSABI
        section_rows: tuple[SectionHeader, ...] = (),
        strings: bytes = b"",  # the names of sections
        program_rows: tuple[ProgramHeader, ...] = (),
    ) -> None:
        self.machine = machine
        self.abi = abi
        self.section_rows = section_rows
        self.strings = strings
        self.program_rows = program_rows

    @cached_property
    def sections(self) -> tuple[Section, ...]:
        return sections_of(self.section_rows, self.strings, self.machine, self.abi)

    def section(self, index: int) -> Section:
        """One of ``sections``, without the others."""
        return section_of(index, self.section_rows[index], self.strings, self.machine, self.abi)

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        return segments_of(self.program_rows, self.machine)

    @cached_property
    def places(self) -> dict[str, int]:
        """The number of the first section of each name."""
        found: dict[str, int] = {}
        if self.strings.isascii():
            text = self.strings.decode() + "\0"
            for index, row in enumerate(self.section_rows):
                at = row[0]
                found.setdefault(text[at : text.find("\0", at)], index)
            return found
        for index in range(len(self.section_rows)):
            found.setdefault(self.section_name(index), index)
        return found

    @cached_property
    def packed(self) -> bytes:
        """The section headers as numbers of 64 bits behind each other, in this machine's order."""
        return array("Q", chain.from_iterable(self.section_rows)).tobytes()

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Of all sections; those that share a name share its text."""
        texts = {at: text_at(self.strings, at) for at in {row.name for row in self.section_rows}}
        return tuple([texts[row.name] for row in self.section_rows])

    def section_name(self, index: int) -> str:
        return self.names[index]


class Image:
    """One file while it is read. ``problems`` grows; everything else is set by ``open_image``."""

    __slots__ = ("data", "header", "headers", "layout", "problems")

    def __init__(self, data: memoryview) -> None:
        self.data = data
        self.problems: list[Problem] = []
        self.layout: Layout | None = None
        self.header: Header | None = None
        self.headers = Headers()

    @property
    def sections(self) -> tuple[Section, ...]:
        return self.headers.sections

    @property
    def section_types(self) -> tuple[int, ...]:
        """sh_type, beside ``sections``."""
        return tuple(row.type for row in self.headers.section_rows)

    @property
    def segments(self) -> tuple[Segment, ...]:
        return self.headers.segments

    @property
    def segment_types(self) -> tuple[int, ...]:
        """p_type, beside ``segments``."""
        return tuple(row.type for row in self.headers.program_rows)

    def note(self, code: str, text: str) -> None:
        self.problems.append(Problem(code, text))

    def part(self, offset: int, size: int) -> memoryview:
        """What the file has of these bytes: fewer at its end, none beyond it."""
        if offset < 0 or size <= 0:
            return self.data[:0]
        return self.data[offset : offset + size]

    def bytes_of(self, index: int) -> memoryview:
        """A section's bytes as they lie in the file; none for NOBITS, or where there is no such section."""
        if not 0 <= index < len(self.headers.section_rows):
            return self.data[:0]
        row = self.headers.section_rows[index]
        return self.data[:0] if row.type == SHT_NOBITS else self.part(row.offset, row.size)

    def place(self, name: str) -> tuple[int, int] | None:
        """Offset and size of a section's bytes in the file; None where it has none."""
        index = self.headers.places.get(name, -1)
        found = self.bytes_of(index)
        return (self.headers.section_rows[index].offset, len(found)) if len(found) else None

    def whole_of(self, index: int) -> memoryview:
        """``bytes_of``, with a Problem when the file ends before the section does."""
        found = self.bytes_of(index)
        row = self.headers.section_rows[index]
        if len(found) < row.size and row.type != SHT_NOBITS:
            self.lacks(index, row.size - len(found))
        return found

    def lacks(self, index: int, count: int) -> None:
        name = self.headers.section_name(index)
        self.note("section_truncated", f"The section {name} lacks its last {count:,} bytes.")

    def content(self, section: Section) -> memoryview:
        return self.bytes_of(section.index)

    def whole(self, section: Section) -> memoryview:
        return self.whole_of(section.index)

    def by_name(self, name: str) -> Section | None:
        index = self.headers.places.get(name)
        return None if index is None else self.headers.section(index)


def open_image(data: Data) -> Image:
    """Header, sections and segments of ``data``; what is missing or wrong stands in ``problems``."""
    image = Image(memoryview(data))
    ident = bytes(image.part(0, 16))
    if not ident:
        image.note("empty", "The file is empty.")
        return image
    if ident[:4] != b"\x7fELF":
        image.note("not_elf", "The file does not start with the four bytes of an ELF file.")
        return image
    bits, endian = {1: 32, 2: 64}.get(ident[4] if len(ident) > 4 else 0), None
    if len(ident) > 5:
        endian = {1: "little", 2: "big"}.get(ident[5])
    if bits is None or endian is None:
        image.note("bad_ident", "The header names no known class (32 or 64 bits) and byte order.")
        return image
    image.layout = layout(bits, endian)
    if len(image.data) < image.layout.ehdr.size:
        image.note("truncated", f"The file ends inside its header, after {len(image.data)} bytes.")
        return image
    kind, machine, _, entry, phoff, shoff, flags, *sizes = image.layout.ehdr.unpack_from(image.data)
    _, phentsize, phnum, shentsize, shnum, shstrndx = sizes
    image.headers.machine, image.headers.abi = machine, ident[7]
    image.header = Header(
        type=spell.file_type(kind),
        machine=spell.machine(machine),
        bits=bits,
        endian=endian,
        entry=entry,
        flags=flags,
        abi=ident[7],
    )
    _read_sections(image, shoff, shentsize, shnum, shstrndx)
    _read_segments(image, phoff, phentsize, phnum)
    return image


def _records(image: Image, record: struct.Struct, offset: int, count: int) -> Iterable[tuple[int, ...]]:
    """At most ``count`` whole records at ``offset``."""
    found = image.part(offset, count * record.size)
    return record.iter_unpack(found[: len(found) // record.size * record.size])


def _read_sections(image: Image, offset: int, entry_size: int, count: int, names_at: int) -> None:
    assert image.layout is not None
    if offset == 0:
        return
    record = image.layout.shdr
    if entry_size != record.size:
        image.note("section_headers", f"Section headers of {entry_size} bytes are not known.")
        return
    first = next(iter(_records(image, record, offset, 1)), None)
    if first is None:
        image.note("section_headers", f"The section headers lie at {offset:#x}, outside the file.")
        return
    # gABI: where a count does not fit its field, the first section header has it.
    count = count or first[_SIZE]
    names_at = first[_LINK] if names_at == _SHN_XINDEX else names_at
    if count > MOST_SECTIONS:
        image.note("section_headers", f"The header claims {count:,} sections.")
        count = MOST_SECTIONS
    found = tuple(map(_SECTION, _records(image, record, offset, count)))
    image.headers.section_rows = found
    if len(found) < count:
        image.note("section_headers", f"Of {count:,} section headers, {len(found):,} lie inside the file.")
    if 0 < names_at < len(found) and found[names_at].type != SHT_NOBITS:
        image.headers.strings = bytes(image.bytes_of(names_at)[:_LONGEST_NAMES])
    elif names_at:
        image.note("section_names", f"The section {names_at}, which should hold the names, does not.")


def _read_segments(image: Image, offset: int, entry_size: int, count: int) -> None:
    assert image.layout is not None
    if offset == 0 or count == 0:
        return
    record = image.layout.phdr
    if entry_size != record.size:
        image.note("program_headers", f"Program headers of {entry_size} bytes are not known.")
        return
    if count == _PN_XNUM and image.headers.section_rows:
        count = image.headers.section_rows[0].info
    rows = _records(image, record, offset, min(count, MOST_SECTIONS))
    if image.layout.bits == 32:
        rows = ((row[0], row[6], *row[1:6], row[7]) for row in rows)
    image.headers.program_rows = found = tuple(map(_PROGRAM, rows))
    if len(found) < count:
        image.note("program_headers", f"Of {count:,} program headers, {len(found):,} lie inside the file.")


def section_of(index: int, row: Sequence[int], strings: bytes, machine: int, abi: int) -> Section:
    """Numbers in the order of SectionHeader to a section with words; ``abi`` is EI_OSABI."""
    return Section(
        index,
        text_at(strings, row[0]),
        spell.section_type(row[1], machine),
        spell.section_flags(row[2], machine, abi),
        *row[3:],
    )


def sections_of(
    headers: Sequence[Sequence[int]], strings: bytes, machine: int, abi: int
) -> tuple[Section, ...]:
    return tuple(section_of(index, row, strings, machine, abi) for index, row in enumerate(headers))


def segments_of(headers: Sequence[Sequence[int]], machine: int) -> tuple[Segment, ...]:
    """Numbers in the order of ProgramHeader to segments with words."""
    return tuple(
        Segment(
            type=spell.segment_type(kind, machine),
            flags=spell.segment_flags(flags),
            offset=offset,
            address=address,
            file_size=file_size,
            memory_size=memory_size,
            align=align,
        )
        for kind, flags, offset, address, _, file_size, memory_size, align in headers
    )


def load_rows(headers: Iterable[Sequence[int]]) -> list[tuple[int, int, int]]:
    """The PT_LOAD segments as rows of (address, file size, offset)."""
    return [(row[3], row[5], row[2]) for row in headers if row[0] == PT_LOAD and row[2] + row[5] < 1 << 63]


def file_offset(loads: Iterable[Sequence[int]], address: int) -> int | None:
    """Where the byte at a virtual address lies in the file; None where no segment loads it."""
    for begin, size, offset in loads:
        if begin <= address < begin + size:
            return offset + address - begin
    return None


def text_at(table: bytes, offset: int) -> str:
    """The NUL-terminated text at ``offset``; "" outside the table, bytes that are no UTF-8 as ``\\xNN``."""
    if not 0 <= offset < len(table):
        return ""
    end = table.find(b"\0", offset)
    return decode(table[offset : end if end >= 0 else len(table)])


def decode(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")
