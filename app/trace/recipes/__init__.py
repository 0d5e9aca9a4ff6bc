"""Recipes: from chosen places to the lines of a script, one module a family of them."""

from __future__ import annotations

from collections.abc import Callable

from app.trace.recipes.count import count, skeleton
from app.trace.recipes.latency import heatmap, latency
from app.trace.recipes.log import log
from app.trace.recipes.offcpu import offcpu
from app.trace.recipes.plan import Made, Plan
from app.trace.recipes.slower import slower
from app.trace.recipes.stacks import profile, stacks
from app.trace.recipes.top import top
from app.trace.recipes.tree import tree

RECIPES: dict[str, Callable[[Plan], Made]] = {
    "count": count,
    "log": log,
    "latency": latency,
    "heatmap": heatmap,
    "top": top,
    "slower": slower,
    "stacks": stacks,
    "profile": profile,
    "offcpu": offcpu,
    "tree": tree,
    "custom": skeleton,
}
# Those that ask for no probe.
WITHOUT_PROBES = frozenset({"profile"})
