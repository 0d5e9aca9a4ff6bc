"""Which build a file is of, and what it has: all that tells whether it is the debug file of another."""

from __future__ import annotations

import zlib
from typing import NamedTuple

from app.elf.image import SHT_NOBITS, Image
from app.elf.notes import build_id, notes
from app.elf.symbols.rows import SHT_DYNSYM, SHT_SYMTAB

_SHF_ALLOC = 2
_DWARF = (".debug_info", ".zdebug_info")
_LINES = (".debug_line", ".zdebug_line")


class Identity(NamedTuple):
    build_id: str | None
    machine: str
    bits: int
    has: dict[str, bool]  # dwarf, lines, symtab, dynsym: with bytes, not as a header alone
    layout: tuple[tuple[str, int, int], ...]  # name, address and size of each section in memory
    crc: int | None  # of the whole file, as .gnu_debuglink has it; None where it was not asked for
    problem: str | None  # why it is no ELF file that can be used


def identity(image: Image, with_crc: bool = False) -> Identity:
    """Reads headers and notes only, but for the checksum."""
    if image.header is None or image.layout is None:
        text = image.problems[0].text if image.problems else "It is no ELF file."
        return Identity(
            None, "", 0, dict.fromkeys(("dwarf", "lines", "symtab", "dynsym"), False), (), None, text
        )
    headers = image.headers
    filled = {
        headers.section_name(index): row.type
        for index, row in enumerate(headers.section_rows)
        if row.type != SHT_NOBITS and row.size and row.offset + row.size <= len(image.data)
    }
    kinds = set(filled.values())
    return Identity(
        build_id(list(notes(image))),
        image.header.machine,
        image.header.bits,
        {
            "dwarf": any(name in filled for name in _DWARF),
            "lines": any(name in filled for name in _LINES),
            "symtab": SHT_SYMTAB in kinds,
            "dynsym": SHT_DYNSYM in kinds,
        },
        tuple(
            (headers.section_name(index), row.address, row.size)
            for index, row in enumerate(headers.section_rows)
            if row.flags & _SHF_ALLOC and row.size
        ),
        zlib.crc32(image.data) if with_crc else None,
        None,
    )
