"""Successive prints of a map to series over time: a value and a rate a second for each of its largest keys.

The weight of a value is drawn (table.py): a number, the count of stats, the values in a histogram. A rate is
the increase since the point before; that of a map that counts up and began anew, or that the script empties
as it goes, is the value itself. Points and series are bounded, and ``per`` and ``keys`` say what that took.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from app.trace.decode import MAP_TYPES
from app.trace.heads import Span
from app.trace.usage import Usage
from app.views.increments import by_key
from app.views.table import weight

MOST_POINTS = 600
MOST_SERIES = 64


@dataclass(slots=True)
class Point:
    """The largest keys' weights at ``t1`` (ms); ``t0`` is the time of the point before."""

    t0: int
    t1: int
    values: dict[str | None, float]
    prints: int = 1


@dataclass(frozen=True, slots=True)
class Series:
    """One key over the points; None where it was not among the largest."""

    key: str | None
    values: tuple[float | None, ...]
    rates: tuple[float | None, ...]  # a second


@dataclass(slots=True)
class Counters:
    """One map over time."""

    map: str
    cleared: bool = False
    counted: bool = False
    maps: list[str] = field(default_factory=list)
    keys: int = 0  # of the last print
    points: list[Point] = field(default_factory=list)
    base: dict[str | None, float] = field(default_factory=dict)  # what was printed before the first point
    per: int = 1
    n: int = 0

    def series(self, top: int) -> list[Series]:
        """The largest keys of the last point, largest first; then those that are there no more."""
        last = self.points[-1].values if self.points else {}
        keys = {key: None for point in self.points for key in point.values}
        chosen = sorted(keys, key=lambda key: -last.get(key, -math.inf))[:top]
        return [self._series(key) for key in chosen]

    def as_dict(self, top: int = MOST_SERIES) -> dict[str, Any]:
        return {
            "map": self.map,
            "cleared": self.cleared,
            "counted": self.counted,
            "maps": self.maps,
            "keys": self.keys,
            "t": [point.t1 for point in self.points],
            "t0": self.points[0].t0 if self.points else 0,
            "base": list(self.base.items()),
            "series": [
                {"key": each.key, "values": each.values, "rates": each.rates} for each in self.series(top)
            ],
            "per": self.per,
            "prints": self.points[-1].prints if self.points else 0,  # in the last point
            "n": self.n,
        }

    def _series(self, key: str | None) -> Series:
        values: list[float | None] = []
        rates: list[float | None] = []
        # A key that is not there was not counted yet; or it was not among the largest, which tells nothing.
        missing = 0.0 if self.counted and self.keys <= MOST_SERIES else None
        before = self.base.get(key, missing)
        for point in self.points:
            now = point.values.get(key)
            values.append(now)
            rates.append(rate(now, before, point.t1 - point.t0, self.counted, self.cleared))
            before = point.values.get(key, missing)
        return Series(key, tuple(values), tuple(rates))

    def _put(self, t0: int, t1: int, values: dict[str | None, float]) -> None:
        last = self.points[-1] if self.points else None
        if last is not None and (last.prints < self.per or last.t1 == t1):
            last.prints += last.t1 != t1
            last.t1 = t1
            last.values = self._both(last.values, values)
            return
        self.points.append(Point(t0, t1, values))
        if len(self.points) > MOST_POINTS:
            self.per *= 2
            pairs = zip(self.points[::2], [*self.points[1::2], None], strict=False)
            self.points = [self._together(one, other) for one, other in pairs]

    def _together(self, one: Point, other: Point | None) -> Point:
        if other is None:
            return one
        return Point(one.t0, other.t1, self._both(one.values, other.values), one.prints + other.prints)

    def _both(self, one: dict[str | None, float], other: dict[str | None, float]) -> dict[str | None, float]:
        if not self.cleared:
            return other
        return {key: one.get(key, 0.0) + other.get(key, 0.0) for key in {**one, **other}}


class CountersReader:
    """Takes events in their order; ``drawn`` gives a map's series in ``span`` of what came so far.

    ``name`` "": the first map that is printed.
    """

    def __init__(self, usage: Usage, name: str = "", span: Span | None = None) -> None:
        self._over = False  # what comes now is past the span
        self._usage = usage
        self._span = span or Span()
        self._found = Counters(name)
        self._names: dict[str, None] = {}
        self._at = 0

    def add(self, event: Mapping[str, Any]) -> None:
        """Takes an event; what is no print of a map, or past the span, changes nothing."""
        kind, data, t = event.get("type"), event.get("data"), int(event.get("t") or 0)
        if kind not in MAP_TYPES or not isinstance(data, dict) or self._over:
            return
        if not self._span.before(t):
            self._over = True
            return
        found = self._found
        self._names.update(dict.fromkeys(data))
        found.map = found.map or next(iter(data), "")
        if found.map not in data:
            return
        found.cleared = found.map in self._usage.cleared
        found.counted = kind != "map" or found.map in self._usage.counted
        pairs = by_key(kind, data[found.map])
        values = {key: _plain(weight(value)) for key, value in pairs.items()}
        found.keys, found.n = len(values), int(event.get("n") or 0)
        largest = dict(heapq.nlargest(MOST_SERIES, values.items(), key=lambda pair: pair[1]))
        if self._span.after(t):
            found._put(self._at, t, largest)
        else:
            found.base = largest
        self._at = t

    def drawn(self) -> Counters:
        """As they are now; what comes later does not change them."""
        points = [replace(point) for point in self._found.points]
        return replace(self._found, maps=list(self._names), points=points)


def counters(
    events: Iterable[Mapping[str, Any]], usage: Usage, name: str = "", span: Span | None = None
) -> Counters:
    """The series of these events; see CountersReader."""
    reader = CountersReader(usage, name, span)
    for event in events:
        reader.add(event)
    return reader.drawn()


def rate(now: float | None, before: float | None, passed: int, counted: bool, cleared: bool) -> float | None:
    """Increase a second over ``passed`` ms; None where it cannot be told."""
    if now is None or passed <= 0:
        return None
    if cleared or (counted and before is not None and now < before):
        return now * 1000 / passed
    return None if before is None else (now - before) * 1000 / passed


def _plain(value: float) -> float:
    """Whole numbers without a fraction."""
    return int(value) if float(value).is_integer() else value
