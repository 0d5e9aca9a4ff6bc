"""Map events to the latest state of each map: rows that a table, the terminal and a page draw.

Events come as dicts ``{n, t, type, data}``; those that are no maps are passed over, as is what has not the
shape that bpftrace prints.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from app.trace.decode import MAP_TYPES, STATS, keyed

MapKind = Literal["map", "hist", "stats"]


@dataclass(frozen=True, slots=True)
class Row:
    """One key of a map (None where the map has none) and its value; ``share`` of the largest, 0 to 1."""

    key: str | None
    value: Any  # a number, text, list; for stats {count, average, total}; for hist a list of buckets
    share: float

    @property
    def text(self) -> str:
        """The value as one line of text."""
        if isinstance(self.value, dict):
            return ", ".join(f"{name} {value}" for name, value in self.value.items())
        if isinstance(self.value, list):
            return ", ".join(str(part) for part in self.value)
        return str(self.value)


@dataclass(frozen=True, slots=True)
class MapView:
    """A map as it was last printed; rows by value downwards, then as they came."""

    name: str
    kind: MapKind
    rows: tuple[Row, ...]
    total: float | None  # sum of the values where all are numbers
    n: int  # the event's number
    t: int  # ms since the session's start

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def maps(events: Iterable[Mapping[str, Any]]) -> dict[str, MapView]:
    """Each map's latest state by its name, names in the order in which they first came."""
    found: dict[str, MapView] = {}
    for event in events:
        kind, data = event.get("type"), event.get("data")
        if kind not in MAP_TYPES or not isinstance(data, dict):
            continue
        for name, value in data.items():
            found[name] = _view(name, kind, value, int(event.get("n") or 0), int(event.get("t") or 0))
    return found


def weight(value: Any) -> float:
    """What a row is ordered by: the number, the count of stats, the sum over buckets; 0 for the rest."""
    if isinstance(value, bool):
        return 0.0
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, dict):
        return weight(value.get("count")) if set(value) == STATS else 0.0
    if isinstance(value, list):
        return sum(weight(entry.get("count")) for entry in value if isinstance(entry, dict))
    return 0.0


def _view(name: str, kind: Any, value: Any, n: int, t: int) -> MapView:
    pairs = list(value.items()) if keyed(kind, value) else [(None, value)]
    pairs.sort(key=lambda pair: -weight(pair[1]))
    most = max((weight(inner) for _, inner in pairs), default=0.0)
    rows = tuple(Row(key, inner, weight(inner) / most if most > 0 else 0.0) for key, inner in pairs)
    numbers = all(isinstance(row.value, int | float) for row in rows)
    return MapView(name, kind, rows, sum(float(row.value) for row in rows) if numbers else None, n, t)
