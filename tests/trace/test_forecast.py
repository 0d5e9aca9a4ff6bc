"""What a forecast says of hits that were counted."""

from __future__ import annotations

import pytest

from app.errors import BadInput, TooLarge
from app.trace.bpftrace import Capabilities
from app.trace.forecast import MOST_PROBES, SECONDS, counting, counts_of, forecast
from app.trace.model import ScriptRequest

ABLE = Capabilities(True, "/b", (0, 17, 0), "", True, None, "", False, False)


def test_the_rate_and_its_cost() -> None:
    found = forecast("count", (0, 17, 0), {"a": 1000, "b": 3000, "c": 0}, 2.0)
    assert (found.calls, found.rate, found.hot) == (4000, 2000.0, False)
    assert found.cost == pytest.approx(38.0)
    assert list(found.probes.items()) == [("b", 1500.0), ("a", 500.0)]
    assert "2,000 calls a second" in found.text and "38.0 ms" in found.text


def test_a_hot_probe_is_warned_of_by_name() -> None:
    found = forecast("stacks", (0, 17, 0), {"malloc": 200_000}, 2.0)
    assert found.hot
    assert "malloc alone" in found.text
    assert forecast("stacks", (0, 27, 1), {"malloc": 200_000}, 2.0).cost < found.cost


def test_no_call_is_said_to_be_none() -> None:
    assert "No call was seen" in forecast("log", None, {}, 2.0).text


def test_returns_are_counted_at_their_entries_and_scripts_by_their_attach_points() -> None:
    request = ScriptRequest("latency", ('uretprobe:"/a":f', 'uprobe:"/a":f'), 7)
    made = counting(request, ABLE)
    assert (made.recipe, made.probes, made.pid, made.duration) == ("count", ('uprobe:"/a":f',), 7, SECONDS)
    own = ScriptRequest(script='BEGIN {}\nuprobe:"/a":g { @ = count(); }')
    assert counting(own, ABLE).probes == ('uprobe:"/a":g',)


def test_what_is_counted_is_what_the_options_let_through() -> None:
    options = {"by": "thread", "comm": "x", "where": "a > 1", "sample": 2}
    lines = ('line:"/a":main.c:3', 'uprobe:"/a":f')
    made = counting(ScriptRequest("latency", lines, options=options), ABLE)
    assert made.options == {"comm": "x"}
    assert made.probes == lines


def test_what_cannot_be_counted_is_refused() -> None:
    for request in (ScriptRequest("profile", pid=1), ScriptRequest(script="BEGIN {}")):
        with pytest.raises(BadInput):
            counting(request, ABLE)
    many = tuple(f'uprobe:"/a":f{n}' for n in range(MOST_PROBES + 1))
    with pytest.raises(TooLarge):
        counting(ScriptRequest("count", many), ABLE)


@pytest.mark.parametrize("data", [None, [], {}, {"@calls": 3}, {"@calls": {"a": "x", "b": -1}}])
def test_other_events_count_nothing(data: object) -> None:
    assert counts_of(data) == {}


def test_counts_by_probe_are_read() -> None:
    assert counts_of({"@calls": {"f": 3, "g": 0}}) == {"f": 3}
