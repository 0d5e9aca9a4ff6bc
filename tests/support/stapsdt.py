"""ELF files that hold nothing but USDT notes, of any architecture, class and byte order."""

from __future__ import annotations

import struct

NUMBERS = {"i386": 3, "ppc64": 21, "s390x": 22, "arm": 40, "x86_64": 62, "aarch64": 183, "riscv": 243}


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
    """A shared object with the sections .note.stapsdt and .stapsdt.base (at ``base``), and no segment."""
    order = "<" if endian == "little" else ">"
    wide = bits == 64
    names = b"\0.note.stapsdt\0.stapsdt.base\0.shstrtab\0"
    header_size, row = (64, "IIQQQQIIQQ") if wide else (52, "IIIIIIIIII")
    content = notes + b"\0" * (-len(notes) % 8)
    names_at = header_size + len(content)
    sections_at = (names_at + len(names) + 7) // 8 * 8
    rows = [
        (0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
        (1, 7, 0, 0, header_size, len(notes), 0, 0, 4, 0),
        (15, 1, 2, base, header_size, 1, 0, 0, 1, 0),
        (29, 3, 0, 0, names_at, len(names), 0, 0, 1, 0),
    ]
    ident = b"\x7fELF" + bytes([2 if wide else 1, 1 if endian == "little" else 2, 1]) + b"\0" * 9
    header = struct.pack(
        order + ("HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH"),
        3,
        NUMBERS[machine],
        1,
        0,
        0,
        sections_at,
        0,
        header_size,
        0,
        0,
        struct.calcsize(order + row),
        len(rows),
        3,
    )
    body = (ident + header + content + names).ljust(sections_at, b"\0")
    return body + b"".join(struct.pack(order + row, *each) for each in rows)
