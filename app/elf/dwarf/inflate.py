"""Compressed sections to their bytes, side by side on the threads of this process.

One whose data is cut or damaged gives what there is. Sources: zlib's and zstd's formats.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import deflate

from app.elf import threads

ZLIB, ZSTD = 1, 2
# Deflate makes at most 1032 bytes of one; zstd's runs have no such bound, but no section is one run.
MOST_RATIO = {ZLIB: 1040, ZSTD: 1 << 17}
_STEP = 1 << 14
_SHARED = 1 << 20  # bytes from which on to wake a thread takes less than it saves


class Packed(NamedTuple):
    """A compressed section: what is behind its header, where that is in the file, what the header says."""

    name: str
    offset: int
    data: memoryview
    kind: int
    size: int


def inflate(sections: Sequence[Packed]) -> list[bytes | bytearray]:
    """Each one's bytes; the caller's thread takes the first, and all of them where they are small."""
    if sum(section.size for section in sections) < _SHARED:
        return list(map(_inflate, sections))
    return threads.spread(_inflate, sections)


def _inflate(section: Packed) -> bytes | bytearray:
    if section.kind == ZSTD:
        return _by_zstd(section)
    try:
        return deflate.zlib_decompress(section.data, section.size)
    except (deflate.DeflateError, ValueError):
        return _part(section, zlib.decompressobj(), zlib.error)


def _by_zstd(section: Packed) -> bytes | bytearray:
    # Few files have it.
    import zstandard

    decoder = zstandard.ZstdDecompressor()
    try:
        return decoder.decompress(section.data, max_output_size=section.size)
    except (zstandard.ZstdError, ValueError):
        return _part(section, decoder.decompressobj(), zstandard.ZstdError)


class _Decoder(Protocol):
    def decompress(self, data: memoryview, /) -> bytes: ...


def _part(section: Packed, decoder: _Decoder, broken: type[Exception]) -> bytes:
    """What there is of a section whose data is cut or damaged."""
    made = bytearray()
    for at in range(0, len(section.data), _STEP):
        try:
            made += decoder.decompress(section.data[at : at + _STEP])
        except broken:
            break
        if len(made) >= section.size:
            break
    return bytes(made[: section.size])
