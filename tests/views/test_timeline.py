"""A log to bins of time."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from app.trace.heads import Span, head
from app.views.timeline import MOST_BINS, MOST_MARKS, Mark, TimelineReader, bin_of, step_of, timeline


def line(n: int, t: int, type: str = "printf", data: Any = "x\n") -> bytes:
    return json.dumps({"n": n, "t": t, "type": type, "data": data}, separators=(",", ":")).encode()


def test_events_are_counted_by_type_in_their_bin() -> None:
    lines = [line(1, 5), line(2, 10), line(3, 11, "map", {"@c": 1}), line(4, 95), line(5, 100, "hist", {})]
    found = timeline([lines], 100, 10)
    assert (found.step, len(found.bins), found.last) == (10, 10, 5)
    assert found.bins[0] == {"printf": 2}
    assert found.bins[1] == {"map": 1}
    assert found.bins[9] == {"printf": 1, "hist": 1}
    assert list(found.rows()) == [(0, 10, 2, 0), (10, 20, 0, 1), (90, 100, 1, 1)]


def test_every_event_is_in_one_bin_whatever_the_number_of_bins() -> None:
    lines = [line(n, n * 7) for n in range(1, 501)]
    for bins in (1, 7, 240, 1000):
        found = timeline([lines], 3500, bins)
        assert sum(sum(counts.values()) for counts in found.bins) == 500
        assert len(found.bins) <= bins


def test_markers_losses_and_gaps_are_told_with_what_they_say() -> None:
    gap = {"from": 1, "to": 8, "count": 8}
    lines = [
        line(8, 0, "gap", gap),
        line(9, 40, "marker", "deployed"),
        line(10, 50, "lost_events", {"events": 7}),
    ]
    found = timeline([lines], 100, 10)
    assert found.marks == (
        Mark(8, 0, "gap", gap),
        Mark(9, 40, "marker", "deployed"),
        Mark(10, 50, "lost_events", {"events": 7}),
    )
    many = timeline([[line(n, n, "marker", "m")] for n in range(1, MOST_MARKS + 4)], 1000, 10)
    assert (len(many.marks), many.marks_left_out) == (MOST_MARKS, 3)


def test_a_span_has_the_events_after_its_beginning_up_to_its_end() -> None:
    lines = [line(n, n * 10) for n in range(1, 11)]
    found = timeline([lines], 100, 10, Span(20, 50))
    assert (found.t0, found.t1, found.last) == (20, 50, 5)
    assert sum(sum(counts.values()) for counts in found.bins) == 3


@pytest.mark.parametrize(
    ("length", "bins", "step"), [(1, 100, 10), (1000, 100, 10), (1001, 100, 20), (600_000, 240, 5000)]
)
def test_bins_are_round(length: int, bins: int, step: int) -> None:
    assert step_of(length, bins) == step
    assert bin_of(length, step) < bins


def test_an_empty_log_has_an_empty_line() -> None:
    assert list(timeline([], 0, 240).rows()) == []


@pytest.mark.parametrize("span", [None, Span(70, None), Span(None, 90_000), Span(1234, 777_777)])
def test_a_reader_tells_at_any_time_what_all_lines_at_once_come_to(span: Span | None) -> None:
    chance = random.Random(3)
    kinds = ["printf", "map", "hist", "marker"]
    t, lines = 0, []
    for n in range(1, 2001):
        t += chance.choice([0, 1, 9, 40, 700, 9000])
        lines.append(line(n, t, chance.choice(kinds)))
    reader = TimelineReader(span)
    at = 0
    while at < len(lines):
        size = chance.randrange(1, 400)
        reader.add(lines[at : at + size])
        at = min(len(lines), at + size)
        for bins in (1, 240, 999, 1000):
            found = reader.timeline(0, bins)
            assert found == timeline([lines[:at]], 0, bins, span)
            counted = [0] * len(found.bins)
            for each in map(head, lines[:at]):
                if found.t0 < each.t <= found.t1:
                    counted[bin_of(each.t - found.t0, found.step)] += 1
            assert [sum(counts.values()) for counts in found.bins] == counted


def test_a_long_session_takes_no_more_room_than_its_timelines_need() -> None:
    reader = TimelineReader()
    reader.add([line(n, n * 3_600_000) for n in range(1, 101)])
    for at in range(200):
        reader.add([line(101 + at, 360_000_000 + at * 10)])
    assert len(reader._bins) <= 10 * MOST_BINS
    assert sum(sum(counts.values()) for counts in reader.timeline(0, MOST_BINS).bins) == 300
