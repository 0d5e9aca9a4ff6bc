"""How often each place is reached, as a running count; and the skeleton of a script of one's own."""

from __future__ import annotations

from app.trace.recipes.plan import TICK, Made, Plan, key, total


def count(plan: Plan) -> Made:
    lines = [
        f"{target.places}{plan.hits(target)} {{ @calls[{key(target, plan.targets)}] = count(); }}"
        for target in plan.targets
    ]
    lines.append(f"{TICK} {{ print(@calls); }}")
    return Made(lines, total(target.expected for target in plan.targets), plan.filter.kept)


def skeleton(plan: Plan) -> Made:
    probes = ",\n".join(target.places for target in plan.targets)
    where = plan.filter.hits((), "the script")
    lines = [f"{probes}{where} {{", "  @calls[comm, pid] = count();", "}", f"{TICK} {{ print(@calls); }}"]
    return Made(lines, total(target.expected for target in plan.targets))
