"""A choice (recipe, probes, pid) to bpftrace's text, with warnings and how many probes it should attach.

Maps count on and are printed twice a second, so what is shown last is the whole. A pid becomes a filter in
the text: 0.17's own -p filters no uprobe. Refuses what would harm the target (return probes in Go programs:
golang/go#22008) or match nothing (a pid inside another PID namespace).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

from app.elf.model import UsdtSite
from app.errors import AppError, BadInput
from app.host.machine import machine
from app.host.processes import process
from app.index.model import Ask, Binary, Function, Usdt
from app.trace import arguments
from app.trace.arguments import Piece, Version, literal
from app.trace.bpftrace import Capabilities
from app.trace.catalogue import Catalogue, function_named
from app.trace.model import RECIPES, Script, ScriptRequest
from app.trace.policy import attach_points
from app.trace.quoting import Probe, parse_probe, quote

OLDEST: Version = (0, 17, 0)
# From here on delete(@map, key); the form delete(@map[key]) is on its way out.
DELETE_BY_KEY = (0, 22, 0)
# From here on `pid` is the one that bpftrace's own PID namespace sees.
OWN_NAMESPACE = (0, 22, 0)
TICK = "interval:ms:500"


@dataclass(frozen=True, slots=True)
class Target:
    """A probe and what the index knows of its place; ``expected`` None where that is not known."""

    probe: Probe
    binary: Binary | None
    function: Function | None
    usdt: Usdt | None
    expected: int | None

    @property
    def go(self) -> bool:
        return self.binary is not None and self.binary.language == "go"


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
    chosen = _distinct([parse_probe(text) for text in request.probes], warnings)
    targets = [resolve(probe, index, warnings) for probe in chosen]
    where = _filter(request, version, any(target.probe.kind != "usdt" for target in targets))
    if request.recipe == "count":
        lines, expected = _count(targets, where)
    elif request.recipe == "log":
        lines, expected = _log(request, targets, where, version, warnings)
    elif request.recipe == "latency":
        lines, expected = _latency(targets, where, version)
    else:
        lines, expected = _skeleton(targets, where)
    return Script("\n".join(lines) + "\n", tuple(dict.fromkeys(warnings)), expected)


def resolve(probe: Probe, index: Catalogue | None, warnings: list[str]) -> Target:
    """What the index knows of a probe; adds a warning for what bpftrace will not find.

    Raises BadInput for a return probe in a Go program.
    """
    if index is None:
        return Target(probe, None, None, None, None if probe.wildcard else 1)
    try:
        binary = index.binary_at(probe.path)
    except AppError as error:
        warnings.append(error.message)
        return Target(probe, None, None, None, None if probe.wildcard else 1)
    if probe.kind == "uretprobe" and binary.language == "go":
        raise _go_return(probe)
    try:
        if probe.kind == "usdt":
            return _resolve_usdt(probe, binary, index, warnings)
        return _resolve_function(probe, binary, index, warnings)
    except AppError as error:
        warnings.append(error.message)
        return Target(probe, binary, None, None, None if probe.wildcard else 1)


def expected_of(script: str, index: Catalogue | None, warnings: list[str]) -> int | None:
    """How many places of targets a script's attach points name; None where that cannot be told."""
    total = 0
    for text in attach_points(script):
        try:
            expected = resolve(parse_probe(text), index, warnings).expected
        except BadInput as error:
            if error.code == "go_return":
                raise
            return None  # kprobes and the like, with rules of their own
        if expected is None:
            return None
        total += expected
    return total


def _own(request: ScriptRequest, text: str, index: Catalogue | None) -> Script:
    warnings: list[str] = []
    expected = expected_of(text, index, warnings)
    if request.pid is not None:
        process(request.pid)
        if "pid" not in text:
            warnings.append(
                f"The script does not look at the pid: add /pid == {request.pid}/ to trace it alone."
            )
    return Script(text, tuple(dict.fromkeys(warnings)), expected)


def _resolve_function(probe: Probe, binary: Binary, index: Catalogue, warnings: list[str]) -> Target:
    if probe.address is not None:
        try:
            function = index.function(binary.id, f"{probe.address:#x}")
        except AppError:
            function = None  # inside a function, or in none: bpftrace looks at the instruction
        return Target(probe, binary, function, None, 1)
    if probe.wildcard:
        names = index.function_names(binary.id, probe.name)
        if not names:
            warnings.append(f"No function of {probe.path} matches {probe.name}.")
        return Target(probe, binary, None, None, len(names))
    name = probe.name.partition("+")[0]
    function = function_named(index, binary.id, name)
    if function is None and not index.function_names(binary.id, name):
        warnings.append(f"{probe.path} has no function {name}.")
    return Target(probe, binary, function, None, 1)


def _resolve_usdt(probe: Probe, binary: Binary, index: Catalogue, warnings: list[str]) -> Target:
    if probe.provider and not probe.wildcard:
        try:
            usdt = index.usdt_probe(binary.id, probe.provider, probe.name)
        except AppError:
            warnings.append(f"{probe.path} has no USDT probe {probe.label}.")
            return Target(probe, binary, None, None, 1)
        if any(argument.float for site in usdt.sites for argument in site.arguments):
            warnings.append(f"{probe.label} has a floating point argument, which bpftrace cannot read.")
        return Target(probe, binary, None, usdt, len(usdt.sites) or 1)
    ask = Ask(q=probe.name, mode="glob", limit=1000)
    found = [
        item
        for item in index.usdt(binary.id, ask).items
        if _matches(item.provider, probe.provider or "*") and _matches(item.name, probe.name)
    ]
    if not found:
        warnings.append(f"No USDT probe of {probe.path} matches {probe.label}.")
    only = found[0] if len(found) == 1 else None
    return Target(probe, binary, None, only, sum(len(item.sites) for item in found))


