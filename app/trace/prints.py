"""The latest print of a map at a moment, found in a session's log from its end backwards.

A log may have millions of lines, a line megabytes, and the page asks once a second: the moment is found by
halving, only lines that hold a map are parsed, and a few at a time are read where they are long.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from app.trace.decode import MAP_TYPES

# At most ``limit`` lines from number ``start`` on, as Log.read and Sessions.read give them.
Read = Callable[[int, int], list[bytes]]
# Most lines of one reading, and the bytes that it should have.
BLOCK, CHUNK = 1000, 4 << 20
# As Log writes every line.
_HEAD = re.compile(rb'\{"n":(?P<n>\d+),"t":(?P<t>\d+),"type":"(?P<type>\w*)"')
_MAPS = frozenset(kind.encode() for kind in MAP_TYPES)


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
    size = 1
    while end >= first:
        start = max(first, end - size + 1)
        lines = read(start, end - start + 1)
        for line in reversed(lines):
            if (found := _fitting(line, fits, end)) is not None:
                return found
        end = start - 1
        taken = sum(map(len, lines))
        size = min(BLOCK, 4 * size, max(1, size * CHUNK // max(1, taken)))
    return None


def _fitting(line: bytes, fits: Callable[[str, Any], bool], end: int) -> Print | None:
    head = _HEAD.match(line)
    if head is None or head["type"] not in _MAPS:
        return None
    n = int(head["n"])
    if n > end:
        return None  # it came in place of what is no longer kept
    data = json.loads(line)["data"]
    for name, value in data.items() if isinstance(data, dict) else ():
        if fits(name, value):
            return Print(n, int(head["t"]), name, value)
    return None


def _last_until(read: Read, first: int, last: int, until: float) -> int:
    """The number of the last event at or before ``until``; ``first - 1`` when there is none."""
    low, high = first - 1, last
    while low < high:
        middle = (low + high + 1) // 2
        lines = read(middle, 1)
        head = _HEAD.match(lines[0]) if lines else None
        # What is no longer kept is told as a gap, at time 0: before all that is.
        if head is not None and int(head["t"]) <= until:
            low = middle
        else:
            high = middle - 1
    return low
