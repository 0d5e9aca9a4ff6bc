"""The recipes that a person chooses among for one probe: what each shows, whether it fits, where to go."""

from __future__ import annotations

from dataclasses import dataclass

from app.trace.model import Verdict
from app.web.render import build_url

RECIPES = (
    ("count", "Count", "How often it is called, as a running count."),
    ("log", "Log", "Every call with its arguments and what it returned."),
    ("latency", "Latency", "A histogram of how long the calls take, in microseconds."),
)
NEEDS_RETURN = frozenset({"latency"})


@dataclass(frozen=True, slots=True)
class Choice:
    recipe: str
    title: str
    text: str
    url: str
    enabled: bool
    why: str | None


def choices(verdict: Verdict, kind: str, pid: int | None = None) -> list[Choice]:
    """A choice a recipe; ``kind`` is ``function`` or ``usdt`` (a single USDT probe has no return to time)."""
    out = []
    for recipe, title, text in RECIPES:
        why = None
        if not verdict.attachable:
            why = " ".join(reason.text for reason in verdict.reasons) or "It cannot be attached."
        elif recipe in NEEDS_RETURN and kind == "usdt":
            why = "A USDT probe marks one moment; latency needs an entry and a return."
        elif recipe in NEEDS_RETURN and not verdict.return_probe.attachable:
            why = " ".join(reason.text for reason in verdict.return_probe.reasons)
        url = build_url("/sessions/new", probe=verdict.probe, recipe=recipe, pid=pid)
        out.append(Choice(recipe, title, text, url, why is None, why))
    return out
