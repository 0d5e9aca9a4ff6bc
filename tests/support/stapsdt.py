"""ELF files that hold nothing but USDT notes, of any architecture, class and byte order."""

from __future__ import annotations

import struct

from tests.support import sections


def note(
    arguments: str,
    provider: str = "demo",
    name: str = "probe",
    address: int = 0x1000,
    base: int = 0,
    semaphore: int = 0,
    bits: int = 64,
    endian: str = "little",
) -> bytes:
    """One note as sys/sdt.h writes it."""
    order = "<" if endian == "little" else ">"
    texts = b"".join(text.encode() + b"\0" for text in (provider, name, arguments))
    content = struct.pack(order + ("QQQ" if bits == 64 else "III"), address, base, semaphore) + texts
    head = struct.pack(order + "III", 8, len(content), 3) + b"stapsdt\0"
    return head + content.ljust((len(content) + 3) // 4 * 4, b"\0")


def elf(
    notes: bytes, machine: str = "x86_64", bits: int = 64, endian: str = "little", base: int = 0
) -> bytes:
    """A shared object with the sections .note.stapsdt and .stapsdt.base, the latter at ``base``."""
    made = [
        sections.Made(".note.stapsdt", notes, type=sections.NOTE, flags=0, align=4),
        sections.Made(".stapsdt.base", b"\0", address=base, align=1),
    ]
    return sections.elf(made, machine, bits, endian)
