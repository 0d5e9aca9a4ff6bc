"""Histograms of bpftrace to buckets with labels, shares and quantiles.

Buckets come as ``{"min", "max", "count"}``, both bounds inclusive; the lowest may lack ``min``, the highest
``max``. Entries of another shape are passed over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from app.views.table import MapView

_UNITS = ((1 << 60, "E"), (1 << 50, "P"), (1 << 40, "T"), (1 << 30, "G"), (1 << 20, "M"), (1 << 10, "K"))


@dataclass(frozen=True, slots=True)
class Bucket:
    """Counts of values from ``low`` to ``high``, both inclusive; None: without bound on that side."""

    low: int | None
    high: int | None
    count: int
    share: float  # of the fullest bucket, 0 to 1
    label: str


@dataclass(frozen=True, slots=True)
class Histogram:
    """One histogram of one map; quantiles are upper bounds of the bucket they fall into, None for open."""

    name: str
    key: str | None
    buckets: tuple[Bucket, ...]
    total: int
    p50: int | None
    p90: int | None
    p99: int | None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def buckets(data: Any) -> tuple[Bucket, ...]:
    """The buckets of one ``hist`` or ``lhist`` value, upwards; () for what is none."""
    if not isinstance(data, list):
        return ()
    found = [
        (_bound(entry.get("min")), _bound(entry.get("max")), int(entry["count"]))
        for entry in data
        if isinstance(entry, dict) and isinstance(entry.get("count"), int)
    ]
    most = max((count for _, _, count in found), default=0)
    return tuple(
        Bucket(low, high, count, count / most if most else 0.0, label(low, high))
        for low, high, count in found
    )


def histograms(maps: Mapping[str, MapView]) -> list[Histogram]:
    """One histogram for each key of each map that holds some, fullest first within a map."""
    found = []
    for view in maps.values():
        if view.kind != "hist":
            continue
        for row in view.rows:
            parts = buckets(row.value)
            total = sum(bucket.count for bucket in parts)
            quantiles = (quantile(parts, share) for share in (0.5, 0.9, 0.99))
            found.append(Histogram(view.name, row.key, parts, total, *quantiles))
    return found


def quantile(parts: tuple[Bucket, ...], share: float) -> int | None:
    """The upper bound of the bucket in which the value at ``share`` (0 to 1) lies; None: open, or empty."""
    total = sum(bucket.count for bucket in parts)
    seen = 0
    for bucket in parts:
        seen += bucket.count
        if bucket.count and seen >= share * total:
            return bucket.high
    return None


def label(low: int | None, high: int | None) -> str:
    """Bounds as bpftrace's own text has them: ``[512, 1K)``, ``7``, ``(..., 0)``, ``[2G, ...)``."""
    if low is None:
        return f"(..., {short(high + 1)})" if high is not None else "(..., ...)"
    if high is None:
        return f"[{short(low)}, ...)"
    return str(low) if low == high else f"[{short(low)}, {short(high + 1)})"


def short(value: int) -> str:
    """``1024`` as ``1K``: only where nothing is lost by it."""
    for size, sign in _UNITS:
        if value and value % size == 0:
            return f"{value // size}{sign}"
    return str(value)


def _bound(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
