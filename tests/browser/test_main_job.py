"""What the product is for: from the printed URL to a live view in four clicks, and every call is counted."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import NewTab, Shop, Tab, expect_state, indexed
from tests.support.server import Server

PICTURES = os.environ.get("PROBESCOPE_SCREENSHOTS")
# An odd number, so that a call lost or counted twice shows; the picture has more of them.
CALLS = 6421 if PICTURES else 137
STATEMENTS = 23
POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))


# How many pixels of a canvas are not empty.
DRAWN = """(canvas) => canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data
  .filter((byte, at) => at % 4 === 3 && byte).length"""


def expect_histogram(page: Page, calls: int) -> None:
    """The total that is drawn, and the table below it, have this many values."""
    expect(page.locator("[data-histograms] [data-total]")).to_have_attribute("data-total", str(calls))
    counts = page.locator("[data-histogram] [data-count]").evaluate_all(
        "cells => cells.map((cell) => Number(cell.dataset.count))"
    )
    assert sum(counts) == calls


def test_a_newcomer_sees_each_call_in_a_histogram_after_three_clicks(
    new_tab: NewTab, server: Server, shop: Shop
) -> None:
    printed = next(word for line in server.output for word in line.split() if "/?token=" in word)
    tab = new_tab(signed_in=False)
    page = tab.page
    page.goto(printed)
    expect(page).to_have_url(f"{server.url}/")
    # The field has the focus: typing needs no click.
    page.keyboard.type("shopd")
    page.locator(f"#results a[href^='/processes/{shop.pid}-']").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(f"shopd {shop.pid}")
    page.keyboard.type("checkout")
    page.get_by_role("link", name="Latency of checkout").click()
    expect(page.locator("#script")).to_have_value(re.compile(":checkout.*hist", re.DOTALL))
    page.get_by_role("button", name="Start").click()
    expect_state(page, "running")
    assert tab.clicks == 3
    expect(page.locator("[data-attached]")).to_have_attribute("data-attached", "2")

    made = shop.sell(CALLS)
    assert made == CALLS
    expect_histogram(page, made)
    expect(page.locator("[data-loss=kernel]")).to_have_text("0")
    assert page.locator("[data-histograms] canvas").evaluate(DRAWN) > 0
    if PICTURES:
        picture(page)
    page.get_by_role("button", name="Stop").click()
    expect_state(page, "ended")
    expect_histogram(page, made)

    page.reload()
    expect(page.locator("[data-link]")).to_have_text("ended: all sent")
    expect_state(page, "ended")
    expect_histogram(page, made)


def picture(page: Page) -> None:
    """The README's picture of a session."""
    page.emulate_media(color_scheme="light")
    page.mouse.move(700, 860)
    page.screenshot(path=Path(str(PICTURES)) / "session.png")


def test_a_usdt_probe_counts_each_time_it_fires(tab: Tab, shop: Shop) -> None:
    page = tab.open(f"/processes/{shop.pid}")
    page.keyboard.type("sold")
    page.get_by_role("link", name="Count shop:sold").click()
    page.get_by_role("button", name="Start").click()
    expect_state(page, "running")
    assert tab.clicks == 2
    made = shop.sell(137)
    cells = page.locator("[data-map-table] td[data-value]")
    expect(cells).to_have_count(1)
    expect(cells).to_have_attribute("data-value", str(made))
    page.keyboard.press("Shift+S")
    expect_state(page, "ended")
    page.reload()
    expect(page.locator("[data-link]")).to_have_text("ended: all sent")
    expect(cells).to_have_attribute("data-value", str(made))


@pytest.fixture
def postgres() -> Iterator[Path]:
    """A PostgreSQL server of its own; where its socket is."""
    assert POSTGRES, "postgresql is not installed"
    binaries = POSTGRES[-1].parent
    with tempfile.TemporaryDirectory(prefix="pg-") as name:
        directory = Path(name)
        directory.chmod(0o777)
        data = directory / "data"
        subprocess.run(
            [binaries / "initdb", "-D", data, "-A", "trust", "-U", "postgres", "--no-sync"],
            user="postgres",
            cwd=name,
            check=True,
            capture_output=True,
        )
        server = subprocess.Popen(
            [binaries / "postgres", "-D", data, "-k", name, "-h", "", "-F"],
            user="postgres",
            cwd=name,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            for _ in range(300):
                ready = subprocess.run([binaries / "pg_isready", "-q", "-h", name], cwd=name)
                if ready.returncode == 0:
                    break
                time.sleep(0.1)
            yield directory
        finally:
            server.terminate()
            server.wait(30)


def test_each_query_that_postgres_gets_is_counted(tab: Tab, server: Server, postgres: Path) -> None:
    indexed(server, POSTGRES[-1])
    page = tab.open("/")
    page.keyboard.type("query__start")
    page.locator("#results").get_by_role("link", name="query__start").first.click()
    expect(page.locator("[data-verdict]")).to_have_attribute("data-verdict", "yes")
    page.get_by_role("link", name="Count").first.click()
    page.get_by_role("button", name="Start").click()
    expect_state(page, "running")
    statements = "".join(f"SELECT {number};\n" for number in range(STATEMENTS))
    answer = subprocess.run(
        ["psql", "-X", "-q", "-A", "-t", "-U", "postgres", "-h", postgres],
        input=statements,
        capture_output=True,
        text=True,
        check=True,
        cwd=postgres,
    )
    assert len(answer.stdout.split()) == STATEMENTS
    expect(page.locator("[data-map-table] td[data-value]")).to_have_attribute("data-value", str(STATEMENTS))
    page.get_by_role("button", name="Stop").click()
    expect_state(page, "ended")
    expect(page.locator("[data-map-table] td[data-value]")).to_have_attribute("data-value", str(STATEMENTS))
