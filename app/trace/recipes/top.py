"""Which argument values come most often: a count for each combination, one map a place.

Keys are joined by commas when they are printed, so numbers go first, and of texts there is one, last.
"""

from __future__ import annotations

import re

from app.errors import BadInput
from app.trace.recipes.plan import TICK, Made, Plan, picked, total
from app.trace.targets import Target
from app.trace.values import Value, literal

MOST_PLACES = 20
# Numbers in a key when nobody asks for certain ones.
FIRST_NUMBERS = 2


def top(plan: Plan) -> Made:
    if len(plan.targets) > MOST_PLACES:
        raise BadInput(f"The recipe top takes at most {MOST_PLACES} places.", "Choose fewer functions.")
    lines: list[str] = []
    maps: list[str] = []
    for target in plan.targets:
        if target.probe.wildcard:
            raise BadInput(
                f"{target.title} stands for too many functions to have arguments.", "Choose fewer functions."
            )
        name = _map(target, len(plan.targets), maps)
        values = _values(plan, target)
        key = ", ".join(value.expression for value in values)
        lines.append(f"// {name}: {literal(', '.join(value.name or value.expression for value in values))}")
        lines.append(f"{target.places}{plan.hits(target)} {{ {name}[{key}] = count(); }}")
        maps.append(name)
    lines.append(f"{TICK} {{ {' '.join(f'print({name});' for name in maps)} }}")
    return Made(lines, total(target.expected for target in plan.targets), plan.filter.kept)


def _map(target: Target, places: int, taken: list[str]) -> str:
    if places == 1:
        return "@top"
    name = base = "@top_" + (re.sub(r"[^A-Za-z0-9_]+", "_", target.title).strip("_")[:60] or "place")
    number = 1
    while name in taken:
        number += 1
        name = f"{base}_{number}"
    return name


def _values(plan: Plan, target: Target) -> list[Value]:
    if target.probe.kind == "uretprobe":
        value = plan.returned(target)
        found = [] if value is None else [Value("retval", value.format, value.expression)]
    else:
        found = plan.values(target)
    if plan.options.arguments and target.probe.kind != "uretprobe":
        asked = picked(found, plan.options.arguments, target.title)
        numbers = [value for value in asked if not value.text]
        texts = [value for value in asked if value.text]
        for text in texts[1:]:
            raise BadInput(
                f"The option arguments has two texts, {texts[0].name} and {text.name}, and a key takes one.",
                "Leave one out, or make two sessions.",
                code="bad_arguments",
            )
        return [*numbers, *texts]
    numbers = [value for value in found if value.number][:FIRST_NUMBERS]
    shown = [*numbers, *[value for value in found if value.text][:1]]
    if not shown:
        raise BadInput(f"No argument of {target.title} can be read.", "Use the recipe count.")
    return shown
