"""What ``scan`` does, where there is no core: by numpy and ``re``, slower; the tests' measure of the core."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from app.elf.search.scan import Choice, Found, Letter, Lines, Ranks, Way

_EXACT, _UNQUALIFIED, _PREFIX, _INSIDE, _FUZZY, _NONE = 0, 1, 2, 3, 16, 0xFFFF
_OPENED, _CLOSED = 1, 2
_KINDS = 4
_INSIDE_A_WORD = 8
_SORTED_BY = 64
_CHECK_EVERY = 1024
_CONTEXT, _RESTART, _SHARED_MOST = 8, 4096, 255  # see grown.h


def rank(lines: Lines, needle: bytes, way: Way, fold: bool, until: float, ranks: Ranks, sides: int) -> None:
    if way == "fuzzy":
        _fuzzy(lines, needle, fold, until, ranks)
        return
    places = np.fromiter(_places(lines, needle, fold, until), np.int64)
    line = np.searchsorted(lines.line_at, places, side="right") - 1
    start, end = lines.line_at[line].astype(np.int64), lines.line_at[line + 1].astype(np.int64) - 1
    first, last = places == start, places + len(needle) == end
    before = lines.text[np.maximum(places - 1, 0)]
    after = lines.text[places + len(needle)]
    opens = first | (before == ord(":")) | (before == ord(" "))
    closes = last | (after == ord("(")) | (after == ord("<"))
    rank = np.full(len(places), _INSIDE)
    rank[first] = _PREFIX
    if way == "substring":
        rank[opens & closes] = _UNQUALIFIED
    rank[first & last] = _EXACT
    chosen = np.ones(len(places), bool)
    if way == "prefix":
        chosen &= first
    if sides & _OPENED and way == "substring":
        chosen &= opens
    if sides & _CLOSED:
        chosen &= closes
    _lower(lines, ranks, line[chosen], rank[chosen])


def select(
    found: Found, entry_at: npt.NDArray[Any], kinds: npt.NDArray[Any], wanted: int | None, most: int | None
) -> tuple[npt.NDArray[np.uint32], tuple[int, ...]]:
    at = entry_at.astype(np.int64)
    lengths = at[found.names + 1] - at[found.names]
    entries = np.arange(lengths.sum()) + np.repeat(at[found.names] - (np.cumsum(lengths) - lengths), lengths)
    kind, rank = kinds[entries], np.repeat(found.ranks, lengths).astype(np.uint32)
    counts = tuple(np.bincount(kind[kind < _KINDS], minlength=_KINDS).tolist())
    chosen = np.flatnonzero((kind < _KINDS) if wanted is None else (kind == wanted))
    order = np.argsort(rank[chosen] << np.uint32(2) | kind[chosen], kind="stable")
    return entries[chosen[order]][:most].astype(np.uint32), counts


def grow(lines: Lines) -> tuple[npt.NDArray[Any], npt.NDArray[np.uint32], npt.NDArray[np.uint8]]:
    """(text, at, shared) of ``scan.Grown``."""
    text, lengths, before = [], [0], b""
    shared = np.zeros(lines.count, np.uint8)
    for index in range(lines.count):
        line = lines.line(index)
        if index % _RESTART:
            shared[index] = _common(before, line)
        text.append(line[max(int(shared[index]) - _CONTEXT, 0) :] + b"\n")
        lengths.append(len(text[-1]))
        before = line
    return np.frombuffer(b"".join(text), np.uint8), np.cumsum(lengths).astype(np.uint32), shared


def _common(one: bytes, other: bytes) -> int:
    most = min(len(one), len(other), _SHARED_MOST)
    return next((at for at in range(most) if one[at] != other[at]), most)


def _lower(lines: Lines, ranks: Ranks, line: npt.NDArray[Any], rank: npt.NDArray[Any]) -> None:
    np.minimum.at(ranks, lines.name_of(line), rank.astype(np.uint16))


def _places(lines: Lines, needle: bytes, fold: bool, until: float) -> Iterator[int]:
    pattern = re.escape(needle)
    if any(needle[:size] == needle[-size:] for size in range(1, len(needle))):
        pattern = b"(?=" + pattern + b")"  # it may overlap itself
    found = re.finditer(pattern, lines.text.data, re.IGNORECASE if fold else 0)
    for count, match in enumerate(found):
        _check(count, until)
        yield match.start()


def _check(count: int, until: float) -> None:
    if until and count % _CHECK_EVERY == 0 and time.monotonic() > until:
        raise TimeoutError


def _fuzzy(lines: Lines, needle: bytes, fold: bool, until: float, ranks: Ranks) -> None:
    parts = needle.split()
    flags = (re.IGNORECASE if fold else 0) | re.MULTILINE
    expressions = [
        re.compile(b"[^\n]*?".join(re.escape(bytes([byte])) for byte in part), flags) for part in parts
    ]
    if not parts:
        return
    line, score = [], []
    for index in range(lines.count):
        _check(index, until)
        text = lines.line(index)
        found = [expression.search(text) for expression in expressions]
        if all(found):
            shown = text.lower() if fold else text
            line.append(index)
            score.append(
                sum(
                    _gaps(shown, match.end(), part) for match, part in zip(found, parts, strict=True) if match
                )
            )
    ranked = np.minimum(np.array(score, np.int64) + _FUZZY, _NONE - 1)
    _lower(lines, ranks, np.array(line, np.int64), ranked)


def _gaps(text: bytes, end: int, part: bytes) -> int:
    begin = end
    for byte in reversed(part):
        begin = text.rindex(byte, 0, begin)
    inside = begin > 0 and (text[begin - 1] >= 0x80 or bytes([text[begin - 1]]).isalnum())
    return end - begin - len(part) + (_INSIDE_A_WORD if inside else 0)


def mark(lines: Lines, choices: Sequence[Choice], until: float) -> npt.NDArray[np.uint32]:
    marked: set[int] = set()
    for choice in choices:
        found = re.finditer(_expression(choice), lines.text.data, re.MULTILINE | re.DOTALL)
        places = []
        for count, match in enumerate(found):
            _check(count, until)
            places.append(match.start())
        marked.update((np.searchsorted(lines.line_at, np.array(places, np.int64), side="right") - 1).tolist())
    # Behind the last newline there is one empty line more, which is no name.
    return np.array(sorted(line for line in marked if line < lines.count), np.uint32)


def _expression(choice: Choice) -> bytes:
    segments = [b"".join(_place(place) for place in segment) for segment in choice.segments]
    return (
        (b"^" if choice.from_start else b"")
        + b"[^\n]*?".join(segments)
        + (b"(?=\n)" if choice.to_end else b"")
    )


def _place(place: Letter | int) -> bytes:
    if isinstance(place, int):
        allowed = [byte for byte in range(256) if place >> byte & 1 and byte != 10]
        return b"[" + b"".join(b"\\x%02x" % byte for byte in allowed) + b"]" if allowed else b"(?!)"
    letter = bytes([place.value])
    return b"[" + letter + letter.upper() + b"]" if place.fold else re.escape(letter)


def alphabet(lines: Lines) -> npt.NDArray[np.uint32]:
    keys = [lines.line(index) for index in range(lines.names)]
    places = sorted(range(len(keys)), key=lambda index: (keys[index].lower()[:_SORTED_BY], len(keys[index])))
    rank = np.empty(len(keys), np.uint32)
    rank[places] = np.arange(len(keys), dtype=np.uint32)
    return rank


class Names:
    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}

    def add(self, lines: Lines, which: npt.NDArray[np.uint32]) -> list[int]:
        numbers = self._numbers
        return [numbers.setdefault(lines.line(index), len(numbers)) for index in which.tolist()]

    def lines(self) -> tuple[bytes, bytes]:
        ends = np.cumsum([0, *(len(name) + 1 for name in self._numbers)]).astype(np.uint32)
        return b"".join(name + b"\n" for name in self._numbers), ends.tobytes()
