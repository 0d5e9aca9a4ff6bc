"""Bytes of one ELF file to its header, sections and segments; the one place that checks bounds.

Reads the fixed structures as numpy records, so that a file with 65,000 sections costs no more than one
copy. Refuses nothing: what lies outside the file, or does not fit, becomes a Problem, and the rest is read.
Source: System V gABI, chapters 4 (header, sections) and 5 (segments).
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from app.elf import spell
from app.elf.model import Header, Problem, Section, Segment

Data = bytes | memoryview | mmap.mmap
SHT_NOBITS = 8
PT_LOAD = 1
_PN_XNUM = 0xFFFF
_SHN_XINDEX = 0xFFFF
# A table longer than this is no compiler's work; a page of it would serve nobody.
MOST_SECTIONS = 1 << 20


@dataclass(frozen=True, slots=True)
class Layout:
    """The records of one class and byte order."""

    bits: int
    endian: str
    ehdr: np.dtype[np.void]
    shdr: np.dtype[np.void]
    phdr: np.dtype[np.void]
    sym: np.dtype[np.void]
    dyn: np.dtype[np.void]

    @property
    def word(self) -> np.dtype[np.uint32]:
        return np.dtype(("<" if self.endian == "little" else ">") + "u4")

    @property
    def half(self) -> np.dtype[np.uint16]:
        return np.dtype(("<" if self.endian == "little" else ">") + "u2")


@lru_cache(maxsize=4)
def layout(bits: int, endian: str) -> Layout:
    order = "<" if endian == "little" else ">"
    wide = bits == 64
    half, word, native = order + "u2", order + "u4", order + ("u8" if wide else "u4")
    ehdr = [("ident", "V16"), ("type", half), ("machine", half), ("version", word)]
    ehdr += [("entry", native), ("phoff", native), ("shoff", native), ("flags", word)]
    ehdr += [(name, half) for name in ("ehsize", "phentsize", "phnum", "shentsize", "shnum", "shstrndx")]
    shdr = [("name", word), ("type", word), ("flags", native), ("address", native), ("offset", native)]
    shdr += [("size", native), ("link", word), ("info", word), ("align", native), ("entry_size", native)]
    phdr = [("type", word)]
    phdr += [("flags", word)] if wide else []
    phdr += [(name, native) for name in ("offset", "address", "physical", "file_size", "memory_size")]
    phdr += [("align", native)] if wide else [("flags", word), ("align", native)]
    info: list[tuple[str, str]] = [("info", "u1"), ("other", "u1"), ("shndx", half)]
    value = [("value", native), ("size", native)]
    sym = [("name", word), *(info + value if wide else value + info)]
    dyn = [("tag", order + ("i8" if wide else "i4")), ("value", native)]
    return Layout(bits, endian, *(np.dtype(fields) for fields in (ehdr, shdr, phdr, sym, dyn)))


@dataclass(slots=True)
class Image:
    """One file while it is read. ``problems`` grows; everything else is set by ``open_image``."""

    data: memoryview
    problems: list[Problem] = field(default_factory=list)
    layout: Layout | None = None
    header: Header | None = None
    sections: tuple[Section, ...] = ()
    segments: tuple[Segment, ...] = ()
    section_types: tuple[int, ...] = ()  # sh_type, beside sections
    segment_types: tuple[int, ...] = ()  # p_type, beside segments

    def note(self, code: str, text: str) -> None:
        self.problems.append(Problem(code, text))

    def part(self, offset: int, size: int) -> memoryview:
        """What the file has of these bytes: fewer at its end, none beyond it."""
        if offset < 0 or size <= 0:
            return self.data[:0]
        return self.data[offset : offset + size]

    def records(self, dtype: np.dtype[np.void], offset: int, count: int) -> npt.NDArray[np.void]:
        """At most ``count`` whole records at ``offset``."""
        found = self.part(offset, count * dtype.itemsize)
        return np.frombuffer(found[: len(found) // dtype.itemsize * dtype.itemsize], dtype)

    def content(self, section: Section) -> memoryview:
        """A section's bytes as they lie in the file; none for NOBITS."""
        if self.section_types[section.index] == SHT_NOBITS:
            return self.data[:0]
        return self.part(section.offset, section.size)

    def whole(self, section: Section) -> memoryview:
        """``content``, with a Problem when the file ends before the section does."""
        found = self.content(section)
        if len(found) < section.size and self.section_types[section.index] != SHT_NOBITS:
            lacks = section.size - len(found)
            self.note("section_truncated", f"The section {section.name} lacks its last {lacks:,} bytes.")
        return found

    def by_name(self, name: str) -> Section | None:
        return next((section for section in self.sections if section.name == name), None)


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
    found = image.records(image.layout.ehdr, 0, 1)
    if not len(found):
        image.note("truncated", f"The file ends inside its header, after {len(image.data)} bytes.")
        return image
    raw = found[0]
    image.header = Header(
        type=spell.file_type(int(raw["type"])),
        machine=spell.machine(int(raw["machine"])),
        bits=bits,
        endian=endian,
        entry=int(raw["entry"]),
        flags=int(raw["flags"]),
        abi=ident[7],
    )
    _read_sections(image, raw)
    _read_segments(image, raw)
    return image


