"""The check of pages itself: what it finds, and why dark and narrow pages need a part of it alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.browser.conftest import Tab
from tests.browser.wcag import violations, violations_of_shape

CSS = Path(__file__).parents[2] / "static/css"
PAGE = """<!doctype html><html lang="en"><head><title>t</title><style>
:root { color-scheme: light dark; background: light-dark(#fff, #000); color: light-dark(#000, #fff); }
.light { color: light-dark(#bbb, #fff); } .dark { color: light-dark(#000, #444); }
</style></head><body><main><h1>A page</h1>%s</main></body></html>"""


def table(rows: int) -> str:
    """The last row of it cannot be read in the light."""
    others = "<tr><td>plain</td></tr>" * (rows - 1)
    return f"<table><tbody>{others}<tr><td class=light>pale</td></tr></tbody></table>"


@pytest.mark.parametrize(
    ("body", "found", "of_shape"),
    [
        ("<p>good</p>", [], []),
        ("<p class=light>pale</p>", ["color-contrast"], []),
        ("<p class=dark>dim</p>", ["dark: color-contrast"], []),
        ("<img src=''>", ["image-alt"], ["image-alt"]),
        (table(12), ["color-contrast"], []),
        (table(13), [], []),
    ],
)
def test_what_is_found(tab: Tab, body: str, found: list[str], of_shape: list[str]) -> None:
    tab.page.set_content(PAGE % body)
    assert [text.partition(": <")[0] for text in violations(tab.page)] == found
    assert [text.partition(": <")[0] for text in violations_of_shape(tab.page)] == of_shape


def test_a_scheme_and_a_width_change_what_is_checked_of_them() -> None:
    """A scheme changes the values of colours alone; a width changes none of them."""
    for path in CSS.glob("*.css"):
        text = path.read_text()
        assert "prefers-color-scheme" not in text
        assert set(re.findall(r"\[data-theme[^{]*\{([^}]*)\}", text)) <= {
            " color-scheme: light; ",
            " color-scheme: dark; ",
        }
        for block in re.findall(r"@media \(max-width[^{]*\{((?:[^{}]*\{[^{}]*\})*)[^{}]*\}", text):
            assert ":" in block
            assert not re.search(r"color|background|opacity|filter|#|var\(", block), block
