"""A session's log to bins of time: how many events of each type, and what is marked on the line.

Only the heads of lines are read, but for markers, losses and gaps. The bins are as long as a round number
of milliseconds; there are at most as many as were asked for.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
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


@dataclass(slots=True)
class Timeline:
    """Counts by type of the events after ``t0`` up to ``t1`` (ms), in bins of ``step`` ms."""

    t0: int
    t1: int
    step: int
    bins: list[dict[str, int]]
    marks: list[Mark] = field(default_factory=list)
    marks_left_out: int = 0
    last: int = 0  # the number of the last event that was counted

    def add(self, lines: Sequence[bytes]) -> None:
        """Counts lines of the log that follow one another."""
        marked = False
        for (t, kind), count in tally(lines).items():
            marked = marked or kind in MARKS
            if kind != "gap" and self._holds(t):
                counts = self.bins[bin_of(t - self.t0, self.step)]
                counts[kind] = counts.get(kind, 0) + count
        if marked:
            for line in lines:
                found = head(line)
                if found.type in MARKS and (found.type == "gap" or self._holds(found.t)):
                    self._mark(line)
        self.last = next((each.n for each in map(head, reversed(lines)) if self._holds(each.t)), self.last)

    def _holds(self, t: int) -> bool:
        return self.t0 < t <= self.t1 or t == self.t0 == 0

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

    def _mark(self, line: bytes) -> None:
        if len(self.marks) >= MOST_MARKS:
            self.marks_left_out += 1
            return
        event = json.loads(line)
        self.marks.append(Mark(event["n"], event["t"], event["type"], event["data"]))


def timeline(batches: Iterable[Sequence[bytes]], end: int, bins: int, span: Span | None = None) -> Timeline:
    """The timeline of a log whose last event is at ``end`` ms, or of the part of it in ``span``."""
    found = empty(end, bins, span)
    for lines in batches:
        found.add(lines)
    return found


def empty(end: int, bins: int, span: Span | None = None) -> Timeline:
    """One to which lines are added."""
    span = span or Span()
    t0 = max(0, span.t0 or 0)
    t1 = max(t0 + 1, end if span.t1 is None else min(end, span.t1))
    step = step_of(t1 - t0, bins)
    return Timeline(t0, t1, step, [{} for _ in range(bin_of(t1 - t0, step) + 1)])


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
