"""What views over time share: tables are written at once, then seldom, and always with the last word."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from playwright.sync_api import Page

from tests.browser.conftest import Tab

SELDOM = """async () => {
  const base = document.querySelector("script[type=module]").src.replace("main.js", "live/");
  const { seldom } = await import(base + "overtime.js");
  const seen = [];
  let word = 0;
  const write = seldom(() => seen.push([performance.now(), word]), 100);
  const begun = performance.now();
  while (performance.now() - begun < 450) {
    word++;
    write();
    await new Promise((done) => setTimeout(done, 5));
  }
  const during = seen.length;
  await new Promise((done) => setTimeout(done, 250));
  return { during, seen, word, first: seen[0][1] };
}"""
BETWEEN = """async () => {
  const base = document.querySelector("script[type=module]").src.replace("main.js", "live/");
  const { OverTime } = await import(base + "overtime.js");
  const told = [];
  class View extends OverTime {
    history = {
      add: (event) => told.push(["add", event.n]),
      load: (first) => told.push(["load", first.map(({ n }) => n)]),
      again: () => told.push(["again"]),
    };
  }
  const view = new View(null, { schedule: (asked) => told.push(["schedule", asked]) });
  [{ "@a": 1, "@b": 1 }, "a line", { "@a": 2 }, null].forEach((data, n) => view.add({ n, data }));
  view.load();
  view.missed();
  view.opened = true;
  view.setSpan();
  view.missed();
  view.reset();
  view.changed(true);
  return { told, dirty: view.dirty };
}"""


def open_help(tab: Tab) -> Page:
    return tab.open("/help")


def test_a_table_is_written_at_once_then_seldom_and_at_last(tab: Tab) -> None:
    found: dict[str, Any] = open_help(tab).evaluate(SELDOM)
    times = [at for at, _ in found["seen"]]
    assert found["first"] == 1
    assert 2 <= found["during"] <= 6
    assert all(later - at >= 99 for at, later in pairwise(times))
    # What was asked for last is written, once.
    assert found["seen"][-1][1] == found["word"]
    assert len(found["seen"]) <= found["during"] + 1


def test_a_view_keeps_the_last_prints_and_loads_once_it_is_opened(tab: Tab) -> None:
    found = open_help(tab).evaluate(BETWEEN)
    assert found == {
        "told": [
            ["add", 0],
            ["add", 2],
            ["load", [2, 0]],
            ["again"],
            ["load", []],
            ["schedule", True],
        ],
        "dirty": True,
    }
