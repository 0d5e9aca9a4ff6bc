"""The Chromium of the machine, as Playwright starts it without downloading one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")


@contextmanager
def chromium(playwright: Playwright) -> Iterator[Browser]:
    """A headless one; root may start it only without its sandbox."""
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    assert path, "chromium is not installed"
    browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
    yield browser
    browser.close()
