"""Sparse files of a tar archive to their whole contents: a map of what is there, and zeros between.

GNU's old way (in headers), and its three of pax, the last of which bsdtar writes for any file with holes.
Zeros count as unpacked bytes. Source: GNU tar's manual, Storing Sparse Files; its appendix, Sparse Formats.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.debuginfo.packages.budget import Budget
from app.debuginfo.packages.feed import STEP, Feed
from app.debuginfo.packages.model import Broken

_BLOCK = 512
_MOST_SPANS = 100_000
_ZEROS = bytes(STEP)
_PREFIX = b"GNU.sparse."
_IN_HEADER, _IN_BLOCK, _SPAN = 4, 21, 24  # spans of each; bytes of one
Records = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Map:
    size: int  # of the file with its holes
    spans: tuple[tuple[int, int], ...]  # offset and size of what is there


def of_gnu(block: bytes, feed: Feed) -> Map:
    """Of a header of type S, and of the blocks behind it. Raises Broken."""
    numbers = _octal(block[386 : 386 + _IN_HEADER * _SPAN])
    more, blocks = block[482], 0
    while more:
        further = feed.exactly(_BLOCK)
        numbers += _octal(further[: _IN_BLOCK * _SPAN])
        more, blocks = further[_IN_BLOCK * _SPAN], blocks + 1
        if blocks * _IN_BLOCK > _MOST_SPANS:
            raise Broken("malformed", "A sparse file in the tar archive has too many parts.")
    return _map(number(block[483:495]), numbers)


def of_pax(records: Records, content: Feed) -> Map:
    """Of the records ``GNU.sparse.*`` in their order; the newest form has its map before the content."""
    found = dict(records)
    if found.get(_PREFIX + b"major") == b"1":
        return _map(_decimal(found.get(_PREFIX + b"realsize", b"")), _before(content))
    size = _decimal(found.get(_PREFIX + b"size", b""))
    if _PREFIX + b"map" in found:
        return _map(size, [_decimal(each) for each in found[_PREFIX + b"map"].split(b",")])
    spans = (_PREFIX + b"offset", _PREFIX + b"numbytes")
    return _map(size, [_decimal(value) for key, value in records if key in spans])


def expanded(content: Feed, found: Map, budget: Budget) -> Feed:
    """The file with its holes."""
    at = 0
    spans = list(reversed(found.spans))

    def pull() -> bytes:
        nonlocal at
        while spans and sum(spans[-1]) <= at:
            spans.pop()
        start, size = spans[-1] if spans else (found.size, 0)
        if at >= start:
            data = content.take(min(STEP, start + size - at)) if size else b""
            if size and not data:
                raise Broken("malformed", "A sparse file in the tar archive has less than its map says.")
        else:
            data = _ZEROS[: min(STEP, start - at)]
            budget.unpacked(len(data))
        at += len(data)
        return data

    return Feed(pull)


def _map(size: int, numbers: Sequence[int]) -> Map:
    spans = tuple(zip(numbers[::2], numbers[1::2], strict=False))
    ends = [0] + [offset + count for offset, count in spans]
    starts = [offset for offset, _ in spans] + [size]
    if len(numbers) % 2 or any(end > start for end, start in zip(ends, starts, strict=True)):
        raise Broken("malformed", "A sparse file in the tar archive has a map that is none.")
    return Map(size, tuple(span for span in spans if span[1]))


def _before(content: Feed) -> list[int]:
    """A count and that many pairs, a line each, to the end of a block."""
    lines: list[bytes] = []
    rest, count = b"", 0
    while not lines or len(lines) < 1 + 2 * count:
        *more, rest = (rest + content.exactly(_BLOCK)).split(b"\n")
        lines += more
        count = _decimal(lines[0]) if lines else 0
        if count > _MOST_SPANS or len(rest) > _BLOCK:
            raise Broken("malformed", "A sparse file in the tar archive has too many parts.")
    return [_decimal(line) for line in lines[1 : 1 + 2 * count]]


def _octal(raw: bytes) -> list[int]:
    """Numbers of 12 bytes, up to the first pair that is empty."""
    found = []
    for at in range(0, len(raw), 12):
        digits = raw[at : at + 12]
        if not digits.strip(b" \0"):
            break
        found.append(number(digits))
    return found


def number(raw: bytes) -> int:
    """Octal, or GNU's base 256 for what is larger. Raises Broken."""
    if raw[0] & 0x80:
        if raw[0] != 0x80:
            raise Broken("malformed", "A header in the tar archive has a negative or an impossible size.")
        return int.from_bytes(raw[1:], "big")
    digits = raw.strip(b" \0")
    if digits.strip(b"01234567"):
        raise Broken("malformed", "A header in the tar archive has a size that is no number.")
    return int(digits or b"0", 8)


def _decimal(raw: bytes) -> int:
    if not raw.isdigit() or len(raw) > 20:
        raise Broken("malformed", "A sparse file in the tar archive has a map that is none.")
    return int(raw)
