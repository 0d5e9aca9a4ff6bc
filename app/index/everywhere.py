"""The search over the whole catalogue: binaries, USDT probes, functions and variables, each name once.

Names lie in two parts: a large one in a file, and a small one of the binaries that came since, made anew when
the catalogue has changed. What a question found is kept as numbers in their order, so that any offset of the
answer costs the same.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from app.elf import scan
from app.elf.scan import Lines
from app.errors import BadInput
from app.index import matching
from app.index.catalogue import BinaryRow
from app.index.columns import Columns
from app.index.model import Ask, Hit
from app.index.names import KINDS, Array, Part, lines_from
from app.index.query import Selection, Selections
from app.index.rows import key as row_key

_FEW_NAMES = 10_000  # of binaries that came since, above which all names are laid anew
_FEW_BINARIES = 256
# An order: 16 bits of rank, 2 of kind, 24 of a name's number in the large part, 22 of one before it.
_RANK, _KIND, _NAME = np.uint64(48), np.uint64(46), np.uint64(22)
_BEHIND = (1 << 22) - 1
Rows = Callable[[], list[BinaryRow]]
Open = Callable[[BinaryRow], Columns]


@dataclass(frozen=True, slots=True)
class _Side:
    """A part as the catalogue is now. What holds for all of a large part takes no memory: it is None."""

    part: Part
    rows: tuple[BinaryRow | None, ...]  # of its places
    alphabet: Array | None  # u8: the order of each name among those of all parts; None for the large part
    living: Array | None  # of each post, whether its binary is still there; None: all are
    twins: Array | None  # of each entry the one of the large part that is the same, -1 for none
    more: Array | None = None  # of each entry of the large part, how many posts its twin has

    @staticmethod
    def of(
        part: Part, rows: dict[str, BinaryRow], alphabet: Array | None = None, twins: Array | None = None
    ) -> _Side:
        found = tuple(rows.get(place) for place in part.places)
        there = np.array([row is not None for row in found], bool)
        return _Side(part, found, alphabet, None if there.all() else there[part["post_binary"]], twins)

    def order(self, names: Array) -> Array:
        """The alphabetical order of these names."""
        if self.alphabet is not None:
            found: Array = self.alphabet[names]
            return found
        behind: Array = names.astype(np.uint64) << _NAME | np.uint64(_BEHIND)
        return behind

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


def spread(at: Array, items: Array) -> tuple[Array, Array]:
    """The places of these items, of which each has one or more, and how many each has."""
    starts = at[items].astype(np.int64)
    lengths = at[items + 1].astype(np.int64) - starts
    if len(lengths) and int(lengths.max()) == 1:
        return starts, lengths
    ends = np.cumsum(lengths)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - (ends - lengths), lengths), lengths


@dataclass(frozen=True, slots=True)
class _Now:
    """The catalogue at one moment."""

    number: int  # another one for each change
    generation: object
    rows: tuple[BinaryRow, ...]
    binaries: Lines
    binary_of: Array  # the row of each line of ``binaries``
    sides: tuple[_Side, ...]


class Everywhere:
    """``generation`` changes when ``rows`` may have; ``path`` is where the large part is kept."""

    def __init__(self, path: Path, generation: Callable[[], object], rows: Rows, open_columns: Open) -> None:
        self._path = path
        self._generation, self._rows, self._open = generation, rows, open_columns
        self._lock = threading.Lock()
        self._now: _Now | None = None
        self._base: Part | None = None
        self._selections = Selections()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def close(self) -> None:
        self._closing.set()
        if self._thread is not None:
            self._thread.join()

    def refresh_soon(self) -> None:
        """Lays new names in a thread, so that the next question need not wait for them."""
        if not self._closing.is_set() and (self._thread is None or not self._thread.is_alive()):
            self._thread = threading.Thread(target=self._refreshed_quietly, name="names")
            self._thread.start()

    def _refreshed_quietly(self) -> None:
        with suppress(Exception):  # the next question has the same failure, and somebody to tell
            self.refresh()

    def refresh(self) -> _Now | None:
        """None while it is closing."""
        with self._lock:
            generation = self._generation()
            if self._now is not None and self._now.generation == generation:
                return self._now
            rows = {row.columns: row for row in self._rows()}
            if self._now is not None and self._now.rows == tuple(rows.values()):
                self._now = replace(self._now, generation=generation)
                return self._now
            base = self._base or Part.load(self._path)
            known = set(base.places) if base else set()
            newer = [row for place, row in rows.items() if place not in known]
            gone = sum(place not in rows for place in known)
            delta = None
            if base is None or len(newer) > _FEW_BINARIES or 2 * gone > len(known) + 1:
                base = self._laid(list(rows.values()))
            else:
                delta = self._part(newer)
                if delta is not None and delta.lines.names > _FEW_NAMES:
                    base, delta = self._laid(list(rows.values())), None
            if self._closing.is_set() or base is None:
                return None
            self._base = base
            self._now = _seen(self._now.number + 1 if self._now else 0, generation, rows, base, delta)
            return self._now

    def _part(self, rows: Sequence[BinaryRow]) -> Part | None:
        sources = ((row.columns, lambda row=row: self._open(row)) for row in rows)
        return Part.of(sources, self._closing.is_set)

    def _laid(self, rows: Sequence[BinaryRow]) -> Part | None:
        """A part of all, kept where the disk has room; mapped then, so that its memory can be taken back."""
        made = self._part(rows)
        if made is None:
            return None
        with suppress(OSError):
            made.save(self._path)
            return Part.load(self._path) or made
        return made

    def ask(self, ask: Ask, seconds: float) -> tuple[int, tuple[Hit, ...], dict[str, dict[str, int]]]:
        """(how many, those of the part asked for, facets). Raises BadInput and Busy."""
        kind = ask.filters.get("kind", "")
        if kind and kind not in KINDS:
            raise BadInput(f"There is no kind {kind!r} of answer.", "Use one of: " + ", ".join(KINDS) + ".")
        now = self.refresh()
        if not ask.q.strip() or now is None:
            return 0, (), {}
        each = ask.filters.get("each") == "1"
        key = (now.number, ask.q, ask.mode, kind, each)
        selection = self._selections.get(key, lambda: _selected(now, ask, kind, each, seconds))
        part = selection.rows[ask.offset : ask.offset + ask.limit].tolist()
        return len(selection.rows), tuple(_hit(now, number, each) for number in part), selection.facets


def _seen(
    number: int, generation: object, rows: dict[str, BinaryRow], base: Part, delta: Part | None
) -> _Now:
    sides = [_Side.of(base, rows)]
    if delta is not None and delta.lines.names:
        alphabet, twins = _between(base, delta)
        small = _Side.of(delta, rows, alphabet, twins)
        shared = np.flatnonzero(twins >= 0)
        more = np.zeros(len(base["entry_name"]), np.uint32)
        more[twins[shared]] = small.counts(shared)
        sides = [replace(sides[0], more=more), small]
    binaries = tuple(rows.values())
    texts = [(index, text) for index, row in enumerate(binaries) for text in (row.name, row.id, *row.paths)]
    lines = lines_from([text for _, text in texts])
    return _Now(
        number, generation, binaries, lines, np.array([index for index, _ in texts], np.int64), tuple(sides)
    )


def _between(base: Part, delta: Part) -> tuple[Array, Array]:
    """Where the names of a small part stand among those of the large one, and which entries both have."""
    lines = base.lines

    def folded(number: int) -> bytes:
        return lines.line(number).lower()

    places = np.empty(delta.lines.names, np.uint64)
    same = np.full(delta.lines.names, -1, np.int64)
    for name in range(delta.lines.names):
        text = delta.lines.line(name)
        at = place = bisect_left(range(lines.names), text.lower(), key=folded)
        while at < lines.names and lines.line(at) != text and folded(at) == text.lower():
            at += 1
        if at < lines.names and lines.line(at) == text:
            same[name] = at
        places[name] = place
    keys = base["entry_name"].astype(np.int64) << 2 | base["entry_kind"]
    wanted = same[delta["entry_name"]] << 2 | delta["entry_kind"]
    found = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
    twins = np.where(keys[found] == wanted, found, -1) if len(keys) else np.full(len(wanted), -1)
    return places << _NAME | np.arange(len(places), dtype=np.uint64), twins


def _selected(now: _Now, ask: Ask, kind: str, each: bool, seconds: float) -> Selection:
    """Numbers of hits in their order: entries or, for ``each``, posts; side by side, binaries last."""
    until = time.monotonic() + seconds
    keys: list[Array] = []
    numbers: list[Array] = []
    kinds: list[Array] = []
    first, before = 0, np.zeros(0, np.int64)
    for side in now.sides:
        part = side.part
        ranks = matching.line_ranks(part.lines, ask.q, ask.mode, until - time.monotonic())
        entry, _ = spread(part["name_entry_at"], np.flatnonzero(ranks != matching.NONE))
        if side.living is not None:
            entry = entry[side.counts(entry) > 0]
        found = entry
        if each:
            found, lengths = spread(part["entry_at"], entry)
            entry = np.repeat(entry, lengths)
            if side.living is not None:
                entry, found = entry[side.living[found]], found[side.living[found]]
        elif side.twins is not None:
            # The large part's hit stands for both.
            entry = found = entry[~np.isin(side.twins[entry], before)]
        before = found
        name = part["entry_name"][entry]
        kind_of = part["entry_kind"][entry]
        keys.append(ranks[name].astype(np.uint64) << _RANK | kind_of.astype(np.uint64) << _KIND)
        if len(now.sides) > 1:
            # Else entries lie by the alphabet, and equal keys stay as they lie.
            keys[-1] |= side.order(name)
        kinds.append(kind_of)
        numbers.append(np.uint32(first) + found.astype(np.uint32))
        first += len(part["post_binary"]) if each else len(part["entry_name"])
    ranks = matching.line_ranks(now.binaries, ask.q, ask.mode, until - time.monotonic())
    best = np.full(len(now.rows), matching.NONE, np.uint16)
    np.minimum.at(best, now.binary_of, ranks)
    found = np.flatnonzero(best != matching.NONE)
    found = np.array(sorted(found.tolist(), key=lambda index: now.rows[index].name), np.int64)
    keys.append(best[found].astype(np.uint64) << _RANK)
    kinds.append(np.zeros(len(found), np.uint8))
    numbers.append(np.uint32(first) + found.astype(np.uint32))
    every, of = np.concatenate(numbers), np.concatenate(kinds)
    counted = np.bincount(of, minlength=len(KINDS)).tolist()
    facets = {"kind": {name: count for name, count in zip(KINDS, counted, strict=True) if count}}
    key = np.concatenate(keys)
    if kind:
        chosen = of == KINDS.index(kind)
        every, key = every[chosen], key[chosen]
    return Selection(every[scan.order(key)], facets)


def _hit(now: _Now, number: int, each: bool) -> Hit:
    for side in now.sides:
        part = side.part
        count = len(part["post_binary"]) if each else len(part["entry_name"])
        if number >= count:
            number -= count
            continue
        if each:
            post, entry = number, int(np.searchsorted(part["entry_at"], np.uint32(number), side="right")) - 1
            binaries = 1
        else:
            begin, end = part["entry_at"][number : number + 2].tolist()
            post, entry = begin, number
            if side.living is not None:
                post += int(np.argmax(side.living[begin:end]))
            binaries = int(side.counts(np.array([number]))[0])
            if side.more is not None:
                binaries += int(side.more[number])
        return _post_hit(side, entry, post, binaries)
    row = now.rows[number]
    return Hit("binary", row.name, row.name, row.id, row.name, row.id)


def _post_hit(side: _Side, entry: int, post: int, binaries: int) -> Hit:
    part = side.part
    row = side.rows[int(part["post_binary"][post])]
    assert row is not None
    shown = _text(part.lines, int(part["entry_name"][entry]))
    if not shown.isprintable():
        shown = "".join(char if char.isprintable() else "\x01" for char in shown)
    kind = KINDS[int(part["entry_kind"][entry])]
    if kind == "usdt":
        return Hit("usdt", shown, shown, row.id, row.name, shown.replace(":", "/", 1), binaries)
    place = int(part["post_address"][post]), int(part["post_section"][post])
    key = row_key("function" if kind == "function" else "variable", *place, row.info["type"] == "REL")
    name = _text(part.lines, int(part["post_line"][post]))
    return Hit(kind, name, shown, row.id, row.name, key, binaries)  # type: ignore[arg-type]


def _text(lines: Lines, line: int) -> str:
    return lines.line(line).decode("utf-8", "backslashreplace")
