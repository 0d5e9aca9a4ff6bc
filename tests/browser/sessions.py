"""Sessions for the tests of views over time, and what their logs say."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from playwright.sync_api import Page, expect

from tests.browser.conftest import Shop
from tests.support.server import Server

Events = list[dict[str, Any]]


def begin(server: Server, shop: Shop, recipe: str, **options: Any) -> str:
    """A session of that recipe over the shop's checkout; its id once it runs."""
    asked = {"recipe": recipe, "probes": [f'uprobe:"{shop.path}":checkout'], "pid": shop.pid, "duration": 120}
    answer = server.client.post("/api/v1/sessions", json={**asked, **options})
    assert answer.status_code == 201, answer.text
    session = str(answer.json()["id"])
    server.until(session, "running")
    return session


def run(server: Server, script: str, duration: float) -> str:
    """A session of a script that is over."""
    answer = server.client.post("/api/v1/sessions", json={"script": script, "duration": duration})
    session = str(answer.raise_for_status().json()["id"])
    server.until(session, "ended")
    return session


def finish(server: Server, session: str) -> Events:
    """Ends a session; its log."""
    server.client.post(f"/api/v1/sessions/{session}/stop").raise_for_status()
    server.until(session, "ended")
    return server.events(session)


def printed(log: Events, name: str) -> Events:
    """The events that print a map."""
    return [event for event in log if isinstance(event["data"], dict) and name in event["data"]]


def sum_of(buckets: list[dict[str, int]]) -> int:
    return sum(bucket["count"] for bucket in buckets)


def query(page: Page) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(page.url).query))


def expect_query(page: Page, *names: str) -> dict[str, str]:
    """The words of the page's address, once it has these."""
    for name in names:
        expect(page).to_have_url(re.compile(rf"[?&]{name}="))
    return query(page)


def numbers(page: Page, selector: str, word: str) -> list[int]:
    """The numbers that the elements carry."""
    texts = page.locator(selector).evaluate_all(
        "(cells, word) => cells.map((cell) => cell.dataset[word])", word
    )
    return [int(text) for text in texts]


def until(page: Page, holds: Callable[[], bool]) -> None:
    """Waits until something holds on the page; fails when it does not in a while."""
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        page.wait_for_timeout(50)


def drag(page: Page, selector: str, begin: tuple[float, float], end: tuple[float, float]) -> None:
    """From one place of an element to another, each as shares of its width and height."""
    element = page.locator(selector)
    element.scroll_into_view_if_needed()
    box = element.bounding_box()
    assert box
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (begin, end)]
    page.mouse.move(*places[0])
    page.mouse.down()
    page.mouse.move(*places[1], steps=4)
    page.mouse.up()
