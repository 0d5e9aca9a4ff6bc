"""The maps of two sessions side by side: keys with before, after, delta and ratio; histograms in pairs.

A map is compared with the one of its name, a key with the same key. Averages are compared as averages, with
their counts beside. Maps keyed by stacks are left to the flame graph.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from app.trace.decode import STATS
from app.views.histogram import Bucket, Histogram, histograms
from app.views.samples import by_stack
from app.views.table import MapView

MOST_ROWS = 500
Number = int | float


@dataclass(frozen=True, slots=True)
class Change:
    """One key; None where a side lacks it. ``delta`` and ``ratio`` (after to before) of numbers alone."""

    key: str | None
    before: Number | str | None
    after: Number | str | None
    delta: Number | None
    ratio: float | None
    before_count: int | None = None  # of averages
    after_count: int | None = None


@dataclass(frozen=True, slots=True)
class MapChange:
    """One map, the keys that changed most first."""

    name: str
    averages: bool
    rows: tuple[Change, ...]
    more: int  # rows left out

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class BucketPair:
    label: str
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class HistogramPair:
    """One histogram of both, None where a side has none; ``buckets``: all that one of them has."""

    name: str
    key: str | None
    before: Histogram | None
    after: Histogram | None
    buckets: tuple[BucketPair, ...]

    def pictured(self) -> tuple[Histogram | None, Histogram | None]:
        """Both with all buckets of the pair, so that a value lies at the same place in both."""
        return self._along(self.before), self._along(self.after)

    def _along(self, side: Histogram | None) -> Histogram | None:
        if side is None:
            return None
        own = {bucket.label: bucket for bucket in side.buckets}
        found = (own.get(each.label) or Bucket(None, None, 0, 0.0, each.label) for each in self.buckets)
        return replace(side, buckets=tuple(found))

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of two scripts."""

    kind: Literal["same", "removed", "added"]
    text: str


def map_changes(before: Mapping[str, MapView], after: Mapping[str, MapView]) -> list[MapChange]:
    """Each map that one of the two has and that is no histogram."""
    found = []
    for name in dict.fromkeys([*before, *after]):
        views = [side[name] for side in (before, after) if name in side]
        if any(view.kind == "hist" or by_stack(view) for view in views):
            continue
        one, two = (
            {row.key: row.value for row in side[name].rows} if name in side else {}
            for side in (before, after)
        )
        rows = [_change(key, one.get(key), two.get(key)) for key in dict.fromkeys([*one, *two])]
        rows.sort(key=lambda row: (-abs(row.delta or 0), row.key or ""))
        averages = any(row.before_count is not None or row.after_count is not None for row in rows)
        found.append(MapChange(name, averages, tuple(rows[:MOST_ROWS]), max(0, len(rows) - MOST_ROWS)))
    return found


def histogram_pairs(before: Mapping[str, MapView], after: Mapping[str, MapView]) -> list[HistogramPair]:
    """Each histogram that one of the two has."""
    one, two = ({(each.name, each.key): each for each in histograms(side)} for side in (before, after))
    return [
        HistogramPair(
            name,
            key,
            one.get((name, key)),
            two.get((name, key)),
            _buckets(one.get((name, key)), two.get((name, key))),
        )
        for name, key in dict.fromkeys([*one, *two])
    ]


def script_lines(before: str, after: str) -> list[Line]:
    """Both scripts line by line; [] where they are the same."""
    if before.split() == after.split():
        return []
    one, two = before.splitlines(), after.splitlines()
    found: list[Line] = []
    for kind, a, b, c, d in difflib.SequenceMatcher(None, one, two, autojunk=False).get_opcodes():
        if kind == "equal":
            found += [Line("same", text) for text in one[a:b]]
        else:
            found += [Line("removed", text) for text in one[a:b]] + [Line("added", text) for text in two[c:d]]
    return found


def _change(key: str | None, before: Any, after: Any) -> Change:
    one, one_count = _value(before)
    two, two_count = _value(after)
    delta, ratio = None, None
    if _is_number(one) and _is_number(two):
        delta = two - one
        ratio = two / one if one else None
    elif one is None and _is_number(two):
        delta = two
    elif two is None and _is_number(one):
        delta = -one
    return Change(key, one, two, delta, ratio, one_count, two_count)


def _value(value: Any) -> tuple[Any, int | None]:
    """(a number, or its text; the count of an average)."""
    if value is None:
        return None, None
    if isinstance(value, dict) and set(value) == STATS:
        return value["average"], value["count"]
    return (value if _is_number(value) else str(value)), None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _buckets(before: Histogram | None, after: Histogram | None) -> tuple[BucketPair, ...]:
    found: dict[tuple[int | None, int | None], list[Any]] = {}
    for at, side in enumerate((before, after)):
        for bucket in side.buckets if side is not None else ():
            found.setdefault((bucket.low, bucket.high), [bucket.label, 0, 0])[at + 1] += bucket.count
    low = float("-inf")
    ordered = sorted(found, key=lambda bounds: low if bounds[0] is None else bounds[0])
    return tuple(BucketPair(*found[bounds]) for bounds in ordered)
