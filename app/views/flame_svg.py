"""A laid out flame graph to one SVG picture: the root on top, each box with a title, no script.

Boxes that would be narrower than half a pixel are left out, and the picture says how many.
"""

from __future__ import annotations

import zlib

from app.views import svg
from app.views.flame import ROOT, Layout
from app.views.samples import Samples

WIDTH = 1200
ROW = 18
TOP = 44
NARROWEST = 0.5
_LETTER = 7.25  # width of one, as monospaced fonts of this size have it
# Dark text has a contrast of at least 7:1 on each.
FILLS = ("#f7c9a3", "#f9d79b", "#f6b995", "#fbe3b0", "#f3c6b4", "#efd3a0")
# Red, green and blue of what grew, shrank and stayed.
GREW, SHRANK, SAME = (0xF2, 0xA5, 0x9D), (0xA9, 0xCB, 0xEE), (0xEC, 0xEF, 0xF2)


def flame_svg(layout: Layout, samples: Samples, title: str, *, alone: bool = True) -> str:
    """The picture; ``alone``: as a file of its own, else as a part of HTML."""
    total = float(layout.width[0])
    scale = WIDTH / total if total else 0.0
    shown = [at for at, width in enumerate(layout.width.tolist()) if width * scale >= NARROWEST]
    left = layout.nodes - len(shown)
    depth = max((int(layout.depth[at]) for at in shown), default=0)
    note = f"{svg.number(total)} in {len(samples.paths)} stacks"
    if left:
        note += f"; {left} boxes narrower than half a pixel are left out"
    body = [
        f'<text x="6" y="17" font-size="14" font-weight="bold">{svg.text(title)}</text>',
        f'<text x="6" y="35">{svg.text(note)}</text>',
    ]
    body += [_box(layout, samples, at, scale, total) for at in shown]
    return svg.image(WIDTH, TOP + (depth + 1) * ROW + 4, title, body, alone)


def _box(layout: Layout, samples: Samples, at: int, scale: float, total: float) -> str:
    x, width = float(layout.x[at]) * scale, float(layout.width[at]) * scale
    y = TOP + int(layout.depth[at]) * ROW
    index = int(layout.name[at])
    name = "all" if index == ROOT else samples.label(index)
    share = f" ({100 * float(layout.width[at]) / total:.2f} %)" if total else ""
    told = f"{name}: {svg.number(float(layout.width[at]))}{share}, itself {svg.number(float(layout.own[at]))}"
    fits = int((width - 6) / _LETTER)
    label = ""
    if fits >= 3:
        shown = name if len(name) <= fits else name[: fits - 1] + "…"
        label = f'<text x="{svg.number(x + 3)}" y="{y + 13}">{svg.text(shown)}</text>'
    fill = FILLS[zlib.crc32(name.encode("utf-8", "backslashreplace")) % len(FILLS)]
    if layout.delta is not None:
        grown = float(layout.delta[at])
        told += f", grown by {grown:+.6g}"
        fill = _changed(grown, max(float(abs(layout.delta).max()), total / 100))
    return (
        f"<g><title>{svg.text(told)}</title>"
        f'<rect x="{svg.number(x)}" y="{y}" width="{svg.number(max(NARROWEST, width - 0.5))}" '
        f'height="{ROW - 1}" fill="{fill}"/>{label}</g>'
    )


def _changed(grown: float, strong: float) -> str:
    """The colour of a change, as strong as it is beside the largest."""
    share = min(1.0, abs(grown) / strong) if strong else 0.0
    ends = zip(SAME, GREW if grown > 0 else SHRANK, strict=True)
    return "#" + "".join(f"{round(low + (high - low) * share):02x}" for low, high in ends)
