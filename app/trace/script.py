"""A choice (recipe, probes, options) to bpftrace's text, with warnings and how many probes it should attach.

Maps count on and are printed twice a second, so what is shown last is the whole. A pid becomes a filter in
the text: 0.17's own -p filters no uprobe. Refuses what would harm the target (see returns.py) or match
nothing (a pid inside another PID namespace). The recipes themselves are in recipes/.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.errors import BadInput
from app.host.processes import process
from app.trace import crowd
from app.trace.bpftrace import Capabilities
from app.trace.catalogue import Catalogue
from app.trace.filters import cgroup_warning, filter_of
from app.trace.model import LINED, RECIPES, Script, ScriptRequest
from app.trace.options import Options, read_options
from app.trace.places import inline_targets, line_targets, parse_line
from app.trace.quoting import parse_probe
from app.trace.recipes import RECIPES as MAKERS
from app.trace.recipes import WITHOUT_PROBES
from app.trace.recipes.plan import Plan
from app.trace.targets import Target, distinct, expected_of, only_inlined, resolve, unmapped
from app.trace.values import Version

OLDEST: Version = (0, 17, 0)
# Functions of a wildcard up to which each gets a text of its own.
SPREAD = 100
# Sentences of warning that a person reads.
MOST_WARNINGS = 8


def generate(request: ScriptRequest, capabilities: Capabilities, index: Catalogue | None) -> Script:
    """The script for ``request``. Raises BadInput, or NotFound for a pid that is gone."""
    if request.recipe not in RECIPES:
        raise BadInput(f"There is no recipe {request.recipe!r}.", f"Use one of: {', '.join(RECIPES)}.")
    options = read_options(request.recipe, _given(request))
    warnings: list[str] = []
    if request.recipe == "custom" and request.script is not None:
        return _own(request, request.script, capabilities, index)
    if request.script is not None:
        raise BadInput("Give a recipe or a script, not both.", "Use the recipe custom for your own script.")
    if not request.probes and request.recipe not in WITHOUT_PROBES:
        raise BadInput("There is no probe to trace.", 'Give one, as uprobe:"/usr/bin/bash":readline.')
    version = capabilities.version or OLDEST
    most = capabilities.most_probes
    targets = _targets(request.probes, options, index, warnings, most)
    prints = request.recipe in LINED and any(target.probe.kind != "usdt" for target in targets)
    plan = Plan(
        request.recipe,
        options,
        filter_of(request, options, version, prints),
        version,
        tuple(targets),
        index,
        warnings,
    )
    made = MAKERS[request.recipe](plan)
    warnings += [text for text in (cgroup_warning(options),) if text]
    if request.pid is not None and not request.starting:
        warnings += unmapped(request.pid, targets)
    definitions, sets, maps = plan.declared.needed(made.lines)
    begin = [*made.begin, *sets]
    lines = [
        *definitions,
        *(["BEGIN {", *(f"  {each}" for each in begin), "}"] if begin else []),
        *made.lines,
        *_emptied([*made.own, *maps]),
    ]
    text = "\n".join(lines) + "\n"
    narrower = _narrower(request.probes, targets, made.expected, most)
    against = crowd.against(text, request.recipe, made.expected, capabilities, narrower)
    return Script(text, _told(warnings), made.expected, against)


def awaited_name(request: ScriptRequest) -> str | None:
    """The name of the process that is waited for. Raises BadInput for one that cannot be."""
    if request.wait_for is None:
        return None
    name = Path(request.wait_for).name
    if not name:
        raise BadInput(
            "The name to wait for is empty.", "Give the name of a command, as ps -o comm shows it."
        )
    taken = [each for each in ("pids", "tid", "comm") if request.options.get(each)]
    if request.pid is not None or taken:
        raise BadInput(
            f"The next process named {name} is none that runs already.",
            "Give either a name to wait for, or a process, thread or command.",
        )
    return name


def _given(request: ScriptRequest) -> dict[str, Any]:
    """The options as they were given; a process that is waited for is filtered by its name."""
    name = awaited_name(request)
    return (
        request.options if name is None or request.recipe == "custom" else {**request.options, "comm": name}
    )


def _targets(
    probes: tuple[str, ...], options: Options, index: Catalogue | None, warnings: list[str], most: int
) -> list[Target]:
    """The places that were chosen, and with the option ``inline`` the copies of each function."""
    lines = [line for text in probes if (line := parse_line(text)) is not None]
    named = [parse_probe(text) for text in probes if parse_line(text) is None]
    chosen = distinct(named, warnings)
    resolved = [resolve(probe, index, warnings) for probe in chosen]
    long = [target for target in resolved if len(target.names) > SPREAD]
    if long and sum(target.expected or 0 for target in resolved) > most:
        # Their list would be as long as it is useless.
        warnings.append("So many functions stay a pattern: one with several names counts once for each.")
        resolved = [replace(target, names=()) if target in long else target for target in resolved]
    found = [part for target in resolved for part in target.spread(SPREAD)]
    if options.inline:
        with_copies: list[Target] = []
        for target in found:
            copies = inline_targets(target, index, warnings)
            if copies and target.function is not None and target.function.address is None:
                warnings.remove(only_inlined(target.function, target.probe.name))
                with_copies += copies
            else:
                with_copies += [target, *copies]
        if len(with_copies) == len(found):
            warnings.append("None of these functions was inlined, as far as debug information is at hand.")
        found = with_copies
    for line in lines:
        found += line_targets(line, index, warnings)
    return found


def _emptied(maps: Sequence[str]) -> list[str]:
    return [f"END {{ {' '.join(f'clear({name});' for name in maps)} }}"] if maps else []


def _told(warnings: list[str]) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(warnings))
    if len(found) <= MOST_WARNINGS:
        return found
    return (*found[:MOST_WARNINGS], f"There are {len(found) - MOST_WARNINGS} more warnings like these.")


def _narrower(
    probes: Sequence[str], targets: Sequence[Target], expected: int | None, most: int
) -> str | None:
    """A pattern that takes less than the only one, which is too much."""
    if expected is None or expected <= most or len(probes) != 1 or parse_line(probes[0]) is not None:
        return None
    names = [name for target in targets for name in target.symbols]
    # A recipe may take several probes for each function.
    return crowd.narrowed(parse_probe(probes[0]).name, names, most * len(names) // expected)


def _own(request: ScriptRequest, text: str, capabilities: Capabilities, index: Catalogue | None) -> Script:
    warnings: list[str] = []
    expected = expected_of(text, index, warnings)
    if request.pid is not None:
        process(request.pid)
        if "pid" not in text:
            warnings.append(
                f"The script does not look at the pid: add /pid == {request.pid}/ to trace it alone."
            )
    name = awaited_name(request)
    if name is not None and "comm" not in text:
        warnings.append(
            f'The script does not look at comm: add /comm == "{name}"/ to trace what is waited for.'
        )
    against = crowd.against(text, request.recipe, expected, capabilities)
    return Script(text, _told(warnings), expected, against)
