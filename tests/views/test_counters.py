"""Prints of maps to series of values and rates."""

from __future__ import annotations

from typing import Any

from app.trace.heads import Span
from app.trace.usage import Usage
from app.views.counters import MOST_POINTS, MOST_SERIES, Series, counters

USE = Usage(frozenset({"@c", "@w"}), frozenset({"@w"}))


def printed(name: str, *values: Any, kind: str = "map", every: int = 500) -> list[dict[str, Any]]:
    return [
        {"n": at, "t": at * every, "type": kind, "data": {name: value}}
        for at, value in enumerate(values, start=1)
    ]


def test_values_and_rates_of_what_counts_up() -> None:
    found = counters(printed("@c", {"a": 10, "b": 1}, {"a": 25, "b": 3}, {"a": 5, "b": 3}), USE)
    assert found.series(1) == [Series("a", (10, 25, 5), (20.0, 30.0, 10.0))]
    assert [each.key for each in found.series(5)] == ["a", "b"]
    assert found.series(5)[1] == Series("b", (1, 3, 3), (2.0, 4.0, 0.0))
    assert (found.maps, found.keys, found.n) == (["@c"], 2, 3)


def test_a_map_that_is_emptied_has_its_own_value_as_rate() -> None:
    assert counters(printed("@w", 10, 30), USE).series(1) == [Series(None, (10, 30), (20.0, 60.0))]


def test_what_only_changes_may_fall_and_has_no_first_rate() -> None:
    assert counters(printed("@now", 7, 3), USE).series(1) == [Series(None, (7, 3), (None, -8.0))]


def test_stats_count_and_histograms_have_their_number_of_values() -> None:
    stats = {"count": 4, "average": 2, "total": 8}
    assert counters(printed("@s", {"k": stats}, kind="stats"), USE).series(1)[0].values == (4,)
    buckets = [{"min": 1, "max": 1, "count": 3}, {"min": 2, "max": 3, "count": 2}]
    assert counters(printed("@h", buckets, kind="hist"), USE).series(1)[0] == Series(None, (5,), (10.0,))


def test_a_key_that_comes_later_is_counted_from_nothing() -> None:
    found = counters(printed("@c", {"a": 1}, {"a": 1, "b": 4}), USE)
    assert found.series(1) == [Series("b", (None, 4), (None, 8.0))]


def test_a_key_that_went_away_comes_last() -> None:
    found = counters(printed("@c", {"a": 9, "b": 1}, {"b": 2}), USE)
    assert [(each.key, each.values) for each in found.series(5)] == [("b", (1, 2)), ("a", (9, None))]


def test_the_first_point_of_a_span_is_compared_with_what_came_before() -> None:
    found = counters(printed("@c", 10, 25, 75), USE, span=Span(500, 1000))
    assert found.series(1) == [Series(None, (25,), (30.0,))]
    assert found.points[0].t0 == 500


def test_points_and_series_are_bounded() -> None:
    many = printed("@c", *({str(key): n * key for key in range(1, 101)} for n in range(1, 4)))
    found = counters(many, USE)
    assert found.keys == 100
    assert len(found.points[0].values) == MOST_SERIES
    assert found.series(2)[0].key == "100"
    long = counters(printed("@c", *range(1, 2 * MOST_POINTS + 2), every=10), USE)
    assert long.per == 4
    assert len(long.points) <= MOST_POINTS
    (series,) = long.series(1)
    assert series.values[-1] == 2 * MOST_POINTS + 1
    assert set(series.rates) == {100.0}
    emptied = counters(printed("@w", *[3] * (MOST_POINTS + 1), every=10), USE)
    assert sum(value or 0 for value in emptied.series(1)[0].values) == 3 * (MOST_POINTS + 1)


def test_odd_shapes_are_passed_over() -> None:
    odd: list[dict[str, Any]] = [
        {"type": "map"},
        {"type": "map", "data": 5},
        {"type": "printf", "data": "x"},
        {},
    ]
    assert counters(odd, USE).as_dict()["series"] == []
    assert counters(printed("@t", "text", None, [1, 2]), USE).series(1)[0].values == (0, 0, 0)
