"""A running session as people watch it: log, pause, stop, a cut line, two browsers, errors, exports."""

from __future__ import annotations

import csv
import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, WebSocketRoute, expect

from tests.browser.conftest import NewTab, Shop, Tab, expect_state
from tests.support.server import Server


def begin(server: Server, shop: Shop, recipe: str) -> str:
    """A session of that recipe over the shop's checkout; its id once it runs."""
    asked = {"recipe": recipe, "probes": [f'uprobe:"{shop.path}":checkout'], "pid": shop.pid, "duration": 120}
    answer = server.client.post("/api/v1/sessions", json=asked)
    assert answer.status_code == 201, answer.text
    session = str(answer.json()["id"])
    server.until(session, "running")
    return session


def printed(server: Server, session: str, least: int) -> list[dict[str, Any]]:
    """The lines that the session printed, once there are so many."""
    while True:
        found = [event for event in server.events(session) if event["type"] == "printf"]
        if len(found) >= least:
            return found
        time.sleep(0.05)


def row(page: Page, event: dict[str, Any]) -> Any:
    return page.locator(f"[data-log] [data-n='{event['n']}']")


def expect_total(page: Page, calls: int) -> None:
    expect(page.locator("[data-histograms] [data-total]")).to_have_attribute("data-total", str(calls))


def test_the_log_has_each_call_with_its_arguments_as_text(tab: Tab, server: Server, shop: Shop) -> None:
    session = begin(server, shop, "log")
    page = tab.open(f"/sessions/{session}")
    made = shop.sell(4)
    # A call and its return are a line each.
    lines = printed(server, session, 2 * made)
    assert len(lines) == 2 * made
    for line in lines:
        expect(row(page, line).locator(".text")).to_have_text(line["data"].rstrip("\n"))
    texts = [line["data"] for line in lines]
    assert [first_number("-> checkout", text) for text in texts[::2]] == [1, 2, 3, 4]
    assert [first_number("<- checkout", text) for text in texts[1::2]] == [100, 200, 300, 400]

    page.locator("[data-log-filter]").fill(texts[5].rstrip("\n"))
    expect(page.locator("[data-log] [data-n]")).to_have_count(1)
    expect(row(page, lines[5])).to_be_visible()
    page.locator("[data-log-filter]").fill("nosuchtext")
    expect(page.locator("[data-log] [data-n]")).to_have_count(0)


def test_nothing_on_the_page_moves_for_ever(tab: Tab, server: Server, shop: Shop) -> None:
    """It would take a third of what the page takes, on cores that may be the target's own."""
    page = tab.open(f"/sessions/{begin(server, shop, 'log')}")
    expect(page.locator("[data-link]")).to_have_text("live")
    timings = page.evaluate("document.getAnimations().map((each) => each.effect.getTiming().iterations)")
    assert all(times is not None and times < 10 for times in timings), timings


def first_number(head: str, text: str) -> int:
    """The first argument, or what was returned; in hex where no debug information has its type."""
    found = re.match(rf"{head}(?:\((?:order=)?| = )(0x[0-9a-f]+|\d+)", text)
    assert found, text
    return int(found[1], 0)


def test_pause_by_key_holds_the_picture_and_loses_nothing(
    new_tab: NewTab, server: Server, shop: Shop
) -> None:
    session = begin(server, shop, "latency")
    page, other = (new_tab().open(f"/sessions/{session}") for _ in range(2))
    shop.sell(10)
    expect_total(page, 10)
    page.keyboard.press("Space")
    expect(page.locator("[data-pause]")).to_have_attribute("aria-pressed", "true")
    shop.sell(30)
    # The other browser has them: so would this one.
    expect_total(other, 40)
    expect_total(page, 10)
    page.keyboard.press("Space")
    expect_total(page, 40)
    page.keyboard.press("Shift+S")
    for each in (page, other):
        expect_state(each, "ended")
        expect(each.locator("[data-stop]")).to_have_count(0)
        expect_total(each, 40)


def test_a_second_browser_watches_the_same_session(new_tab: NewTab, server: Server, shop: Shop) -> None:
    session = begin(server, shop, "latency")
    pages = [new_tab().open(f"/sessions/{session}") for _ in range(2)]
    made = shop.sell(25)
    for page in pages:
        expect(page.locator("[data-viewers]")).to_have_text("2")
        expect_total(page, made)
    pages[0].get_by_role("button", name="Stop").click()
    for page in pages:
        expect_state(page, "ended")
        expect_total(page, made)


def test_a_cut_line_is_taken_up_where_it_broke(tab: Tab, server: Server, shop: Shop) -> None:
    session = begin(server, shop, "log")
    lines: list[WebSocketRoute] = []

    def through(line: WebSocketRoute) -> None:
        lines.append(line)
        line.connect_to_server()

    tab.page.route_web_socket(re.compile(r"/ws/sessions/"), through)
    page = tab.open(f"/sessions/{session}")
    shop.sell(5)
    expect(row(page, printed(server, session, 10)[-1])).to_be_visible()
    lines[0].close(code=1001, reason="cut by the test")
    shop.sell(5)
    expect(row(page, printed(server, session, 20)[-1])).to_be_visible()
    numbers = page.locator("[data-log] [data-n]").evaluate_all(
        "rows => rows.map((row) => Number(row.dataset.n))"
    )
    assert numbers == sorted(set(numbers))
    assert set(numbers) >= {event["n"] for event in printed(server, session, 20)}
    assert len(lines) == 2
    assert int(lines[1].url.partition("from=")[2]) > 1


