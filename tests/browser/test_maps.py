"""Maps as tables and histograms: rows and order that are chosen, keys side by side; the address keeps it."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Shop, Tab, expect_state
from tests.browser.sessions import begin, finish, numbers, printed, query, run, sum_of, until
from tests.browser.wcag import violations
from tests.support.server import Server

SCRIPT = """
interval:ms:10 {
  @a[@i % 70] = sum(@i % 70); @us[@i % 3] = hist(@i % 16); @lin[@i % 3] = lhist(@i % 16, 2, 10, 2); @i++;
}
interval:ms:200 { print(@a); print(@us); print(@lin); }
"""
CELLS = "[data-map-table='@a'] td[data-value]"


@pytest.fixture(scope="module")
def ended(server: Server) -> str:
    return run(server, SCRIPT, 2.0)


def test_as_many_rows_as_are_chosen_the_largest_first(tab: Tab, server: Server, ended: str) -> None:
    last = printed(server.events(ended), "@a")[-1]["data"]["@a"]
    largest = sorted(last.values(), reverse=True)
    page = tab.open(f"/sessions/{ended}?view=table")
    expect(page.locator(CELLS)).to_have_count(50)
    for text, rows in (("10", 10), ("all", 70), ("50", 50)):
        page.locator("[data-top]", has_text=text).click()
        expect(page.locator(CELLS)).to_have_count(rows)
        assert numbers(page, CELLS, "value") == largest[:rows]
    page.locator("[data-top]", has_text="10").click()
    expect(page.locator("[data-tables]")).to_contain_text("The first 10 of 70 keys in this order")
    page.reload()
    expect(page.locator(CELLS)).to_have_count(10)


def test_the_order_is_kept_in_the_address(tab: Tab, server: Server, ended: str) -> None:
    last = printed(server.events(ended), "@a")[-1]["data"]["@a"]
    page = tab.open(f"/sessions/{ended}?view=table&top=1000")
    table = page.locator("[data-map-table='@a']")
    expect(table.get_by_role("button", name="Key")).to_be_visible()
    table.get_by_role("button", name="Key").click()
    expect(table.locator("tbody tr").first).to_have_attribute("data-key", "0")
    assert query(page)["sort"] == "key"
    page.reload()
    expect(table.locator("thead [aria-sort=ascending]")).to_have_text("Key")
    expect(table.locator("tbody tr").first).to_have_attribute("data-key", "0")
    rows = table.locator("tbody tr").evaluate_all("rows => rows.map((row) => row.dataset.key)")
    assert rows == sorted(last, key=int)


@pytest.mark.parametrize("name", ["@us", "@lin"])
def test_histograms_stand_side_by_side(tab: Tab, server: Server, ended: str, name: str) -> None:
    last = printed(server.events(ended), name)[-1]["data"][name]
    page = tab.open(f"/sessions/{ended}?view=histogram")
    choice = page.locator("[data-histogram-choice]")
    choice.select_option(f"{name}, keys side by side")
    expect(page.locator("[data-multiple]")).to_have_count(3)
    for key, buckets in last.items():
        one = page.locator(f"[data-multiple='{key}']")
        expect(one.locator("figcaption")).to_contain_text(str(sum_of(buckets)))
        expect(one.locator("canvas")).to_be_visible()
    shown = numbers(page, "[data-multiples] td[data-count]", "count")
    assert sorted(shown) == sorted(each["count"] for some in last.values() for each in some if each["count"])
    assert violations(page) == []
    page.reload()
    expect(page.locator("[data-multiple]")).to_have_count(3)
    # One key, and all together, on either scale.
    total = page.locator("[data-histograms] [data-total]")
    choice.select_option(f"{name}[1]")
    expect(total).to_have_attribute("data-total", str(sum_of(last["1"])))
    page.locator("[data-log-scale]").check()
    assert {"hist": name, "key": "1", "counts": "1"}.items() <= query(page).items()
    page.reload()
    # Without the module, the page has them all.
    expect(choice).to_be_visible()
    expect(total).to_have_attribute("data-total", str(sum_of(last["1"])))
    expect(page.locator("[data-log-scale]")).to_be_checked()
    choice.select_option(f"{name}, all keys")
    expect(total).to_have_attribute("data-total", str(sum(sum_of(each) for each in last.values())))


def test_a_view_is_opened_while_the_page_is_paused(tab: Tab, server: Server, shop: Shop) -> None:
    session = begin(server, shop, "latency")
    page = tab.open(f"/sessions/{session}?view=log")
    made = shop.sell(6)

    def made_are_printed() -> bool:
        prints = printed(server.events(session), "@us")
        return bool(prints) and sum_of(prints[-1]["data"]["@us"]) == made

    until(page, made_are_printed)
    seen = server.events(session)[-1]["n"]
    until(page, lambda: numbers(page, "[data-events]", "events")[0] >= seen)
    page.keyboard.press("Space")
    expect(page.locator("[data-pause]")).to_have_attribute("aria-pressed", "true")
    shop.sell(9)
    page.keyboard.press("4")
    total = page.locator("[data-heatmap] [data-total]")
    expect(total).to_have_attribute("data-total", str(made))
    page.keyboard.press("Space")
    expect(total).to_have_attribute("data-total", str(made + 9))
    finish(server, session)
    expect_state(page, "ended")
    expect(total).to_have_attribute("data-total", str(made + 9))
