"""The search over the whole catalogue: binaries, USDT probes, functions and variables, each name once.

Names lie in two parts: a large one in a file, and a small one of the binaries that came since, made anew when
the catalogue has changed. What a question found is kept; its first numbers are put in order at once, all when
somebody asks for a later part, so that any offset of the answer costs the same.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from app.elf.search import scan
from app.errors import BadInput
from app.index.catalogue import BinaryRow
from app.index.columns import Columns
from app.index.hits import FIRST, NAME_SHIFT, Answer, Now, Side, answered, hits, whole
from app.index.model import Ask, Hit
from app.index.names import KINDS, Array, Part, lines_from
from app.index.query import Selections

_FEW_NAMES = 10_000  # of binaries that came since, above which all names are laid anew
_FEW_BINARIES = 256
_REST = 5.0  # seconds without a question, after which mapped names are let go of
_MUCH = 32 << 20  # bytes of them that are worth it
_MOST = 256 << 20  # bytes of them of which each question lets go of what it read
Rows = Callable[[], list[BinaryRow]]
Open = Callable[[BinaryRow], Columns]


class Everywhere:
    """``generation`` changes when ``rows`` may have; ``path`` is where the large part is kept."""

    def __init__(self, path: Path, generation: Callable[[], object], rows: Rows, open_columns: Open) -> None:
        self._path = path
        self._generation, self._rows, self._open = generation, rows, open_columns
        self._lock = threading.Lock()
        self._now: Now | None = None
        self._base: Part | None = None
        self._selections: Selections[Answer] = Selections()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._timing = threading.Lock()
        self._asked = 0.0
        self._timer: threading.Timer | None = None

    def close(self) -> None:
        self._closing.set()
        with self._timing:
            timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
            timer.join()
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

    def refresh(self) -> Now | None:
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
        end = ask.offset + ask.limit

        def first() -> Answer:
            return self._selections.get(key, lambda: answered(now, ask, kind, each, seconds))

        if end <= FIRST:
            answer = first()
        else:
            answer = self._selections.get((*key, "whole"), lambda: whole(now, first(), kind, each))
        found = hits(now, answer.first[ask.offset : end], each)
        self._let_go(now)
        return answer.total, found, answer.facets

    def _let_go(self, now: Now) -> None:
        """Of very many names at once, of others when nobody has asked for a while."""
        mapping = now.sides[0].part.mapping
        if mapping is not None and len(mapping) >= _MOST:
            now.sides[0].part.rest()
        with self._timing:
            self._asked = time.monotonic()
            if self._timer is None and mapping is not None and len(mapping) >= _MUCH:
                self._rest_in(_REST)

    def _rest_in(self, seconds: float) -> None:
        if not self._closing.is_set():
            self._timer = threading.Timer(seconds, self._rest)
            self._timer.daemon = True
            self._timer.start()

    def _rest(self) -> None:
        with self._timing:
            self._timer = None
            left = self._asked + _REST - time.monotonic()
            if left > 0:
                self._rest_in(left)
                return
        self.rest()

    def rest(self) -> None:
        """Lets go of what the next question can have again: pages of names, and room for what it finds."""
        scan.let_go()
        base = self._base
        if base is not None:
            base.rest()


def _seen(number: int, generation: object, rows: dict[str, BinaryRow], base: Part, delta: Part | None) -> Now:
    sides = [Side.of(base, rows)]
    if delta is not None and delta.lines.names:
        alphabet, twins = _between(base, delta)
        small = Side.of(delta, rows, alphabet, twins)
        shared = np.flatnonzero(twins >= 0)
        more = np.zeros(len(base["entry_name"]), np.uint32)
        more[twins[shared]] = small.counts(shared)
        sides = [replace(sides[0], more=more), small]
    binaries = tuple(rows.values())
    texts = [(index, text) for index, row in enumerate(binaries) for text in (row.name, row.id, *row.paths)]
    lines = lines_from([text for _, text in texts])
    return Now(
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
    return places << NAME_SHIFT | np.arange(len(places), dtype=np.uint64), twins
