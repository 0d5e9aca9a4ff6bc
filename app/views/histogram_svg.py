"""Histograms to SVG: one bar a bucket, each with a title; the numbers stand in the table beside it."""

from __future__ import annotations

from collections.abc import Sequence

from app.views import svg
from app.views.histogram import Histogram

WIDTH, HEIGHT = 560, 190
CAPTION = 44  # above each of several
_BOTTOM, _TOP, _SIDE = 24, 10, 8
_BAR, _LINE = "#0b5cad", "#5b6470"
_LETTER = 7.25


def histogram_svg(each: Histogram) -> str:
    """A part of a page; bars upwards, as tall as their share of the fullest."""
    return svg.image(WIDTH, HEIGHT, f"{_name(each)}, {each.total} values", _bars(each, 0), alone=False)


def histograms_svg(found: Sequence[Histogram], title: str) -> str:
    """A file of its own: all of them below one another, with name, total and quantiles."""
    body = []
    for at, each in enumerate(found):
        top = at * (HEIGHT + CAPTION)
        values = ((name, getattr(each, name)) for name in ("p50", "p90", "p99"))
        quantiles = ", ".join(f"{name} ≤ {'open' if value is None else value}" for name, value in values)
        body += [
            f'<text x="{_SIDE}" y="{top + 18}" font-weight="bold">{svg.text(_name(each))}</text>',
            f'<text x="{_SIDE}" y="{top + 36}">{svg.text(f"total {each.total}, {quantiles}")}</text>',
            *_bars(each, top + CAPTION),
        ]
    return svg.image(WIDTH, max(1, len(found)) * (HEIGHT + CAPTION), title, body, alone=True)


def _name(each: Histogram) -> str:
    return f"{each.name}[{each.key}]" if each.key is not None else each.name


def _bars(each: Histogram, top: int) -> list[str]:
    tall = HEIGHT - _BOTTOM - _TOP
    step = (WIDTH - 2 * _SIDE) / max(1, len(each.buckets))
    body, free = [], 0.0
    for at, bucket in enumerate(each.buckets):
        x = _SIDE + at * step
        height = max(1.0, tall * bucket.share) if bucket.count else 0.0
        body.append(
            f"<g><title>{svg.text(f'{bucket.label}: {bucket.count}')}</title>"
            f'<rect x="{svg.number(x)}" y="{svg.number(top + _TOP + tall - height)}" '
            f'width="{svg.number(max(1.0, step - 2))}" height="{svg.number(height)}" '
            f'class="svg-bar" fill="{_BAR}"/></g>'
        )
        label = bucket.label.lstrip("[(").partition(",")[0]
        if x >= free:
            body.append(f'<text x="{svg.number(x)}" y="{top + HEIGHT - 7}">{svg.text(label)}</text>')
            free = x + (len(label) + 1) * _LETTER
    body.append(
        f'<rect x="{_SIDE}" y="{top + HEIGHT - _BOTTOM}" width="{WIDTH - 2 * _SIDE}" height="1" '
        f'class="svg-line" fill="{_LINE}"/>'
    )
    return body
