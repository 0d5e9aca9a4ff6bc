"""The latest values of maps into lines for a terminal: tables, and histograms with bars.

``views`` makes the pictures' content; here it only becomes text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from app.views.histogram import buckets
from app.views.table import maps

_BAR = 40
_KEY = 60


def map_lines(events: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Lines without newlines; a map of numbers as two columns, one bar a bucket of a histogram."""
    for name, view in maps(events).items():
        if view.kind == "hist":
            for row in view.rows:
                yield f"{name}:" if row.key is None else f"{name}[{row.key}]:"
                yield from _bars(row.value)
            continue
        if len(view.rows) == 1 and view.rows[0].key is None:
            yield f"{name}: {view.rows[0].text}"
            continue
        yield f"{name}:"
        width = min(_KEY, max((len(row.key or "") for row in view.rows), default=0))
        for row in view.rows:
            yield f"  {(row.key or '').ljust(width)} {row.text}"


def _bars(data: Any) -> Iterator[str]:
    found = buckets(data)
    width = max((len(bucket.label) for bucket in found), default=0)
    digits = max((len(str(bucket.count)) for bucket in found), default=0)
    for bucket in found:
        bar = "#" * round(_BAR * bucket.share)
        yield f"  {bucket.label.ljust(width)} {bucket.count:>{digits}} |{bar.ljust(_BAR)}|"
