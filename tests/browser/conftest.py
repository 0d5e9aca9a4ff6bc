"""One server and one Chromium for the tests of a package; each test has browsers' contexts of its own.

Whatever a page says against itself fails its test: a violated content policy, an error in the console, an
exception that nobody caught.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Page,
    Playwright,
    ViewportSize,
    expect,
    sync_playwright,
)

from tests.support.browser import chromium as launched
from tests.support.programs import compile_c
from tests.support.server import OVER, TOKEN, Server, running
from tests.trace.conftest import no_bpftrace_stays  # noqa: F401

WIDE: ViewportSize = {"width": 1440, "height": 900}
# Runs in each page before anything of its own. A trusted click with a place is one that a person made.
WATCH = """
addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy violated: ${event.violatedDirective} by ${event.blockedURI}`), true);
addEventListener("click", (event) => {
  if (event.isTrusted && event.detail) sessionStorage.clicks = Number(sessionStorage.clicks ?? 0) + 1;
}, true);
"""
SHOP = """
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sdt.h>
#include <time.h>

static unsigned long state = 20;
static double even(void) {
  state = state * 6364136223846793005UL + 1442695040888963407UL;
  return ((state >> 33) + 1) / 2147483649.0;
}

__attribute__((noinline)) long checkout(int order, const char *item) {
  double spread = exp(0.7 * sqrt(-2 * log(even())) * cos(6.2831853 * even()));
  struct timespec wait = {0, (long)((even() < 0.06 ? 6e6 : 180e3) * spread)};
  DTRACE_PROBE2(shop, sold, order, item);
  nanosleep(&wait, NULL);
  return 100L * order;
}

/* Each line asks for that many calls; the answer is how many were made. */
int main(void) {
  static const char *items[] = {"tea", "cup", "<b>jam</b>"};
  char line[64];
  while (fgets(line, sizeof line, stdin)) {
    long made = 0, sum = 0;
    for (long wanted = atol(line); made < wanted; made++) sum += checkout(made + 1, items[made % 3]);
    printf("%ld %ld\\n", made, sum);
    fflush(stdout);
  }
  return 0;
}
"""


class Shop:
    """The program shopd: it calls checkout, with the USDT probe shop:sold inside, as often as it is told."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.process = subprocess.Popen(
            [path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self.pid = self.process.pid

    def sell(self, orders: int) -> int:
        """Tells it to make so many calls; how many it says it made, once they are made."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(f"{orders}\n")
        return int(self.process.stdout.readline().split()[0])

    def close(self) -> None:
        """Lets it end."""
        if self.process.poll() is None:
            self.process.communicate(timeout=30)


class Tab:
    """A page of a context of its own, which keeps what went wrong in it; paths are those of the server."""

    def __init__(self, context: BrowserContext, server: Server) -> None:
        self.context = context
        self.server = server
        self.wrong: list[str] = []
        self.page = context.new_page()
        self.page.on(
            "console", lambda told: self._told(told.type, f"{told.text} {told.location.get('url', '')}")
        )
        self.page.on("pageerror", lambda error: self.wrong.append(f"exception: {error}"))

    def _told(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"} and not text.startswith("The Cross-Origin-Opener-Policy"):
            self.wrong.append(f"{kind}: {text}")

    def open(self, path: str) -> Page:
        self.page.goto(self.server.url + path)
        return self.page

    def excuse(self, pattern: str) -> None:
        """Drops the complaints that this test provokes; there must be one."""
        kept = [text for text in self.wrong if not re.search(pattern, text)]
        assert len(kept) < len(self.wrong), f"nothing like {pattern!r} among {self.wrong}"
        self.wrong = kept

    @property
    def clicks(self) -> int:
        return int(self.page.evaluate("Number(sessionStorage.clicks ?? 0)"))


def expect_state(page: Page, name: str) -> None:
    expect(page.locator("#state [data-state]")).to_have_attribute("data-state", name)


def indexed(server: Server, path: Path) -> str:
    """The id of a file that the server has read."""
    job = server.client.post("/api/v1/index", json={"paths": [str(path)]}).raise_for_status().json()["job"]
    while (state := server.get(f"/api/v1/jobs/{job}"))["state"] in {"queued", "running"}:
        time.sleep(0.1)
    (result,) = state["results"]
    return str(result["id"])


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("data")) as found:
        yield found


# Of the package and not of the session: its event loop would be in the way of tests that run their own.
@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    expect.set_options(timeout=20_000)
    with sync_playwright() as found:
        yield found


@pytest.fixture(scope="package")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    with launched(playwright) as browser:
        yield browser


NewTab = Callable[..., Tab]


@pytest.fixture
def new_tab(chromium: Browser, server: Server) -> Iterator[NewTab]:
    """Makes tabs, each in a context that is signed in; options are those of a context of Playwright."""
    tabs: list[Tab] = []

    def make(signed_in: bool = True, **options: Any) -> Tab:
        context = chromium.new_context(viewport=options.pop("viewport", WIDE), **options)
        context.set_default_timeout(20_000)
        context.add_init_script(WATCH)
        tab = Tab(context, server)
        tabs.append(tab)
        if signed_in:
            context.request.get(f"{server.url}/?token={TOKEN}")
        return tab

    yield make
    for tab in tabs:
        tab.context.close()
    assert [text for tab in tabs for text in tab.wrong] == []


@pytest.fixture
def tab(new_tab: NewTab) -> Tab:
    return new_tab()


@pytest.fixture(scope="package")
def shopd() -> Iterator[Path]:
    # Not below pytest's own directory: the path is shown in the title, and in the picture of the README.
    with tempfile.TemporaryDirectory(prefix="shop-") as directory:
        yield compile_c(Path(directory), SHOP, "shopd", "-lm")


@pytest.fixture
def new_shop(shopd: Path) -> Iterator[Callable[[], Shop]]:
    with ExitStack() as stack:

        def make() -> Shop:
            shop = Shop(shopd)
            stack.callback(shop.close)
            return shop

        yield make


@pytest.fixture
def shop(new_shop: Callable[[], Shop]) -> Shop:
    return new_shop()


@pytest.fixture(autouse=True)
def no_session_stays(server: Server) -> Iterator[None]:
    """Ends what a test left running, so that the next finds the server as it was."""
    yield
    left = [each["id"] for each in server.get("/api/v1/sessions")["items"] if each["state"] not in OVER]
    for session in left:
        server.client.post(f"/api/v1/sessions/{session}/stop")
    for session in left:
        server.until(session, *OVER)
