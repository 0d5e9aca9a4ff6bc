"""The flame graph of a hundred thousand boxes: the server's answer, the first paint, and zooms, in Chromium.

A session whose map has so many stacks lies ready in the data directory; a real server gives it out, and its
page draws it. A draw counts as painted when the first task after its animation frame runs.
"""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Browser, Page, expect, sync_playwright

from app.views.flame import layout, tree
from app.views.samples import samples
from benchmarks.report import table, write
from tests.support.browser import chromium
from tests.support.server import TOKEN, Server, running
from tests.support.sessions import left

NODES, TURNS = 100_000, 20
QUICK_TURNS = 3
SESSION = "flame"
DEPTH, SHARED, FUNCTIONS = 30, 25, 3000
# Notes each picture of the flame canvas: when it was painted, and the answer whose boxes it shows, which is
# the one that the page parsed last before. Its end is that of the request that was made at that time.
WATCH = """
const painted = [];
let answer = null;
const ask = window.fetch;
window.fetch = async (...words) => {
  const began = performance.now();
  const response = await ask(...words);
  const parse = response.json.bind(response);
  response.json = async () => {
    const body = await parse();
    if (body?.columns) answer = {url: response.url, began};
    return body;
  };
  return response;
};
const clear = CanvasRenderingContext2D.prototype.clearRect;
CanvasRenderingContext2D.prototype.clearRect = function (...box) {
  if (this.canvas.closest("[data-flame-place]")) {
    const {port1, port2} = new MessageChannel();
    const of = answer;
    port1.onmessage = () => painted.push({at: performance.now(), of});
    port2.postMessage(0);
  }
  return clear.apply(this, box);
};
// ms from the end of an answer to the first picture of it; null while there is none.
window.firstPaint = () => {
  const first = painted[0];
  const ended = first && performance.getEntriesByType("resource")
    .filter(({name, startTime}) => name === first.of?.url && startTime >= first.of.began)
    .map(({responseEnd}) => responseEnd)[0];
  return ended ? first.at - ended : null;
};
window.acted = async (key) => {
  const canvas = document.querySelector("[data-flame-place] canvas");
  const before = painted.length, began = performance.now();
  canvas.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true}));
  while (painted.length === before) await new Promise((done) => setTimeout(done, 1));
  return painted.at(-1).at - began;
};
"""
SETTLE_S = 10.0


def stacks(nodes: int) -> dict[str, int]:
    """A map of stacks whose tree has so many nodes: deep callers that change at times, many ways below."""
    dice = random.Random(5)
    names = [f"service::handler_{at}(Request const&)" for at in range(FUNCTIONS)]
    found: dict[str, int] = {}
    seen: set[tuple[str, ...]] = set()
    prefix = [dice.choice(names) for _ in range(SHARED)]
    while len(seen) < nodes:
        prefix[dice.randrange(SHARED // 2, SHARED)] = dice.choice(names)
        path = [*prefix, *(dice.choice(names) for _ in range(DEPTH - SHARED))]
        seen.update(tuple(path[:end]) for end in range(1, DEPTH + 1))
        # A function is left from one of few places.
        lines = (f"{name}+{dice.randrange(4) * 16}\n" for name in reversed(path))
        found["".join(["\n", *lines])] = dice.randrange(1, 50)
    return found


def run(quick: bool = False) -> None:
    value = stacks(NODES)
    server_rows = _server_side(value, QUICK_TURNS if quick else TURNS)
    with tempfile.TemporaryDirectory(prefix="flame-") as directory:
        left(Path(directory), SESSION, [(1000, "map", {"@stacks": value})])
        with running(Path(directory), PROBESCOPE_KEPT_BYTES="0") as server:
            anew = _answers(server, QUICK_TURNS if quick else TURNS)
        with (
            running(Path(directory)) as server,
            sync_playwright() as playwright,
            chromium(playwright) as browser,
        ):
            _answers(server, 1)
            again = _answers(server, QUICK_TURNS if quick else TURNS)
            firsts, zooms, boxes = _pictures(browser, server, QUICK_TURNS if quick else TURNS)
    rows = [["what", "min ms", "median ms", "max ms", "to reach"]]
    rows += [
        *server_rows,
        _row("answer of the server, with the log read anew", anew, ""),
        _row("the same for who asks next", again, ""),
        _row("first paint, from the answer's end", firsts, "100"),
        _row("zoom by a key, until it is painted", zooms, "33"),
    ]
    told = f"{boxes} boxes of {len(value)} stacks, {DEPTH} frames each; a window of 1440 by 900."
    write("flame", "Flame graph", [told, table(rows)], {"chromium": browser.version})


def _row(what: str, found: list[float], wanted: str) -> list[str]:
    return [what, f"{min(found):.1f}", f"{statistics.median(found):.1f}", f"{max(found):.1f}", wanted]


def _server_side(value: dict[str, int], turns: int) -> list[list[str]]:
    read, laid = [], []
    for _ in range(turns):
        began = time.perf_counter()
        grown = tree(samples(value))
        read.append((time.perf_counter() - began) * 1e3)
        began = time.perf_counter()
        layout(grown)
        laid.append((time.perf_counter() - began) * 1e3)
    return [_row("stacks to the tree", read, ""), _row("tree to boxes", laid, "")]


def _answers(server: Server, turns: int) -> list[float]:
    found = []
    for _ in range(turns):
        began = time.perf_counter()
        server.client.get(f"/api/v1/sessions/{SESSION}/flame").raise_for_status()
        found.append((time.perf_counter() - began) * 1e3)
    return found


def _pictures(browser: Browser, server: Server, turns: int) -> tuple[list[float], list[float], int]:
    """(ms of first paints, ms of zooms, boxes)."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.add_init_script(WATCH)
    context.request.get(f"{server.url}/?token={TOKEN}")
    firsts: list[float] = []
    page = context.new_page()
    for _ in range(max(3, turns // 4)):
        page.goto(f"{server.url}/sessions/{SESSION}?view=flame")
        expect(page.locator("[data-flame-facts]")).to_contain_text("boxes", timeout=60_000)
        firsts.append(_first_paint(page))
    zooms = _zooms(page, turns)
    answer: dict[str, Any] = server.get(f"/api/v1/sessions/{SESSION}/flame")
    context.close()
    return firsts, zooms, int(np.size(answer["columns"]["x"]))


def _first_paint(page: Page) -> float:
    until = time.monotonic() + SETTLE_S
    while (found := page.evaluate("firstPaint()")) is None:
        assert time.monotonic() < until, "no picture belongs to an answer"
        page.wait_for_timeout(10)
    assert found > 0, f"a picture {-found:.1f} ms before its answer"
    return float(found)


def _zooms(page: Page, turns: int) -> list[float]:
    found = []
    for _ in range(turns):
        page.evaluate("acted('ArrowDown')")
        found.append(float(page.evaluate("acted('Enter')")))
        found.append(float(page.evaluate("acted('Escape')")))
    return found
