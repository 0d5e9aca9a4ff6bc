"""Every page for everybody: WCAG, wide and narrow, light and dark, with keys and without JavaScript."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import ViewportSize, expect

from tests.browser.conftest import WIDE, NewTab, Shop, Tab, indexed
from tests.browser.wcag import violations, violations_of_shape
from tests.support.server import Server

NARROW: ViewportSize = {"width": 390, "height": 844}
CUT = "regions => regions.some((region) => region.scrollWidth > region.clientWidth)"
SCRIPT = 'interval:ms:50 { @n = count(); @us = hist(5); printf("a line\\n"); }'


@pytest.fixture(scope="module")
def places(server: Server, shopd: Path) -> dict[str, str]:
    """The URL of each kind of page, with something on it."""
    mine = os.getpid()
    stripped = indexed(server, Path("/usr/bin/env"))
    binary = indexed(server, shopd)
    function = server.get(f"/api/v1/binaries/{binary}/functions", q="checkout")["items"][0]
    kind = server.get(f"/api/v1/binaries/{binary}/types", kind="struct")["items"][0]
    asked = {"script": SCRIPT, "duration": 1}
    session = server.client.post("/api/v1/sessions", json=asked).raise_for_status().json()["id"]
    server.until(session, "ended")
    job = server.get("/api/v1/jobs")["items"][0]["id"]
    return {
        "start": "/",
        "search": "/search?q=checkout",
        "a search in vain": "/search?q=nosuchthinganywhere",
        "processes": "/processes",
        "process": f"/processes/{mine}?q=main",
        "binaries": "/binaries",
        "upload": "/binaries/upload",
        "binary": f"/binaries/{binary}",
        "functions": f"/binaries/{binary}/functions",
        "nothing found": f"/binaries/{binary}/functions?q=nosuchfunction",
        "bad expression": f"/binaries/{binary}/functions?q=(&mode=regex",
        "function": f"/binaries/{binary}/functions/{function['key']}",
        "variables": f"/binaries/{binary}/variables",
        "symbols": f"/binaries/{binary}/symbols",
        "types": f"/binaries/{binary}/types",
        "type": f"/binaries/{binary}/types/{kind['name']}",
        "places": f"/binaries/{binary}/places?q={function['address_hex']}",
        "debug files": f"/binaries/{stripped}/debuginfo",
        "USDT": f"/binaries/{binary}/usdt",
        "USDT probe": f"/binaries/{binary}/usdt/shop/sold",
        "builder": f"/sessions/new?probe={function['verdict']['probe']}&recipe=latency",
        "sessions": "/sessions",
        "log": f"/sessions/{session}?view=log",
        "table": f"/sessions/{session}?view=table",
        "histogram": f"/sessions/{session}?view=histogram",
        "heatmap": f"/sessions/{session}?view=heatmap",
        "counters": f"/sessions/{session}?view=counters&series=@n",
        "a span of time": f"/sessions/{session}?view=table&t0=1",
        "a place of the replay": f"/sessions/{session}?view=heatmap&at=60000",
        "scripts": "/scripts",
        "script": f"/scripts/{server.get(f'/api/v1/sessions/{session}')['script_sha'][:16]}",
        "jobs": "/jobs",
        "help": "/help",
        "job": f"/jobs/{job}",
        "error": "/binaries/none",
    }


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["1440", "390"])
def test_no_page_violates_wcag_or_scrolls_sideways(
    new_tab: NewTab, places: dict[str, str], size: ViewportSize
) -> None:
    tab = new_tab(viewport=size)
    check = violations if size == WIDE else violations_of_shape
    found: list[str] = []
    for name, path in places.items():
        page = tab.open(path)
        expect(page.locator("main")).to_be_visible()
        wide, room = page.evaluate(
            "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        if wide > room:
            found.append(f"{name}: {wide - room} pixels too wide")
        if size == WIDE and page.locator(".scroll").evaluate_all(CUT):
            found.append(f"{name}: columns of a table are out of sight")
        found += [f"{name}: {text}" for text in check(page)]
    tab.excuse("404 .*/binaries/none")
    assert found == []


# What must stand on each page when no script runs.
WORDS = {
    "start": "Sessions",
    "search": "checkout",
    "a search in vain": "Nothing matches",
    "processes": "python",
    "process": "main",
    "binaries": "shopd",
    "upload": "in whichever order they come",
    "binary": "GNU",
    "functions": "checkout",
    "nothing found": "No function matches",
    "bad expression": "This regular expression is not understood: missing ): (.",
    "function": "ret",
    "variables": "state",
    "symbols": "checkout",
    "types": "struct",
    "type": "size:",
    "places": "checkout",
    "debug files": "There is no such file.",
    "USDT": "sold",
    "USDT probe": "int",
    "builder": "hist(",
    "sessions": "interval:ms:50",
    "log": "a line",
    "table": "@n",
    "histogram": "[4, 8)",
    "heatmap": "[4, 8)",
    "counters": "@n",
    "a span of time": "what came from 1 ms to the end",
    "a place of the replay": "[4, 8)",
    "scripts": "interval:ms:50",
    "script": "SHA-256",
    "jobs": "done",
    "job": "shopd",
    "help": "Shift",
    "error": "There is no binary none.",
}


def test_every_page_is_read_without_javascript(new_tab: NewTab, places: dict[str, str]) -> None:
    tab = new_tab(java_script_enabled=False)
    for name, path in places.items():
        page = tab.open(path)
        expect(page.get_by_role("heading").first).to_be_attached()
        text = page.locator("main").inner_text() + " ".join(
            area.input_value() for area in page.locator("main textarea").all()
        )
        assert WORDS[name] in text, name
    tab.excuse("404 .*/binaries/none")


def test_a_session_is_started_and_stopped_without_javascript(
    new_tab: NewTab, server: Server, shop: Shop
) -> None:
    tab = new_tab(java_script_enabled=False)
    page = tab.open("/")
    page.locator("main input[name=q]").fill("shopd")
    page.locator("main input[name=q]").press("Enter")
    page.locator(f"main a[href^='/processes/{shop.pid}-']").first.click()
    page.locator("main input[name=q]").fill("checkout")
    page.locator("main input[name=q]").press("Enter")
    page.get_by_role("link", name="Count checkout").first.click()
    page.get_by_role("button", name="Start").click()
    session = page.url.rsplit("/", 1)[1].split("?")[0]
    server.until(session, "running")
    made = shop.sell(20)
    page.get_by_role("button", name="Stop").click()
    server.until(session, "ended")
    page.reload()
    expect(page.locator("[data-map-table] td[data-value]")).to_have_attribute("data-value", str(made))


def test_every_state_is_a_url_and_back_returns(tab: Tab, places: dict[str, str]) -> None:
    page = tab.open(places["functions"])
    rows = page.locator("[data-total-rows]").first
    assert int(rows.get_attribute("data-total-rows") or 0) > 1
    page.locator("main input[name=q]").fill("check")
    expect(rows).to_have_attribute("data-total-rows", "1")
    assert page.url.endswith("?q=check&mode=substring")
    page.reload()
    expect(page.locator("main input[name=q]")).to_have_value("check")
    expect(rows).to_have_attribute("data-total-rows", "1")

    page.locator("main input[name=q]").fill("")
    facet = page.get_by_role("link", name=re.compile(r"^GLOBAL \d+"))
    facet.click()
    page.get_by_role("link", name="Size", exact=True).click()
    page.reload()
    expect(facet).to_have_attribute("aria-current", "true")
    expect(page.get_by_role("columnheader", name="Size")).to_have_attribute("aria-sort", "ascending")
    sizes = [int(text) for text in page.locator("tbody td:nth-child(4)").all_inner_texts()]
    assert sizes == sorted(sizes)
    page.get_by_role("link", name="checkout", exact=True).first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("checkout")
    page.go_back()
    expect(facet).to_have_attribute("aria-current", "true")
    expect(page.get_by_role("columnheader", name="Size")).to_have_attribute("aria-sort", "ascending")


def test_keys_go_to_pages_and_rows(tab: Tab, places: dict[str, str]) -> None:
    page = tab.open("/help")
    for key, place in {"b": "/binaries", "p": "/processes", "s": "/sessions", "h": "/help"}.items():
        page.keyboard.press("g")
        page.keyboard.press(key)
        expect(page).to_have_url(tab.server.url + place)
        # The next keys are for this page, whose modules are there once it is loaded.
        page.wait_for_load_state()
    tab.open(places["functions"])
    page.keyboard.press("Escape")
    names = page.locator("tbody [data-open]")
    page.keyboard.press("j")
    expect(names.nth(0)).to_be_focused()
    page.keyboard.press("j")
    expect(names.nth(1)).to_be_focused()
    page.keyboard.press("k")
    expect(names.nth(0)).to_be_focused()
    opened = names.nth(0).get_attribute("href")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{tab.server.url}{opened}")
    tab.open(places["function"])
    page.keyboard.press("t")
    expect(page.locator("#script")).to_have_value(re.compile(":checkout"))


def test_keys_open_the_filter_the_palette_and_the_list_of_keys(tab: Tab, places: dict[str, str]) -> None:
    page = tab.open(places["functions"])
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    expect(page.locator("main input[name=q]")).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("d")
    expect(page).to_have_url(f"{tab.server.url}{places['functions']}?raw=1")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Shift")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.keyboard.press("Control+k")
    page.keyboard.type("checkout")
    chosen = page.get_by_role("dialog").locator("[role=option][aria-selected=true]")
    expect(chosen).to_contain_text("checkout")
    page.keyboard.press("Enter")
    expect(page).to_have_url(tab.server.url + places["function"])


def test_keys_choose_the_view_of_a_session(tab: Tab, places: dict[str, str]) -> None:
    page = tab.open(places["log"])
    views = ("log", "table", "histogram", "heatmap", "flame", "counters")
    for key, view in sorted(zip("123456", views, strict=True), reverse=True):
        page.keyboard.press(key)
        for panel in views:
            expect(page.locator(f"[data-view-panel={panel}]")).to_be_visible(visible=panel == view)
        expect(page).to_have_url(re.compile(f"view={view}"))


def test_keys_can_be_switched_off(tab: Tab, places: dict[str, str]) -> None:
    page = tab.open("/help")
    switch = page.locator("main [data-keys-switch]")
    switch.uncheck()
    page.goto(tab.server.url + places["functions"])
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.press("d")
    page.keyboard.press("?")
    # Keys with Ctrl stay: the palette opens, and nothing before it did.
    page.keyboard.press("Control+k")
    expect(page.get_by_role("dialog")).to_have_count(1)
    expect(page.locator("#palette")).to_be_visible()
    expect(page).to_have_url(tab.server.url + places["functions"])


def test_the_theme_is_kept(tab: Tab) -> None:
    page = tab.open("/")
    colour = "getComputedStyle(document.body).backgroundColor"
    seen = {}
    for theme in ("light", "dark"):
        page.get_by_role("button", name=f"change to {theme}").click()
        expect(page.locator("html")).to_have_attribute("data-theme", theme)
        seen[theme] = page.evaluate(colour)
        page.goto(f"{tab.server.url}/processes")
        # The server writes it, so that nothing flashes.
        assert f'data-theme="{theme}"' in tab.context.request.get(f"{tab.server.url}/help").text()
        assert page.evaluate(colour) == seen[theme]
    assert seen == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 26)"}


def test_a_binary_names_the_processes_that_map_it(tab: Tab, places: dict[str, str], shop: Shop) -> None:
    for name in ("binary", "function", "USDT probe"):
        page = tab.open(places[name])
        expect(page.locator(f"a[href^='/processes/{shop.pid}-']")).to_have_text("shopd")
