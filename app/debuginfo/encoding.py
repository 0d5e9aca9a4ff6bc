"""The body of an answer as it was before it was compressed, in parts of bounded size.

A few bytes may stand for gigabytes, so nothing is unpacked further than the caller looks. Sources: RFC 1952;
RFC 8878, where a block of four bytes may stand for 128 KiB.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator

import zstandard

ACCEPTED = "zstd, gzip"
_PART = 1 << 20
_SLICE = 512  # of zstd at a time: at most 16 MiB come of it
_WINDOW = 1 << 27  # what zstd's decoder may keep in memory
Decoder = Callable[[bytes], Iterator[bytes]]


class BadEncoding(ValueError):
    """A sentence about a body that cannot be unpacked."""


def decoder(encoding: str) -> Decoder:
    """Gives what each part of the body stands for. Raises BadEncoding, as what it gives does."""
    name = encoding.strip().lower()
    if name in {"", "identity"}:
        return _plain
    if name in {"gzip", "x-gzip"}:
        return _gzip()
    if name == "zstd":
        return _zstd()
    raise BadEncoding(f"It sends the encoding {encoding[:40]!r}, which was not asked for.")


def _plain(part: bytes) -> Iterator[bytes]:
    yield part


def _gzip() -> Decoder:
    unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)

    def decode(part: bytes) -> Iterator[bytes]:
        try:
            while part:
                yield unpacker.decompress(part, _PART)
                part = unpacker.unconsumed_tail
        except zlib.error as error:
            raise BadEncoding("What it sends as gzip cannot be unpacked.") from error

    return decode


def _zstd() -> Decoder:
    unpacker = zstandard.ZstdDecompressor(max_window_size=_WINDOW).decompressobj()

    def decode(part: bytes) -> Iterator[bytes]:
        try:
            for at in range(0, len(part), _SLICE):
                yield unpacker.decompress(part[at : at + _SLICE])
        except zstandard.ZstdError as error:
            raise BadEncoding("What it sends as zstd cannot be unpacked.") from error

    return decode
