"""The timeline below the views: it counts the log's events, and the time chosen on it is for all views."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import NewTab, Shop, Tab
from tests.browser.sessions import begin, drag, expect_query, finish, printed, query, run, sum_of
from tests.browser.wcag import violations
from tests.support.server import Server

SCRIPT = """
interval:ms:20 { @n = count(); @us = hist(@i % 64); @now = @i; @i++; }
interval:ms:100 { printf("line %d\\n", @i); print(@n); print(@us); print(@now); }
"""
CANVAS = "[data-timeline-canvas]"
MAPS = {"map", "hist", "stats"}


@pytest.fixture(scope="module")
def ended(server: Server) -> str:
    return run(server, SCRIPT, 3.0)


def choose(page: Page, t0: int, t1: int) -> None:
    page.locator("[name=t0]").fill(str(t0))
    page.locator("[name=t1]").fill(str(t1))
    page.get_by_role("button", name="Choose").click()


def expect_value(page: Page, name: str, value: int) -> None:
    cell = page.locator(f"[data-map-table='{name}'] td[data-value]")
    expect(cell).to_have_attribute("data-value", str(value))


def test_its_table_counts_every_event(tab: Tab, server: Server, ended: str) -> None:
    page = tab.open(f"/sessions/{ended}")
    page.locator("[data-timeline-table] summary").click()
    rows = page.locator("[data-timeline-table] tbody tr")
    expect(rows.first).to_be_visible()
    cells = rows.evaluate_all(
        "rows => rows.map((row) => [...row.cells].map((cell) => Number(cell.textContent)))"
    )
    log = server.events(ended)
    assert sum(lines for _, _, lines, _ in cells) == sum(event["type"] not in MAPS for event in log)
    assert sum(maps for _, _, _, maps in cells) == sum(event["type"] in MAPS for event in log)


def test_fields_choose_the_time_of_all_views_and_all_of_it_takes_it_back(
    tab: Tab, server: Server, ended: str
) -> None:
    log = server.events(ended)
    times = [event["t"] for event in printed(log, "@n")]
    t0, t1 = times[5], times[-6]
    told = server.get(f"/api/v1/sessions/{ended}/maps", t0=t0, t1=t1)["maps"]
    values = {name: value for each in told for name, value in each["data"].items()}
    page = tab.open(f"/sessions/{ended}?view=log")
    expect(page.locator("[data-log-note]")).to_contain_text("lines")
    choose(page, t0, t1)
    inside = [event for event in log if t0 < event["t"] <= t1 and event["type"] == "printf"]
    expect(page.locator("[data-log-note]")).to_have_text(f"{len(inside)} lines")
    page.locator("[data-log-filter]").fill(inside[0]["data"].strip())
    expect(page.locator("[data-log] [data-n]").first).to_have_attribute("data-n", str(inside[0]["n"]))
    page.locator("[data-log-filter]").fill("")
    page.locator("[data-view-link=table]").click()
    expect_value(page, "@n", values["@n"])
    expect_value(page, "@now", values["@now"])
    # What counts up tells what came in the time; what does not, what it was.
    counts = [event["data"]["@n"] for event in printed(log, "@n") if event["t"] <= t1]
    assert values["@n"] < counts[-1]
    assert values["@now"] == [event["data"]["@now"] for event in printed(log, "@now") if event["t"] <= t1][-1]
    tables = page.locator("[data-tables]")
    expect(tables).to_contain_text("What came in the chosen time")
    expect(tables).to_contain_text("As it was printed last in the chosen time")
    page.locator("[data-view-link=histogram]").click()
    total = page.locator("[data-histograms] [data-total]")
    expect(total).to_have_attribute("data-total", str(sum_of(values["@us"])))
    assert {"t0": str(t0), "t1": str(t1)}.items() <= query(page).items()
    page.reload()
    expect(total).to_have_attribute("data-total", str(sum_of(values["@us"])))
    page.locator("[data-span-reset]").click()
    expect(total).to_have_attribute("data-total", str(sum_of(printed(log, "@us")[-1]["data"]["@us"])))
    assert "t0" not in query(page)
    expect(page.locator("[data-span-note]")).to_be_empty()


def test_a_drag_chooses_the_time(tab: Tab, server: Server, ended: str) -> None:
    page = tab.open(f"/sessions/{ended}?view=table")
    drag(page, CANVAS, (0.25, 0.5), (0.75, 0.5))
    words = expect_query(page, "t0", "t1")
    end = server.events(ended)[-1]["t"]
    assert int(words["t0"]) == pytest.approx(0.25 * end, abs=0.05 * end)
    assert int(words["t1"]) == pytest.approx(0.75 * end, abs=0.05 * end)
    told = server.get(f"/api/v1/sessions/{ended}/maps", t0=words["t0"], t1=words["t1"])["maps"]
    (count,) = [each["data"]["@n"] for each in told if "@n" in each["data"]]
    expect_value(page, "@n", count)


def test_arrow_keys_move_an_end_of_the_time(tab: Tab, ended: str) -> None:
    page = tab.open(f"/sessions/{ended}?t0=1000&t1=2000")
    # Shown once the module is there.
    expect(page.locator(CANVAS)).to_be_visible()
    page.locator("[name=t1]").focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(page).to_have_url(re.compile(r"t1=20[2-9]\d"))
    assert query(page)["t0"] == "1000"
    expect(page.locator("[data-span-note]")).to_contain_text("The views show 1.000 s to 2.0")


def test_a_session_that_runs_is_looked_at_in_its_past_and_goes_on(
    tab: Tab, server: Server, shop: Shop
) -> None:
    session = begin(server, shop, "count")
    first = shop.sell(5)
    page = tab.open(f"/sessions/{session}?view=table")
    cell = page.locator("[data-map-table='@calls'] td[data-value]")
    expect(cell).to_have_attribute("data-value", str(first))
    until = server.events(session)[-1]["t"]
    second = shop.sell(7)
    expect(cell).to_have_attribute("data-value", str(first + second))
    choose(page, 1, until)
    expect(cell).to_have_attribute("data-value", str(first))
    # A time without an end goes on with the session.
    page.locator("[name=t0]").fill(str(until))
    page.locator("[name=t1]").fill("")
    page.get_by_role("button", name="Choose").click()
    expect(cell).to_have_attribute("data-value", str(second))
    third = shop.sell(9)
    expect(cell).to_have_attribute("data-value", str(second + third))
    page.locator("[data-span-reset]").click()
    expect(cell).to_have_attribute("data-value", str(first + second + third))


def test_a_marker_stands_in_log_and_timeline(tab: Tab, server: Server, shop: Shop) -> None:
    session = begin(server, shop, "count")
    page = tab.open(f"/sessions/{session}?view=log")
    page.locator("[data-marker] input").fill("<b>cache</b> warm")
    page.get_by_role("button", name="Mark").click()
    expect(page.locator("[data-log] .marker .text")).to_have_text("marker: <b>cache</b> warm")
    page.locator("[data-timeline-table] summary").click()
    expect(page.locator("[data-marks] li")).to_contain_text("marker <b>cache</b> warm")
    expect(page.locator(CANVAS)).to_have_attribute("aria-label", re.compile("1 markers"))
    log = finish(server, session)
    assert [event["data"] for event in log if event["type"] == "marker"] == ["<b>cache</b> warm"]
    expect(page.locator("[data-marker]")).to_have_count(0)


def test_without_javascript_a_form_marks_and_chooses_the_time(
    new_tab: NewTab, server: Server, shop: Shop, ended: str
) -> None:
    tab = new_tab(java_script_enabled=False)
    session = begin(server, shop, "count")
    page = tab.open(f"/sessions/{session}")
    page.locator("[data-marker] input").fill("by hand")
    page.get_by_role("button", name="Mark").click()
    expect(page.locator("[data-log]")).to_contain_text("marker: by hand")
    finish(server, session)
    page = tab.open(f"/sessions/{ended}?view=table")
    choose(page, 1000, 2000)
    told = server.get(f"/api/v1/sessions/{ended}/maps", t0=1000, t1=2000)["maps"]
    (count,) = [each["data"]["@n"] for each in told if "@n" in each["data"]]
    expect_value(page, "@n", count)
    page.get_by_role("link", name="All of it").click()
    expect_value(page, "@n", printed(server.events(ended), "@n")[-1]["data"]["@n"])


def test_it_is_within_reach_of_everybody(tab: Tab, ended: str) -> None:
    page = tab.open(f"/sessions/{ended}?view=table&t0=500&t1=2500")
    page.locator("[data-timeline-table] summary").click()
    expect(page.locator("[data-timeline-table] tbody tr").first).to_be_visible()
    assert violations(page) == []
