"""User stacks, counted: of each hit of a place, or of a process as it runs (a profile).

At a function's first instruction the frame pointer is still the caller's, so the unwinder misses the direct
caller; its return address lies on the stack, and goes into the key beside it. symbolise.py puts it back.
"""

from __future__ import annotations

from app.errors import BadInput
from app.trace.calls import PROLOGUE_SKIPPED
from app.trace.filters import predicate
from app.trace.recipes.plan import TICK, Made, Plan, total
from app.trace.targets import Target

_CALLER = '*(uint64 *)reg("sp")'


def stacks(plan: Plan) -> Made:
    # One type of key for all probes of the map.
    caller = all(_at_entry(plan, target) for target in plan.targets)
    key = ", ".join(["pid", *([_CALLER] if caller else []), stack(plan)])
    lines = [f"{target.places}{plan.hits(target)} {{ @stacks[{key}] = count(); }}" for target in plan.targets]
    lines.append(f"{TICK} {{ print(@stacks); }}")
    return Made(lines, total(target.expected for target in plan.targets), plan.filter.kept)


def profile(plan: Plan) -> Made:
    if plan.targets:
        raise BadInput("The recipe profile samples whole processes, not probes.", "Leave the probes out.")
    if plan.filter.where is not None:
        raise BadInput("The option where has no arguments in a profile.", "Leave it out.", code="bad_where")
    if not plan.filter.process:
        raise BadInput(
            "A profile needs to know of which process.", "Give a pid, pids, a command or a cgroup."
        )
    where = predicate(*plan.filter.process, *plan.filter.calls((), "the profile"))
    lines = [
        f"profile:hz:{plan.options.frequency}{where} {{ @stacks[pid, {stack(plan)}] = count(); }}",
        f"{TICK} {{ print(@stacks); }}",
    ]
    return Made(lines, 0, plan.filter.kept)


def stack(plan: Plan) -> str:
    return f"ustack(perf, {plan.options.frames})"


def _at_entry(plan: Plan, target: Target) -> bool:
    """Whether it fires right at the first instruction of a function on x86-64."""
    probe = target.probe
    return (
        plan.version < PROLOGUE_SKIPPED
        and plan.machine(target) == "x86_64"
        and probe.kind == "uprobe"
        and target.at is None
        and "+" not in probe.name
        and (
            probe.address is None
            or (target.function is not None and target.function.address == probe.address)
        )
    )
