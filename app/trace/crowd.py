"""A selection larger than what one session attaches: told before anything runs, with what fits instead.

What counts is what the installed version attaches: a probe for each place; from 0.23 on a wildcard over
functions, whose program does not ask for the name of its probe, is one link, however many it takes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from app.trace.bpftrace import Capabilities
from app.trace.model import Reason
from app.trace.policy import attach_points, tokens

CODE = "too_many_probes"
# Seconds that versions without uprobe_multi take to detach one probe.
SECONDS_A_PROBE = 0.17
_FUNCTIONS = {"uprobe", "u", "uretprobe", "ur"}
# A part of a wildcard is worth naming from so many functions on.
_SEVERAL = 2


def attached_as(text: str, expected: int | None, able: Capabilities) -> int | None:
    """How many probes a script is to this bpftrace, where ``expected`` places are meant; None: not known."""
    points = attach_points(text)
    one_link = able.multi and all(point.partition(":")[0] in _FUNCTIONS for point in points)
    if expected is None or not one_link or _asks_its_name(text):
        return expected
    return min(expected, len(points))


def against(
    text: str, recipe: str, expected: int | None, able: Capabilities, narrower: str | None = None
) -> tuple[Reason, ...]:
    """The reason not to start what attaches too much, or nothing. ``narrower``: a pattern that fits."""
    probes, most = attached_as(text, expected, able), able.most_probes
    if probes is None or probes <= most:
        return ()
    hints = [f"Choose a narrower pattern{f', such as {narrower}' if narrower else ''}"]
    if able.multi and recipe != "stacks":
        hints.append("take the recipe stacks, which attaches a wildcard as one here")
    hints.append("take the recipe profile, which samples a process without any probe")
    slow = "" if able.multi else f", and wait {probes * SECONDS_A_PROBE:,.0f} s for each stop"
    hints.append(f"raise PROBESCOPE_SESSION_PROBES{slow}")
    said = f"This would attach {probes:,} probes, and a session attaches at most {most:,}."
    return (Reason(CODE, said, f"{', or '.join(hints)}."),)


def narrowed(pattern: str, names: Sequence[str], most: int) -> str | None:
    """The pattern of one more word that takes the most of ``names`` without taking more than ``most``."""
    begin = pattern.partition("*")[0]
    counts = Counter(_longer(name, len(begin)) for name in names if name.startswith(begin))
    fitting = [(count, word) for word, count in counts.items() if _SEVERAL <= count <= most]
    if not fitting:
        return None
    count, word = max(fitting)
    return f"{word}* ({count:,})"


def _longer(name: str, start: int) -> str:
    """A name up to the end of the first word behind ``start``."""
    end = name.find("_", start or 1)
    return name[: end + 1] if end > 0 else name[: start + 1]


def _asks_its_name(text: str) -> bool:
    before = ""
    for token in tokens(text):
        if token.kind == "name" and token.text == "probe" and before not in {"$", "@", ".", "->", ":"}:
            return True
        before = token.text if token.kind != "space" else before
    return False