def test_exports_are_offered_and_whole(tab: Tab, server: Server, shop: Shop) -> None:
    session = begin(server, shop, "log")
    shop.sell(7)
    printed(server, session, 14)
    page = tab.open(f"/sessions/{session}")
    page.get_by_role("button", name="Stop").click()
    expect_state(page, "ended")
    kept = server.events(session)
    page.locator("summary", has_text="Export").click()
    texts = {}
    for name in ("JSON lines (.ndjson)", "CSV", "Script (.bt)"):
        with page.expect_download() as download:
            page.get_by_role("link", name=name).click()
        texts[name] = download.value.path().read_text()
    assert [json.loads(line) for line in texts["JSON lines (.ndjson)"].splitlines()] == kept
    cells = [cell for line in csv.reader(texts["CSV"].splitlines()) for cell in line]
    assert sum("-> checkout(" in cell for cell in cells) == 7
    assert texts["Script (.bt)"] == server.get(f"/api/v1/sessions/{session}")["script"]


def test_an_error_in_a_script_is_a_sentence_with_its_place(tab: Tab) -> None:
    page = tab.open("/sessions/new?recipe=custom")
    page.locator(".cm-content").fill("BEGIN {\n  @x = nothing(1);\n}\n")
    page.get_by_role("button", name="Preview").click()
    entry = page.locator("li[data-line='2']").first
    expect(entry).to_contain_text("Unknown function: nothing")
    expect(entry).to_contain_text("line 2, column 8")
    expect(page.locator(".cm-line .cm-lintRange-error")).to_have_text(re.compile("nothing"))
    expect(page.locator("#script")).to_have_attribute("aria-invalid", "true")
    entry.click()
    expect(page.locator(".cm-content")).to_be_focused()


def test_a_target_that_ends_is_the_reason(tab: Tab, server: Server, shop: Shop) -> None:
    session = begin(server, shop, "count")
    page = tab.open(f"/sessions/{session}")
    shop.sell(3)
    shop.close()
    expect_state(page, "ended")
    expect(page.locator("[data-reason]")).to_have_text(re.compile(rf"Process {shop.pid} ended\."))
    expect(page.locator("[data-map-table] td[data-value]")).to_have_attribute("data-value", "3")


def write(page: Page, text: str) -> None:
    """Puts ``text`` in place of all that is in the editor, as a person would."""
    page.locator(".cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.press("Backspace")
    page.keyboard.insert_text(text)


def test_a_script_is_checked_as_it_is_edited_and_run_as_it_stands(
    tab: Tab, server: Server, shop: Shop
) -> None:
    page = tab.open(f'/sessions/new?recipe=count&pid={shop.pid}&probe=uprobe:"{shop.path}":checkout')
    script = page.locator(".cm-content")
    expect(script).to_be_visible()
    text = page.locator("#script").input_value()
    write(page, text.replace("count()", "cuont()"))
    expect(page.locator("[data-diagnostics]")).to_contain_text("cuont")
    expect(page.locator(".cm-lintRange-error")).to_have_count(1)
    edited = text.replace("@calls", "@mine")
    write(page, edited)
    expect(page.locator("[data-diagnostics]")).to_contain_text("bpftrace takes it.")
    expect(page.locator(".cm-lintRange-error")).to_have_count(0)
    script.press("Control+Enter")
    expect_state(page, "running")
    made = shop.sell(6)
    page.locator("[data-view-link=table]").click()
    cells = page.locator("[data-map-table='@mine'] td[data-value]")
    expect(cells).to_have_attribute("data-value", str(made))
    session = page.url.rsplit("/", 1)[1].partition("?")[0]
    assert server.get(f"/api/v1/sessions/{session}")["script"].split() == edited.split()


def test_a_process_is_waited_for_and_then_traced(
    tab: Tab, server: Server, shopd: Path, new_shop: Callable[[], Shop]
) -> None:
    page = tab.open(f'/sessions/new?probe=uprobe:"{shopd}":checkout&recipe=count')
    page.get_by_label("Or the next process named").fill(shopd.name)
    page.get_by_label("Or the next process named").blur()
    expect(page.locator("#preview")).to_contain_text(f'comm == "{shopd.name}"')
    page.locator("[data-start]").click()
    expect_state(page, "running")
    waiting = page.get_by_text(f"Waiting for a process named {shopd.name} to start")
    expect(waiting).to_be_visible()
    expect(page.locator("[data-process]")).to_have_text(f"the next named {shopd.name}")
    shop = new_shop()
    expect(waiting).to_have_count(0)
    expect(page.locator("[data-process] a")).to_have_text(str(shop.pid))
    shop.sell(5)
    expect(page.locator("[data-map-table] [data-value]").first).to_have_attribute("data-value", "5")
    shop.close()
    expect_state(page, "ended")
    expect(page.locator("[data-reason]")).to_contain_text(f"Process {shop.pid} ended.")
