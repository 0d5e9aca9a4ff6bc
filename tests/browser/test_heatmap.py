"""The heatmap of real sessions: its counts are the log's, and a box is brushed by pointer and by keys."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.browser.conftest import Shop, Tab, expect_state
from tests.browser.sessions import (
    begin,
    drag,
    expect_query,
    finish,
    numbers,
    printed,
    query,
    run,
    sum_of,
    until,
)
from tests.browser.wcag import violations
from tests.support.server import Server

CELLS = "[data-heatmap-table] td[data-count]"
CANVAS = ".heatmap canvas"
SCRIPT = """
interval:ms:20 { @us = hist(@i % 64); @lin = lhist(@i % 64, 10, 50, 10); @by[@i % 3] = hist(@i % 16); @i++; }
interval:ms:200 { print(@us); print(@lin); print(@by); }
interval:ms:100 { @w = hist(7); @w = hist(8); print(@w); clear(@w); }
"""


@pytest.fixture(scope="module")
def ended(server: Server) -> str:
    return run(server, SCRIPT, 3.0)


def open_heatmap(tab: Tab, session: str, more: str = "") -> Page:
    page = tab.open(f"/sessions/{session}?view=heatmap{more}")
    expect(page.locator(CANVAS)).to_be_visible()
    return page


def expect_total(page: Page, total: int) -> None:
    expect(page.locator("[data-heatmap] [data-total]")).to_have_attribute("data-total", str(total))


def test_calls_appear_as_they_are_made_and_none_is_lost(tab: Tab, server: Server, shop: Shop) -> None:
    session = begin(server, shop, "latency")
    page = tab.open(f"/sessions/{session}?view=heatmap")
    made = shop.sell(20)
    expect_total(page, made)
    made += shop.sell(15)
    expect_total(page, made)
    page.get_by_role("button", name="Stop").click()
    expect_state(page, "ended")
    expect_total(page, made)
    log = server.events(session)
    (last,) = {str(event["data"]["@us"]): event["data"]["@us"] for event in printed(log, "@us")[-1:]}.values()
    assert sum_of(last) == made
    # Columns of two bursts at least, which together are the last print.
    until(page, lambda: sum(numbers(page, CELLS, "count")) == made)
    rows = page.locator("[data-heatmap-table] tbody tr")
    cells = rows.evaluate_all("rows => rows.map((row) => [...row.cells].map((cell) => cell.textContent))")
    assert sum(int(count.replace(",", "")) for _, _, _, count in cells) == made
    assert len({begin for begin, *_ in cells}) >= 2
    sums: dict[str, int] = {}
    for _, _, bucket, count in cells:
        sums[bucket] = sums.get(bucket, 0) + int(count)
    assert sorted(sums.values()) == sorted(each["count"] for each in last if each["count"])


def test_a_dragged_box_says_its_share_and_sets_the_time_of_all_views(
    tab: Tab, server: Server, ended: str
) -> None:
    page = open_heatmap(tab, ended, "&hist=@us")
    drag(page, CANVAS, (0.3, 0.1), (0.7, 0.4))
    words = expect_query(page, "t0", "t1", "low", "high")
    asked = {name: words[name] for name in ("t0", "t1", "low", "high")}
    told = server.get(f"/api/v1/sessions/{ended}/heatmap", map="@us", **asked)
    assert 0 < told["box"]["count"] < told["total"]
    box = page.locator("[data-box]")
    expect(box).to_have_attribute("data-count", str(told["box"]["count"]))
    expect(box).to_contain_text(
        f"of {told['total']} values in this time ({100 * told['box']['share']:.1f} %)"
    )
    expect_total(page, told["total"])
    assert (page.locator("[name=t0]").input_value(), page.locator("[name=t1]").input_value()) == (
        words["t0"],
        words["t1"],
    )
    # The same address shows the same.
    page.reload()
    expect(box).to_have_attribute("data-count", str(told["box"]["count"]))
    expect_total(page, told["total"])
    page.keyboard.press("3")
    maps = server.get(f"/api/v1/sessions/{ended}/maps", t0=words["t0"], t1=words["t1"])["maps"]
    (counts,) = [each["data"]["@us"] for each in maps if "@us" in each["data"]]
    expect(page.locator("[data-histograms] [data-total]")).to_have_attribute(
        "data-total", str(sum_of(counts))
    )
    assert sum_of(counts) == told["total"]


def test_a_box_is_set_by_keys_alone(tab: Tab, server: Server, ended: str) -> None:
    page = open_heatmap(tab, ended, "&hist=@us")
    page.locator(CANVAS).focus()
    cell = page.locator("#heatmap-cell")
    page.keyboard.press("Home")
    page.keyboard.press("Home")
    expect(cell).to_contain_text("0.000 s to ")
    for key in ("ArrowRight", "ArrowRight", "ArrowUp", "Enter"):
        page.keyboard.press(key)
    expect(cell).to_contain_text("the first corner is set")
    for key in ("ArrowRight", "ArrowRight", "ArrowUp", "ArrowUp", "Enter"):
        page.keyboard.press(key)
    words = expect_query(page, "t0", "t1", "low", "high")
    columns = server.get(f"/api/v1/sessions/{ended}/heatmap", map="@us")["columns"]
    assert (int(words["t0"]), int(words["t1"])) == (columns[2]["t0"], columns[4]["t1"])
    inside = server.get(f"/api/v1/sessions/{ended}/heatmap", map="@us", **words)["box"]["count"]
    expect(page.locator("[data-box]")).to_have_attribute("data-count", str(inside))
    page.locator(CANVAS).focus()
    page.keyboard.press("Escape")
    expect(page.locator("[data-box]")).to_be_hidden()
    assert "low" not in query(page)


def test_a_box_is_set_by_two_clicks(tab: Tab, ended: str) -> None:
    page = open_heatmap(tab, ended)
    box = page.locator(CANVAS).bounding_box()
    assert box
    for x, y in ((0.2, 0.8), (0.6, 0.2)):
        page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
    expect_query(page, "t0", "t1", "low", "high")
    expect(page.locator("[data-box]")).to_be_visible()


def test_keys_are_shown_alone_or_together(tab: Tab, server: Server, ended: str) -> None:
    page = open_heatmap(tab, ended, "&hist=@by")
    last = printed(server.events(ended), "@by")[-1]["data"]["@by"]
    expect_total(page, sum(sum_of(buckets) for buckets in last.values()))
    for key, buckets in last.items():
        page.locator("[data-heatmap-key]").select_option(key)
        expect_total(page, sum_of(buckets))
        assert query(page)["key"] == key
    page.reload()
    expect_total(page, sum_of(last[key]))
    page.locator("[data-heatmap-map]").select_option("@lin")
    expect_total(page, sum_of(printed(server.events(ended), "@lin")[-1]["data"]["@lin"]))
    expect(page.locator("[data-heatmap-table] tbody")).to_contain_text("[50, ...)")


def test_what_the_script_empties_is_the_sum_of_its_prints(tab: Tab, server: Server, ended: str) -> None:
    page = open_heatmap(tab, ended, "&hist=@w")
    expect_total(page, sum(sum_of(event["data"]["@w"]) for event in printed(server.events(ended), "@w")))
    expect(page.locator(".heatmap figcaption")).to_contain_text("the script empties it")


def test_prints_that_are_left_out_on_the_way_are_loaded(tab: Tab, server: Server) -> None:
    answer = server.client.post("/api/v1/sessions", json={"script": SCRIPT, "duration": 4})
    session = str(answer.raise_for_status().json()["id"])
    server.until(session, "running")
    dropped: list[int] = []

    def through(line: WebSocketRoute) -> None:
        far = line.connect_to_server()

        def pass_on(message: str | bytes) -> None:
            frame = json.loads(message)
            kept = [event for event in frame["events"] if event["type"] != "hist"]
            dropped.append(len(frame["events"]) - len(kept))
            line.send(json.dumps({**frame, "events": kept}))

        far.on_message(pass_on)

    tab.page.route_web_socket(re.compile(r"/ws/sessions/"), through)
    page = tab.open(f"/sessions/{session}?view=heatmap&hist=@w")
    expect_state(page, "ended")
    expect_total(page, sum(sum_of(event["data"]["@w"]) for event in printed(server.events(session), "@w")))
    assert sum(dropped) > 0


def test_the_colours_have_a_legend_for_each_scale(tab: Tab, server: Server, ended: str) -> None:
    page = open_heatmap(tab, ended, "&hist=@us")
    most = server.get(f"/api/v1/sessions/{ended}/heatmap", map="@us")["most"]
    legend = page.locator(".heatmap .legend li")
    expect(legend.last).to_contain_text(str(most))
    log = legend.all_inner_texts()
    page.locator("[data-heatmap-log]").uncheck()
    expect(legend.last).to_contain_text(str(most))
    assert query(page)["colours"] == "0"
    page.reload()
    expect(page.locator("[data-heatmap-log]")).not_to_be_checked()
    assert log


def test_a_session_without_a_histogram_says_so(tab: Tab, server: Server, shop: Shop) -> None:
    session = begin(server, shop, "count")
    shop.sell(2)
    finish(server, session)
    page = tab.open(f"/sessions/{session}?view=heatmap")
    expect(page.locator("[data-heatmap]")).to_contain_text("No histogram")


def test_it_is_within_reach_of_everybody(tab: Tab, ended: str) -> None:
    page = open_heatmap(tab, ended, "&low=4&high=31")
    expect(page.locator(CELLS).first).to_be_visible()
    assert violations(page) == []
    assert numbers(page, CELLS, "count")
