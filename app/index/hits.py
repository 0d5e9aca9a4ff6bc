"""What a search over the catalogue has found: numbers in their order, and each number to its hit.

A number counts entries (a name and a kind) of the large part, then those of the small one, then binaries; for
who asks for each, posts (an entry in one binary) in their stead.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from app.elf.search import scan
from app.elf.search.scan import Found, Lines, Ranks
from app.index import matching
from app.index.catalogue import BinaryRow
from app.index.model import Ask, Hit
from app.index.names import KINDS, Array, Part
from app.index.rows import key as row_key

# An order: 16 bits of rank, 2 of kind, 24 of a name's number in the large part, 22 of one before it.
_RANK, _KIND, NAME_SHIFT = np.uint64(48), np.uint64(46), np.uint64(22)
_BEHIND = (1 << 22) - 1
FIRST = 4096  # numbers that are put in order before anybody asks for those behind them
_GONE = 0xFF  # in place of the kind of an entry that no binary has any more


@dataclass(frozen=True, slots=True)
class Side:
    """A part as the catalogue is now. What holds for all of a large part takes no memory: it is None."""

    part: Part
    rows: tuple[BinaryRow | None, ...]  # of its places
    kinds: Array  # u1: of each entry that is still there
    alphabet: Array | None  # u8: the order of each name among those of all parts; None for the large part
    living: Array | None  # of each post, whether its binary is still there; None: all are
    twins: Array | None  # of each entry the one of the large part that is the same, -1 for none
    more: Array | None = None  # of each entry of the large part, how many posts its twin has

    @staticmethod
    def of(
        part: Part, rows: dict[str, BinaryRow], alphabet: Array | None = None, twins: Array | None = None
    ) -> Side:
        found = tuple(rows.get(place) for place in part.places)
        there = np.array([row is not None for row in found], bool)
        kinds, living = part["entry_kind"], None
        if not there.all():
            living = there[part["post_binary"]]
            if len(kinds):
                some = np.add.reduceat(living.astype(np.int64), part["entry_at"][:-1].astype(np.int64)) > 0
                kinds = np.where(some, kinds, np.uint8(_GONE))
        return Side(part, found, kinds, alphabet, living, twins)

    def keys(self, found: Found, entries: Array) -> Array:
        """The order of entries among those of all parts, by the ranks of their names."""
        name = self.part["entry_name"][entries]
        order: Array = self.alphabet[name] if self.alphabet is not None else self._behind(name)
        kind = self.part["entry_kind"][entries].astype(np.uint64)
        keys: Array = found.ranks_of(name).astype(np.uint64) << _RANK | kind << _KIND | order
        return keys

    def _behind(self, names: Array) -> Array:
        found: Array = names.astype(np.uint64) << NAME_SHIFT | np.uint64(_BEHIND)
        return found

    def counts(self, entries: Array) -> Array:
        """How many binaries that are still there have each of these entries."""
        if not len(entries):
            return np.zeros(0, np.int64)
        if self.living is None:
            at = self.part["entry_at"]
            posts: Array = at[entries + 1].astype(np.int64) - at[entries]
            return posts
        places, lengths = spread(self.part["entry_at"], entries)
        living: Array = np.add.reduceat(self.living[places].astype(np.int64), np.cumsum(lengths) - lengths)
        return living

    def posts(self, entries: Array) -> tuple[Array, Array]:
        """Those of these entries that are still there, and the entry of each."""
        places, lengths = spread(self.part["entry_at"], entries)
        of = np.repeat(entries, lengths)
        if self.living is not None:
            places, of = places[self.living[places]], of[self.living[places]]
        return places.astype(np.uint32), of

    def entry_of(self, posts: Array) -> Array:
        found: Array = np.searchsorted(self.part["entry_at"], posts, side="right") - 1
        return found


def spread(at: Array, items: Array) -> tuple[Array, Array]:
    """The places of these items, of which each has one or more, and how many each has."""
    starts = at[items].astype(np.int64)
    lengths = at[items + 1].astype(np.int64) - starts
    if len(lengths) and int(lengths.max()) == 1:
        return starts, lengths
    ends = np.cumsum(lengths)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - (ends - lengths), lengths), lengths


@dataclass(frozen=True, slots=True)
class Now:
    """The catalogue at one moment."""

    number: int  # another one for each change
    generation: object
    rows: tuple[BinaryRow, ...]
    binaries: Lines
    binary_of: Array  # the row of each line of ``binaries``
    sides: tuple[Side, ...]  # the large part, and the small one where there is one


@dataclass(frozen=True, slots=True)
class Answer:
    """What matches, and the first of it in their order."""

    found: tuple[Found, ...]  # of each side
    binaries: Ranks  # of each row
    first: Array  # numbers
    total: int
    facets: dict[str, dict[str, int]]

    @property
    def nbytes(self) -> int:
        return self.first.nbytes + self.binaries.nbytes + sum(found.nbytes for found in self.found)


def answered(now: Now, ask: Ask, kind: str, each: bool, seconds: float) -> Answer:
    """The numbers that match: the best first, then by kind, then by the alphabet; binaries before others.

    Raises BadInput and Busy.
    """
    until = time.monotonic() + seconds
    found = tuple(
        matching.found(side.part.grown, ask.q, ask.mode, until - time.monotonic()) for side in now.sides
    )
    of_binaries = matching.line_ranks(now.binaries, ask.q, ask.mode, until - time.monotonic())
    best = np.full(len(now.rows), matching.NONE, np.uint16)
    np.minimum.at(best, now.binary_of, of_binaries)
    first, counted = _ordered(now, found, best, kind, each, FIRST)
    facets = {"kind": {name: int(count) for name, count in zip(KINDS, counted, strict=True) if count}}
    return Answer(found, best, first, int(counted[KINDS.index(kind)] if kind else counted.sum()), facets)


def whole(now: Now, answer: Answer, kind: str, each: bool) -> Answer:
    """The same with all of it in order, without another search."""
    rows, _ = _ordered(now, answer.found, answer.binaries, kind, each, None)
    return Answer((), answer.binaries, rows, answer.total, answer.facets)


def _ordered(
    now: Now, found: tuple[Found, ...], best: Ranks, kind: str, each: bool, most: int | None
) -> tuple[Array, Array]:
    """(the first numbers in their order, how many there are of each kind)."""
    wanted = KINDS.index(kind) if kind else None
    sides = [
        _of_side(now, number, found, wanted, each, None if number else most)
        for number in range(len(now.sides))
    ]
    binaries = sorted(np.flatnonzero(best != matching.NONE).tolist(), key=lambda index: now.rows[index].name)
    counted = np.sum([counts for *_, counts in sides], axis=0) if sides else np.zeros(len(KINDS), np.int64)
    counted[0] += len(binaries)
    if wanted:
        binaries = []
    # The hits of the large part are many and in order; all others are few, and put among them.
    first = [0, *np.cumsum([_size(side, each) for side in now.sides]).tolist()]
    few = [np.array(binaries, np.uint32) + np.uint32(first[-1])]
    keys = [best[np.array(binaries, np.int64)].astype(np.uint64) << _RANK]
    for number, (rows, entries, _) in list(enumerate(sides))[1:]:
        few.append(rows + np.uint32(first[number]))
        keys.append(now.sides[number].keys(found[number], entries))
    rows = sides[0][0] if sides else np.zeros(0, np.uint32)
    order = np.argsort(np.concatenate(keys), kind="stable")

    def key_at(numbers: Array) -> Array:
        large = now.sides[0]
        return large.keys(found[0], large.entry_of(numbers) if each else numbers)

    return _merged(rows, key_at, np.concatenate(few)[order], np.concatenate(keys)[order])[:most], counted


def _size(side: Side, each: bool) -> int:
    return len(side.part["post_binary"]) if each else len(side.part["entry_name"])


def _of_side(
    now: Now, number: int, found: tuple[Found, ...], wanted: int | None, each: bool, most: int | None
) -> tuple[Array, Array, tuple[int, ...]]:
    """(the first numbers within this part in their order, the entry of each, how many of each kind)."""
    side, large = now.sides[number], now.sides[0]
    kinds = side.kinds
    if side.twins is not None and len(large.kinds) and not each:
        # The large part's hit stands for both.
        twin = np.maximum(side.twins, 0)
        other = found[0].ranks_of(large.part["entry_name"][twin]) != matching.NONE
        kinds = np.where((side.twins >= 0) & other & (large.kinds[twin] != _GONE), np.uint8(_GONE), kinds)
    choose = partial(scan.select, found[number], side.part["name_entry_at"], kinds)
    if not each:
        entries, counts = choose(wanted, most)
        return entries, entries, counts
    posts, entries = side.posts(choose(None)[0])
    kind_of = kinds[entries]
    counts = tuple(np.bincount(kind_of, minlength=len(KINDS)).tolist())
    if wanted is not None:
        posts, entries = posts[kind_of == wanted], entries[kind_of == wanted]
    return posts[:most], entries[:most], counts


def _merged(rows: Array, key_at: Callable[[Array], Array], few: Array, keys: Array) -> Array:
    """Rows in order with a few more among them, each before the first whose key is not below its own."""
    low, high = np.zeros(len(few), np.int64), np.full(len(few), len(rows))
    while (active := low < high).any():
        middle = (low + high) // 2
        below = key_at(rows[np.minimum(middle, len(rows) - 1)]) < keys
        low, high = np.where(active & below, middle + 1, low), np.where(active & ~below, middle, high)
    out = np.empty(len(rows) + len(few), np.uint32)
    begin = 0
    for number, (place, row) in enumerate(zip(low.tolist(), few.tolist(), strict=True)):
        out[begin + number : place + number] = rows[begin:place]
        out[place + number] = row
        begin = place
    out[begin + len(few) :] = rows[begin:]
    return out


def hits(now: Now, numbers: Array, each: bool) -> tuple[Hit, ...]:
    """What numbers of an answer stand for."""
    made: dict[int, Hit] = {}
    first = 0
    for side in now.sides:
        end = first + _size(side, each)
        mine = numbers[(numbers >= first) & (numbers < end)]
        made.update(zip(mine.tolist(), _of_numbers(side, mine.astype(np.int64) - first, each), strict=True))
        first = end
    for number in numbers[numbers >= first].tolist():
        row = now.rows[number - first]
        made[number] = Hit("binary", row.name, row.name, row.id, row.name, row.id)
    return tuple(made[number] for number in numbers.tolist())


def _of_numbers(side: Side, numbers: Array, each: bool) -> Iterator[Hit]:
    part = side.part
    if each:
        posts, entries = numbers, side.entry_of(numbers.astype(np.uint32))
        binaries = np.ones(len(numbers), np.int64)
    else:
        posts, entries, binaries = part["entry_at"][numbers].astype(np.int64), numbers, side.counts(numbers)
        if side.living is not None:
            ends = part["entry_at"][numbers + 1].astype(np.int64)
            spans = zip(posts.tolist(), ends.tolist(), strict=True)
            posts = posts + np.array([np.argmax(side.living[at:end]) for at, end in spans], np.int64)
        if side.more is not None:
            binaries = binaries + side.more[numbers]
    return map(
        partial(_post_hit, side),
        part["entry_kind"][entries].tolist(),
        part["entry_name"][entries].tolist(),
        *(
            part[name][posts].tolist()
            for name in ("post_line", "post_binary", "post_address", "post_section")
        ),
        binaries.tolist(),
    )


def _post_hit(
    side: Side, kind: int, name: int, line: int, binary: int, address: int, section: int, binaries: int
) -> Hit:
    row = side.rows[binary]
    assert row is not None
    spelled = shown = _text(side.part.lines, name)
    if not shown.isprintable():
        shown = "".join(char if char.isprintable() else "\x01" for char in shown)
    if KINDS[kind] == "usdt":
        return Hit("usdt", shown, shown, row.id, row.name, shown.replace(":", "/", 1), binaries)
    key = row_key(
        "function" if KINDS[kind] == "function" else "variable", address, section, row.info["type"] == "REL"
    )
    if line != name:
        spelled = _text(side.part.lines, line)
    return Hit(KINDS[kind], spelled, shown, row.id, row.name, key, binaries)  # type: ignore[arg-type]


def _text(lines: Lines, line: int) -> str:
    return lines.line(line).decode("utf-8", "backslashreplace")
