"""A choice (recipe, probes, pid) to bpftrace's text, with warnings and how many probes it should attach.

Maps count on and are printed twice a second, so what is shown last is the whole. A pid becomes a filter in
the text: 0.17's own -p filters no uprobe. Refuses what would harm the target (see returns.py) or match
nothing (a pid inside another PID namespace).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace

from app.elf.model import UsdtSite
from app.errors import BadInput
from app.host.machine import machine
from app.host.processes import process
from app.index.model import Binary, Usdt
from app.trace import arguments, returns
from app.trace.arguments import Piece, Version, literal
from app.trace.bpftrace import Capabilities
from app.trace.catalogue import Catalogue
from app.trace.model import RECIPES, Script, ScriptRequest
from app.trace.quoting import Probe, parse_probe, quote
from app.trace.targets import Target, distinct, expected_of, resolve

OLDEST: Version = (0, 17, 0)
# From here on delete(@map, key); the form delete(@map[key]) is on its way out.
DELETE_BY_KEY = (0, 22, 0)
# From here on a probe may come after the function's prologue, where the stack pointer has moved.
PROLOGUE_SKIPPED = (0, 18, 0)
# From here on keys are built outside of the small stack.
KEYS_ALIGNED = (0, 21, 0)
PADDING = "\\x00"
# From here on `pid` is the one that bpftrace's own PID namespace sees.
OWN_NAMESPACE = (0, 22, 0)
# Functions of a wildcard up to which each gets a text of its own.
SPREAD = 100
# Sentences of warning that a person reads.
MOST_WARNINGS = 8
TICK = "interval:ms:500"


def generate(request: ScriptRequest, capabilities: Capabilities, index: Catalogue | None) -> Script:
    """The script for ``request``. Raises BadInput, or NotFound for a pid that is gone."""
    if request.recipe not in RECIPES:
        raise BadInput(f"There is no recipe {request.recipe!r}.", f"Use one of: {', '.join(RECIPES)}.")
    version = capabilities.version or OLDEST
    warnings: list[str] = []
    if request.recipe == "custom" and request.script is not None:
        return _own(request, request.script, index)
    if request.script is not None:
        raise BadInput("Give a recipe or a script, not both.", "Use the recipe custom for your own script.")
    if not request.probes:
        raise BadInput("There is no probe to trace.", 'Give one, as uprobe:"/usr/bin/bash":readline.')
    chosen = distinct([parse_probe(text) for text in request.probes], warnings)
    targets = [part for probe in chosen for part in resolve(probe, index, warnings).spread(SPREAD)]
    where = _filter(request, version, any(target.probe.kind != "usdt" for target in targets))
    if request.recipe == "count":
        lines, expected = _count(targets, where)
    elif request.recipe == "log":
        lines, expected = _log(request, targets, where, version, warnings)
    elif request.recipe == "latency":
        lines, expected = _latency(targets, where, version, warnings)
    else:
        lines, expected = _skeleton(targets, where)
    return Script("\n".join(lines) + "\n", _told(warnings), expected)


def _told(warnings: list[str]) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(warnings))
    if len(found) <= MOST_WARNINGS:
        return found
    return (*found[:MOST_WARNINGS], f"There are {len(found) - MOST_WARNINGS} more warnings like these.")


def _own(request: ScriptRequest, text: str, index: Catalogue | None) -> Script:
    warnings: list[str] = []
    expected = expected_of(text, index, warnings)
    if request.pid is not None:
        process(request.pid)
        if "pid" not in text:
            warnings.append(
                f"The script does not look at the pid: add /pid == {request.pid}/ to trace it alone."
            )
    return Script(text, _told(warnings), expected)


def _filter(request: ScriptRequest, version: Version, functions: bool) -> str:
    """The predicate with its slashes and a space before, or ""."""
    if request.pid is not None:
        process(request.pid)
        if version < OWN_NAMESPACE and not machine().host_pid_namespace:
            raise BadInput(
                f"The kernel knows process {request.pid} by another pid than this container does, "
                "so a filter would match nothing.",
                "Start the container with --pid=host.",
            )
        return f" /pid == {request.pid}/"
    if request.recipe == "log" and functions:
        # Each line printed is a write of bpftrace and of this server: they would trace themselves for ever.
        return f' /comm != "bpftrace" && pid != {os.getpid()}/'
    return ""


def _count(targets: list[Target], where: str) -> tuple[list[str], int | None]:
    probes = [target.probe for target in targets]
    lines = [
        f"{target.places}{where} {{ @calls[{_key(target.probe, probes)}] = count(); }}" for target in targets
    ]
    return [*lines, f"{TICK} {{ print(@calls); }}"], _sum(target.expected for target in targets)


def _log(
    request: ScriptRequest, targets: list[Target], where: str, version: Version, warnings: list[str]
) -> tuple[list[str], int | None]:
    strings = _strings(request)
    wanted = request.options.get("returns")
    asked = {quote(target.probe) for target in targets}
    lines: list[str] = []
    expected: list[int | None] = []
    for target in targets:
        probe = target.probe
        expected.append(target.expected)
        if probe.kind == "uretprobe":
            lines.append(_return_line(target, where, version))
            continue
        name, extra = _name_piece(probe)
        if probe.kind == "usdt":
            pieces = arguments.of_usdt(_one_site(target.usdt), strings, version)
        else:
            spelled = target.binary.machine if target.binary else os.uname().machine
            pieces = arguments.of_function(target.function, spelled, target.language, version)
        text = f"-> {name}({', '.join(piece.format for piece in pieces)})"
        lines.append(_line(target, where, text, extra, pieces))
        if probe.kind == "usdt" or wanted is False or "+" in probe.name:
            continue
        if wanted is None and any(returns.unwinds(name, target.language) for name in target.symbols):
            warnings.append(
                f"What {probe.label} returns is left out: an exception that passes a traced return "
                "aborts the program. The option returns asks for it."
            )
            continue
        try:
            back = target.back(warnings)
        except BadInput as error:
            warnings.append(f"What {probe.label} returns is left out. {error.message}")
            continue
        if quote(back.probe) not in asked:
            expected.append(back.expected)
            lines.append(_return_line(back, where, version))
    return [*lines, f"{TICK} {{ print(@n); }}"], _sum(expected)


def _return_line(target: Target, where: str, version: Version) -> str:
    piece = arguments.returned(target.function, version)
    name, extra = _name_piece(target.probe)
    text = f"<- {name}" + (f" = {piece.format}" if piece else "")
    return _line(target, where, text, extra, [piece] if piece else [])


def _line(target: Target, where: str, text: str, extra: list[str], pieces: list[Piece]) -> str:
    values = [*extra, *(piece.expression for piece in pieces if piece.expression), "comm", "pid"]
    # The truth about how many lines there should be: what the buffers lost is the difference.
    return f'{target.places}{where} {{ @n = count(); printf("{text}  [%s %d]\\n", {", ".join(values)}); }}'


def _latency(
    targets: Iterable[Target], where: str, version: Version, warnings: list[str]
) -> tuple[list[str], int | None]:
    lines = [
        "// Microseconds. A call is known by its thread and "
        + ("its depth." if version >= PROLOGUE_SKIPPED else "the place of its return address."),
    ]
    expected: list[int | None] = []
    entries = {_entry(target.probe): target for target in targets}
    wild = any(probe.wildcard for probe in entries)
    for probe, target in entries.items():
        if probe.kind == "usdt":
            raise BadInput(
                f"{probe.label} marks one moment; latency needs an entry and a return.",
                "Choose a function, or the recipe count or log.",
            )
        try:
            back = replace(target, probe=probe).back(warnings)
        except BadInput as error:
            if not target.wild:
                raise
            warnings.append(error.message)
            continue
        begun = replace(back, probe=probe)
        key = "" if len(entries) == 1 else _aligned(_key(probe, [probe]), version)
        # The name of a wildcard's function comes from the entry: a label without `uretprobe`.
        name = _key(probe, list(entries)) if wild else ""
        after = f" && {where.strip(' /')}" if where else ""
        lines += _timed(begun.places, back.places, where, after, key, name, _popped(target.binary), version)
        expected.append(None if back.expected is None else 2 * back.expected)
    if not expected:
        raise BadInput(
            "None of these functions returns in a way that can be traced.", "Use the recipe count."
        )
    lines.append(f"{TICK} {{ print(@us); }}")
    kept = ["@start", *(["@name"] if wild else []), *(["@depth"] if version >= PROLOGUE_SKIPPED else [])]
    lines.append(f"END {{ {' '.join(f'clear({name});' for name in kept)} }}")
    return lines, _sum(expected)


def _timed(
    entry: str, back: str, where: str, after: str, key: str, name: str, popped: str, version: Version
) -> list[str]:
    """Both probes of a function that is timed; ``name``: what names a wildcard's function at its entry."""
    if version >= PROLOGUE_SKIPPED:
        first = here = "tid, @depth[tid]"
        begin, end = "@depth[tid]++; ", " @depth[tid]--;"
    else:
        first, here = 'tid, reg("sp")', f'tid, reg("sp"){popped}'
        begin = end = ""
    begin += f"@start[{first}] = nsecs;" + (f" @name[{first}] = {name};" if name else "")
    gone = _delete("@start", here, version) + (f" {_delete('@name', here, version)}" if name else "")
    shown = f"[@name[{here}]]" if name else f"[{key}]" if key else ""
    return [
        f"{entry}{where} {{ {begin} }}",
        f"{back} /@start[{here}]{after}/ {{",
        f"  @us{shown} = hist((nsecs - @start[{here}]) / 1000);",
        f"  {gone}{end}",
        "}",
    ]


