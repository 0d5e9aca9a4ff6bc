"""What maps held in a span of time."""

from __future__ import annotations

from typing import Any

from app.trace.heads import Span
from app.trace.usage import Usage
from app.views.window import Spanned, in_span

USE = Usage(frozenset({"@c", "@w"}), frozenset({"@w"}))


def events(kind: str, name: str, *values: Any) -> list[dict[str, Any]]:
    return [
        {"n": n, "t": 100 * n, "type": kind, "data": {name: value}} for n, value in enumerate(values, start=1)
    ]


def one(kind: str, name: str, span: Span, *values: Any) -> Spanned:
    (found,) = in_span(events(kind, name, *values), span, USE).values()
    return found


def test_what_counts_up_tells_what_came_in_the_span() -> None:
    found = one("map", "@c", Span(100, 300), {"a": 1}, {"a": 4, "b": 2}, {"a": 4, "b": 7}, {"a": 99})
    assert (found.data, found.how, found.n, found.t) == ({"a": 3, "b": 7}, "counted", 3, 300)
    assert one("map", "@c", Span(100, None), 5, 7, 2, 3).data == 5  # 2, and 3 after it began anew
    # A key that did not grow in the span is left out.
    assert one("map", "@c", Span(100, 200), {"a": 1, "b": 1}, {"a": 2, "b": 1}).data == {"a": 1}


def test_a_map_that_is_emptied_tells_the_sum_of_its_prints() -> None:
    assert one("map", "@w", Span(100, 300), {"a": 1}, {"a": 4}, {"a": 5, "b": 1}, {"a": 9}).data == {
        "a": 9,
        "b": 1,
    }


def test_other_values_are_told_as_they_were_printed_last_in_it() -> None:
    found = one("map", "@last", Span(100, 300), {"a": 9}, {"a": 4}, {"a": 2}, {"a": 7})
    assert (found.data, found.how, found.t) == ({"a": 2}, "printed", 300)
    # Counted by the script, but a text: no increase of it makes sense.
    assert one("map", "@c", Span(100, None), "one", "two").how == "printed"


def test_a_span_without_a_beginning_is_the_map_as_it_was_at_its_end() -> None:
    found = one("map", "@c", Span(None, 200), {"a": 1}, {"a": 4}, {"a": 8})
    assert (found.data, found.how, found.t) == ({"a": 4}, "printed", 200)


def test_histograms_and_stats_are_subtracted() -> None:
    before = [{"min": 1, "max": 1, "count": 3}, {"min": 2, "max": 3, "count": 1}]
    after = [{"min": 1, "max": 1, "count": 5}, {"min": 2, "max": 3, "count": 1}, {"min": 4, "count": 2}]
    assert one("hist", "@h", Span(100, 200), before, after).data == [
        {"min": 1, "max": 1, "count": 2},
        {"min": 4, "count": 2},
    ]
    stats = [{"count": 2, "average": 5, "total": 10}, {"count": 5, "average": 8, "total": 40}]
    assert one("stats", "@s", Span(100, 200), *stats).data == {"count": 3, "average": 10, "total": 30}


def test_what_was_not_printed_in_the_span_is_not_there() -> None:
    assert in_span(events("map", "@c", 1, 2), Span(200, 300), USE) == {}
    odd: list[dict[str, Any]] = [
        {"type": "map"},
        {"type": "map", "data": 5},
        {},
        {"type": "printf", "data": "x"},
    ]
    assert in_span(odd, Span(), USE) == {}
