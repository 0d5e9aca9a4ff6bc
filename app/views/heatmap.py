"""Successive prints of a histogram to columns of time and rows of buckets, with the counts of what came.

A column is what came between two prints: their difference, or the print itself where the script empties the
map as it goes, or where it began anew. Log and linear histograms alike; what has another shape is passed
over. The number of columns is bounded: past it, neighbours are put together and ``per`` says how many
prints one holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from app.trace.heads import Span
from app.views.histogram import label
from app.views.increments import Bounds, Buckets, added, buckets_of, by_key, grown, ordered

MOST_COLUMNS = 600
MOST_KEYS = 500


@dataclass(slots=True)
class Column:
    """Counts of what came after ``t0`` up to ``t1`` (ms), in ``prints`` prints."""

    t0: int
    t1: int
    counts: Buckets
    prints: int = 1


@dataclass(frozen=True, slots=True)
class Box:
    """Values from ``low`` to ``high``, both inclusive, None for open; how many there are, and their share."""

    low: int | None
    high: int | None
    count: int
    share: float  # of all counts of the heatmap, 0 to 1


@dataclass(slots=True)
class Heatmap:
    """One map's columns; ``key`` None: all keys together."""

    map: str
    key: str | None
    cleared: bool
    maps: list[str] = field(default_factory=list)  # the histograms among the events
    keys: list[str] = field(default_factory=list)  # at most MOST_KEYS of ``keys_total``
    keys_total: int = 0
    columns: list[Column] = field(default_factory=list)
    rows: dict[Bounds, None] = field(default_factory=dict)
    per: int = 1
    n: int = 0  # of the last print that was taken

    @property
    def buckets(self) -> list[Bounds]:
        return ordered(self.rows)

    @property
    def total(self) -> int:
        return sum(sum(column.counts.values()) for column in self.columns)

    @property
    def most(self) -> int:
        """The largest count of a cell."""
        return max((count for column in self.columns for count in column.counts.values()), default=0)

    def box(self, low: int | None, high: int | None) -> Box:
        """The counts of the buckets that lie between two values."""
        inside = [
            bounds
            for bounds in self.rows
            if (low is None or (bounds[0] is not None and bounds[0] >= low))
            and (high is None or (bounds[1] is not None and bounds[1] <= high))
        ]
        count = sum(column.counts.get(bounds, 0) for column in self.columns for bounds in inside)
        return Box(low, high, count, count / self.total if self.total else 0.0)

    def cells(self) -> Iterator[tuple[Column, str, int]]:
        """(column, label of the bucket, count) of each that has some, by time and upwards."""
        rows = self.buckets
        for column in self.columns:
            for bounds in rows:
                if count := column.counts.get(bounds):
                    yield column, label(*bounds), count

    def as_dict(self) -> dict[str, Any]:
        """Counts are listed by column, one for each of ``buckets``."""
        rows = self.buckets
        return {
            "map": self.map,
            "key": self.key,
            "cleared": self.cleared,
            "maps": self.maps,
            "keys": self.keys,
            "keys_total": self.keys_total,
            "buckets": [{"min": low, "max": high, "label": label(low, high)} for low, high in rows],
            "columns": [
                {
                    "t0": column.t0,
                    "t1": column.t1,
                    "prints": column.prints,
                    "counts": [column.counts.get(bounds, 0) for bounds in rows],
                }
                for column in self.columns
            ],
            "total": self.total,
            "most": self.most,
            "per": self.per,
            "n": self.n,
        }

    def _put(self, t0: int, t1: int, counts: Buckets) -> None:
        last = self.columns[-1] if self.columns else None
        if last is not None and (last.prints < self.per or last.t1 == t1):
            last.prints += last.t1 != t1
            last.t1 = t1
            last.counts = added(last.counts, counts)
            return
        self.columns.append(Column(t0, t1, counts))
        if len(self.columns) > MOST_COLUMNS:
            self.per *= 2
            pairs = zip(self.columns[::2], [*self.columns[1::2], None], strict=False)
            self.columns = [_together(one, other) for one, other in pairs]


class HeatmapReader:
    """Takes events in their order; ``drawn`` gives the heatmap of the prints in ``span`` that came so far.

    ``name`` "": the first histogram; ``key`` None: all keys. Prints before the span are what the first one in
    it is compared with. ``cleared``: maps that the script empties as it goes.
    """

    def __init__(
        self, name: str = "", key: str | None = None, cleared: Iterable[str] = (), span: Span | None = None
    ) -> None:
        self._over = False  # what comes now is past the span
        self._span = span or Span()
        self._emptied = frozenset(cleared)
        self._found = Heatmap(name, key, name in self._emptied)
        self._names: dict[str, None] = {}
        self._keys: dict[str, None] = {}
        self._before: dict[str | None, Buckets] = {}
        self._at = 0

    def add(self, event: Mapping[str, Any]) -> None:
        """Takes an event; what is no histogram, or past the span, changes nothing."""
        data, t = event.get("data"), int(event.get("t") or 0)
        if event.get("type") != "hist" or not isinstance(data, dict) or self._over:
            return
        if not self._span.before(t):
            self._over = True
            return
        found = self._found
        self._names.update(dict.fromkeys(data))
        if not found.map and data:
            found.map = next(iter(data))
            found.cleared = found.map in self._emptied
        if found.map not in data:
            return
        counts: Buckets = {}
        now = {each: buckets_of(value) for each, value in by_key("hist", data[found.map]).items()}
        for each, buckets in now.items():
            if each is not None:
                self._keys[each] = None
            if found.key is None or each == found.key:
                found.rows.update(dict.fromkeys(buckets))
                counts = added(counts, grown(buckets, None if found.cleared else self._before.get(each)))
        self._before = now
        found.n = int(event.get("n") or 0)
        if self._span.after(t):
            found._put(self._at, t, counts)
        self._at = t

    def drawn(self) -> Heatmap:
        """As it is now; what comes later does not change it."""
        return replace(
            self._found,
            maps=list(self._names),
            keys=list(self._keys)[:MOST_KEYS],
            keys_total=len(self._keys),
            columns=[replace(column) for column in self._found.columns],
            rows=dict(self._found.rows),
        )


def heatmap(
    events: Iterable[Mapping[str, Any]],
    name: str = "",
    key: str | None = None,
    cleared: Iterable[str] = (),
    span: Span | None = None,
) -> Heatmap:
    """The heatmap of these events; see HeatmapReader."""
    reader = HeatmapReader(name, key, cleared, span)
    for event in events:
        reader.add(event)
    return reader.drawn()


def _together(one: Column, other: Column | None) -> Column:
    if other is None:
        return one
    return Column(one.t0, other.t1, added(one.counts, other.counts), one.prints + other.prints)
