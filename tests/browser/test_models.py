"""The page's models go on from the server's as the server itself would: same columns, points and bins.

Prints at random go through both: to the server all of them; to the page the server's answer about the first
part, then the rest as the stream would bring it.
"""

from __future__ import annotations

import json
import random
from itertools import product
from typing import Any

import pytest
from playwright.sync_api import Page

from app.trace.heads import Span
from app.trace.usage import Usage
from app.views.counters import counters
from app.views.heatmap import heatmap
from app.views.timeline import timeline
from tests.browser.conftest import Tab

PRINTS = 1300
PARTS = (0, 1, 400, 900)
SPANS = (Span(), Span(20_000, 60_000))
USE = Usage(frozenset({"@c"}), frozenset({"@w"}))
# Texts go faster between here and the page than what they say.
MODULE = """async ([name, values]) => {
  const base = document.querySelector("script[type=module]").src.replace("main.js", "live/");
  return JSON.stringify(WORK(await import(base + name), ...JSON.parse(values)));
}"""
GRID = """(({ Grid }, body, events, span) => {
  const grid = new Grid(body, span, (bucket) => String(bucket.min));
  const known = events.map((event) => grid.take(event));
  return {
    known: known.every(Boolean), total: grid.total, most: grid.most, per: grid.per, n: grid.n,
    rows: grid.rows.map(({ min, max }) => [min, max]),
    columns: grid.columns.map(({ t0, t1, counts }) =>
      [t0, t1, grid.rows.map(({ id }) => counts.get(id) ?? 0)]),
  };
})"""
SERIES = """(({ Series }, body, events, span) => {
  const series = new Series(body, span);
  const known = events.map((event) => series.take(event));
  return {
    known: known.every(Boolean), per: series.per, n: series.n, keys: series.keys,
    t: series.points.map((point) => point.t1),
    series: series.top(64).map((key) => [key, series.points.map((point) => point.values.get(key) ?? null),
      series.points.map((point) => point.rates.get(key) ?? null)]),
  };
})"""
ACTIVITY = """(({ Activity }, body, events) => {
  const activity = new Activity(body, null);
  for (const event of events) activity.take(event);
  return { step: activity.step, n: activity.n, bins: activity.bins, marks: activity.marks };
})"""


@pytest.fixture
def page(tab: Tab) -> Page:
    return tab.open("/help")


def run(page: Page, name: str, work: str, *values: Any) -> Any:
    return json.loads(page.evaluate(MODULE.replace("WORK", work), [name, json.dumps(values)]))


def prints(chance: random.Random, name: str, kind: str) -> list[dict[str, Any]]:
    """Maps that count up, begin anew at times, and get and lose keys."""
    counts: dict[str, dict[int, int]] = {}
    events, t = [], 0
    for n in range(1, PRINTS + 1):
        t += chance.choice((0, 90, 100, 130))
        for _ in range(chance.randrange(6)):
            key = chance.choice("abcd")
            bucket = chance.randrange(8)
            counts.setdefault(key, {})[bucket] = counts.get(key, {}).get(bucket, 0) + chance.randrange(1, 9)
        if chance.random() < 0.01:
            counts.pop(chance.choice("abcd"), None)
        hist = {
            key: [{"min": 1 << at, "max": (2 << at) - 1, "count": n} for at, n in sorted(each.items())]
            for key, each in counts.items()
        }
        numbers = {key: sum(each.values()) for key, each in counts.items()}
        events.append({"n": n, "t": t, "type": kind, "data": {name: hist if kind == "hist" else numbers}})
    return events


@pytest.mark.parametrize(("name", "key"), [("@us", None), ("@us", "b"), ("@w", None)])
def test_columns_of_a_heatmap(page: Page, name: str, key: str | None) -> None:
    events = prints(random.Random(7), name, "hist")
    for part, span in product(PARTS, SPANS):
        body = heatmap(events[:part], name, key, USE.cleared, span).as_dict()
        asked = None if span.whole else {"t0": span.t0, "t1": span.t1}
        # The stream begins with the last print that the server took, or before it.
        found = run(page, "grid.js", GRID, body, events[max(0, part - 3) :], asked)
        whole = heatmap(events, name, key, USE.cleared, span).as_dict()
        assert found["known"]
        assert found["rows"] == [[each["min"], each["max"]] for each in whole["buckets"]]
        assert found["columns"] == [[each["t0"], each["t1"], each["counts"]] for each in whole["columns"]]
        assert {each: found[each] for each in ("total", "most", "per")} == {
            each: whole[each] for each in ("total", "most", "per")
        }


@pytest.mark.parametrize("name", ["@c", "@w", "@gauge"])
def test_points_of_a_series(page: Page, name: str) -> None:
    events = prints(random.Random(8), name, "map")
    for part, span in product(PARTS, SPANS):
        body = counters(events[:part], USE, name, span).as_dict()
        if not part:
            # Without a print, nothing tells the server how the map is used.
            body |= {"cleared": name in USE.cleared, "counted": name in USE.counted}
        asked = None if span.whole else {"t0": span.t0, "t1": span.t1}
        found = run(page, "series.js", SERIES, body, events[max(0, part - 3) :], asked)
        whole = counters(events, USE, name, span).as_dict()
        assert found["known"]
        assert (found["t"], found["per"]) == (whole["t"], whole["per"])
        shown = {key: (values, rates) for key, values, rates in found["series"]}
        assert set(shown) == {each["key"] for each in whole["series"]}
        for each in whole["series"]:
            values, rates = shown[each["key"]]
            assert values == list(each["values"])
            assert rates == [None if rate is None else pytest.approx(rate) for rate in each["rates"]]


@pytest.mark.parametrize("part", [0, 700, 4000])
def test_bins_of_the_timeline(page: Page, part: int) -> None:
    chance = random.Random(part)
    kinds = ("printf", "printf", "map", "hist", "marker")
    events: list[dict[str, Any]] = [
        {"n": n, "t": 3 * n, "type": chance.choice(kinds), "data": "x"} for n in range(1, 4001)
    ]
    lines = [json.dumps(event, separators=(",", ":")).encode() for event in events]
    body = timeline([lines[:part]], events[part - 1]["t"] if part else 0, 240).as_dict()
    found = run(page, "activity.js", ACTIVITY, body, events[max(0, part - 5) :])
    assert found["n"] == 4000
    step = found["step"]
    expected: dict[int, dict[str, int]] = {}
    for event in events:
        counts = expected.setdefault((event["t"] - 1) // step, {})
        counts[event["type"]] = counts.get(event["type"], 0) + 1
    assert {at: counts for at, counts in enumerate(found["bins"]) if counts} == expected
    assert len(found["bins"]) <= 480
    assert found["marks"] == [event for event in events if event["type"] == "marker"][:200]


def test_what_came_before_must_be_known(page: Page) -> None:
    events = prints(random.Random(1), "@us", "hist")
    body = heatmap(events[:10], "@us").as_dict()
    # Some prints were left out on the way: the difference cannot be told, and the model says so.
    assert run(page, "grid.js", GRID, body, events[20:25], None)["known"] is False
