"""What axe finds wrong with a page as it stands: WCAG 2.2, A and AA."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from playwright.sync_api import Page

AXE = (files("axe_playwright_python") / "axe.min.js").read_text()
OF_COLOUR = ["color-contrast", "link-in-text-block"]
ALL = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
# All that a scheme can change: the style sheets know of it in the values of colours alone.
COLOURS = {"runOnly": OF_COLOUR}
# All that a width can change: the style sheets give a narrow page no colour of its own.
SHAPES = {**ALL, "rules": {name: {"enabled": False} for name in OF_COLOUR}}
# The rows of a table are of one making: a dozen stand for all. What passes is much, and nobody reads it.
RUN = """async (options) => {
  const some = { exclude: [["tbody tr:nth-child(n + 13)"]] };
  const found = await axe.run(some, { ...options, resultTypes: ["violations"] });
  return found.violations.map(({ id, nodes }) =>
    ({ id, nodes: nodes.map(({ html, any }) => ({ html, any: any.slice(0, 1) })) }));
}"""


def violations(page: Page) -> list[str]:
    """All in the light scheme, which the page is left in, and those of colours in the dark one."""
    page.emulate_media(color_scheme="dark")
    dark = _run(page, COLOURS)
    page.emulate_media(color_scheme="light")
    return [*(f"dark: {text}" for text in dark), *_run(page, ALL)]


def violations_of_shape(page: Page) -> list[str]:
    """All but those of colours."""
    return _run(page, SHAPES)


def _run(page: Page, options: dict[str, Any]) -> list[str]:
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    found: list[dict[str, Any]] = page.evaluate(RUN, options)
    return [
        f"{each['id']}: {node['html'][:160]} {json.dumps(node['any'])[:200]}"
        for each in found
        for node in each["nodes"]
    ]