def _read_sections(image: Image, raw: np.void) -> None:
    assert image.layout is not None
    assert image.header is not None
    offset, count, names_at = int(raw["shoff"]), int(raw["shnum"]), int(raw["shstrndx"])
    if offset == 0:
        return
    dtype = image.layout.shdr
    if int(raw["shentsize"]) != dtype.itemsize:
        image.note("section_headers", f"Section headers of {int(raw['shentsize'])} bytes are not known.")
        return
    first = image.records(dtype, offset, 1)
    if not len(first):
        image.note("section_headers", f"The section headers lie at {offset:#x}, outside the file.")
        return
    # gABI: where a count does not fit its field, the first section header has it.
    count = count or int(first[0]["size"])
    names_at = int(first[0]["link"]) if names_at == _SHN_XINDEX else names_at
    if count > MOST_SECTIONS:
        image.note("section_headers", f"The header claims {count:,} sections.")
        count = MOST_SECTIONS
    table = image.records(dtype, offset, count)
    if len(table) < count:
        image.note("section_headers", f"Of {count:,} section headers, {len(table):,} lie inside the file.")
    names = memoryview(b"")
    if 0 < names_at < len(table) and int(table[names_at]["type"]) != SHT_NOBITS:
        names = image.part(int(table[names_at]["offset"]), int(table[names_at]["size"]))
    elif names_at:
        image.note("section_names", f"The section {names_at}, which should hold the names, does not.")
    held = bytes(names)
    columns = {name: table[name].tolist() for name in dtype.names or ()}
    machine = int(raw["machine"])
    image.section_types = tuple(columns["type"])
    image.sections = tuple(
        Section(
            index=index,
            name=text_at(held, columns["name"][index]),
            type=spell.section_type(columns["type"][index], machine),
            flags=spell.section_flags(columns["flags"][index], machine, image.header.abi),
            address=columns["address"][index],
            offset=columns["offset"][index],
            size=columns["size"][index],
            link=columns["link"][index],
            info=columns["info"][index],
            align=columns["align"][index],
            entry_size=columns["entry_size"][index],
        )
        for index in range(len(table))
    )


def _read_segments(image: Image, raw: np.void) -> None:
    assert image.layout is not None
    offset, count = int(raw["phoff"]), int(raw["phnum"])
    if offset == 0 or count == 0:
        return
    dtype = image.layout.phdr
    if int(raw["phentsize"]) != dtype.itemsize:
        image.note("program_headers", f"Program headers of {int(raw['phentsize'])} bytes are not known.")
        return
    if count == _PN_XNUM and image.sections:
        count = image.sections[0].info
    table = image.records(dtype, offset, min(count, MOST_SECTIONS))
    if len(table) < count:
        image.note("program_headers", f"Of {count:,} program headers, {len(table):,} lie inside the file.")
    columns = {name: table[name].tolist() for name in dtype.names or ()}
    machine = int(raw["machine"])
    image.segment_types = tuple(columns["type"])
    image.segments = tuple(
        Segment(
            type=spell.segment_type(columns["type"][index], machine),
            flags=spell.segment_flags(columns["flags"][index]),
            offset=columns["offset"][index],
            address=columns["address"][index],
            file_size=columns["file_size"][index],
            memory_size=columns["memory_size"][index],
            align=columns["align"][index],
        )
        for index in range(len(table))
    )


def text_at(table: bytes, offset: int) -> str:
    """The NUL-terminated text at ``offset``; "" outside the table, bytes that are no UTF-8 as ``\\xNN``."""
    if not 0 <= offset < len(table):
        return ""
    end = table.find(b"\0", offset)
    return decode(table[offset : end if end >= 0 else len(table)])


def decode(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")
