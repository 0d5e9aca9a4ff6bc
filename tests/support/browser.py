"""The Chromium of the machine, as Playwright starts it without downloading one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
# Each context opens a window, and each window loads pages for its address bar: half a context's cost.
WINDOW = ("PreloadTopChromeWebUI", "WebUIOmniboxPopup", "WebUIOmniboxAimPopup")
# Chromium heeds the last list alone, so it has what Playwright switches off in its own, too.
PLAYWRIGHT = (
    "AimEnabled",
    "AvoidCorsURLLoaderRestartOnRedirect",
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsFirstBalancedModeAutoEnable",
    "HttpsUpgrades",
    "LensOverlay",
    "MediaRouter",
    "NetworkTimeServiceQuerying",
    "OptimizationHints",
    "PaintHolding",
    "PreconnectToSearch",
    "ThirdPartyStoragePartitioning",
)


@contextmanager
def chromium(playwright: Playwright) -> Iterator[Browser]:
    """A headless one; root may start it only without its sandbox."""
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    assert path, "chromium is not installed"
    off = ",".join((*WINDOW, *PLAYWRIGHT))
    browser = playwright.chromium.launch(
        executable_path=path, args=["--no-sandbox", f"--disable-features={off}"]
    )
    yield browser
    browser.close()
