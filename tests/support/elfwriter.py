"""Sections, symbols, segments and notes to the bytes of a minimal ELF file, of any class and byte order.

It checks nothing and puts numbers down as told, so that tests can write files that no linker would.
Source: System V gABI, chapters 4 and 5; the GNU extensions for symbol versions.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import zstandard

from tests.support.bytewriter import Endian

ET_REL, ET_EXEC, ET_DYN = 1, 2, 3
EM_386, EM_MIPS, EM_PPC, EM_PPC64, EM_S390, EM_ARM, EM_X86_64, EM_AARCH64 = 3, 8, 20, 21, 22, 40, 62, 183
SHT_PROGBITS, SHT_SYMTAB, SHT_STRTAB, SHT_RELA, SHT_NOTE, SHT_NOBITS, SHT_REL, SHT_DYNSYM = (
    *range(1, 5),
    *range(7, 10),
    11,
)
SHT_GNU_verdef, SHT_GNU_verneed, SHT_GNU_versym = 0x6FFFFFFD, 0x6FFFFFFE, 0x6FFFFFFF
SHF_WRITE, SHF_ALLOC, SHF_EXECINSTR, SHF_COMPRESSED = 1, 2, 4, 0x800
SHN_UNDEF, SHN_ABS, SHN_COMMON = 0, 0xFFF1, 0xFFF2
STT_NOTYPE, STT_OBJECT, STT_FUNC, STT_SECTION, STT_FILE, STT_TLS = 0, 1, 2, 3, 4, 6
STB_LOCAL, STB_GLOBAL, STB_WEAK = 0, 1, 2
PT_LOAD, PT_NOTE = 1, 4


@dataclass(frozen=True, slots=True)
class Section:
    """``size`` and ``offset`` only where the header shall lie; ``link`` names another section.

    An ``address`` of None is the one where the section lies in the file.
    """

    name: str
    data: bytes = b""
    type: int = SHT_PROGBITS
    flags: int = 0
    address: int | None = 0
    link: str = ""
    info: int = 0
    align: int = 1
    entry_size: int = 0
    size: int | None = None
    offset: int | None = None


@dataclass(frozen=True, slots=True)
class Symbol:
    """``section``: a name, or one of the SHN numbers. ``version``: ``@V`` hidden, ``@@V`` default."""

    name: str
    value: int = 0
    size: int = 0
    type: int = STT_FUNC
    bind: int = STB_GLOBAL
    other: int = 0
    section: str | int = ".text"
    version: str = ""


@dataclass(frozen=True, slots=True)
class Segment:
    type: int
    offset: int
    address: int
    file_size: int
    memory_size: int
    flags: int = 5
    align: int = 0x1000


@dataclass(frozen=True, slots=True)
class Relocation:
    """``symbol`` is its number in the symbol table; without an addend it lies in the section (SHT_REL)."""

    offset: int
    type: int
    symbol: int
    addend: int | None = None


def write_elf(
    sections: Sequence[Section] = (),
    *,
    symbols: Sequence[Symbol] = (),
    dynamic_symbols: Sequence[Symbol] = (),
    segments: Sequence[Segment] = (),
    bits: int = 64,
    endian: Endian = "little",
    machine: int = EM_X86_64,
    type: int = ET_DYN,
    entry: int = 0,
    abi: int = 0,
) -> bytes:
    """The file. Symbol tables and the sections they need are added behind ``sections``, the names last."""
    writer = _Writer(bits, endian)
    numbers = {section.name: number for number, section in enumerate(sections, 1)}
    whole = list(sections)
    if symbols:
        whole += writer.symbol_table(".symtab", ".strtab", SHT_SYMTAB, symbols, numbers)
    if dynamic_symbols:
        whole += writer.symbol_table(".dynsym", ".dynstr", SHT_DYNSYM, dynamic_symbols, numbers)
        whole += writer.versions(dynamic_symbols)
    names, at = _strings([section.name for section in whole] + [".shstrtab"])
    whole.append(Section(".shstrtab", names, SHT_STRTAB))
    numbers = {section.name: number for number, section in enumerate(whole, 1)}
    head, program = writer.sizes()
    body = bytearray(head + program * len(segments))
    headers = [writer.section_header(0, Section("", type=0), 0, 0)]
    for section in whole:
        body += b"\0" * (-len(body) % max(1, section.align))
        offset = len(body) if section.offset is None else section.offset
        body += section.data
        headers.append(writer.section_header(at[section.name], section, offset, numbers.get(section.link, 0)))
    body += b"\0" * (-len(body) % 8)
    table = len(body)
    for header in headers:
        body += header
    body[:head] = writer.file_header(type, machine, entry, abi, table, len(headers), len(segments))
    body[head : head + program * len(segments)] = b"".join(writer.program_header(one) for one in segments)
    return bytes(body)


def note(owner: bytes, kind: int, content: bytes, endian: Endian = "little") -> bytes:
    order = "<" if endian == "little" else ">"
    head = struct.pack(order + "3I", len(owner) + 1, len(content), kind)
    return head + _padded(owner + b"\0") + _padded(content)


def build_id(number: bytes, endian: Endian = "little") -> Section:
    return Section(".note.gnu.build-id", note(b"GNU", 3, number, endian), SHT_NOTE, SHF_ALLOC, align=4)


def usdt(
    provider: str,
    name: str,
    arguments: str,
    address: int,
    semaphore: int = 0,
    *,
    bits: int = 64,
    endian: Endian = "little",
) -> bytes:
    """One stapsdt note of a file whose base was not moved."""
    form = ("<" if endian == "little" else ">") + ("3Q" if bits == 64 else "3I")
    texts = b"".join(text.encode() + b"\0" for text in (provider, name, arguments))
    return note(b"stapsdt", 3, struct.pack(form, address, 0, semaphore) + texts, endian)


def compressed(
    section: Section,
    how: Literal["zlib", "zstd", "zdebug"],
    *,
    bits: int = 64,
    endian: Endian = "little",
    size: int | None = None,
) -> Section:
    """``section`` as objcopy --compress-debug-sections leaves it; ``size`` is a lie about what comes out."""
    claimed = len(section.data) if size is None else size
    if how == "zdebug":
        data = b"ZLIB" + struct.pack(">Q", claimed) + zlib.compress(section.data)
        return replace(section, name=section.name.replace(".debug", ".zdebug"), data=data)
    order = "<" if endian == "little" else ">"
    kind = {"zlib": 1, "zstd": 2}[how]
    head = (
        struct.pack(order + "2I2Q", kind, 0, claimed, 1)
        if bits == 64
        else struct.pack(order + "3I", kind, claimed, 1)
    )
    packed = (
        zlib.compress(section.data)
        if how == "zlib"
        else zstandard.ZstdCompressor(write_content_size=False).compress(section.data)
    )
    return replace(section, data=head + packed, flags=section.flags | SHF_COMPRESSED)


def relocations(
    of: str,
    number: int,
    entries: Sequence[Relocation],
    *,
    bits: int = 64,
    endian: Endian = "little",
) -> Section:
    """The table for the section ``of``, whose number is ``number``."""
    order = "<" if endian == "little" else ">"
    added = any(entry.addend is not None for entry in entries)
    data = b""
    for entry in entries:
        info = entry.symbol << (32 if bits == 64 else 8) | entry.type
        data += struct.pack(order + ("2Q" if bits == 64 else "2I"), entry.offset, info)
        if added:
            data += struct.pack(order + ("q" if bits == 64 else "i"), entry.addend or 0)
    width = (8 if bits == 64 else 4) * (3 if added else 2)
    name = (".rela" if added else ".rel") + of
    kind = SHT_RELA if added else SHT_REL
    return Section(name, data, kind, link=".symtab", info=number, entry_size=width)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)


def _strings(texts: Sequence[str]) -> tuple[bytes, dict[str, int]]:
    """One string table, and where each text lies in it."""
    table, at = bytearray(b"\0"), {"": 0}
    for text in texts:
        if text not in at:
            at[text] = len(table)
            table += text.encode(errors="surrogateescape") + b"\0"
    return bytes(table), at


class _Writer:
    """The records of one class and byte order."""

    def __init__(self, bits: int, endian: Endian) -> None:
        self.wide = bits == 64
        self.order = "<" if endian == "little" else ">"

    def pack(self, form: str, *values: int) -> bytes:
        """As struct.pack; ``N`` is a number of the class's size."""
        return struct.pack(self.order + form.replace("N", "Q" if self.wide else "I"), *values)

    def sizes(self) -> tuple[int, int]:
        return (64, 56) if self.wide else (52, 32)

    def file_header(
        self, kind: int, machine: int, entry: int, abi: int, table: int, sections: int, segments: int
    ) -> bytes:
        head, program = self.sizes()
        ident = b"\x7fELF" + bytes([2 if self.wide else 1, 1 if self.order == "<" else 2, 1, abi]) + b"\0" * 8
        rest = self.pack("HHINNN", kind, machine, 1, entry, head if segments else 0, table)
        rest += self.pack(
            "I6H", 0, head, program, segments, 64 if self.wide else 40, sections, max(0, sections - 1)
        )
        return ident + rest

    def section_header(self, name: int, section: Section, offset: int, link: int) -> bytes:
        size = len(section.data) if section.size is None else section.size
        return self.pack(
            "IINNNNIINN",
            name,
            section.type,
            section.flags,
            offset if section.address is None else section.address,
            offset,
            size,
            link,
            section.info,
            section.align,
            section.entry_size,
        )

    def program_header(self, one: Segment) -> bytes:
        flags = (one.flags,)
        numbers = (one.offset, one.address, one.address, one.file_size, one.memory_size)
        if self.wide:
            return self.pack("IINNNNNN", one.type, *flags, *numbers, one.align)
        return self.pack("INNNNNIN", one.type, *numbers, *flags, one.align)

    def symbol_table(
        self, table: str, strings: str, kind: int, symbols: Sequence[Symbol], numbers: dict[str, int]
    ) -> list[Section]:
        extra = [version for symbol in symbols if (version := symbol.version.lstrip("@"))]
        texts, at = _strings([symbol.name for symbol in symbols] + extra + ["lib.so"])
        rows = b"\0" * (24 if self.wide else 16)
        for symbol in symbols:
            info = symbol.bind << 4 | symbol.type
            place = symbol.section if isinstance(symbol.section, int) else numbers.get(symbol.section, 0)
            rows += (
                self.pack("IBBHQQ", at[symbol.name], info, symbol.other, place, symbol.value, symbol.size)
                if self.wide
                else self.pack(
                    "IIIBBH", at[symbol.name], symbol.value, symbol.size, info, symbol.other, place
                )
            )
        local = 1 + sum(symbol.bind == STB_LOCAL for symbol in symbols)
        width = 24 if self.wide else 16
        flags, address = (SHF_ALLOC, None) if kind == SHT_DYNSYM else (0, 0)
        return [
            Section(table, rows, kind, flags, address, strings, local, 8, width),
            Section(strings, texts, SHT_STRTAB, flags, address),
        ]

    def versions(self, symbols: Sequence[Symbol]) -> list[Section]:
        """Versions of defined symbols as definitions, those of undefined ones as needed from lib.so."""
        if not any(symbol.version for symbol in symbols):
            return []
        extra = [version for symbol in symbols if (version := symbol.version.lstrip("@"))]
        _, at = _strings([symbol.name for symbol in symbols] + extra + ["lib.so"])
        defined, needed = (
            list(
                dict.fromkeys(
                    symbol.version.lstrip("@")
                    for symbol in symbols
                    if symbol.version and (symbol.section == SHN_UNDEF) == undefined
                )
            )
            for undefined in (False, True)
        )
        # 0 is local and 1 global; the definitions come first.
        index = {(name, False): 2 + row for row, name in enumerate(defined)}
        index |= {(name, True): 2 + len(defined) + row for row, name in enumerate(needed)}
        rows = self.pack("H", 0)
        for symbol in symbols:
            number = index.get((symbol.version.lstrip("@"), symbol.section == SHN_UNDEF), 1)
            hidden = symbol.version.startswith("@") and not symbol.version.startswith("@@")
            rows += self.pack("H", number | (0x8000 if hidden and symbol.section != SHN_UNDEF else 0))
        found = [
            Section(".gnu.version", rows, SHT_GNU_versym, SHF_ALLOC, None, ".dynsym", align=2, entry_size=2)
        ]
        if defined:
            data = b""
            for row, name in enumerate(defined):
                data += self.pack("HHHHIII", 1, 0, 2 + row, 1, 0, 20, 28 if row + 1 < len(defined) else 0)
                data += self.pack("II", at[name], 0)
            found.append(
                Section(".gnu.version_d", data, SHT_GNU_verdef, SHF_ALLOC, None, ".dynstr", len(defined), 4)
            )
        if needed:
            data = self.pack("HHIII", 1, len(needed), at["lib.so"], 16, 0)
            for row, name in enumerate(needed):
                last = row + 1 == len(needed)
                number = index[name, True]
                data += self.pack("IHHII", 0, 0, number, at[name], 0 if last else 16)
            found.append(Section(".gnu.version_r", data, SHT_GNU_verneed, SHF_ALLOC, None, ".dynstr", 1, 4))
        return found
