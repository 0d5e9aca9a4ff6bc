"""Every call as a line, with its arguments by their types, and what it returned.

``@n`` is the truth about how many lines there should be: what the buffers lost is the difference.
"""

from __future__ import annotations

from collections.abc import Sequence

from app.errors import BadInput
from app.trace import returns
from app.trace.calls import Calls
from app.trace.filters import predicate
from app.trace.quoting import quote
from app.trace.recipes.plan import TICK, Made, Plan, name_piece, picked, total
from app.trace.targets import Target
from app.trace.values import Value, fit


def log(plan: Plan) -> Made:
    wanted = plan.options.returns
    asked = {quote(target.probe) for target in plan.targets}
    lines: list[str] = []
    expected: list[int | None] = []
    kept: list[str] = []
    for target in plan.targets:
        probe = target.probe
        expected.append(target.expected)
        if probe.kind == "uretprobe":
            lines.append(f"{target.places}{plan.hits(target)} {{ {_printed(*_return(plan, target))} }}")
            continue
        back = _back(plan, target, wanted, asked)
        entry = _printed(*_entry(plan, target))
        if back is None or not plan.filter.picks:
            lines.append(f"{target.places}{plan.hits(target)} {{ {entry} }}")
        if back is None:
            continue
        expected.append(back.expected)
        if plan.filter.picks:
            lines += _paired(plan, target, back, entry, kept)
        else:
            where = predicate(*plan.filter.process)
            lines.append(f"{back.places}{where} {{ {_printed(*_return(plan, back))} }}")
    lines.append(f"{TICK} {{ print(@n); }}")
    return Made(lines, total(expected), (*kept, *plan.filter.kept))


def _back(plan: Plan, target: Target, wanted: bool | None, asked: set[str]) -> Target | None:
    """The return to log beside an entry; None where there is none, or it is not wanted."""
    probe = target.probe
    if probe.kind == "usdt" or wanted is False or "+" in probe.name or target.at is not None:
        return None
    if wanted is None and any(returns.unwinds(name, target.language) for name in target.symbols):
        plan.warnings.append(
            f"What {target.title} returns is left out: an exception that passes a traced return "
            "aborts the program. The option returns asks for it."
        )
        return None
    try:
        back = target.back(plan.warnings)
    except BadInput as error:
        plan.warnings.append(f"What {target.title} returns is left out. {error.message}")
        return None
    return None if quote(back.probe) in asked else back


def _paired(plan: Plan, target: Target, back: Target, entry: str, kept: list[str]) -> list[str]:
    """Entry and return of the calls that a filter picks."""
    calls = Calls(plan.version, plan.machine(target))
    kept += [name for name in calls.own if name not in kept]
    begun = calls.entry(target.places, plan.filter.process, plan.calls(target), {}, entry)
    body = [f"  {_printed(*_return(plan, back))}"]
    return [*begun, *calls.back(back.places, plan.filter.process, plan.filter.picks, body)]


def _entry(plan: Plan, target: Target) -> tuple[str, list[str], list[Value]]:
    name, extra = name_piece(target)
    found = plan.values(target)
    names = plan.options.arguments
    values = fit(picked(found, names, target.title) if names else found, plan.version)
    return f"-> {name}({', '.join(value.piece for value in values)})", extra, values


def _return(plan: Plan, target: Target) -> tuple[str, list[str], list[Value]]:
    value = plan.returned(target)
    name, extra = name_piece(target)
    return f"<- {name}" + (f" = {value.piece}" if value else ""), extra, [value] if value else []


def _printed(text: str, extra: Sequence[str], values: Sequence[Value]) -> str:
    shown = [*extra, *(each for value in values for each in value.printed), "comm", "pid"]
    return f'@n = count(); printf("{text}  [%s %d]\\n", {", ".join(shown)});'
