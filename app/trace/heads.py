"""What a line of a session's log says before its data, and the numbers of a span of time.

The log writes n, t and type first (log.py), so that a whole log can be looked through without parsing what
its events hold. Times go up with the numbers, as far as the machine's clock does.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from app.trace.decode import MAP_TYPES

Read = Callable[[int, int], list[bytes]]  # (number, limit) to lines, as Log.read
_HEAD = re.compile(rb'\{"n":(\d+),"t":(\d+),"type":"([^"\\]*)"')
# With the rest of the line, so that the next search begins where the next line does.
_TIME_AND_TYPE = re.compile(rb'^\{"n":\d+,"t":(\d+,"type":"[^"\\]*)"[^\n]*\n?', re.MULTILINE)
_PRINT = re.compile(
    rb'\{"n":\d+,"t":\d+,"type":"(?:' + b"|".join(kind.encode() for kind in MAP_TYPES) + rb')"'
)
_MARKS = tuple(f',"type":"{kind}"'.encode() for kind in MAP_TYPES)


class Head(NamedTuple):
    n: int
    t: int
    type: str


@dataclass(frozen=True, slots=True)
class Span:
    """Times after ``t0`` up to and with ``t1``, in ms since the session's start; None: no bound."""

    t0: int | None = None
    t1: int | None = None

    @property
    def whole(self) -> bool:
        return self.t0 is None and self.t1 is None

    def after(self, t: int) -> bool:
        """Whether ``t`` is past the beginning."""
        return self.t0 is None or t > self.t0

    def before(self, t: int) -> bool:
        """Whether ``t`` is not past the end."""
        return self.t1 is None or t <= self.t1


def head(line: bytes) -> Head:
    """Number, time and type of one line of the log."""
    match = _HEAD.match(line)
    if match is None:
        event = json.loads(line)
        return Head(int(event["n"]), int(event["t"]), str(event["type"]))
    return Head(int(match[1]), int(match[2]), match[3].decode("utf-8", "replace"))


def is_print(line: bytes) -> bool:
    """Whether a line of the log is a print of maps."""
    return _PRINT.match(line) is not None


def prints(lines: Sequence[bytes]) -> list[bytes]:
    """Those of the lines that are prints of maps; of many lines, those that are none are hardly looked at."""
    text = b"\n".join(lines)
    starts = set()
    for mark in _MARKS:
        at = text.find(mark)
        while at >= 0:
            starts.add(text.rfind(b"\n", 0, at) + 1)
            at = text.find(mark, at + 1)
    text += b"\n"
    return [text[at : text.index(b"\n", at)] for at in sorted(starts) if _PRINT.match(text, at)]


def tally(lines: Sequence[bytes]) -> dict[tuple[int, str], int]:
    """How many of the lines have which time and type; for many lines at once, it is all done in C."""
    found = _TIME_AND_TYPE.findall(b"\n".join(lines))
    if len(found) != len(lines):
        return Counter((each.t, each.type) for each in map(head, lines))
    counts: Counter[tuple[int, str]] = Counter()
    for told, count in Counter(found).items():
        t, _, kind = told.partition(b',"type":"')
        counts[int(t), kind.decode("utf-8", "replace")] += count
    return counts


def numbers(read: Read, first: int, last: int, span: Span) -> tuple[int, int]:
    """The first and last number of the events in ``span``, of those from ``first`` to ``last``.

    Where there is none, the last is one less than the first.
    """
    begin = first if span.t0 is None else _later(read, first, last, span.t0)
    end = last if span.t1 is None else _later(read, begin, last, span.t1) - 1
    return begin, end


def _later(read: Read, first: int, last: int, t: int) -> int:
    """The number of the first event after ``t`` ms; one more than ``last`` where there is none."""
    low, high = first, last + 1
    while low < high:
        middle = (low + high) // 2
        lines = read(middle, 1)
        found = head(lines[0]) if lines else None
        # What is not kept any more, and is told as a gap, lies before all that is.
        if found is not None and (found.type == "gap" or found.t <= t):
            low = middle + 1
        else:
            high = middle
    return low
