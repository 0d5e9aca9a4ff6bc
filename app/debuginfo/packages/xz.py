"""An xz stream whose blocks tell their sizes, two blocks at a time: what xz -T and dpkg-deb write.

One block is unpacked by the reader, the next beside it in a thread, since liblzma runs without the GIL; each
as a stream of one block, so that liblzma checks all but the index, which is checked here. A block too large
to be held is unpacked alone, as it is read.
Source: https://tukaani.org/xz/xz-file-format.txt.
"""

from __future__ import annotations

import lzma
import mmap
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from zlib import crc32

from app.debuginfo.packages.budget import Budget
from app.debuginfo.packages.feed import STEP, Feed, Part
from app.debuginfo.packages.model import Broken

MAGIC = b"\xfd7zXZ\0"
_HEADER = 12  # bytes of a stream's header, and of its end
HEAD = _HEADER + 2  # bytes that tell whether its blocks do
_SIZED = 0xC0  # both sizes are in a block's header
_CHECKS = (0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64)  # bytes of each
# A block of xz -6 is 24 MiB, of data that do not shrink twice that.
_MOST_HELD = 50 << 20
_LEAST_BESIDE = 256 << 10
_INPUT = 64 << 10
_PIECE = 64 << 10  # a multiple of any page


@dataclass(frozen=True, slots=True)
class _Block:
    packed: Feed
    size: int  # unpacked
    record: tuple[int, int]  # what the index must say of it
    held: bool  # all of it was read; otherwise it is still to be


def sized(head: bytes) -> bool:
    """Whether a stream's first block tells its sizes; those of one thread do not."""
    return head.startswith(MAGIC) and len(head) >= HEAD and bool(head[12]) and head[13] & _SIZED == _SIZED


def puller(feed: Feed, budget: Budget, others: Callable[[], bytes]) -> Callable[[], bytes]:
    """``others`` goes on where a further stream is of another kind."""
    parts = _parts(feed, budget, others)
    return lambda: next(parts, b"")


def unpacker(memory: int) -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memory)


def no_memory() -> Broken:
    return Broken("limit_memory", "It needs more memory to unpack than a reader gives.")


def broken(error: lzma.LZMAError) -> Broken:
    if "limit" in str(error).lower():
        return no_memory()
    return _malformed(str(error))


def _parts(feed: Feed, budget: Budget, others: Callable[[], bytes]) -> Iterator[bytes]:
    while sized(feed.peek(HEAD)):
        for part in _stream(feed, budget):
            budget.unpacked(len(part))
            yield part
        feed.skip_zeros()
    if feed.peek(len(MAGIC)) == MAGIC:
        yield from iter(others, b"")


def _stream(feed: Feed, budget: Budget) -> Iterator[bytes]:
    header = feed.exactly(_HEADER)
    if header[6] or header[7] > 15 or crc32(header[6:8]) != _little(header[8:]):
        raise _malformed("the header of a stream is none")
    memory = budget.limits.memory
    records = []
    while first := _block(feed, _CHECKS[header[7]], budget):
        records.append(first.record)
        second, late = None, None
        try:
            second = _block(feed, _CHECKS[header[7]], budget) if first.held else None
        except Broken as error:
            late = error  # the first is good
        beside: Future[Feed] | None = None
        if second is not None:
            records.append(second.record)
            beside = _started(header, second, memory)
        yield from _unpacked(header, first, memory)
        if beside is not None:
            yield from _parts_of(beside.result())
        elif second is not None:
            yield from _unpacked(header, second, memory)
        if late is not None:
            raise late
        first = second = beside = None
    _read_index(feed, header, records)


def _block(feed: Feed, check: int, budget: Budget) -> _Block | None:
    """The next, with its bytes if they are to be held; None where the index begins."""
    size = feed.peek(1)
    if not size:
        raise Broken("truncated", "Its compressed data end before their end.")
    if size == b"\0":
        return None
    budget.stream()
    length = (size[0] + 1) * 4
    head = feed.peek(length)
    if len(head) < length:
        raise Broken("truncated", "Its compressed data end before their end.")
    if head[1] & _SIZED != _SIZED:
        raise _malformed("only some of its blocks tell their sizes")
    numbers = Feed.of(head[2:])
    packed, unpacked = _number(numbers), _number(numbers)
    whole = length + packed + -packed % 4 + check
    held = whole + unpacked <= _MOST_HELD
    record = length + packed + check, unpacked
    part = Part(feed, whole)
    return _Block(_held(whole, _parts_of(part)) if held else part, unpacked, record, held)


def _held(size: int, parts: Iterable[bytes]) -> Feed:
    """The parts, in pages that go back to the system as they are read: malloc would keep them.

    Where the parts break off, so does the feed, behind what came before.
    """
    try:
        pages = mmap.mmap(-1, size + 1, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError:
        raise no_memory() from None
    late = None
    try:
        for part in parts:
            pages.write(part)
    except Broken as error:
        late = error
    at, end = 0, pages.tell()

    def pull() -> bytes:
        nonlocal at
        data = pages[at : min(at + _PIECE, end)]
        if at and data:
            pages.madvise(mmap.MADV_DONTNEED, at - _PIECE, _PIECE)
        at += len(data)
        if not data and late is not None:
            raise late
        return data

    return Feed(pull)


def _started(header: bytes, block: _Block, memory: int) -> Future[Feed] | None:
    """In a thread that ends with its block. None for what is not worth one, or where none may be started."""
    if not block.held or block.size < _LEAST_BESIDE:
        return None
    try:
        with_one = ThreadPoolExecutor(1, "xz")
        future = with_one.submit(_beside, header, block, memory)
        with_one.shutdown(wait=False)
        return future
    except RuntimeError:
        return None


def _beside(header: bytes, block: _Block, memory: int) -> Feed:
    return _held(block.size, _unpacked(header, block, memory))


def _parts_of(feed: Feed) -> Iterator[bytes]:
    return iter(lambda: feed.take(STEP), b"")


def _unpacked(header: bytes, block: _Block, memory: int) -> Iterator[bytes]:
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
        if inner.needs_input and not (data := block.packed.take(_INPUT)):
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
