"""The latest print of a map at a moment, found in a session's log from its end backwards.

A log may have millions of lines, a line megabytes, and the page asks once a second: the moment is found by
halving, only lines that hold a map are parsed, and a few at a time are read where they are long.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from app.trace.heads import Read, Span, head, is_print, numbers

# Most lines of one reading, and the bytes that it should have.
BLOCK, CHUNK = 1000, 4 << 20


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
    end = last if until is None else numbers(read, first, last, Span(t1=math.floor(until)))[1]
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
    if not is_print(line):
        return None
    n, t, _ = head(line)
    if n > end:
        return None  # it came in place of what is no longer kept
    data = json.loads(line)["data"]
    for name, value in data.items() if isinstance(data, dict) else ():
        if fits(name, value):
            return Print(n, t, name, value)
    return None
