"""Numbers and texts to bytes of one byte order, with places to be filled in later."""

from __future__ import annotations

import struct
from typing import Literal

Endian = Literal["little", "big"]


def uleb(value: int, width: int = 0) -> bytes:
    """Unsigned LEB128 of at least ``width`` bytes."""
    out = bytearray()
    while True:
        byte, value = value & 0x7F, value >> 7
        more = value or len(out) + 1 < width
        out.append(byte | (0x80 if more else 0))
        if not more:
            return bytes(out)


def sleb(value: int) -> bytes:
    out = bytearray()
    while True:
        byte, value = value & 0x7F, value >> 7
        done = value == (-1 if byte & 0x40 else 0)
        out.append(byte if done else byte | 0x80)
        if done:
            return bytes(out)


class ByteWriter:
    """A growing section."""

    def __init__(self, endian: Endian = "little") -> None:
        self.endian = endian
        self.data = bytearray()

    def __len__(self) -> int:
        return len(self.data)

    def number(self, value: int, size: int) -> int:
        """Appends what fits of ``value``; where it lies, for ``fill``."""
        at = len(self.data)
        self.data += (value & ((1 << 8 * size) - 1)).to_bytes(size, self.endian)
        return at

    def fill(self, at: int, value: int, size: int) -> None:
        self.data[at : at + size] = (value & ((1 << 8 * size) - 1)).to_bytes(size, self.endian)

    def uleb(self, value: int) -> None:
        self.data += uleb(value)

    def sleb(self, value: int) -> None:
        self.data += sleb(value)

    def text(self, value: str) -> None:
        self.data += value.encode() + b"\0"

    def pack(self, form: str, *values: int) -> None:
        self.data += struct.pack(("<" if self.endian == "little" else ">") + form, *values)

    def length(self, offset_size: int) -> int:
        """The start of a unit: a length that ``close`` fills in, of 4 bytes, or of 8 behind an escape."""
        if offset_size == 8:
            self.number(0xFFFFFFFF, 4)
        return self.number(0, offset_size)

    def close(self, at: int, offset_size: int, lie: int | None = None) -> None:
        """The unit whose length lies at ``at`` ends here, or claims to be ``lie`` bytes long."""
        self.fill(at, len(self.data) - at - offset_size if lie is None else lie, offset_size)
