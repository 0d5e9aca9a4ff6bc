"""Names, a text and a kind of match to a rank for each name: in C where the core was compiled, else by numpy.

A name's rank is EXACT, UNQUALIFIED (whole but for what qualifies it and its parameters), PREFIX or INSIDE; a
fuzzy match has FUZZY and more, the farther its letters are apart. The text to look for is one line, and in
lower case where case does not count. ``TimeoutError`` when ``until`` (time.monotonic) is passed.
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from app.elf.search import scan_plain

try:
    from app.elf import _search
except ImportError:  # no compiler was at hand
    _search = None  # type: ignore[assignment]

EXACT, UNQUALIFIED, PREFIX, INSIDE = 0, 1, 2, 3
FUZZY = 16
NONE = 0xFFFF
OPENED, CLOSED = 1, 2
KINDS = 4  # of entries
RESTART = 4096  # lines, of which the first shares nothing; see grown.h
Array = npt.NDArray[Any]
Ranks = npt.NDArray[np.uint16]
Way = Literal["substring", "prefix", "fuzzy"]


@dataclass(frozen=True, slots=True)
class Lines:
    """A line for each name as it is shown, then one for each further spelling; each ends with a newline."""

    text: Array  # u1
    line_at: Array  # u4, one more than lines
    further: Array  # u4: the names that the lines behind the names spell

    @property
    def count(self) -> int:
        return len(self.line_at) - 1

    @property
    def names(self) -> int:
        return self.count - len(self.further)

    def line(self, index: int) -> bytes:
        at, end = self.line_at[index : index + 2].tolist()
        return self.text[at : end - 1].tobytes()

    def name_of(self, lines: Array) -> Array:
        """The names that these lines spell."""
        if not len(self.further):
            return lines
        behind = np.maximum(lines.astype(np.int64) - self.names, 0)
        return np.where(lines < self.names, lines, self.further[np.minimum(behind, len(self.further) - 1)])


@dataclass(frozen=True, slots=True)
class Grown:
    """Sorted lines, and what each has more than the one before, which is what ``find`` reads; see grown.h."""

    lines: Lines
    text: Array  # u1
    at: Array  # u4, one more than lines
    shared: Array  # u1, a line


@dataclass(frozen=True, slots=True)
class Found:
    """Names in order, each once, and their ranks."""

    names: npt.NDArray[np.uint32]
    ranks: npt.NDArray[np.uint16]

    @property
    def nbytes(self) -> int:
        return self.names.nbytes + self.ranks.nbytes

    @staticmethod
    def of(ranks: Ranks) -> Found:
        """Of the rank of each name."""
        names = np.flatnonzero(ranks != NONE).astype(np.uint32)
        return Found(names, ranks[names])

    def ranks_of(self, names: Array) -> Ranks:
        """NONE for those that are not among them."""
        if not len(self.names):
            return np.full(len(names), NONE, np.uint16)
        at = np.minimum(np.searchsorted(self.names, names), len(self.names) - 1)
        return np.where(self.names[at] == names, self.ranks[at], np.uint16(NONE))


@dataclass(frozen=True, slots=True)
class Letter:
    """One byte; ``fold`` takes the other case of a letter in lower case, too."""

    value: int
    fold: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """Segments of bytes (a letter, or a set of 256 bits) with any text between them."""

    segments: tuple[tuple[Letter | int, ...], ...]
    from_start: bool
    to_end: bool


def compiled() -> bool:
    """Whether the core is there."""
    return _search is not None


def rank(
    lines: Lines, needle: bytes, way: Way, fold: bool, until: float, ranks: Ranks, sides: int = 0
) -> None:
    """Lowers the ranks of the names that match. ``sides`` of OPENED and CLOSED: how the text has to lie."""
    if not needle:
        return
    if _search is None:
        scan_plain.rank(lines, needle, way, fold, until, ranks, sides)
        return
    call = {"substring": _search.substring, "prefix": _search.prefix, "fuzzy": _search.fuzzy}[way]
    call(lines.text, lines.line_at, lines.further, needle, fold, sides, False, until, ranks)


def mark(lines: Lines, choices: Sequence[Choice], until: float) -> npt.NDArray[np.uint32]:
    """The lines that match one of the choices, in order."""
    if _search is None:
        return scan_plain.mark(lines, choices, until)
    marks = np.zeros(lines.count, np.uint8)
    _search.mark(lines.text, lines.line_at, lines.further, program(choices), False, until, marks)
    return np.flatnonzero(marks).astype(np.uint32)


_WAYS: tuple[Way, ...] = ("substring", "prefix", "fuzzy")


def find(grown: Grown, needle: bytes, way: Way, fold: bool, until: float, sides: int = 0) -> Found:
    """The names that ``rank`` lowers, and to what."""
    if _search is None or not needle:
        ranks = np.full(grown.lines.names, NONE, np.uint16)
        rank(grown.lines, needle, way, fold, until, ranks, sides)
        return Found.of(ranks)
    names, found = _search.find(*_buffers(grown), _WAYS.index(way), needle, fold, sides, False, until)
    return Found(np.frombuffer(names, np.uint32), np.frombuffer(found, np.uint16))


def find_lines(grown: Grown, choices: Sequence[Choice], until: float) -> npt.NDArray[np.uint32]:
    """As ``mark``."""
    if _search is None:
        return scan_plain.mark(grown.lines, choices, until)
    found, _ = _search.find_lines(*_buffers(grown), program(choices), False, until)
    return np.frombuffer(found, np.uint32)


def let_go() -> None:
    """Gives back the memory that ``find`` keeps from one question to the next."""
    if _search is not None:
        _search.let_go()


def _buffers(grown: Grown) -> tuple[Array, Array, Array, Array, Array, Array]:
    lines = grown.lines
    return lines.text, lines.line_at, lines.further, grown.text, grown.at, grown.shared


def grow(lines: Lines) -> Grown:
    """What each line has more than the one before."""
    if _search is None:
        return Grown(lines, *scan_plain.grow(lines))
    shared, at = np.empty(lines.count, np.uint8), np.empty(lines.count + 1, np.uint32)
    size = _search.grow(lines.text, lines.line_at, lines.further, shared, at)
    grown = Grown(lines, np.empty(size, np.uint8), at, shared)
    _search.grown(*_buffers(grown))
    return grown


def program(choices: Sequence[Choice]) -> bytes:
    """The choices as pattern.c reads them."""
    parts = [struct.pack("<H", len(choices))]
    for choice in choices:
        parts.append(
            struct.pack("<BH", choice.from_start | choice.to_end << 1, len(choice.segments)),
        )
        for segment in choice.segments:
            parts.append(struct.pack("<H", len(segment)))
            for place in segment:
                if isinstance(place, Letter):
                    parts.append(bytes([place.fold, place.value]))
                else:
                    parts.append(b"\2" + place.to_bytes(32, "little"))
    return b"".join(parts)


def gather(lines: Lines, which: npt.NDArray[np.uint32], out: Array | None = None) -> Array:
    """Some lines one after another, each with its newline; into ``out`` of their size, if given."""
    if _search is None:
        made = np.frombuffer(b"".join(lines.line(index) + b"\n" for index in which.tolist()), np.uint8)
        if out is None:
            return made
        out[:] = made
        return out
    given = lines.text, lines.line_at, lines.further, np.ascontiguousarray(which, np.uint32)
    if out is None:
        out = np.empty(_search.gather(*given, None), np.uint8)
    _search.gather(*given, out)
    return out


def select(
    found: Found, entry_at: Array, kinds: Array, wanted: int | None = None, most: int | None = None
) -> tuple[npt.NDArray[np.uint32], tuple[int, ...]]:
    """The entries of the names found, by rank, then by kind, then as they lie; kind -> how many.

    A name's entries lie from its place in ``entry_at`` (u4, one more than names) to the next one's; ``kinds``
    (u1) has a kind for each; an entry of none of the ``KINDS`` is left out. ``wanted``: those of this one;
    ``most``: only so many, the first; all are counted.
    """
    if _search is None:
        return scan_plain.select(found, entry_at, kinds, wanted, most)
    out = np.empty(len(kinds) if most is None else min(most, len(kinds)), np.uint32)
    kind = -1 if wanted is None else wanted
    count, counts = _search.select(found.names, found.ranks, entry_at, kinds, kind, out)
    return out[:count].copy(), counts


def order(keys: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """The places of the keys in ascending order, equal ones as they lie."""
    if _search is None:
        return np.argsort(keys, kind="stable")
    out = np.empty(len(keys), np.int64)
    _search.order(np.ascontiguousarray(keys), out)
    return out


def alphabet(lines: Lines) -> npt.NDArray[np.uint32]:
    """The place of each name by its first 64 bytes without case, then by its length."""
    if _search is None:
        return scan_plain.alphabet(lines)
    out = np.empty(lines.names, np.uint32)
    _search.alphabet(lines.text, lines.line_at, lines.further, out)
    return out


class Names:
    """Many names, each different one once, numbered as they are first met. For one thread at a time."""

    def __init__(self) -> None:
        # No file can choose names that collide, because it does not know the seed.
        self._made = scan_plain.Names() if _search is None else _search.Names(secrets.randbits(64))

    def add(self, lines: Lines, which: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
        """The numbers of these lines."""
        out = np.empty(len(which), np.uint32)
        if isinstance(self._made, scan_plain.Names):
            out[:] = self._made.add(lines, which)
        else:
            self._made.add(lines.text, lines.line_at, lines.further, np.ascontiguousarray(which), out)
        return out

    def lines(self) -> Lines:
        """All names so far, a line each; while they are kept, none can be added."""
        text, starts = self._made.lines()
        return Lines(np.frombuffer(text, np.uint8), np.frombuffer(starts, np.uint32), np.zeros(0, np.uint32))
