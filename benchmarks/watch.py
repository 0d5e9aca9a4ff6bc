"""A session's stream to figures: what a Chromium shows of it and when, and what a plain websocket gets.

The server's time of an event and the viewers' clocks are those of one machine. Chromium's lag ends with the
animation frame after the one that put an event into the document, which is when it was painted; an event
counts as shown when it or a later one is the last row of the log.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from playwright.sync_api import Browser, CDPSession, Page, ViewportSize, expect
from websockets.sync.client import connect

from tests.support.server import TOKEN, Server

# Keeps (time, newest number in the log) of each animation frame, without making garbage.
SAMPLE = """
const most = 1 << 17, at = new Float64Array(most), newest = new Float64Array(most);
let count = 0, pane = null;
const look = () => {
  pane = pane?.isConnected ? pane : document.querySelector("[data-log] .lpane");
  if (count < most) {
    at[count] = performance.timeOrigin + performance.now();
    newest[count++] = Number(pane?.lastElementChild?.dataset.n ?? 0);
  }
  requestAnimationFrame(look);
};
requestAnimationFrame(look);
window.samples = (from) => Array.from({length: count - from}, (_, i) => [at[from + i], newest[from + i]]);
window.sampled = () => count;
"""
WINDOW: ViewportSize = {"width": 1440, "height": 900}
SETTLE_MS = 60_000


@dataclass
class Seen:
    """What one viewer got: lags in ms of each event, and for a browser what it cost."""

    events: int = 0
    lags: list[float] = field(default_factory=list)
    frames: list[float] = field(default_factory=list)  # ms from one animation frame to the next
    busy: float = 0.0  # share of the main thread
    heap: float = 0.0  # bytes more than before, garbage taken out


class Plain(threading.Thread):
    """A websocket client that reads each frame and does nothing else."""

    def __init__(self, server: Server, session: str, started: float) -> None:
        super().__init__(daemon=True)
        self.seen = Seen()
        self._began = started * 1e3
        self._url = f"ws://127.0.0.1:{server.port}/ws/sessions/{session}"
        self._headers = server.headers
        self.start()

    def run(self) -> None:
        with connect(self._url, additional_headers=self._headers, max_size=None) as frames:
            for frame in frames:
                now = time.time() * 1e3 - self._began
                lags = [
                    now - event["t"] for event in json.loads(frame)["events"] if event["type"] == "printf"
                ]
                self.seen.events += len(lags)
                self.seen.lags += lags


class Chromium:
    """The session's page in a browser; ``begin`` and ``end`` bound what is measured."""

    def __init__(self, page: Page, devtools: CDPSession, started: float) -> None:
        self._page = page
        self._devtools = devtools
        self._began = started * 1e3

    def begin(self) -> None:
        self._heap = self._used()
        self._before = self._metrics()
        self._from = int(self._page.evaluate("sampled()"))

    def end(self) -> None:
        """What it cost until now; what is still on its way comes with ``seen``."""
        self._until = int(self._page.evaluate("sampled()"))
        after = self._metrics()
        wall = after["Timestamp"] - self._before["Timestamp"]
        self._busy = (after["TaskDuration"] - self._before["TaskDuration"]) / wall
        self._grown = self._used() - self._heap

    def seen(self, events: list[dict[str, Any]]) -> Seen:
        """The figures, once the session is over and all of its ``events`` were sent."""
        expect(self._page.locator("[data-link]")).to_have_text("ended: all sent", timeout=SETTLE_MS)
        # The last frame may be on its way to the document.
        self._page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        samples = self._page.evaluate("from => samples(from)", self._from)
        times = [at for at, _ in samples[: self._until - self._from]]
        # Each event that was sent is a line of the log but for maps; the note counts all lines ever added.
        text = self._page.locator("[data-log-note]").inner_text()
        lines = int(text.partition(" line")[0].replace(",", ""))
        others = sum(event["type"] not in {"printf", "map"} for event in events)
        return Seen(
            events=lines - others,
            lags=list(self._lags(samples, events)),
            frames=[later - at for at, later in pairwise(times)],
            busy=self._busy,
            heap=self._grown,
        )

    def _lags(self, samples: list[list[float]], events: list[dict[str, Any]]) -> Iterator[float]:
        shown = 0
        for at, newest in samples:
            for event in events[shown : int(newest)]:
                if event["type"] == "printf":
                    yield at - self._began - event["t"]
            shown = max(shown, int(newest))

    def _metrics(self) -> dict[str, float]:
        found = self._devtools.send("Performance.getMetrics")["metrics"]
        return {entry["name"]: entry["value"] for entry in found}

    def _used(self) -> float:
        self._devtools.send("HeapProfiler.collectGarbage")
        return self._metrics()["JSHeapUsedSize"]


@contextmanager
def opened(browser: Browser, server: Server, session: str, script: str = "") -> Iterator[Page]:
    """The session's log in a page of its own, once it is live."""
    context = browser.new_context(viewport=WINDOW)
    if script:
        context.add_init_script(script)
    context.request.get(f"{server.url}/?token={TOKEN}")
    page = context.new_page()
    page.goto(f"{server.url}/sessions/{session}?view=log")
    expect(page.locator("[data-link]")).to_have_text("live")
    yield page
    context.close()


@contextmanager
def watched(browser: Browser, server: Server, session: str, started: float) -> Iterator[Chromium]:
    """The session's log, measured: to look at each animation frame makes the browser draw all of them."""
    with opened(browser, server, session, SAMPLE) as page:
        devtools = page.context.new_cdp_session(page)
        devtools.send("Performance.enable")
        yield Chromium(page, devtools, started)
