"""A source that only a debuginfod server has: nothing is asked until somebody presses the button."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.browser.conftest import WATCH, WIDE, Tab, indexed
from tests.index.test_debug_files import SOURCE, build
from tests.support.asking import asking
from tests.support.debuginfod_double import giving
from tests.support.server import TOKEN


def test_the_lines_come_by_a_button(chromium: Browser, tmp_path: Path) -> None:
    made = build(tmp_path, SOURCE, f"-ffile-prefix-map={tmp_path}/away=/usr/src/debug/shop")
    with (
        asking(tmp_path, giving(SOURCE.encode())) as (server, away),
        chromium.new_context(viewport=WIDE) as context,
    ):
        context.add_init_script(WATCH)
        context.request.get(f"{server.url}/?token={TOKEN}")
        tab = Tab(context, server)
        indexed(server, made.stripped)
        binary = indexed(server, made.debug).removeprefix("debug-")
        (function,) = server.get(f"/api/v1/binaries/{binary}/functions", q="checkout")["items"]
        page = tab.open(f"/binaries/{binary}/functions/{function['key']}")
        expect(page.get_by_role("button", name="Fetch from debuginfod")).to_be_visible()
        assert away.paths == []
        page.get_by_role("button", name="Fetch from debuginfod").click()
        expect(page.get_by_text("from a debuginfod server")).to_be_visible()
        expect(page.get_by_text("return twice(order->id) + n;")).to_be_visible()
        expect(page.get_by_role("button", name="Fetch from debuginfod")).to_have_count(0)
        assert away.paths == [f"/buildid/{binary}/source/usr/src/debug/shop/app.c"]
        # It is kept: the next look asks nobody.
        page.reload()
        expect(page.get_by_text("return twice(order->id) + n;")).to_be_visible()
        assert len(away.paths) == 1
        assert tab.wrong == []
