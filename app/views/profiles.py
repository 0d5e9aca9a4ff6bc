"""Samples to the files that other viewers of profiles read: folded stacks, and speedscope's JSON.

Sources: stackcollapse and flamegraph.pl of Brendan Gregg's FlameGraph (``root;frame;leaf N``, one stack a
line); file-format-schema.json of speedscope.app, profiles of type ``sampled``.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from app.views.samples import Samples

SCHEMA = "https://www.speedscope.app/file-format-schema.json"
_BROKEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def folded(found: Samples) -> str:
    """One line a stack, sorted; ``;`` in a name becomes ``:``, for it parts the names."""
    names = [_BROKEN.sub(" ", found.label(at)).replace(";", ":") or "-" for at in range(len(found.names))]
    lines: Counter[str] = Counter()
    for path, number in zip(found.paths, found.values, strict=True):
        lines[";".join(names[at] for at in path)] += number
    return "".join(f"{stack} {number}\n" for stack, number in sorted(lines.items()))


def speedscope(found: Samples, name: str, exporter: str) -> dict[str, Any]:
    """One profile with a sample a stack, whose weight is its number."""
    frames = [
        {"name": each.text, "file": each.module} if each.module is not None else {"name": each.text}
        for each in found.names
    ]
    return {
        "$schema": SCHEMA,
        "name": name,
        "exporter": exporter,
        "activeProfileIndex": 0,
        "shared": {"frames": frames},
        "profiles": [
            {
                "type": "sampled",
                "name": name,
                "unit": "none",
                "startValue": 0,
                "endValue": found.total,
                "samples": [list(path) for path in found.paths],
                "weights": list(found.values),
            }
        ],
    }
