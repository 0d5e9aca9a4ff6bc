"""How long calls take, as histograms of microseconds: in all, or as they change over time.

Maps count on and are printed twice a second; who draws a heatmap takes the difference of two prints.
"""

from __future__ import annotations

from app.errors import BadInput
from app.trace.calls import Calls
from app.trace.recipes.plan import TICK, Made, Plan, aligned, entries, key, returns, total
from app.trace.targets import Target
from app.trace.values import Version, chosen

# From here on hist(x, bits) has 2^bits buckets for each power of two.
FINE: Version = (0, 20, 0)
BITS = 3
BY, NAME = "@by", "@name"
KEYED_BY = {"thread": "tid, comm", "process": "pid, comm"}


def latency(plan: Plan) -> Made:
    return _timed(plan, "")


def heatmap(plan: Plan) -> Made:
    return _timed(plan, f", {BITS}" if plan.version >= FINE else "")


def _timed(plan: Plan, bits: str) -> Made:
    begun = entries(plan)
    pairs = returns(plan, begun)
    wild = any(target.probe.wildcard for target in begun)
    how = "its depth" if Calls(plan.version, "").by_depth else "the place of its return address"
    lines = [f"// Microseconds. A call is known by its thread and {how}."]
    for target, back in pairs:
        kept, shown = _key(plan, target, begun, wild)
        calls = Calls(plan.version, plan.machine(target), tuple(kept))
        body = [f"  @us{shown(calls.over)} = hist((nsecs - @start[{calls.over}]) / 1000{bits});"]
        lines += calls.entry(target.places, plan.filter.process, plan.calls(target), kept)
        lines += calls.back(back.places, plan.filter.process, plan.filter.picks, body)
    lines.append(f"{TICK} {{ print(@us); }}")
    twice = [None if back.expected is None else 2 * back.expected for _, back in pairs]
    return Made(lines, total(twice), (*calls.own, *plan.filter.kept))


class _Key:
    """A map's key at a return, from what is kept there."""

    def __init__(self, parts: list[str]) -> None:
        self._parts = parts

    def __call__(self, over: str) -> str:
        return f"[{', '.join(part.format(over=over) for part in self._parts)}]" if self._parts else ""


def _key(plan: Plan, target: Target, every: list[Target], wild: bool) -> tuple[dict[str, str], _Key]:
    """(what is kept at the entry, the key): numbers first, at most one text, last."""
    by = plan.options.by
    # The name of a wildcard's function comes from the entry: a label without `uretprobe`.
    kept = {NAME: key(target, every)} if wild else {}
    name = [f"{NAME}[{{over}}]"] if wild else [_escaped(plan, target)] if len(every) > 1 else []
    if by is None:
        return kept, _Key(name)
    if by in KEYED_BY:
        who = KEYED_BY[by]
        return kept, _Key([who.partition(",")[0], *name] if name else [who])
    value = chosen(plan.values(target), by.removeprefix("arg:"))
    if value is None or not value.readable:
        raise BadInput(
            f"The option by cannot read {by.removeprefix('arg:')!r} of {target.title}.",
            "Name an argument that the recipe log shows.",
            code="bad_by",
        )
    if value.text and name:
        raise BadInput(
            "The option by takes a text of one function alone.",
            "Choose one function, or a number.",
            code="bad_by",
        )
    return {**kept, BY: value.expression}, _Key([f"{BY}[{{over}}]", *name])


def _escaped(plan: Plan, target: Target) -> str:
    return aligned(key(target, [target]), plan.version).replace("{", "{{").replace("}", "}}")
