"""A section of a relocatable file with its absolute relocations applied, as the linker would for address 0.

Only whole words are written: what notes and small tables hold. A relocation of another kind, or one that lies
outside, is left alone. Sources: gABI chapter 4, Relocation; the psABIs for the types.
"""

from __future__ import annotations

import struct
from typing import Literal

import numpy as np

from app.elf.image import Image
from app.elf.model import Section

SHT_RELA, SHT_REL = 4, 9
# Relocations that write symbol + addend: their type to the size of the word.
_ABSOLUTE = {
    "x86_64": {1: 8, 10: 4, 11: 4},
    "i386": {1: 4},
    "aarch64": {257: 8, 258: 4},
    "arm": {2: 4},
    "ppc64": {38: 8, 1: 4},
    "ppc": {1: 4},
    "s390x": {22: 8, 4: 4},
    "riscv": {2: 8, 1: 4},
}
_MOST = 1 << 16


def relocated(image: Image, section: Section, raw: bytes) -> bytes:
    """``raw``, the bytes of ``section``, with symbol values added where its relocations say."""
    assert image.layout is not None
    assert image.header is not None
    kinds = _ABSOLUTE.get(image.header.machine, {})
    endian: Literal["little", "big"] = "little" if image.layout.endian == "little" else "big"
    order = "<" if endian == "little" else ">"
    wide = image.layout.bits == 64
    out = bytearray(raw)
    for table in image.sections:
        with_addend = image.section_types[table.index] == SHT_RELA
        if not (with_addend or image.section_types[table.index] == SHT_REL) or table.info != section.index:
            continue
        entry = struct.Struct(order + ("QQ" if wide else "II") + (("q" if wide else "i") * with_addend))
        entries = bytes(image.content(table))[: _MOST * entry.size]
        values = _symbol_values(image, table.link)
        for offset, info, *addend in entry.iter_unpack(entries[: len(entries) // entry.size * entry.size]):
            size = kinds.get(info & 0xFFFFFFFF if wide else info & 0xFF, 0)
            symbol = info >> (32 if wide else 8)
            if not size or offset + size > len(out) or symbol >= len(values):
                continue
            base = addend[0] if addend else int.from_bytes(out[offset : offset + size], endian)
            number = (values[symbol] + base) % (1 << 8 * size)
            out[offset : offset + size] = number.to_bytes(size, endian)
    return bytes(out)


def _symbol_values(image: Image, index: int) -> list[int]:
    assert image.layout is not None
    if not 0 < index < len(image.sections):
        return []
    section = image.sections[index]
    record = image.layout.sym
    raw = image.content(section)
    values: list[int] = np.frombuffer(raw[: len(raw) // record.itemsize * record.itemsize], record)[
        "value"
    ].tolist()
    return values
