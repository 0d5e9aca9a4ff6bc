"""zstd frames to what they hold, block by block: a block gives 128 KiB at most, so a bomb fills no memory.

libzstd unpacks; the walk over blocks is for its bound, and for where a frame ends, which its streaming
interface in Python does not tell from a file that was cut. Source: RFC 8878, section 3.1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import zstandard

from app.debuginfo.packages.budget import Budget
from app.debuginfo.packages.feed import Feed
from app.debuginfo.packages.model import Broken

MAGIC = b"\x28\xb5\x2f\xfd"
_SKIPPABLE = b"\x2a\x4d\x18"  # behind a byte from 0x50 to 0x5f
_BLOCK_MOST = 128 << 10
_REPEATED, _RESERVED = 1, 3  # block types


def skippable(head: bytes) -> bool:
    return head[1:4] == _SKIPPABLE and head[0] >> 4 == 5


def puller(feed: Feed, budget: Budget) -> Callable[[], bytes]:
    parts = _parts(feed, budget)
    return lambda: next(parts, b"")


def _parts(feed: Feed, budget: Budget) -> Iterator[bytes]:
    while True:
        head = feed.peek(4)
        if head == MAGIC:
            budget.stream()
            yield from _frame(feed, budget)
        elif skippable(head):
            budget.stream()
            feed.skip(4)
            feed.skip(int.from_bytes(feed.exactly(4), "little"))
        else:
            return


def _frame(feed: Feed, budget: Budget) -> Iterator[bytes]:
    unpacker = zstandard.ZstdDecompressor(max_window_size=budget.limits.memory).decompressobj()
    descriptor = feed.peek(5)[4:]
    if not descriptor:
        raise Broken("truncated", "Its compressed data end before their end.")
    parts = feed.exactly(4 + _header_size(descriptor[0]))
    checksum = 4 if descriptor[0] & 4 else 0
    last = False
    while not last:
        head = int.from_bytes(feed.peek(3), "little")
        last, kind, size = bool(head & 1), head >> 1 & 3, head >> 3
        if kind == _RESERVED or size > _BLOCK_MOST:
            raise Broken("malformed", "Its compressed data are broken: no block of zstd has such a header.")
        parts += feed.exactly(3 + (1 if kind == _REPEATED else size) + checksum * last)
        try:
            out = unpacker.decompress(parts)
        except zstandard.ZstdError as error:
            if "too much memory" in str(error):
                raise Broken("limit_memory", "It needs more memory to unpack than a reader gives.") from None
            raise Broken("malformed", f"Its compressed data are broken: {error}") from None
        parts = b""
        if out:
            budget.unpacked(len(out))
            yield out
    if not unpacker.eof:
        raise Broken("malformed", "Its compressed data are broken: a frame of zstd does not end.")


def _header_size(descriptor: int) -> int:
    single = descriptor >> 5 & 1
    content = (single, 2, 4, 8)[descriptor >> 6]
    return 1 + (1 - single) + (0, 1, 2, 4)[descriptor & 3] + content
