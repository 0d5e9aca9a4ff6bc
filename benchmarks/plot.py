"""Lines over two logarithmic axes as an SVG picture: what grows linearly rises one step a step."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

_WIDTH, _HEIGHT, _LEFT, _TOP, _RIGHT, _BOTTOM = 720, 420, 70, 40, 190, 60
_COLOURS = ("#0b6e4f", "#b5471b", "#2b5fa8", "#7a3b8f", "#8a6d00", "#555555")


def lines(title: str, across: str, up: str, series: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """``series`` are points (x, y) above 0, by name."""
    points = [point for row in series.values() for point in row]
    (low_x, high_x), (low_y, high_y) = (_decades([point[axis] for point in points]) for axis in (0, 1))
    inner_width, inner_height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def place(x: float, y: float) -> tuple[float, float]:
        part_x = (math.log10(x) - low_x) / (high_x - low_x)
        part_y = (math.log10(y) - low_y) / (high_y - low_y)
        return _LEFT + part_x * inner_width, _TOP + (1 - part_y) * inner_height

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        'font-family="sans-serif" font-size="13">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
        _text(_LEFT, 24, title, size=15),
        _text(_LEFT + inner_width / 2, _HEIGHT - 12, across, anchor="middle"),
        f'<g transform="rotate(-90 18 {_TOP + inner_height / 2})">'
        + _text(18, _TOP + inner_height / 2, up, anchor="middle")
        + "</g>",
    ]
    for value in _ticks(low_x, high_x):
        x, bottom = place(value, 10**low_y)
        out.append(f'<line x1="{x:.1f}" y1="{_TOP}" x2="{x:.1f}" y2="{bottom:.1f}" stroke="#dddddd"/>')
        out.append(_text(x, bottom + 18, f"{value:g}", anchor="middle"))
    for value in _ticks(low_y, high_y):
        left, y = place(10**low_x, value)
        out.append(
            f'<line x1="{left}" y1="{y:.1f}" x2="{_LEFT + inner_width}" y2="{y:.1f}" stroke="#dddddd"/>'
        )
        out.append(_text(left - 8, y + 4, f"{value:g}", anchor="end"))
    labels: list[float] = []
    for (name, row), colour in zip(series.items(), _COLOURS, strict=False):
        places = [place(*point) for point in row]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>' for x, y in places]
        at = places[-1][1] + 4
        while any(abs(at - other) < 15 for other in labels):
            at += 15
        labels.append(at)
        out.append(_text(_LEFT + inner_width + 10, at, name, colour=colour))
    return "\n".join([*out, "</svg>"]) + "\n"


def _decades(values: Sequence[float]) -> tuple[float, float]:
    low, high = math.log10(min(values)), math.log10(max(values))
    return math.floor(low * 2) / 2, max(math.ceil(high * 2), math.floor(low * 2) + 1) / 2


def _ticks(low: float, high: float) -> list[float]:
    steps = [
        factor * 10.0**power for power in range(math.floor(low), math.ceil(high) + 1) for factor in (1, 2, 5)
    ]
    return [step for step in steps if low - 1e-9 <= math.log10(step) <= high + 1e-9]


def _text(
    x: float, y: float, text: str, anchor: str = "start", size: int = 13, colour: str = "#222222"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{colour}">'
        f"{escape(text)}</text>"
    )
