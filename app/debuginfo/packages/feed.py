"""Chunks of bytes to reads of any length, front to back, with a look ahead.

Chunks are passed on as they are where that suits both sides, so that most bytes are not copied.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from app.debuginfo.packages.model import Broken

STEP = 256 << 10  # bytes of a chunk: it fits the caches of any machine


class Feed:
    """Bytes from ``pull``, which gives b"" at their end, or raises Broken: then so does every later read."""

    __slots__ = ("_at", "_broken", "_chunk", "_ended", "_pull", "position")

    def __init__(self, pull: Callable[[], bytes]) -> None:
        self.position = 0  # bytes taken so far
        self._pull = pull
        self._chunk = b""
        self._at = 0
        self._ended = False
        self._broken: Broken | None = None

    @classmethod
    def of(cls, data: bytes) -> Feed:
        feed = cls(lambda: b"")
        feed._chunk = data
        return feed

    def take(self, most: int) -> bytes:
        """From 1 to ``most`` bytes, as many as are at hand; none at the end."""
        chunk, at = self._chunk, self._at
        if at == len(chunk):
            chunk, at = self._next(), 0
        if at == 0 and len(chunk) <= most:
            self._chunk, self._at = b"", 0
            part = chunk
        else:
            part = chunk[at : at + most]
            self._chunk, self._at = chunk, at + len(part)
        self.position += len(part)
        return part

    def some(self, count: int) -> bytes:
        """``count`` bytes, fewer at the end."""
        part = self.take(count)
        if len(part) == count or not part:
            return part
        parts = [part]
        left = count - len(part)
        while left and (part := self.take(left)):
            parts.append(part)
            left -= len(part)
        return b"".join(parts)

    def exactly(self, count: int) -> bytes:
        """``count`` bytes; raises Broken where there are fewer."""
        part = self.some(count)
        if len(part) < count:
            raise Broken("truncated", "It ends before its contents do.")
        return part

    def peek(self, count: int) -> bytes:
        """The next ``count`` bytes, fewer before the end or a broken place; they stay."""
        while len(self._chunk) - self._at < count:
            had = self._chunk[self._at :]
            try:
                more = self._next()
            except Broken:
                if not had:
                    raise
                more = b""
            self._chunk, self._at = had + more, 0
            if not more:
                break
        return self._chunk[self._at : self._at + count]

    def ended(self) -> bool:
        """Whether nothing is left. Raises Broken where what comes next is."""
        return self._at == len(self._chunk) and not self.peek(1)

    def give_back(self, data: bytes) -> None:
        """Puts back what was taken last."""
        self._chunk, self._at = data + self._chunk[self._at :], 0
        self.position -= len(data)

    def skip(self, count: int) -> None:
        while count:
            part = self.take(min(count, STEP))
            if not part:
                raise Broken("truncated", "It ends before its contents do.")
            count -= len(part)

    def skip_zeros(self) -> None:
        while (rest := self.peek(STEP)) and not rest.strip(b"\0"):
            self.skip(len(rest))
        self.skip(len(rest) - len(rest.lstrip(b"\0")))

    def apart(self, count: int) -> Feed | None:
        """The next ``count`` bytes, for any thread to read at any time; this feed goes on behind them.

        None where bytes come but once, or are fewer: nothing is taken then.
        """
        return None

    def drain(self) -> None:
        """Reads to the end, where checksums are."""
        while self.take(STEP):
            pass

    def _next(self) -> bytes:
        if self._broken is not None:
            raise self._broken
        if self._ended:
            return b""
        try:
            chunk = self._pull()
        except Broken as broken:
            self._broken = broken
            raise
        self._ended = not chunk
        return chunk


class FileFeed(Feed):
    """The bytes of a regular file from ``at`` on; ``counted`` is told how many are taken out of it."""

    __slots__ = ("_counted", "_descriptor", "_place")

    def __init__(self, descriptor: int, at: int, counted: Callable[[int], None]) -> None:
        super().__init__(self._more)
        self._descriptor = descriptor
        self._place = at
        self._counted = counted

    def _more(self) -> bytes:
        data = os.pread(self._descriptor, STEP, self._place)
        self._place += len(data)
        self._counted(len(data))
        return data

    def apart(self, count: int) -> Feed | None:
        had = len(self._chunk) - self._at
        if count <= had:
            return Feed.of(self.exactly(count))
        start = self._place - had
        end = start + count
        if end > os.fstat(self._descriptor).st_size:
            return None
        self._counted(count - had)
        self._chunk, self._at = b"", 0
        self._place = end
        self.position += count
        return Part(FileFeed(self._descriptor, start, _uncounted), count)


def _uncounted(_: int) -> None:
    """For bytes that were counted before."""


class Part(Feed):
    """The next ``size`` bytes of another feed, which must not be read until ``finish``."""

    __slots__ = ("_left", "_whole")

    def __init__(self, whole: Feed, size: int) -> None:
        super().__init__(self._more)
        self._whole = whole
        self._left = size

    def _more(self) -> bytes:
        if not self._left:
            return b""
        part = self._whole.take(min(self._left, STEP))
        if not part:
            raise Broken("truncated", "It ends before its contents do.")
        self._left -= len(part)
        return part

    def apart(self, count: int) -> Feed | None:
        had = self._chunk[self._at :]
        if count <= len(had):
            return Feed.of(self.exactly(count))
        if count > len(had) + self._left:
            return None
        self._whole.give_back(had)
        found = self._whole.apart(count)
        if found is None:
            self._whole.skip(len(had))
        else:
            self._chunk, self._at = b"", 0
            self._left -= count - len(had)
            self.position += count
        return found

    def finish(self) -> None:
        """Moves the other feed behind the part; raises what a read of the part did."""
        if self._broken is not None:
            raise self._broken
        self._whole.skip(self._left)
        self._left = 0
