"""Prints of histograms to columns of time: nothing is counted twice, and nothing is left out."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from app.trace.decode import decode
from app.trace.heads import Span
from app.views.heatmap import MOST_COLUMNS, Box, heatmap
from app.views.increments import buckets_of

RECORDINGS = Path(__file__).resolve().parents[1] / "recordings"


def hist(counts: dict[int, int]) -> list[dict[str, int]]:
    """A log2 histogram as bpftrace prints it, from power to count."""
    return [{"min": 1 << power, "max": (2 << power) - 1, "count": n} for power, n in sorted(counts.items())]


def printed(*values: Any, name: str = "@us", every: int = 500) -> list[dict[str, Any]]:
    return [
        {"n": at, "t": at * every, "type": "hist", "data": {name: value}}
        for at, value in enumerate(values, start=1)
    ]


def told(found: Any) -> list[tuple[int, int, dict[int, int]]]:
    return [
        (column.t0, column.t1, {low: count for (low, _), count in column.counts.items()})
        for column in found.columns
    ]


def test_a_column_is_what_came_between_two_prints() -> None:
    found = heatmap(printed(hist({0: 2}), hist({0: 2, 3: 5}), hist({0: 3, 3: 5})))
    assert told(found) == [(0, 500, {1: 2}), (500, 1000, {8: 5}), (1000, 1500, {1: 1})]
    assert found.buckets == [(1, 1), (8, 15)]
    assert (found.map, found.n, found.total, found.most) == ("@us", 3, 8, 5)


def test_the_columns_together_are_the_last_print() -> None:
    chance = random.Random(5)
    counts = dict.fromkeys(range(12), 0)
    prints = []
    for _ in range(400):
        for _ in range(chance.randrange(40)):
            counts[chance.randrange(12)] += 1
        prints.append(hist(counts))
    found = heatmap(printed(*prints))
    sums: dict[Any, int] = {}
    for column in found.columns:
        for bounds, count in column.counts.items():
            sums[bounds] = sums.get(bounds, 0) + count
    assert sums == {bounds: count for bounds, count in buckets_of(prints[-1]).items() if count}


def test_a_map_that_the_script_empties_is_taken_as_it_is() -> None:
    prints = printed(hist({0: 2}), hist({0: 3}), hist({1: 1}))
    assert told(heatmap(prints, cleared={"@us"})) == [
        (0, 500, {1: 2}),
        (500, 1000, {1: 3}),
        (1000, 1500, {2: 1}),
    ]
    assert heatmap(prints, cleared={"@us"}).cleared


def test_less_than_before_means_that_it_began_anew() -> None:
    found = heatmap(printed(hist({0: 5, 1: 4}), hist({0: 2, 1: 4}), hist({0: 3, 1: 4})))
    assert [counts for _, _, counts in told(found)] == [{1: 5, 2: 4}, {1: 2, 2: 4}, {1: 1}]


def test_keys_are_taken_alone_or_together() -> None:
    prints = printed({"a": hist({0: 1}), "b": hist({0: 2})}, {"a": hist({0: 4}), "b": hist({0: 2, 2: 1})})
    assert [counts for _, _, counts in told(heatmap(prints))] == [{1: 3}, {1: 3, 4: 1}]
    alone = heatmap(prints, "@us", "b")
    assert [counts for _, _, counts in told(alone)] == [{1: 2}, {4: 1}]
    assert (alone.keys, alone.keys_total) == (["a", "b"], 2)
    # A key that began anew is told apart from those that did not.
    anew = printed({"a": hist({0: 5}), "b": hist({0: 5})}, {"a": hist({0: 1}), "b": hist({0: 6})})
    assert told(heatmap(anew))[1][2] == {1: 2}
    # A key that went away and came again is all new.
    gone = printed({"a": hist({0: 5}), "b": hist({0: 1})}, {"b": hist({0: 1})}, {"a": hist({0: 5})})
    assert [counts for _, _, counts in told(heatmap(gone))] == [{1: 6}, {}, {1: 5}]


def test_linear_histograms_keep_their_open_ends() -> None:
    line = [{"max": -1, "count": 1}, {"min": 0, "max": 9, "count": 3}, {"min": 10, "count": 2}]
    found = heatmap(printed(line, [{**each, "count": each["count"] + 1} for each in line]))
    assert found.buckets == [(None, -1), (0, 9), (10, None)]
    assert [column["counts"] for column in found.as_dict()["columns"]] == [[1, 3, 2], [1, 1, 1]]
    assert [bucket["label"] for bucket in found.as_dict()["buckets"]] == ["(..., 0)", "[0, 10)", "[10, ...)"]


def test_a_span_is_compared_with_what_came_before_it() -> None:
    prints = printed(*(hist({0: n}) for n in (1, 3, 6, 10, 15)))
    inside = heatmap(prints, span=Span(500, 2000))
    assert told(inside) == [(500, 1000, {1: 2}), (1000, 1500, {1: 3}), (1500, 2000, {1: 4})]
    assert inside.n == 4
    assert heatmap(prints, span=Span(2500, None)).columns == []


def test_a_box_counts_the_buckets_that_lie_in_it() -> None:
    found = heatmap(printed(hist({0: 1, 3: 2, 4: 3, 9: 4})))
    assert found.box(8, 31) == Box(8, 31, 5, 0.5)
    assert found.box(8, None) == Box(8, None, 9, 0.9)
    # A bucket that only begins in it is not in it.
    assert found.box(8, 30).count == 2
    assert heatmap([]).box(0, 1) == Box(0, 1, 0, 0.0)


def test_columns_are_bounded_and_nothing_is_lost_by_it() -> None:
    prints = printed(*(hist({0: n}) for n in range(1, 3 * MOST_COLUMNS)), every=10)
    found = heatmap(prints)
    assert found.per == 4
    assert MOST_COLUMNS // 2 <= len(found.columns) <= MOST_COLUMNS
    assert found.total == 3 * MOST_COLUMNS - 1
    assert found.columns[0].t0 == 0
    assert found.columns[-1].t1 == prints[-1]["t"]
    assert all(one.t1 == other.t0 for one, other in zip(found.columns, found.columns[1:], strict=False))


def test_prints_of_the_same_time_are_one_column() -> None:
    prints = [{**each, "t": 500} for each in printed(hist({0: 1}), hist({0: 4}))]
    assert told(heatmap(prints)) == [(0, 500, {1: 4})]


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        "text",
        [],
        {},
        {"a": 5},
        [1, None, {"min": 1}, {"min": 1, "max": 1, "count": "9"}, {"min": True, "max": 1.5, "count": -3}],
    ],
)
def test_odd_shapes_have_no_counts(value: Any) -> None:
    found = heatmap([*printed(value), {"type": "hist"}, {"type": "hist", "data": 5}, {"data": {}}])
    assert found.total == 0
    found.as_dict()


@pytest.mark.parametrize("path", sorted(RECORDINGS.glob("*.json")), ids=lambda path: path.name)
def test_recordings_of_three_versions(path: Path) -> None:
    decoded = [each for line in path.read_bytes().splitlines() if (each := decode(line))]
    events = [{"n": n, "t": n, **each._asdict()} for n, each in enumerate(decoded, start=1)]
    for name in heatmap(events).maps:
        found = heatmap(events, name)
        assert len(found.columns) <= len(events)
        assert all(count > 0 for column in found.columns for count in column.counts.values())
        assert sum(count for _, _, count in found.cells()) == found.total
