"""A file and a seed to a file that is wrong somewhere: the same one for the same seed.

It knows where the sections lie, so that changes hit headers, counts, offsets and debug sections rather than
code, of which nothing is read.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from app.elf.image import open_image
from tests.support.bytewriter import Endian

_EXTREMES: tuple[int, ...] = (
    0,
    1,
    2,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0xFFFF,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFF0,
    0xFFFFFFFF,
)
_EXTREMES += (0x100000000, 0x7FFFFFFFFFFFFFFF, 0x8000000000000000, 0xFFFFFFFFFFFFFFFF)
_DULL = (".text", ".comment", ".eh_frame", ".eh_frame_hdr", ".rodata", ".plt", ".data", ".strtab")


class Mutator:
    """One seed file, and where in it a change is worth its while."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        image = open_image(data)
        header = image.header
        assert header is not None
        wide = header.bits == 64
        self.order: Endian = "little" if header.endian == "little" else "big"
        table = int.from_bytes(data[40:48] if wide else data[32:36], self.order)
        width = 64 if wide else 40
        # File and section headers twice as often as a section.
        self.places = [(0, 64), (table, width * len(image.sections))] * 2
        self.places += [
            (section.offset, section.size)
            for section in image.sections
            if section.size and section.name not in _DULL and section.offset + section.size <= len(data)
        ]
        self.headers = [table + width * row for row in range(1, len(image.sections))]
        self.fields = (24, 8) if wide else (16, 4)  # where sh_offset lies, and its size

    def mutate(self, seed: str) -> bytes:
        chance = Random(seed)
        out = bytearray(self.data)
        for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
            chance.choice(_CHANGES)(self, out, chance)
        return bytes(out)

    def spot(self, chance: Random) -> int:
        start, size = chance.choice(self.places)
        return start + chance.randrange(size)


def _flip(self: Mutator, out: bytearray, chance: Random) -> None:
    at = self.spot(chance)
    if at < len(out):
        out[at] ^= 1 << chance.randrange(8)


def _byte(self: Mutator, out: bytearray, chance: Random) -> None:
    at = self.spot(chance)
    if at < len(out):
        out[at] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))


def _number(self: Mutator, out: bytearray, chance: Random) -> None:
    """A field of 2, 4 or 8 bytes becomes an extreme, or something about this file's size."""
    width = chance.choice((2, 4, 4, 8))
    at = self.spot(chance) // 4 * 4
    value = chance.choice((*_EXTREMES, len(out), len(out) - 1, chance.randrange(len(out) + 1)))
    if at + width <= len(out):
        out[at : at + width] = (value & ((1 << 8 * width) - 1)).to_bytes(width, self.order)


def _endless(self: Mutator, out: bytearray, chance: Random) -> None:
    """A run of one byte: LEB128 numbers without end, trees without end, texts without end."""
    at, size = self.spot(chance), chance.randrange(1, 64)
    if at + size <= len(out):
        out[at : at + size] = bytes([chance.choice((0xFF, 0x80, 0x01, 0x00))]) * size


def _copy(self: Mutator, out: bytearray, chance: Random) -> None:
    """Bytes of one place over those of another."""
    source, target, size = self.spot(chance), self.spot(chance), chance.randrange(1, 200)
    piece = out[source : source + size]
    out[target : target + len(piece)] = piece


def _remove(self: Mutator, out: bytearray, chance: Random) -> None:
    at = self.spot(chance)
    del out[at : at + chance.choice((1, 2, 4, 8, 100))]


def _cut(self: Mutator, out: bytearray, chance: Random) -> None:
    del out[self.spot(chance) :]


def _section(self: Mutator, out: bytearray, chance: Random) -> None:
    """A section is cut short, made too long, or lies where another does."""
    field, width = self.fields
    one, other = chance.choice(self.headers), chance.choice(self.headers)
    at = one + field + chance.choice((0, width))
    old = int.from_bytes(out[at : at + width], self.order)
    source = other + field
    copied = int.from_bytes(out[source : source + width], self.order)
    new = chance.choice((0, 1, old // 2, old - 1, old + 1, old * 2, copied, *_EXTREMES)) % (1 << 8 * width)
    if at + width <= len(out):
        out[at : at + width] = new.to_bytes(width, self.order)


_CHANGES: tuple[Callable[[Mutator, bytearray, Random], None], ...]
_CHANGES = (_flip, _byte, _byte, _number, _number, _number, _endless, _copy, _remove, _cut, _section)