def _matches(text: str, pattern: str) -> bool:
    """bpftrace's only wildcard is ``*``."""
    first, *rest = pattern.split("*")
    if not rest:
        return text == pattern
    if not text.startswith(first) or not text.endswith(rest[-1]):
        return False
    at = len(first)
    for part in rest[:-1]:
        found = text.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return len(text) - len(rest[-1]) >= at


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
    lines = [f"{quote(probe)}{where} {{ @calls[{_key(probe, probes)}] = count(); }}" for probe in probes]
    return [*lines, f"{TICK} {{ print(@calls); }}"], _sum(target.expected for target in targets)


def _log(
    request: ScriptRequest, targets: list[Target], where: str, version: Version, warnings: list[str]
) -> tuple[list[str], int | None]:
    strings = _strings(request)
    returns = bool(request.options.get("returns", True))
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
            binary = target.binary
            spelled = binary.machine if binary else os.uname().machine
            pieces = arguments.of_function(
                target.function, spelled, binary.language if binary else None, version
            )
        lines.append(
            _line(probe, where, f"-> {name}({', '.join(piece.format for piece in pieces)})", extra, pieces)
        )
        back = Probe("uretprobe", probe.path, probe.name, address=probe.address)
        if probe.kind == "usdt" or not returns or "+" in probe.name or quote(back) in asked:
            continue
        if target.go:
            warnings.append(f"What {probe.label} returns is left out: return probes can crash Go programs.")
            continue
        expected.append(target.expected)
        lines.append(_return_line(Target(back, target.binary, target.function, None, 1), where, version))
    return [*lines, f"{TICK} {{ print(@n); }}"], _sum(expected)


def _return_line(target: Target, where: str, version: Version) -> str:
    piece = arguments.returned(target.function, version)
    name, extra = _name_piece(target.probe)
    text = f"<- {name}" + (f" = {piece.format}" if piece else "")
    return _line(target.probe, where, text, extra, [piece] if piece else [])


def _line(probe: Probe, where: str, text: str, extra: list[str], pieces: list[Piece]) -> str:
    values = [*extra, *(piece.expression for piece in pieces if piece.expression), "comm", "pid"]
    # The truth about how many lines there should be: what the buffers lost is the difference.
    return f'{quote(probe)}{where} {{ @n = count(); printf("{text}  [%s %d]\\n", {", ".join(values)}); }}'


def _latency(targets: Iterable[Target], where: str, version: Version) -> tuple[list[str], int | None]:
    lines = [
        "// Microseconds. A call is known by its thread and the place of its return address, so that",
        "// recursion and longjmp do not mix calls up.",
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
        if target.go:
            raise _go_return(probe)
        back = Probe("uretprobe", probe.path, probe.name, address=probe.address)
        entry, leave = 'tid, reg("sp")', f'tid, reg("sp"){_popped(target.binary)}'
        if wild:
            # Inside a return probe `func` is the caller: the name comes from the entry.
            begin = f"{{ @start[{entry}] = nsecs; @name[{entry}] = func; }}"
            key, gone = f"@name[{leave}]", _delete("@name", leave, version)
        else:
            begin = f"{{ @start[{entry}] = nsecs; }}"
            key, gone = _key(probe, [probe]), ""
        after = f"&& {where.strip(' /')}" if where else ""
        lines += [
            f"{quote(probe)}{where} {begin}",
            f"{quote(back)} /@start[{leave}]{' ' + after if after else ''}/ {{",
            f"  @us[{key}] = hist((nsecs - @start[{leave}]) / 1000);",
            f"  {_delete('@start', leave, version)}{' ' + gone if gone else ''}",
            "}",
        ]
        expected.append(None if target.expected is None else 2 * target.expected)
    lines.append(f"{TICK} {{ print(@us); }}")
    lines.append("END { clear(@start);" + (" clear(@name);" if wild else "") + " }")
    return lines, _sum(expected)


def _skeleton(targets: Iterable[Target], where: str) -> tuple[list[str], int | None]:
    probes = ",\n".join(quote(target.probe) for target in targets)
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


def _distinct(probes: list[Probe], warnings: list[str]) -> list[Probe]:
    """Without what another one covers: 0.17 runs the same program twice where a wildcard meets a name."""
    kept: list[Probe] = []
    for probe in dict.fromkeys(probes):
        others = [other for other in dict.fromkeys(probes) if other != probe and other.wildcard]
        if not any(_covers(other, probe) for other in others):
            kept.append(probe)
    wild = [(probe.kind, probe.path) for probe in kept if probe.wildcard]
    if len(set(wild)) < len(wild):
        warnings.append("Patterns of one file that match the same function count it more than once.")
    return kept


def _covers(wide: Probe, probe: Probe) -> bool:
    return (
        (wide.kind, wide.path) == (probe.kind, probe.path)
        and probe.address is None
        and _matches(probe.name, wide.name)
        and (probe.kind != "usdt" or _matches(probe.provider or "*", wide.provider or "*"))
    )


def _key(probe: Probe, probes: list[Probe]) -> str:
    """What a map is keyed by: one type for all its probes, as bpftrace asks for."""
    if not any(other.wildcard for other in probes):
        return '"' + probe.label.replace("\\", "\\\\").replace('"', '\\"') + '"'
    # `probe` keeps 0.23 from attaching all at once, but in a return probe `func` is the caller.
    return "func" if all(other.kind == "uprobe" for other in probes) else "probe"


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


def _go_return(probe: Probe) -> BadInput:
    return BadInput(
        f"A return probe on {probe.label} can crash the Go program {probe.path}.",
        "Go moves its stacks (golang/go#22008): trace the entry alone, with count or log.",
        code="go_return",
    )
