"""A session's log to bins of time: how many events of each type, and what is marked on the line.

Only the heads of lines are read, but for markers, losses and gaps. The bins are as long as a round number
of milliseconds; there are at most as many as were asked for.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from app.trace.decode import MAP_TYPES
from app.trace.heads import Span, head, tally

MOST_BINS = 1000
MOST_MARKS = 200
SHORTEST_MS = 10
MARKS = frozenset({"marker", "lost_events", "gap"})
_ROUND = (1, 2, 5)


@dataclass(frozen=True, slots=True)
class Mark:
    """Something at one time: a marker's text, a loss with its count, a gap with its range."""

    n: int
    t: int
    type: str
    data: Any


@dataclass(frozen=True, slots=True)
class Timeline:
    """Counts by type of the events after ``t0`` up to ``t1`` (ms), in bins of ``step`` ms."""

    t0: int
    t1: int
    step: int
    bins: list[dict[str, int]]
    marks: tuple[Mark, ...] = ()
    marks_left_out: int = 0
    last: int = 0  # the number of the last event that was counted

    def rows(self) -> Iterator[tuple[int, int, int, int]]:
        """(from ms, to ms, lines, prints of maps) of each bin with events."""
        for at, counts in enumerate(self.bins):
            if counts:
                begin = self.t0 + at * self.step
                maps = sum(count for kind, count in counts.items() if kind in MAP_TYPES)
                yield begin, begin + self.step, sum(counts.values()) - maps, maps

    def as_dict(self) -> dict[str, Any]:
        return {
            "t0": self.t0,
            "t1": self.t1,
            "step": self.step,
            "bins": [
                {"t": self.t0 + at * self.step, "counts": counts} for at, counts in enumerate(self.bins)
            ],
            "marks": [
                {"n": mark.n, "t": mark.t, "type": mark.type, "data": mark.data} for mark in self.marks
            ],
            "marks_left_out": self.marks_left_out,
            "last": self.last,
        }


class TimelineReader:
    """Takes the lines of a log, and tells the timeline of them whenever it is asked.

    Counts lie in bins of 10, 100, 1000, ... ms, short enough for MOST_BINS of the time there is: those of
    every timeline are made of them.
    """

    def __init__(self, span: Span | None = None) -> None:
        span = span or Span()
        self._t0 = max(0, span.t0 or 0)
        self._until = span.t1
        self._size = SHORTEST_MS
        self._bins: dict[int, dict[str, int]] = {}
        self._marks: list[Mark] = []
        self._left_out = 0
        self._latest = 0
        self._last = 0

    def add(self, lines: Sequence[bytes]) -> None:
        """Counts lines of the log that follow one another."""
        marked = False
        for (t, kind), count in tally(lines).items():
            marked = marked or kind in MARKS
            if kind != "gap" and self._holds(t):
                self._latest = max(self._latest, t)
                while bin_of(t - self._t0, self._size) >= 10 * MOST_BINS:
                    self._lengthen()
                _add(self._bins.setdefault(bin_of(t - self._t0, self._size), {}), {kind: count})
        if marked:
            for line in lines:
                found = head(line)
                if found.type in MARKS and (found.type == "gap" or self._holds(found.t)):
                    self._mark(line)
        self._last = next((each.n for each in map(head, reversed(lines)) if self._holds(each.t)), self._last)

    def timeline(self, end: int, bins: int) -> Timeline:
        """At most ``bins`` bins until ``end`` ms, or the last event where that is later."""
        end = max(end, self._latest)
        t1 = max(self._t0 + 1, end if self._until is None else min(end, self._until))
        step = step_of(t1 - self._t0, bins)
        found: list[dict[str, int]] = [{} for _ in range(bin_of(t1 - self._t0, step) + 1)]
        for at, counts in self._bins.items():
            _add(found[at * self._size // step], counts)
        return Timeline(self._t0, t1, step, found, tuple(self._marks), self._left_out, self._last)

    def _holds(self, t: int) -> bool:
        return (t > self._t0 or t == self._t0 == 0) and (self._until is None or t <= self._until)

    def _lengthen(self) -> None:
        """There is so much time now that no timeline of MOST_BINS has bins as short as these."""
        self._size *= 10
        shorter, self._bins = self._bins, {}
        for at, counts in shorter.items():
            _add(self._bins.setdefault(at // 10, {}), counts)

    def _mark(self, line: bytes) -> None:
        if len(self._marks) >= MOST_MARKS:
            self._left_out += 1
            return
        event = json.loads(line)
        self._marks.append(Mark(event["n"], event["t"], event["type"], event["data"]))


def timeline(batches: Iterable[Sequence[bytes]], end: int, bins: int, span: Span | None = None) -> Timeline:
    """The timeline of a log whose last event is at ``end`` ms, or of the part of it in ``span``."""
    reader = TimelineReader(span)
    for lines in batches:
        reader.add(lines)
    return reader.timeline(end, bins)


def step_of(length: int, bins: int) -> int:
    """The shortest of 10, 20, 50, 100, ... ms of which ``bins`` cover ``length`` ms."""
    size = SHORTEST_MS
    while True:
        for factor in _ROUND:
            if size * factor * bins >= length:
                return size * factor
        size *= 10


def bin_of(offset: int, step: int) -> int:
    """The bin of a time: a bin ends with its last ms, as spans do."""
    return max(0, (offset - 1) // step)


def _add(counts: dict[str, int], more: dict[str, int]) -> None:
    for kind, count in more.items():
        counts[kind] = counts.get(kind, 0) + count
