"""Small parts of SVG that stands alone: no script, no style sheet, nothing fetched.

Every text goes through ``text``; what XML cannot hold is shown as an escape. By their classes a page may give
the parts the colours of its theme.
"""

from __future__ import annotations

import re
from xml.sax.saxutils import escape

NAMESPACE = "http://www.w3.org/2000/svg"
# What XML 1.0 does not allow, and what changes the direction of text.
_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


def text(value: str) -> str:
    """The text as content of an element or value of an attribute in double quotes."""
    shown = _FORBIDDEN.sub(lambda match: f"\\u{ord(match[0]):04x}", value)
    return escape(shown, {'"': "&quot;", "\n": "\\n", "\t": " "})


def image(width: int, height: int, title: str, body: list[str], alone: bool) -> str:
    """The whole picture; ``alone``: a file of its own, with its namespace, and not a part of HTML."""
    space = f' xmlns="{NAMESPACE}"' if alone else ""
    head = (
        f'<svg{space} viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'font-family="ui-monospace, Menlo, Consolas, monospace" font-size="12" fill="#1a1d21">'
        f"<title>{text(title)}</title>"
        f'<rect width="{width}" height="{height}" class="svg-ground" fill="#ffffff"/>'
    )
    start = '<?xml version="1.0" encoding="UTF-8"?>\n' if alone else ""
    return "\n".join([start + head, *body, "</svg>"]) + "\n"


def number(value: float) -> str:
    """At most two digits after the point, none that say nothing."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
