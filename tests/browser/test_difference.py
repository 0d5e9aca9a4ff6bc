"""From a binary's page to what differs in its other build, narrowed down as one types."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from tests.browser.conftest import NewTab, Tab, indexed
from tests.support.programs import compile_c
from tests.support.server import Server

OLD = "int tally(int n) { return n; } int dropped(void) { return 2; } int main(void) { return dropped(); }"
NEW = "int tally(int n) { return n * n + 1; } int main(void) { return tally(7); }"


def test_two_builds_are_compared_from_the_page_of_one(tab: Tab, server: Server, tmp_path: Path) -> None:
    ids = []
    for name, source in (("old", OLD), ("new", NEW)):
        (tmp_path / name).mkdir()
        ids.append(indexed(server, compile_c(tmp_path / name, source, "tallyd")))
    page = tab.open(f"/binaries/{ids[0]}")
    page.get_by_role("link", name="Compare with…").click()
    expect(page.get_by_role("radio")).to_be_checked()
    page.get_by_role("button", name="Compare").first.click()
    expect(page).to_have_url(f"{server.url}/binaries/{ids[0]}/diff/{ids[1]}")
    rows = page.locator("#results tbody tr")
    # main calls with an argument now, and so it is longer, too.
    expect(rows).to_have_count(3)
    expect(page.locator("[data-count=functions-removed]")).to_have_text("1 functions removed")
    page.get_by_role("searchbox", name="Filter differences").fill("drop")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("removed")
    page.get_by_role("searchbox", name="Filter differences").fill("")
    expect(rows).to_have_count(3)
    page.get_by_role("link", name="2 functions resized").click()
    expect(rows).to_have_count(2)
    rows.last.get_by_role("link").last.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("tally")


def test_the_page_is_read_without_scripts(new_tab: NewTab, server: Server, tmp_path: Path) -> None:
    ids = []
    for name, source in (("old", OLD), ("new", NEW)):
        (tmp_path / name).mkdir()
        ids.append(indexed(server, compile_c(tmp_path / name, source, "tallyd")))
    plain = new_tab(java_script_enabled=False)
    page = plain.open(f"/binaries/{ids[0]}/diff/{ids[1]}?q=drop")
    expect(page.locator("#results tbody tr")).to_have_count(1)
    expect(page.get_by_role("link", name="CSV")).to_have_attribute(
        "href", f"/binaries/{ids[0]}/diff/{ids[1]}.csv?q=drop&mode=substring"
    )
