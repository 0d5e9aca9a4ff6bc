"""A reader over bytes that nobody trusts, for the small things that are read in Python.

What is not there reads as 0 and sets ``bad``; the cursor then stays at the end. Source of LEB128: DWARF 5,
section 7.6.
"""

from __future__ import annotations


class Cursor:
    __slots__ = ("at", "bad", "data", "end", "order")

    def __init__(self, data: bytes | bytearray | memoryview, at: int = 0, big: bool = False) -> None:
        self.data = data
        self.end = len(data)
        self.at = min(max(at, 0), self.end)
        self.bad = at != self.at
        self.order: str = "big" if big else "little"

    @property
    def left(self) -> int:
        return self.end - self.at

    def bytes(self, size: int) -> bytes:
        if size > self.end - self.at:
            self.bad = True
            self.at = self.end
            return b""
        found = self.data[self.at : self.at + size]
        self.at += size
        return bytes(found)

    def u8(self) -> int:
        return self.number(1)

    def number(self, size: int) -> int:
        return int.from_bytes(self.bytes(size), "big" if self.order == "big" else "little")

    def signed(self, size: int) -> int:
        return int.from_bytes(self.bytes(size), "big" if self.order == "big" else "little", signed=True)

    def uleb(self) -> int:
        value = shift = 0
        while self.at < self.end:
            byte = self.data[self.at]
            self.at += 1
            if shift < 64:
                value |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return value & 0xFFFFFFFFFFFFFFFF
        self.bad = True
        return 0

    def sleb(self) -> int:
        start = self.at
        value = self.uleb()
        bits = 7 * (self.at - start)
        if not self.bad and self.data[self.at - 1] & 0x40 and bits < 64:
            value -= 1 << bits
        return value - (1 << 64) if value >= 1 << 63 else value
