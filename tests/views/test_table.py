"""The latest state of each map out of its events."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.trace.decode import decode
from app.views.histogram import histograms
from app.views.table import Row, maps

RECORDINGS = Path(__file__).resolve().parents[1] / "recordings"


def test_the_latest_value_wins_and_rows_go_downwards() -> None:
    events = [
        {"n": 1, "t": 5, "type": "map", "data": {"@c": {"a": 1, "b": 2}}},
        {"n": 2, "t": 6, "type": "printf", "data": "x"},
        {"n": 3, "t": 7, "type": "map", "data": {"@c": {"a": 4, "b": 8}}},
        {"n": 4, "t": 8, "type": "map", "data": {"@n": 12}},
    ]
    found = maps(events)
    assert list(found) == ["@c", "@n"]
    assert found["@c"].rows == (Row("b", 8, 1.0), Row("a", 4, 0.5))
    assert (found["@c"].total, found["@c"].n, found["@c"].t) == (12.0, 3, 7)
    assert found["@n"].rows == (Row(None, 12, 1.0),)


def test_stats_with_and_without_keys() -> None:
    value = {"count": 2, "average": 3, "total": 6}
    found = maps([{"type": "stats", "data": {"@s": value, "@k": {"x": value}, "@avg": {"7": 3}}}])
    assert found["@s"].rows == (Row(None, value, 1.0),)
    assert found["@k"].rows == (Row("x", value, 1.0),)
    assert found["@avg"].rows == (Row("7", 3, 1.0),)
    assert found["@s"].rows[0].text == "count 2, average 3, total 6"


@pytest.mark.parametrize("path", sorted(RECORDINGS.glob("*.json")), ids=lambda path: path.name)
def test_recordings_become_views_of_plain_values(path: Path) -> None:
    events = [each._asdict() for line in path.read_bytes().splitlines() if (each := decode(line))]
    found = maps(events)
    assert {"@h", "@lh", "@hk"} <= set(found)
    json.dumps([view.as_dict() for view in found.values()])
    drawn = histograms(found)
    assert {entry.name for entry in drawn} >= {"@h", "@hk"}
    for entry in drawn:
        assert entry.total == sum(bucket.count for bucket in entry.buckets) > 0


def test_odd_shapes_are_passed_over() -> None:
    assert maps([{"type": "map", "data": 5}, {"type": "map"}, {}, {"type": "map", "data": {}}]) == {}
    odd = maps([{"type": "map", "data": {"@x": None, "@y": {}, "@z": [1, [2]]}}])
    assert odd["@y"].rows == ()
    assert odd["@z"].rows[0].text == "1, [2]"
