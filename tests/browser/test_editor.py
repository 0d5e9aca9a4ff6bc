"""The editor: highlighting, completion out of the host's binaries; and the text area without JavaScript."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.conftest import NewTab, Shop, Tab, indexed
from tests.browser.wcag import violations
from tests.support.server import Server


def accept(page: Page) -> None:
    """Takes what is offered; the editor minds no key right after the list has come."""
    page.wait_for_timeout(150)
    page.keyboard.press("Enter")


def test_completion_offers_files_functions_and_arguments(tab: Tab, server: Server, shop: Shop) -> None:
    indexed(server, shop.path)
    page = tab.open("/sessions/new?recipe=custom")
    script = page.locator(".cm-content")
    script.click()
    chosen = page.locator(".cm-tooltip-autocomplete li[aria-selected]")
    page.keyboard.type("uprobe:" + str(shop.path)[:-2])
    expect(chosen).to_contain_text(f'"{shop.path}":')
    accept(page)
    expect(script).to_have_text(f'uprobe:"{shop.path}":')
    page.keyboard.type("checko")
    expect(chosen).to_contain_text("checkout")
    expect(chosen).to_contain_text("long int checkout(int order, const char * item)")
    accept(page)
    page.keyboard.type(" { @[str(ar")
    expect(page.locator(".cm-tooltip-autocomplete li").first).to_contain_text("arg0")
    page.keyboard.type("g1")
    expect(chosen).to_contain_text("const char * item")
    accept(page)
    page.keyboard.type(")] = count(); ")
    assert page.locator("#script").input_value() == (
        f'uprobe:"{shop.path}":checkout {{ @[str(arg1)] = count(); }}'
    )
    expect(page.locator("[data-diagnostics]")).to_contain_text("bpftrace takes it.")
    expect(page.locator("[data-edited]")).to_be_checked()


def test_each_piece_of_a_line_has_its_colour_in_both_themes(tab: Tab) -> None:
    page = tab.open("/sessions/new?recipe=custom")
    page.locator(".cm-content").fill('// said\nBEGIN { @a = str(arg0); $b = 12; printf("x"); }')
    colours = page.locator(".cm-line span[class]").evaluate_all(
        "spans => Object.fromEntries(spans.map((span) => [span.textContent, getComputedStyle(span).color]))"
    )
    wanted = ("// said", "BEGIN", "@a", "str", "arg0", "12", '"x"')
    assert set(wanted) <= set(colours), colours
    assert len({colours[name] for name in ("// said", "BEGIN", "@a", "arg0", '"x"')}) == 5
    page.emulate_media(color_scheme="dark")
    dark = page.locator(".cm-line span[class]").first.evaluate("span => getComputedStyle(span).color")
    assert dark != colours["// said"]
    assert violations(page) == []


def test_without_javascript_the_text_area_does_it_all(new_tab: NewTab, shop: Shop) -> None:
    page = new_tab(java_script_enabled=False).open(
        f'/sessions/new?recipe=count&probe=uprobe:"{shop.path}":checkout'
    )
    expect(page.locator("#script")).to_be_visible()
    page.get_by_role("button", name="Save the script").click()
    expect(page.locator("dt", has_text="SHA-256")).to_be_visible()


def test_the_cost_is_forecast_on_request(tab: Tab, shop: Shop) -> None:
    page = tab.open(f'/sessions/new?recipe=count&pid={shop.pid}&probe=uprobe:"{shop.path}":checkout')
    page.get_by_role("button", name="Forecast the cost").click()
    expect(page.locator("#forecast")).to_contain_text("No call was seen", timeout=30_000)
