"""A map's successive prints to what came between them.

What counts up is told as the difference to the print before; less than before means that it began anew, and
the print is all of it. Values of another shape have no increase.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.trace.decode import STATS, keyed

Bounds = tuple[int | None, int | None]  # both inclusive; None: without bound on that side
Buckets = dict[Bounds, int]


def by_key(kind: Any, value: Any) -> dict[str | None, Any]:
    """The values of a printed map by key; the key is None where the map has none."""
    return dict(value) if keyed(kind, value) else {None: value}


def buckets_of(value: Any) -> Buckets:
    """The buckets of one hist or lhist, those without a value too; {} for what is none."""
    found: Buckets = {}
    for entry in value if isinstance(value, list) else ():
        if not isinstance(entry, dict) or not _whole(entry.get("count")) or entry["count"] < 0:
            continue
        bounds = (_bound(entry.get("min")), _bound(entry.get("max")))
        found[bounds] = found.get(bounds, 0) + entry["count"]
    return found


def as_list(buckets: Mapping[Bounds, int]) -> list[dict[str, int]]:
    """Buckets as bpftrace prints them, upwards."""
    found = []
    for low, high in ordered(buckets):
        bounds = {"min": low, "max": high}
        told = {name: value for name, value in bounds.items() if value is not None}
        found.append({**told, "count": buckets[low, high]})
    return found


def ordered(bounds: Mapping[Bounds, Any]) -> list[Bounds]:
    """Upwards, the open one below first and the open one above last."""
    return sorted(bounds, key=lambda each: (each[0] is not None, each[0] or 0, each[1] is None, each[1] or 0))


def grown(now: Buckets, before: Buckets | None) -> Buckets:
    """The increase of each bucket, those without one left out."""
    if before is None or any(now.get(bounds, 0) < count for bounds, count in before.items()):
        return {bounds: count for bounds, count in now.items() if count}
    found = {bounds: count - before.get(bounds, 0) for bounds, count in now.items()}
    return {bounds: count for bounds, count in found.items() if count}


def added(one: Mapping[Bounds, int], other: Mapping[Bounds, int]) -> Buckets:
    found = dict(one)
    for bounds, count in other.items():
        found[bounds] = found.get(bounds, 0) + count
    return found


def countable(kind: Any, value: Any, counted: bool) -> bool:
    """Whether a value of a map is one whose increase makes sense; ``counted``: the script counts it up."""
    if kind == "hist":
        return isinstance(value, list)
    if kind == "stats":
        return is_stats(value)
    return counted and is_number(value)


def increase(kind: Any, now: Any, before: Any) -> Any:
    """What came between two prints of one key, both of which are ``countable``; ``before`` None: all of it.

    Shaped as the value: a number, buckets as a list, stats with the average of what came.
    """
    if kind == "hist":
        return as_list(grown(buckets_of(now), None if before is None else buckets_of(before)))
    if kind == "stats":
        if before is None or now["count"] < before["count"]:
            return now
        return _averaged(now["count"] - before["count"], now["total"] - before["total"])
    return now if before is None or now < before else now - before


def total(kind: Any, one: Any, other: Any) -> Any:
    """Two increases of one key together."""
    if kind == "hist":
        return as_list(added(buckets_of(one), buckets_of(other)))
    if kind == "stats":
        return _averaged(one["count"] + other["count"], one["total"] + other["total"])
    return one + other


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_stats(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == STATS and all(is_number(value[name]) for name in STATS)


def _averaged(count: Any, sum_: Any) -> dict[str, Any]:
    return {"count": count, "average": sum_ // count if count else 0, "total": sum_}


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _bound(value: Any) -> int | None:
    return value if _whole(value) else None
