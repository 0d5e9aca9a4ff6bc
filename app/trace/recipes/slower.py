"""Calls that took longer than some milliseconds, as lines, with the arguments that they began with.

A map has one type of value, so each function keeps its arguments in maps of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from app.trace.calls import START, Calls
from app.trace.recipes.plan import TICK, Made, Plan, entries, name_piece, picked, returns, total
from app.trace.targets import Target
from app.trace.values import Value, fit

DEFAULT_MILLISECONDS = 10.0
MOST_KEPT = 4


def slower(plan: Plan) -> Made:
    asked = plan.options.milliseconds
    limit = round((DEFAULT_MILLISECONDS if asked is None else asked) * 1e6)
    lines = [f"// Calls of {limit / 1e6:g} ms and more."]
    expected: list[int | None] = []
    kept: list[str] = []
    by_depth = False
    for number, (target, back) in enumerate(returns(plan, entries(plan))):
        values = _kept(plan, target)
        maps = {
            f"@arg{number}_{at}": each
            for at, each in enumerate(each for value in values for each in value.printed)
        }
        extra = {"@name": name_piece(target)[1][0]} if target.probe.wildcard else {}
        calls = Calls(plan.version, plan.machine(target), (*extra, *maps))
        by_depth = calls.by_depth
        kept += [name for name in (*extra, *maps) if name not in kept]
        remembered = {**extra, **maps}
        lines += calls.entry(target.places, plan.filter.process, plan.calls(target), remembered)
        lines += calls.back(
            back.places,
            plan.filter.process,
            plan.filter.picks,
            _body(target, calls, values, list(maps), limit),
        )
        expected.append(None if back.expected is None else 2 * back.expected)
    own = (START, *kept, *(("@depth",) if by_depth else ()), *plan.filter.kept)
    return Made([*lines, f"{TICK} {{ print(@n); }}"], total(expected), own)


def _body(target: Target, calls: Calls, values: list[Value], maps: Sequence[str], limit: int) -> list[str]:
    name = "%s" if target.probe.wildcard else name_piece(target)[0]
    text = f"{name}({', '.join(value.piece for value in values)}) took %lu us  [%s %d]\\n"
    names = [f"@name[{calls.over}]"] if target.probe.wildcard else []
    shown = [*names, *(f"{map}[{calls.over}]" for map in maps), "$ns / 1000", "comm", "pid"]
    return [
        f"  $ns = nsecs - {START}[{calls.over}];",
        f"  if ($ns >= {limit}) {{",
        "    @n = count();",
        f'    printf("{text}", {", ".join(shown)});',
        "  }",
    ]


def _kept(plan: Plan, target: Target) -> list[Value]:
    if target.probe.wildcard:
        return []
    values = plan.values(target)
    if not plan.options.arguments:
        return fit(values, plan.version, MOST_KEPT)
    found = picked(values, plan.options.arguments, target.title)
    return fit(found, plan.version, MOST_KEPT)
