"""Minimal ELF files of any class, byte order and machine: sections with bytes, and segments over them."""

from __future__ import annotations

import struct
from typing import NamedTuple

MACHINES = {"i386": 3, "ppc64": 21, "s390x": 22, "arm": 40, "x86_64": 62, "aarch64": 183, "riscv": 243}
PROGBITS, NOTE = 1, 7
ALLOC, EXECUTE = 2, 4


class Made(NamedTuple):
    """A section to write."""

    name: str
    content: bytes
    address: int = 0
    type: int = PROGBITS
    flags: int = ALLOC
    align: int = 8


def elf(sections: list[Made], machine: str = "x86_64", bits: int = 64, endian: str = "little") -> bytes:
    """A shared object with ``sections`` after the null one, then .shstrtab; one segment each in memory."""
    order = "<" if endian == "little" else ">"
    wide = bits == 64
    header_size, segment_size = (64, 56) if wide else (52, 32)
    loaded = [section for section in sections if section.flags & ALLOC]
    names = b"\0" + b"".join(section.name.encode() + b"\0" for section in sections) + b".shstrtab\0"
    at = header_size + segment_size * len(loaded)
    body, rows, segments, name_at = b"", [(0,) * 10], [], 1
    for section in [*sections, Made(".shstrtab", names, type=3, flags=0, align=1)]:
        body += b"\0" * (-(at + len(body)) % section.align)
        offset, size = at + len(body), len(section.content)
        body += section.content
        rows.append(
            (name_at, section.type, section.flags, section.address, offset, size, 0, 0, section.align, 0)
        )
        if section in loaded:
            flags = 5 if section.flags & EXECUTE else 4
            place = (section.address, section.address, size, size)
            segments.append((1, flags, offset, *place, 8) if wide else (1, offset, *place, flags, 8))
        name_at += len(section.name) + 1
    body += b"\0" * (-(at + len(body)) % 8)
    row = struct.Struct(order + ("IIQQQQIIQQ" if wide else "IIIIIIIIII"))
    segment = struct.Struct(order + ("IIQQQQQQ" if wide else "IIIIIIII"))
    ident = b"\x7fELF" + bytes([2 if wide else 1, 1 if endian == "little" else 2, 1]) + b"\0" * 9
    header = struct.pack(
        order + ("HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH"),
        *(3, MACHINES[machine], 1, 0, header_size, at + len(body), 0, header_size),
        *(segment_size, len(loaded), row.size, len(rows), len(rows) - 1),
    )
    headers = ident + header + b"".join(segment.pack(*each) for each in segments)
    return headers + body + b"".join(row.pack(*each) for each in rows)
