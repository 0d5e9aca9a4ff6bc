"""An xz stream whose blocks tell their sizes, two blocks at a time: what xz -T and dpkg-deb write.

A crew unpacks them, out of the file itself, ahead of the reader; each as a stream of one block, so that
liblzma checks all but the index, which is checked here. Without a crew, or where bytes come but once (in
another archive), the reader unpacks one after the other.
Source: https://tukaani.org/xz/xz-file-format.txt.
"""

from __future__ import annotations

import lzma
from collections import deque
from collections.abc import Callable, Generator, Iterator
from typing import NamedTuple
from zlib import crc32

from app.debuginfo.packages.budget import Budget
from app.debuginfo.packages.crew import Ahead, Crew
from app.debuginfo.packages.feed import STEP, Feed, Part
from app.debuginfo.packages.model import Broken

MAGIC = b"\xfd7zXZ\0"
_HEADER = 12  # bytes of a stream's header, and of its end
HEAD = _HEADER + 2  # bytes that tell whether its blocks do
_SIZED = 0xC0  # both sizes are in a block's header
_CHECKS = (0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64)  # bytes of each
_LEAST_AHEAD = 256 << 10  # unpacked bytes of a block that is worth handing over


class _Block(NamedTuple):
    packed: Feed
    size: int  # unpacked
    record: tuple[int, int]  # what the index must say of it
    apart: bool  # what comes behind it can be read before it


def sized(head: bytes) -> bool:
    """Whether a stream's first block tells its sizes; those of one thread do not."""
    return head.startswith(MAGIC) and len(head) >= HEAD and bool(head[12]) and head[13] & _SIZED == _SIZED


def puller(feed: Feed, budget: Budget, crew: Crew | None, others: Callable[[], bytes]) -> Callable[[], bytes]:
    """``others`` goes on where a further stream is of another kind."""
    parts = _parts(feed, budget, crew, others)
    return lambda: next(parts, b"")


def unpacker(memory: int) -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memory)


def no_memory() -> Broken:
    return Broken("limit_memory", "It needs more memory to unpack than a reader gives.")


def broken(error: lzma.LZMAError) -> Broken:
    if "limit" in str(error).lower():
        return no_memory()
    return _malformed(str(error))


def _parts(feed: Feed, budget: Budget, crew: Crew | None, others: Callable[[], bytes]) -> Iterator[bytes]:
    while sized(feed.peek(HEAD)):
        for part in _Stream(feed, budget, crew).parts():
            budget.unpacked(len(part))
            yield part
        feed.skip_zeros()
    if feed.peek(len(MAGIC)) == MAGIC:
        yield from iter(others, b"")


class _Stream:
    """One, from its header to the end of its index."""

    def __init__(self, feed: Feed, budget: Budget, crew: Crew | None) -> None:
        self._feed = feed
        self._budget = budget
        self._crew = crew
        self._header = feed.exactly(_HEADER)
        if self._header[6] or self._header[7] > 15 or crc32(self._header[6:8]) != _little(self._header[8:]):
            raise _malformed("the header of a stream is none")
        self._records: list[tuple[int, int]] = []
        self._begun: deque[Ahead | Generator[bytes, None, None]] = deque()
        self._apart = True  # what comes next can be read now
        self._over = False  # no further block
        self._late: Broken | None = None

    def parts(self) -> Iterator[bytes]:
        try:
            while self._begin():
                yield from self._begun[0]
                self._begun.popleft()
        finally:
            for each in self._begun:
                each.close()
        if self._late is not None:
            raise self._late
        _read_index(self._feed, self._header, self._records)

    def _begin(self) -> bool:
        """As many blocks as the crew can take; whether there is one to go on with."""
        most = self._crew.count if self._crew else 1
        while len(self._begun) < most and not self._over and (self._apart or not self._begun):
            try:
                block = self._block()
            except Broken as error:
                self._late = error  # those before are good
                block = None
            if block is None:
                self._over = True
            else:
                self._records.append(block.record)
                self._apart = block.apart
                parts = _unpacked(self._header, block, self._budget.limits.memory)
                crew = self._crew if block.apart and block.size >= _LEAST_AHEAD else None
                self._begun.append(crew.ahead(parts) if crew else parts)
        return bool(self._begun)

    def _block(self) -> _Block | None:
        """The next; None where the index begins."""
        feed = self._feed
        size = feed.peek(1)
        if not size:
            raise Broken("truncated", "Its compressed data end before their end.")
        if size == b"\0":
            return None
        self._budget.stream()
        length = (size[0] + 1) * 4
        head = feed.peek(length)
        if len(head) < length:
            raise Broken("truncated", "Its compressed data end before their end.")
        if head[1] & _SIZED != _SIZED:
            raise _malformed("only some of its blocks tell their sizes")
        numbers = Feed.of(head[2:])
        packed, unpacked = _number(numbers), _number(numbers)
        check = _CHECKS[self._header[7]]
        whole = length + packed + -packed % 4 + check
        apart = feed.apart(whole) if self._crew else None
        record = length + packed + check, unpacked
        return _Block(apart or Part(feed, whole), unpacked, record, apart is not None)


def _unpacked(header: bytes, block: _Block, memory: int) -> Generator[bytes, None, None]:
    inner = unpacker(memory)
    data, left = header, block.size
    while True:
        try:
            out = inner.decompress(data, STEP)
        except lzma.LZMAError as error:
            raise broken(error) from None
        left -= len(out)
        if left < 0:
            raise _malformed("a block is of another size than it says")
        if out:
            yield out
        data = b""
        if inner.needs_input and not (data := block.packed.take(STEP)):
            break
    if left:
        raise _malformed("a block is of another size than it says")


def _read_index(feed: Feed, header: bytes, records: list[tuple[int, int]]) -> None:
    """The index and the end of the stream."""
    start = feed.position
    sums = 0

    def pull() -> bytes:
        nonlocal sums
        data = feed.take(1)
        sums = crc32(data, sums)
        return data

    summed = Feed(pull)
    summed.skip(1)
    right = _number(summed) == len(records)
    right = right and all((_number(summed), _number(summed)) == record for record in records)
    summed.skip(-summed.position % 4)
    size = feed.position - start + 4
    end = feed.exactly(4 + _HEADER)
    flags, backward = end[12:14], end[8:12]
    if (
        not right
        or sums != _little(end[:4])
        or (_little(backward) + 1) * 4 != size
        or crc32(backward + flags) != _little(end[4:8])
        or flags != header[6:8]
        or end[14:] != b"YZ"
    ):
        raise _malformed("the index of a stream is not that of its blocks")


def _number(feed: Feed) -> int:
    """Seven bits a byte, the lowest first."""
    found = 0
    for shift in range(0, 63, 7):
        byte = feed.exactly(1)[0]
        found |= (byte & 0x7F) << shift
        if byte < 0x80:
            return found
    raise _malformed("a number is too large")


def _little(raw: bytes) -> int:
    return int.from_bytes(raw, "little")


def _malformed(why: str) -> Broken:
    return Broken("malformed", f"Its compressed data are broken: {why}")
