"""The latest print of a map at a moment, found in a session's log from its end backwards.

A log may have millions of lines, and the page asks once a second: only lines that hold a map are parsed, and
the moment is found by halving.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from app.trace.decode import MAP_TYPES

# At most ``limit`` lines from number ``start`` on, as Log.read and Sessions.read give them.
Read = Callable[[int, int], list[bytes]]
BLOCK = 1000
# A line begins with its number, time and type.
_HEAD = 96
_MARKS = tuple(f'"type":"{kind}"'.encode() for kind in sorted(MAP_TYPES))


@dataclass(frozen=True, slots=True)
class Print:
    """One map as it was printed: number and time (ms since the start) of its event."""

    n: int
    t: int
    name: str
    value: Any


def latest_print(
    read: Read,
    first: int,
    last: int,
    fits: Callable[[str, Any], bool],
    until: float | None = None,
) -> Print | None:
    """The last map printed at or before ``until`` (ms) whose name and value ``fits``, else None."""
    end = last if until is None else _last_until(read, first, last, until)
    while end >= first:
        start = max(first, end - BLOCK + 1)
        for line in reversed(read(start, end - start + 1)):
            if any(mark in line[:_HEAD] for mark in _MARKS) and (found := _fitting(line, fits, end)):
                return found
        end = start - 1
    return None


def _fitting(line: bytes, fits: Callable[[str, Any], bool], end: int) -> Print | None:
    event = json.loads(line)
    data = event["data"]
    if event["n"] > end:
        return None  # it came in place of what is no longer kept
    for name, value in data.items() if isinstance(data, dict) else ():
        if fits(name, value):
            return Print(event["n"], event["t"], name, value)
    return None


def _last_until(read: Read, first: int, last: int, until: float) -> int:
    """The number of the last event at or before ``until``; ``first - 1`` when there is none."""
    low, high = first - 1, last
    while low < high:
        middle = (low + high + 1) // 2
        lines = read(middle, 1)
        # What is no longer kept is told as a gap, at time 0: before all that is.
        if lines and json.loads(lines[0])["t"] <= until:
            low = middle
        else:
            high = middle - 1
    return low
