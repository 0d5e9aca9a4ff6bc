"""A session over time by the API: what the views are told is what the log says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.web.routes import sessions
from app.web.routes.sessions import first_view
from tests.support.server import Server, running

SCRIPT = """
interval:ms:100 {
  @n = count(); @us = hist(@turn * 8); @turn++; @state = @turn;
  printf("a line\\n"); print(@us); print(@n); print(@state);
}
interval:ms:250 { @w = count(); print(@w); clear(@w); }
"""


def start(server: Server, script: str, duration: float) -> str:
    answer = server.client.post("/api/v1/sessions", json={"script": script, "duration": duration})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


@pytest.fixture(scope="module")
def ended(server: Server) -> str:
    session = start(server, SCRIPT, 1.5)
    server.until(session, "running")
    mark(server, session, "half way").raise_for_status()
    server.until(session, "ended")
    return session


@pytest.fixture(scope="module")
def log(server: Server, ended: str) -> list[dict[str, Any]]:
    return server.events(ended)


def mark(server: Server, session: str, text: str) -> Any:
    return server.client.post(f"/api/v1/sessions/{session}/markers", json={"text": text})


def printed(log: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [event for event in log if isinstance(event["data"], dict) and name in event["data"]]


def middle(log: list[dict[str, Any]], name: str) -> tuple[int, int]:
    """Times of two prints with others before, between and after."""
    times = [event["t"] for event in printed(log, name)]
    return times[2], times[-3]


def sum_of(buckets: list[dict[str, Any]]) -> int:
    return sum(bucket["count"] for bucket in buckets)


def test_the_heatmap_adds_up_to_the_last_print(server: Server, ended: str, log: list[dict[str, Any]]) -> None:
    found = server.get(f"/api/v1/sessions/{ended}/heatmap")
    prints = printed(log, "@us")
    last = {bucket.get("min"): bucket["count"] for bucket in prints[-1]["data"]["@us"] if bucket["count"]}
    sums = [sum(column["counts"][at] for column in found["columns"]) for at in range(len(found["buckets"]))]
    assert {b["min"]: n for b, n in zip(found["buckets"], sums, strict=True) if n} == last
    assert (found["map"], found["maps"], found["n"]) == ("@us", ["@us"], prints[-1]["n"])
    assert [column["t1"] for column in found["columns"]] == sorted({event["t"] for event in prints})


def test_a_span_of_the_heatmap_and_a_box_in_it(server: Server, ended: str, log: list[dict[str, Any]]) -> None:
    t0, t1 = middle(log, "@us")
    before, after = (
        next(event for event in reversed(printed(log, "@us")) if event["t"] <= t)["data"]["@us"]
        for t in (t0, t1)
    )
    found = server.get(f"/api/v1/sessions/{ended}/heatmap", t0=t0, t1=t1, low=16, high=63)
    assert found["total"] == sum_of(after) - sum_of(before) > 0
    inside = sum(
        count
        for column in found["columns"]
        for bucket, count in zip(found["buckets"], column["counts"], strict=True)
        if (bucket["min"], bucket["max"]) in {(16, 31), (32, 63)}
    )
    assert found["box"] == {"low": 16, "high": 63, "count": inside, "share": inside / found["total"]}
    assert all(t0 <= column["t0"] < column["t1"] <= t1 for column in found["columns"])


def test_maps_of_a_span_are_counted_or_as_printed(
    server: Server, ended: str, log: list[dict[str, Any]]
) -> None:
    t0, t1 = middle(log, "@n")
    told = server.get(f"/api/v1/sessions/{ended}/maps", t0=t0, t1=t1)
    inside = [event for event in log if t0 < event["t"] <= t1]
    assert (told["first"], told["last"]) == (inside[0]["n"], inside[-1]["n"])
    found = {name: each for each in told["maps"] for name in each["data"]}
    counts = [event["data"]["@n"] for event in printed(log, "@n") if event["t"] <= t1]
    begin = [event["data"]["@n"] for event in printed(log, "@n") if event["t"] <= t0]
    assert found["@n"]["how"] == "counted"
    assert found["@n"]["data"]["@n"] == counts[-1] - begin[-1]
    assert found["@us"]["how"] == "counted"
    assert found["@state"]["how"] == "printed"
    assert found["@state"]["data"] == printed(inside, "@state")[-1]["data"]
    assert found["@w"]["data"]["@w"] == sum(event["data"]["@w"] for event in printed(inside, "@w"))
    whole = server.get(f"/api/v1/sessions/{ended}/maps")
    assert {name for each in whole["maps"] for name in each["data"]} >= {"@n", "@us", "@state"}
    assert {each["how"] for each in whole["maps"]} == {"printed"}


def test_counters_have_each_print_and_its_rate(server: Server, ended: str, log: list[dict[str, Any]]) -> None:
    found = server.get(f"/api/v1/sessions/{ended}/counters", map="@n")
    latest = {event["t"]: event["data"]["@n"] for event in printed(log, "@n")}
    assert dict(zip(found["t"], found["series"][0]["values"], strict=True)) == latest
    times = [0, *found["t"]]
    counts = [0, *latest.values()]
    rates = [
        (now - then) * 1000 / (t1 - t0)
        for now, then, t1, t0 in zip(counts[1:], counts, times[1:], times, strict=False)
    ]
    assert found["series"][0]["rates"] == pytest.approx(rates)
    assert set(found["maps"]) >= {"@n", "@us", "@state", "@w"}
    emptied = server.get(f"/api/v1/sessions/{ended}/counters", map="@w")
    assert emptied["cleared"] is True
    assert sum(emptied["series"][0]["values"]) == sum(event["data"]["@w"] for event in printed(log, "@w"))


@pytest.mark.parametrize("bins", [1, 10, 240, 1000])
def test_the_timeline_counts_every_event_once(
    server: Server, ended: str, log: list[dict[str, Any]], bins: int
) -> None:
    found = server.get(f"/api/v1/sessions/{ended}/timeline", bins=bins)
    sums: dict[str, int] = {}
    for each in found["bins"]:
        for name, count in each["counts"].items():
            sums[name] = sums.get(name, 0) + count
    expected: dict[str, int] = {}
    for event in log:
        expected[event["type"]] = expected.get(event["type"], 0) + 1
    assert sums == expected
    assert len(found["bins"]) <= bins
    assert [mark["data"] for mark in found["marks"]] == ["half way"]
    assert found["last"] == log[-1]["n"]


def test_a_marker_is_an_event_of_the_log(server: Server, ended: str, log: list[dict[str, Any]]) -> None:
    (found,) = [event for event in log if event["type"] == "marker"]
    assert found["data"] == "half way"
    assert [event["n"] for event in log] == list(range(1, len(log) + 1))
    assert [event["t"] for event in log] == sorted(event["t"] for event in log)
    # A session that is over keeps its log as it is.
    late = mark(server, ended, "too late")
    assert (late.status_code, late.json()["error"]["code"]) == (409, "conflict")
    assert server.events(ended) == log


@pytest.mark.parametrize("body", [{"text": "x" * 201}, {"text": "  "}, {}, {"text": 5}])
def test_markers_that_are_refused(server: Server, ended: str, body: dict[str, Any]) -> None:
    answer = server.client.post(f"/api/v1/sessions/{ended}/markers", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_input")


@pytest.mark.parametrize("what", ["heatmap", "counters", "timeline", "maps"])
@pytest.mark.parametrize(
    "query", ["t0=x", "t1=-5", "t0=1e3", "t0=9&t1=9", "t0=9&t1=3", "t1=99999999999999999"]
)
def test_times_that_are_none_are_refused(server: Server, ended: str, what: str, query: str) -> None:
    answer = server.client.get(f"/api/v1/sessions/{ended}/{what}?{query}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_input")


@pytest.mark.parametrize("what", ["heatmap", "counters", "timeline", "maps"])
def test_no_session_and_a_span_without_events(server: Server, ended: str, what: str) -> None:
    assert server.client.get(f"/api/v1/sessions/none/{what}").status_code == 404
    empty = server.get(f"/api/v1/sessions/{ended}/{what}", t0=10**9)
    assert not (empty.get("columns") or empty.get("series") or (empty.get("maps") and what == "maps"))


def test_events_are_given_from_and_to_a_number(server: Server, ended: str, log: list[dict[str, Any]]) -> None:
    text = server.client.get(f"/api/v1/sessions/{ended}/events", params={"from": 3, "to": 5}).text
    assert len(text.splitlines()) == 3
    assert f'"n":{log[4]["n"]},' in text.splitlines()[-1]


def test_pages_say_the_same_without_a_script(server: Server, ended: str, log: list[dict[str, Any]]) -> None:
    t0, t1 = middle(log, "@n")
    page = server.client.get(f"/sessions/{ended}", params={"view": "table", "t0": t0, "t1": t1}).text
    told = server.get(f"/api/v1/sessions/{ended}/maps", t0=t0, t1=t1)
    (counted,) = [each["data"]["@n"] for each in told["maps"] if "@n" in each["data"]]
    assert f'data-value="{counted}"' in page
    assert "what came from" in page
    lines = [event for event in log if t0 < event["t"] <= t1 and event["type"] == "printf"]
    assert page.count('<div class="line printf"') == len(lines)
    heatmap = server.client.get(f"/sessions/{ended}", params={"view": "heatmap", "low": 16, "high": 63}).text
    total = server.get(f"/api/v1/sessions/{ended}/heatmap")["total"]
    assert f'data-total="{total}"' in heatmap
    assert "in the box" in heatmap
    # Opened with a map of another kind, it shows the first histogram.
    other = server.client.get(f"/sessions/{ended}", params={"view": "heatmap", "map": "@n"}).text
    assert f'data-total="{total}"' in other
    counters = server.client.get(f"/sessions/{ended}", params={"view": "counters", "series": "@n"}).text
    assert f'data-value="{printed(log, "@n")[-1]["data"]["@n"]}"' in counters
    assert "marker: half way" in counters
    for view, words in {"table": "No map in this time", "histogram": "No histogram in this time"}.items():
        assert words in server.client.get(f"/sessions/{ended}", params={"view": view, "t0": 10**9}).text
    refused = server.client.get(f"/sessions/{ended}", params={"t0": 9, "t1": 3})
    assert refused.status_code == 400


def test_what_is_not_kept_any_more_is_told(tmp_path: Path) -> None:
    with running(tmp_path, PROBESCOPE_SESSION_EVENTS="200") as server:
        session = start(server, 'interval:ms:2 { @n = count(); printf("x\\n"); print(@n); }', 2.0)
        server.until(session, "ended")
        log = server.events(session)
        assert log[0]["type"] == "gap"
        told = server.get(f"/api/v1/sessions/{session}/timeline")
        assert [mark["data"] for mark in told["marks"]] == [log[0]["data"]]
        assert sum(sum(each["counts"].values()) for each in told["bins"]) == len(log) - 1
        # A span that begins before what is kept: its first print is all of what came until then.
        maps = server.get(f"/api/v1/sessions/{session}/maps", t0=1)["maps"]
        assert maps[0]["data"]["@n"] == printed(log, "@n")[-1]["data"]["@n"]
        page = server.client.get(f"/sessions/{session}").text
        assert f"1 to {log[0]['data']['to']:,}) are no longer kept" in page


@pytest.mark.parametrize(
    ("recipe", "view"),
    [
        ("heatmap", "heatmap"),
        ("top", "table"),
        ("count", "table"),
        ("latency", "histogram"),
        ("offcpu", "histogram"),
        ("slower", "log"),
        ("tree", "log"),
        ("log", "log"),
        ("custom", "log"),
    ],
)
def test_each_recipe_opens_with_its_view(recipe: str, view: str) -> None:
    assert first_view(recipe) == view


@pytest.mark.parametrize("recipe", ["stacks", "profile"])
def test_a_view_that_is_not_there_is_the_log(recipe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sessions.VIEWS, "flame", "Flame graph")
    assert first_view(recipe) == "flame"
    monkeypatch.delitem(sessions.VIEWS, "flame")
    assert first_view(recipe) == "log"


@pytest.mark.parametrize(("top", "rows"), [("10", 10), ("50", 50), ("1000", 120), ("", 50)])
def test_a_table_shows_as_many_rows_as_are_chosen(server: Server, wide: str, top: str, rows: int) -> None:
    page = server.client.get(f"/sessions/{wide}", params={"view": "table", "top": top}).text
    assert page.count("<tr data-key=") == rows


@pytest.fixture(scope="module")
def wide(server: Server) -> str:
    body = "BEGIN { $i = 0; unroll(20) { @a[$i] = $i; @a[$i + 20] = $i; @a[$i + 40] = $i; $i++; } } "
    more = "interval:ms:50 { $i = 60; unroll(20) { @a[$i] = $i; @a[$i + 20] = $i; @a[$i + 40] = $i; $i++; } }"
    session = start(server, body + more + " interval:ms:100 { print(@a); }", 1.0)
    server.until(session, "ended")
    assert printed(server.events(session), "@a")
    return session
