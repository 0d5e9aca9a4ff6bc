"""A session that is over, played again on its page: the views go through what they showed live."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.browser.conftest import NewTab, Tab
from tests.browser.sessions import printed, query, run, sum_of
from tests.browser.wcag import violations
from tests.support.server import Server

SCRIPT = """
interval:ms:20 { @n = count(); @us = hist(@i % 64); @i++; }
interval:ms:100 { printf("line %d\\n", @i); print(@n); print(@us); }
"""


@pytest.fixture(scope="module")
def ended(server: Server) -> str:
    return run(server, SCRIPT, 6.0)


def listened(tab: Tab) -> list[dict[str, Any]]:
    """The frames of replays that the page gets."""
    found: list[dict[str, Any]] = []

    def through(line: WebSocketRoute) -> None:
        far = line.connect_to_server()

        def pass_on(message: str | bytes) -> None:
            found.append(json.loads(message))
            line.send(message)

        far.on_message(pass_on)

    tab.page.route_web_socket(re.compile(r"/replay"), through)
    return found


def value(page: Page) -> int:
    text = page.locator("[data-map-table='@n'] td[data-value]").get_attribute("data-value")
    return int(text or 0)


def test_it_plays_the_log_again_and_ends_where_the_session_ended(
    tab: Tab, server: Server, ended: str
) -> None:
    frames = listened(tab)
    page = tab.open(f"/sessions/{ended}?view=table")
    log = server.events(ended)
    counts = [event["data"]["@n"] for event in printed(log, "@n")]
    cell = page.locator("[data-map-table='@n'] td[data-value]")
    expect(cell).to_have_attribute("data-value", str(counts[-1]))
    page.locator("[data-speed]").select_option("4")
    page.locator("[data-play]").click()
    # On the way it shows what a viewer saw then.
    expect(cell).not_to_have_attribute("data-value", str(counts[-1]))
    assert value(page) in counts
    expect(page.locator("[data-play]")).to_have_text(re.compile("Pause"))
    expect(page.locator("[data-place-text]")).to_have_text(re.compile(r"^(\S+) s of \1 s$"))
    expect(cell).to_have_attribute("data-value", str(counts[-1]))
    assert [event for frame in frames for event in frame["events"]] == log
    expect(page.locator("[data-play]")).to_have_text(re.compile("Play"))
    page.locator("[data-view-link=log]").click()
    lines = [event for event in log if event["type"] not in {"map", "hist", "stats"}]
    expect(page.locator("[data-log] [data-n]").last).to_have_attribute("data-n", str(lines[-1]["n"]))
    expect(page.locator("[data-log-note]")).to_have_text(f"{len(lines)} lines")


def test_a_place_is_chosen_by_keys_and_shows_what_was_then(tab: Tab, server: Server, ended: str) -> None:
    page = tab.open(f"/sessions/{ended}?view=histogram")
    total = page.locator("[data-histograms] [data-total]")
    expect(total).to_be_visible()
    # Offered once the module is there.
    expect(page.locator("[data-place]")).to_be_visible()
    page.locator("[data-place]").focus()
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    expect(page).to_have_url(re.compile("at=2000"))
    then = [event for event in printed(server.events(ended), "@us") if event["t"] <= 2000][-1]
    expect(total).to_have_attribute("data-total", str(sum_of(then["data"]["@us"])))
    # It stands there, and the address opens it again.
    page.reload()
    expect(total).to_have_attribute("data-total", str(sum_of(then["data"]["@us"])))
    expect(page.locator("[data-place-text]")).to_contain_text("2.0 s of")
    page.locator("[data-view-link=heatmap]").click()
    expect(page.locator("[data-heatmap] [data-total]")).to_have_attribute(
        "data-total", str(sum_of(then["data"]["@us"]))
    )
    page.get_by_role("button", name="End the replay").click()
    last = printed(server.events(ended), "@us")[-1]
    expect(page.locator("[data-heatmap] [data-total]")).to_have_attribute(
        "data-total", str(sum_of(last["data"]["@us"]))
    )
    assert "at" not in query(page)


def test_space_pauses_it_and_goes_on(tab: Tab, server: Server, ended: str) -> None:
    page = tab.open(f"/sessions/{ended}?view=table")
    button = page.locator("[data-play]")
    expect(button).to_be_visible()
    page.keyboard.press("Space")
    expect(button).to_have_attribute("aria-pressed", "true")
    counts = {event["data"]["@n"] for event in printed(server.events(ended), "@n")}
    expect(page.locator("[data-map-table='@n']")).to_be_visible()
    page.keyboard.press("Space")
    expect(button).to_have_attribute("aria-pressed", "false")
    place = query(page)["at"]
    assert 0 < int(place) < 6000
    assert value(page) in counts
    page.keyboard.press("Space")
    expect(button).to_have_attribute("aria-pressed", "true")
    expect(page.locator("[data-place-text]")).to_have_text(re.compile(r"^(\S+) s of \1 s$"))
    expect(page.locator("[data-map-table='@n'] td[data-value]")).to_have_attribute(
        "data-value", str(max(counts))
    )


def test_a_time_that_is_chosen_ends_it(tab: Tab, server: Server, ended: str) -> None:
    page = tab.open(f"/sessions/{ended}?view=table&at=1000")
    expect(page.locator("[data-replay-end]")).to_be_visible()
    page.locator("[name=t0]").fill("1000")
    page.get_by_role("button", name="Choose").click()
    told = server.get(f"/api/v1/sessions/{ended}/maps", t0=1000)["maps"]
    (count,) = [each["data"]["@n"] for each in told if "@n" in each["data"]]
    expect(page.locator("[data-map-table='@n'] td[data-value]")).to_have_attribute("data-value", str(count))
    expect(page.locator("[data-replay-end]")).to_be_hidden()
    assert "at" not in query(page)


def test_it_is_within_reach_of_everybody(new_tab: NewTab, ended: str) -> None:
    page = new_tab().open(f"/sessions/{ended}?view=table&at=1000")
    expect(page.locator("[data-replay-end]")).to_be_visible()
    assert violations(page) == []
