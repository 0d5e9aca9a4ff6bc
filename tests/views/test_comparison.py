"""Two sessions' maps, histograms and scripts side by side."""

from __future__ import annotations

from app.views.comparison import BucketPair, Change, histogram_pairs, map_changes, script_lines
from app.views.table import MapView, maps


def printed(kind: str, data: object) -> dict[str, MapView]:
    return maps([{"type": kind, "data": data}])


def test_keys_that_changed_most_come_first() -> None:
    before = printed("map", {"@c": {"a": 10, "b": 4, "gone": 3}})
    after = printed("map", {"@c": {"a": 11, "b": 40, "new": 7}})
    (found,) = map_changes(before, after)
    assert found.rows == (
        Change("b", 4, 40, 36, 10.0),
        Change("new", None, 7, 7, None),
        Change("gone", 3, None, -3, None),
        Change("a", 10, 11, 1, 1.1),
    )
    assert (found.name, found.averages, found.more) == ("@c", False, 0)


def test_a_map_of_one_side_and_values_that_are_no_numbers() -> None:
    found = map_changes(
        printed("map", {"@n": 0, "@t": "old"}), printed("map", {"@t": "new", "@m": 2, "@n": 5})
    )
    assert {each.name: each.rows for each in found} == {
        "@n": (Change(None, 0, 5, 5, None),),
        "@t": (Change(None, "old", "new", None, None),),
        "@m": (Change(None, None, 2, 2, None),),
    }


def test_averages_are_compared_as_averages() -> None:
    before = printed("stats", {"@s": {"k": {"count": 2, "average": 10, "total": 20}}})
    after = printed("stats", {"@s": {"k": {"count": 8, "average": 5, "total": 40}}})
    (found,) = map_changes(before, after)
    assert found.averages
    assert found.rows == (Change("k", 10, 5, -5, 0.5, 2, 8),)


def test_stacks_are_left_to_the_flame_graph_and_histograms_to_pairs() -> None:
    before = printed("map", {"@s": {"\nwork+0\n": 1}}) | printed(
        "hist", {"@h": [{"min": 1, "max": 1, "count": 1}]}
    )
    assert map_changes(before, {}) == []


def test_histograms_are_joined_by_their_buckets() -> None:
    before = printed(
        "hist", {"@us": {"k": [{"min": 1, "max": 1, "count": 3}, {"min": 2, "max": 3, "count": 1}]}}
    )
    after = printed(
        "hist",
        {
            "@us": {"k": [{"max": -1, "count": 1}, {"min": 2, "max": 3, "count": 9}]},
            "@new": [{"min": 0, "max": 0, "count": 1}],
        },
    )
    pair, new = histogram_pairs(before, after)
    assert (pair.name, pair.key) == ("@us", "k")
    assert pair.buckets == (BucketPair("(..., 0)", 0, 1), BucketPair("1", 3, 0), BucketPair("[2, 4)", 1, 9))
    assert pair.before is not None and pair.after is not None
    assert (pair.before.total, pair.before.p50, pair.after.total, pair.after.p99) == (4, 1, 10, 3)
    assert (new.name, new.before) == ("@new", None)
    one, two = pair.pictured()
    assert one is not None and two is not None
    labels = ["(..., 0)", "1", "[2, 4)"]
    assert [(each.label, each.count) for each in one.buckets] == list(zip(labels, (0, 3, 1), strict=True))
    assert [(each.label, each.count) for each in two.buckets] == list(zip(labels, (1, 0, 9), strict=True))
    assert (one.total, two.total, new.pictured()[0]) == (4, 10, None)


def test_scripts_line_by_line() -> None:
    assert script_lines("a\nb\n", "a\nb") == []
    found = script_lines("BEGIN\nold\nEND\n", "BEGIN\nnew\nEND\n")
    assert [(line.kind, line.text) for line in found] == [
        ("same", "BEGIN"),
        ("removed", "old"),
        ("added", "new"),
        ("same", "END"),
    ]