def _skeleton(targets: Iterable[Target], where: str) -> tuple[list[str], int | None]:
    probes = ",\n".join(target.places for target in targets)
    lines = [f"{probes}{where} {{", "  @calls[comm, pid] = count();", "}", f"{TICK} {{ print(@calls); }}"]
    return lines, _sum(target.expected for target in targets)


def _entry(probe: Probe) -> Probe:
    if probe.kind != "uretprobe":
        return probe
    return Probe("uprobe", probe.path, probe.name, address=probe.address)


def _popped(binary: Binary | None) -> str:
    """What a return takes off the stack: x86 keeps the return address there, others in a register."""
    spelled = binary.machine if binary else os.uname().machine
    return {"x86_64": " - 8", "i386": " - 4"}.get(spelled, "")


def _key(probe: Probe, probes: list[Probe]) -> str:
    """What a map is keyed by: one type for all its probes, as bpftrace asks for."""
    if not any(other.wildcard for other in probes):
        return '"' + probe.label.replace("\\", "\\\\").replace('"', '\\"') + '"'
    # `func` would let newer versions attach all at once; but it is named when it is printed, out of a
    # process that may have ended by then, and in a return probe it is the caller.
    return "probe"


def _aligned(key: str, version: Version) -> str:
    """A literal key of a hist, padded for old versions.

    They put the bucket right behind the text, and the kernel refuses a number that lies across two words.
    """
    missing = -len(key.encode()[1:-1] + b"\0") % 8
    return key if version >= KEYS_ALIGNED else f'{key[:-1]}{missing * PADDING}"'


def _name_piece(probe: Probe) -> tuple[str, list[str]]:
    if probe.wildcard:
        return "%s", [_key(probe, [probe])]
    return literal(probe.label), []


def _delete(name: str, key: str, version: Version) -> str:
    return f"delete({name}, ({key}));" if version >= DELETE_BY_KEY else f"delete({name}[{key}]);"


def _one_site(usdt: Usdt | None) -> UsdtSite | None:
    """A site to take types from; None where the sites do not agree, and a cast would be a guess."""
    if usdt is None or not usdt.sites:
        return None
    shapes = {tuple((arg.size, arg.signed, arg.float) for arg in site.arguments) for site in usdt.sites}
    return usdt.sites[0] if len(shapes) == 1 else None


def _strings(request: ScriptRequest) -> frozenset[int]:
    value = request.options.get("strings", ())
    if not isinstance(value, list | tuple) or not all(isinstance(index, int) for index in value):
        raise BadInput("The option strings is a list of argument numbers.", "For example [0, 2].")
    return frozenset(value)


def _sum(counts: Iterable[int | None]) -> int | None:
    total = 0
    for count in counts:
        if count is None:
            return None
        total += count
    return total
