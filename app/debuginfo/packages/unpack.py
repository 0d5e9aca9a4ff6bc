"""A compressed feed to the feed of what it holds: gzip, xz, lzma, bzip2, deflate; see also ``xz``, ``zstd``.

Streams one after the other are one, as their tools have it (apk, pigz, pbzip2, xz -T); zeros behind them, and
whatever else no stream begins with, are not looked at. Output comes in steps, so that a bomb fills no memory.
Sources: RFC 1952, RFC 1951, https://tukaani.org/xz/xz-file-format.txt.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import Literal, Protocol

from app.debuginfo.packages import xz, zstd
from app.debuginfo.packages.budget import Budget
from app.debuginfo.packages.crew import Crew
from app.debuginfo.packages.feed import STEP, Feed
from app.debuginfo.packages.model import Broken

Compression = Literal["gz", "xz", "lzma", "bz2", "zst"]
_INPUT = 64 << 10
# What a further stream begins with.
_MAGIC = {"gz": b"\x1f\x8b", "xz": xz.MAGIC, "bz2": b"BZh"}
_GZIP, _DEFLATE = 31, -15  # zlib's wbits


class _Unpacker(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Zlib:
    """zlib in the shape of lzma and bz2."""

    def __init__(self, wbits: int) -> None:
        self._inner = zlib.decompressobj(wbits)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        out = self._inner.decompress(self._inner.unconsumed_tail + data, max_length)
        # A full step may have left output inside, even where all input was taken.
        self.needs_input = not self._inner.unconsumed_tail and len(out) < max_length
        return out


class _Streams:
    def __init__(
        self, feed: Feed, start: Callable[[], _Unpacker], magic: bytes | None, budget: Budget
    ) -> None:
        self._feed = feed
        self._start = start
        self._magic = magic
        self._budget = budget
        self._unpacker: _Unpacker | None = start()

    def pull(self) -> bytes:
        while True:
            unpacker = self._unpacker or self._following()
            if unpacker is None:
                return b""
            data = b""
            if unpacker.needs_input and not (data := self._feed.take(_INPUT)):
                raise Broken("truncated", "Its compressed data end before their end.")
            out = _decompressed(unpacker, data)
            if unpacker.eof:
                self._feed.give_back(unpacker.unused_data)
                self._unpacker = None
            if out:
                self._budget.unpacked(len(out))
                return out

    def _following(self) -> _Unpacker | None:
        if self._magic is None:
            return None
        self._feed.skip_zeros()
        if self._feed.peek(len(self._magic)) != self._magic:
            return None
        self._budget.stream()
        self._unpacker = self._start()
        return self._unpacker


def _decompressed(unpacker: _Unpacker, data: bytes) -> bytes:
    try:
        return unpacker.decompress(data, STEP)
    except lzma.LZMAError as error:
        raise xz.broken(error) from None
    except (zlib.error, OSError, ValueError, EOFError) as error:  # bz2 raises OSError
        raise Broken("malformed", f"Its compressed data are broken: {error}") from None


def unpacked(feed: Feed, compression: Compression, budget: Budget, crew: Crew | None = None) -> Feed:
    """What ``feed`` holds; reading it raises Broken where the data are, or a limit is passed.

    A crew may read ahead what can be read apart.
    """
    memory = budget.limits.memory
    if compression == "zst":
        return Feed(zstd.puller(feed, budget))
    start: dict[str, Callable[[], _Unpacker]] = {
        "gz": lambda: _Zlib(_GZIP),
        "xz": lambda: xz.unpacker(memory),
        "lzma": lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE, memory),
        "bz2": bz2.BZ2Decompressor,
    }
    streams = _Streams(feed, start[compression], _MAGIC.get(compression), budget)
    if compression == "xz" and xz.sized(feed.peek(xz.HEAD)):
        return Feed(xz.puller(feed, budget, crew, streams.pull))
    return Feed(streams.pull)


def inflated(feed: Feed, budget: Budget) -> Feed:
    """Bare deflate, as zip has it."""
    return Feed(_Streams(feed, lambda: _Zlib(_DEFLATE), None, budget).pull)
