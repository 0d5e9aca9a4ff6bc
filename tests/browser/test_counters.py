"""Counters of real sessions: values and rates are the log's; the chart's code comes when it is shown."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Shop, Tab
from tests.browser.sessions import begin, drag, expect_query, finish, printed, query, run, until
from tests.browser.wcag import violations
from tests.support.server import Server

SCRIPT = """
interval:ms:20 { @n = count(); @by[@i % 12] = sum(@i % 12 + 1); @us = hist(@i % 64); @i++; }
interval:ms:100 { printf("line %d\\n", @i); print(@n); print(@by); print(@us); }
interval:ms:150 { @w = count(); @w = count(); print(@w); clear(@w); }
"""
CHART = ".chart canvas"


@pytest.fixture(scope="module")
def ended(server: Server) -> str:
    return run(server, SCRIPT, 3.0)


def rows_of(page: Page) -> list[list[float | None]]:
    """The rows of the table, the latest first: time in seconds, then the lines."""
    rows = page.locator("[data-counters-table] tbody tr")
    texts = rows.evaluate_all(
        "rows => rows.map((row) => [...row.cells].map((c) => c.dataset.value ?? c.textContent))"
    )
    return [[float(text.replace(",", "")) if text else None for text in row] for row in texts]


def choose(page: Page, name: str, how: str = "value") -> None:
    page.locator("[data-counters-map]").select_option(name)
    page.locator("[data-counters-how]").select_option(how)


def expect_latest(page: Page, value: float) -> None:
    cell = page.locator("[data-counters-table] tbody tr").first.locator("td").first
    expect(cell).to_have_attribute("data-value", f"{value:g}")


def test_values_and_rates_are_those_of_the_log(tab: Tab, server: Server, ended: str) -> None:
    page = tab.open(f"/sessions/{ended}?view=counters")
    expect(page.locator(CHART)).to_be_visible()
    log = server.events(ended)
    latest = {event["t"]: event["data"]["@n"] for event in printed(log, "@n")}
    choose(page, "@n")
    expect_latest(page, list(latest.values())[-1])
    assert [(t, n) for t, n in rows_of(page)][::-1] == [(t / 1000, n) for t, n in latest.items()]
    choose(page, "@n", "rate")
    times = [0, *latest]
    counts = [0, *latest.values()]
    rates = [
        (counts[at] - counts[at - 1]) * 1000 / (times[at] - times[at - 1]) for at in range(1, len(times))
    ]
    expect(page.locator("[data-counters-table] tbody tr").first.locator("td")).not_to_have_attribute(
        "data-value", str(counts[-1])
    )
    expect(page.locator(".chart")).to_have_attribute("aria-label", re.compile("@n, a second"))
    until(page, lambda: [rate for _, rate in rows_of(page)][::-1] == pytest.approx(rates))
    assert query(page) | {"series": "@n", "as": "rate"} == query(page)
    page.reload()
    expect(page.locator(".chart")).to_have_attribute("aria-label", re.compile("@n, a second"))


def test_what_the_script_empties_is_the_value_of_each_print(tab: Tab, server: Server, ended: str) -> None:
    page = tab.open(f"/sessions/{ended}?view=counters&series=@w")
    expect(page.locator("[data-counters] p")).to_contain_text("The script empties it")
    prints = printed(server.events(ended), "@w")
    made = sum(event["data"]["@w"] for event in prints)
    until(page, lambda: sum(value or 0 for _, value in rows_of(page)) == made)


def test_the_largest_keys_are_chosen_and_the_others_told(tab: Tab, server: Server, ended: str) -> None:
    page = tab.open(f"/sessions/{ended}?view=counters&series=@by")
    last = printed(server.events(ended), "@by")[-1]["data"]["@by"]
    largest = sorted(last, key=lambda key: -last[key])
    legend = page.locator("[data-counters] .legend li")
    expect(legend).to_have_count(10)
    expect(page.locator("[data-counters] p")).to_contain_text("The 10 largest of 12 keys.")
    page.locator("[data-counters-top]").select_option("5")
    expect(legend).to_have_text(largest[:5])
    page.locator("[data-counters-top]").select_option("20")
    expect(legend).to_have_count(12)


def test_events_a_second_add_up_to_the_log(tab: Tab, server: Server, ended: str) -> None:
    page = tab.open(f"/sessions/{ended}?view=counters")
    expect(page.locator(CHART)).to_be_visible()
    log = server.events(ended)
    step = server.get(f"/api/v1/sessions/{ended}/timeline", bins=300)["step"]
    expect(page.locator("[data-counters] p")).to_contain_text(f"Means over {step} ms.")
    until(page, lambda: len(rows_of(page)) > 100)
    rows = rows_of(page)
    oldest = rows[-1][0]
    assert oldest is not None
    since = oldest * 1000 - step
    expected = [event for event in log if event["t"] > since]
    lines = sum(line or 0 for _, line, _ in rows) * step / 1000
    maps = sum(prints or 0 for *_, prints in rows) * step / 1000
    assert lines == pytest.approx(sum(event["type"] not in {"map", "hist", "stats"} for event in expected))
    assert maps == pytest.approx(sum(event["type"] in {"map", "hist", "stats"} for event in expected))


def test_it_grows_with_a_session_that_runs(tab: Tab, server: Server, shop: Shop) -> None:
    session = begin(server, shop, "count")
    page = tab.open(f"/sessions/{session}?view=counters&series=@calls")
    made = shop.sell(11)
    expect_latest(page, made)
    made += shop.sell(6)
    expect_latest(page, made)
    page.locator("[data-marker] input").fill("now")
    page.get_by_role("button", name="Mark").click()
    log = finish(server, session)
    expect_latest(page, made)
    (marker,) = [event for event in log if event["type"] == "marker"]
    expect(page.locator("[data-counters] p")).to_contain_text(f"Markers: {marker['t'] / 1000:g} now.")


def test_the_chart_is_loaded_when_it_is_shown(tab: Tab, ended: str) -> None:
    asked: list[str] = []
    tab.page.on("request", lambda request: asked.append(request.url))
    page = tab.open(f"/sessions/{ended}?view=log")
    expect(page.locator("[data-log] [data-n]").first).to_be_visible()
    page.wait_for_load_state("networkidle")
    assert not [url for url in asked if "uPlot" in url]
    page.locator("[data-view-link=counters]").click()
    expect(page.locator(CHART)).to_be_visible()
    assert len([url for url in asked if "uPlot" in url]) == 2


def test_a_drag_on_the_chart_is_the_time_of_all_views(tab: Tab, server: Server, ended: str) -> None:
    page = tab.open(f"/sessions/{ended}?view=counters&series=@n")
    expect(page.locator(CHART)).to_be_visible()
    expect(page.locator(".chart .u-over")).to_be_visible()
    drag(page, ".chart .u-over", (0.3, 0.5), (0.6, 0.5))
    words = expect_query(page, "t0", "t1")
    found = server.get(f"/api/v1/sessions/{ended}/counters", map="@n", t0=words["t0"], t1=words["t1"])
    expect_latest(page, found["series"][0]["values"][-1])
    expect(page.locator("[data-counters-table] tbody tr")).to_have_count(len(found["t"]))


def test_it_is_within_reach_of_everybody(tab: Tab, ended: str) -> None:
    page = tab.open(f"/sessions/{ended}?view=counters&series=@by")
    expect(page.locator(CHART)).to_be_visible()
    assert violations(page) == []
