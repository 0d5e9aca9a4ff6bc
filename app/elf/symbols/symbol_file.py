"""A small ELF file with nothing but names: functions that a stripped binary lacks, for who asks by name.

It is laid where a debug file would lie, so that such a tool, which runs as root, need not read one that
somebody uploaded. It has the loaded segments of the binary itself (those of a debug file have no bytes and
wrong file offsets), and the binary's build-id, which is compared before it is believed. One of a binary
without a build-id has none, and is believed by its place.
Source: System V gABI, chapters 4 and 5; libbcc's bcc_elf.c for what is looked at.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from app.elf.image import PT_LOAD, SHT_NOBITS, ProgramHeader, layout

_SHT_SYMTAB, _SHT_STRTAB, _SHT_NOTE = 2, 3, 7
_ALLOC, _ALLOC_EXEC = 2, 6
_PF_X = 1
_GLOBAL_FUNC = 0x12
_NT_GNU_BUILD_ID = 3
_TEXT, _STRTAB = 1, 3  # numbers of sections
_PADDING = 8


@dataclass(frozen=True, slots=True)
class Kind:
    """What the binary is; ``type`` and ``machine`` are e_type and e_machine."""

    bits: int
    endian: str
    type: int
    machine: int
    build_id: bytes  # b"": it has none


class Named(NamedTuple):
    name: bytes
    address: int
    size: int


class _Section(NamedTuple):
    name: bytes
    type: int
    flags: int
    content: bytes
    address: int = 0
    size: int | None = None  # of one without bytes in the file
    link: int = 0
    info: int = 0
    entry_size: int = 0
    align: int = 8


def symbol_file(kind: Kind, segments: Sequence[Sequence[int]], functions: Iterable[Named]) -> bytes:
    """``segments``: those of the binary, each in the order of ``ProgramHeader``."""
    records = layout(kind.bits, kind.endian)
    programs = [ProgramHeader(*each) for each in segments if each[0] == PT_LOAD]
    sections = _sections(kind, programs, functions)
    titles = b"\0" + b"".join(section.name + b"\0" for section in sections)
    wide = kind.bits == 64
    body = bytearray(records.ehdr.size)
    for each in programs:
        # The two classes have the flags at different places.
        row = each if wide else (each[0], *each[2:7], each[1], each[7])
        body += records.phdr.pack(*row)
    headers = bytes(records.shdr.size)
    for section in sections:
        content = titles if section.name == b".shstrtab" else section.content
        body += bytes(-len(body) % _PADDING)
        headers += records.shdr.pack(
            titles.index(b"\0" + section.name + b"\0") + 1,
            section.type,
            section.flags,
            section.address,
            len(body),
            len(content) if section.size is None else section.size,
            section.link,
            section.info,
            section.align,
            section.entry_size,
        )
        body += content
    body += bytes(-len(body) % _PADDING)
    ident = b"\x7fELF" + bytes([kind.bits // 32, 1 if kind.endian == "little" else 2, 1])
    body[:16] = ident.ljust(16, b"\0")
    header = (kind.type, kind.machine, 1, 0, records.ehdr.size, len(body), 0, records.ehdr.size)
    sizes = (records.phdr.size, len(programs), records.shdr.size, len(sections) + 1, len(sections))
    body[16 : records.ehdr.size] = records.ehdr.pack(*header, *sizes)[16:]
    return bytes(body + headers)


def _sections(
    kind: Kind, programs: Sequence[ProgramHeader], functions: Iterable[Named]
) -> tuple[_Section, ...]:
    names = bytearray(b"\0")
    symbols = bytearray(_symbol(kind, 0, 0, 0, 0, 0))
    for each in functions:
        symbols += _symbol(kind, len(names), each.address, each.size, _GLOBAL_FUNC, _TEXT)
        names += each.name + b"\0"
    order = layout(kind.bits, kind.endian).order
    note = struct.pack(order + "III", 4, len(kind.build_id), _NT_GNU_BUILD_ID) + b"GNU\0" + kind.build_id
    note += bytes(-len(note) % 4)
    code = [each for each in programs if each.flags & _PF_X]
    start = min((each.address for each in code), default=0)
    end = max((each.address + each.memory_size for each in code), default=0)
    return (
        _Section(b".text", SHT_NOBITS, _ALLOC_EXEC, b"", start, end - start),
        _Section(
            b".symtab",
            _SHT_SYMTAB,
            0,
            bytes(symbols),
            link=_STRTAB,
            info=1,
            entry_size=len(_symbol(kind, 0, 0, 0, 0, 0)),
        ),
        _Section(b".strtab", _SHT_STRTAB, 0, bytes(names)),
        *([_Section(b".note.gnu.build-id", _SHT_NOTE, _ALLOC, note, align=4)] if kind.build_id else []),
        _Section(b".shstrtab", _SHT_STRTAB, 0, b""),
    )


def _symbol(kind: Kind, name: int, address: int, size: int, info: int, section: int) -> bytes:
    order = layout(kind.bits, kind.endian).order
    if kind.bits == 64:
        return struct.pack(order + "IBBHQQ", name, info, 0, section, address, size)
    return struct.pack(order + "IIIBBH", name, address, size, info, 0, section)
