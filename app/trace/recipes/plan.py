"""What a recipe works from, and what several of them say in the same way."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from app.elf.model import UsdtSite
from app.errors import AppError, BadInput
from app.index.model import Usdt
from app.trace import arguments, readings
from app.trace.catalogue import Catalogue
from app.trace.declarations import Declarations
from app.trace.filters import Filter
from app.trace.options import Options
from app.trace.quoting import Probe
from app.trace.targets import Target
from app.trace.values import Value, Version, chosen, literal, string

# From here on keys are built outside of the small stack.
KEYS_ALIGNED: Version = (0, 21, 0)
# Functions of one script whose debug information is asked; the others go by the names of their types.
MOST_READ = 128
TICK = "interval:ms:500"
_PADDING = "\\x00"
# From here on bpftrace complains of sargN.
SARG_LEAVES: Version = (0, 21, 0)
_SARG = re.compile(r"\bsarg([0-9]+)\b")


def _without_sarg(value: Value) -> Value:
    """Arguments on the stack in the words that newer versions want."""
    return replace(value, expression=_SARG.sub(_on_stack, value.expression))


def _on_stack(match: re.Match[str]) -> str:
    return f'(*(uint64 *)(reg("sp") + {8 * int(match[1]) + 8}))'


class Made(NamedTuple):
    """Lines of a script, and how many places of targets they attach to (None: not known).

    ``own``: maps that are no answer, and so are emptied at the end, where bpftrace prints what is left;
    ``begin``: statements before everything. A script has one BEGIN and one END at most.
    """

    lines: list[str]
    expected: int | None
    own: Sequence[str] = ()
    begin: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """A choice that was looked at: places, filter and options, for one version of bpftrace."""

    recipe: str
    options: Options
    filter: Filter
    version: Version
    targets: tuple[Target, ...]
    index: Catalogue | None
    warnings: list[str]
    declared: Declarations = field(default_factory=Declarations)
    known: dict[tuple[str, str | int], readings.Reading | None] = field(default_factory=dict)

    def machine(self, target: Target) -> str:
        return target.binary.machine if target.binary else os.uname().machine

    def values(self, target: Target) -> list[Value]:
        """What can be read where ``target`` fires; nothing at a return."""
        found = self._values(target)
        return [_without_sarg(value) for value in found] if self.version >= SARG_LEAVES else found

    def _values(self, target: Target) -> list[Value]:
        if target.probe.kind == "uretprobe":
            return []
        if target.probe.kind == "usdt":
            return arguments.of_usdt(one_site(target.usdt), self.options.strings)
        members = self.options.members
        reading = self._reading(target)
        if target.at is not None:
            if reading is None:
                return []
            return readings.at_instruction(
                reading, self.machine(target), self.declared, members, target.inlined
            )
        if reading is not None:
            return readings.at_entry(reading, self.machine(target), self.declared, members)
        return arguments.of_function(target.function, self.machine(target), target.language)

    def returned(self, target: Target) -> Value | None:
        """What a function gives back; None where that is nothing that can be read."""
        reading = self._reading(target)
        if reading is not None:
            return readings.returned(reading, self.machine(target), self.declared)
        return arguments.returned(target.function)

    def hits(self, target: Target) -> str:
        """The predicate of a probe on its own."""
        if target.probe.kind == "uretprobe" and self.filter.where is not None:
            raise BadInput(
                f"The option where has no arguments at the return of {target.title}.",
                "Choose its entry, or the recipe latency or slower.",
                code="bad_where",
            )
        return self.filter.hits(self.values(target) if self.filter.where else (), target.title)

    def calls(self, target: Target) -> tuple[str, ...]:
        """The conditions on a single call of a function."""
        return self.filter.calls(self.values(target) if self.filter.where else (), target.title)

    def _reading(self, target: Target) -> readings.Reading | None:
        place = _place(target)
        if self.index is None or target.binary is None or place is None:
            return None
        if not self.known:
            self._read(self.index)
        return self.known.get((target.binary.id, place))

    def _read(self, index: Catalogue) -> None:
        """Asks the debug information of each binary once, for all its places."""
        wanted: dict[str, dict[str | int, None]] = {}
        for target in self.targets:
            place = _place(target)
            if target.binary is not None and place is not None:
                wanted.setdefault(target.binary.id, {})[place] = None
        for id, places in wanted.items():
            asked = list(places)[:MOST_READ]
            try:
                found = index.readings(id, asked)
            except AppError as error:
                self.warnings.append(error.message)
                found = [None] * len(asked)
            self.known.update({(id, place): each for place, each in zip(asked, found, strict=False)})


def _place(target: Target) -> str | int | None:
    """What the debug information is asked by: an instruction, or the key of a function that it knows."""
    if target.at is not None:
        return target.at
    function = target.function
    if function is None or "dwarf" not in function.sources or "+" in target.probe.name:
        return None
    return function.key


def picked(values: Sequence[Value], names: Sequence[str], title: str) -> list[Value]:
    """Those of these names or numbers, in their order. Raises BadInput for one that cannot be read."""
    found = []
    for name in names:
        value = chosen(values, name)
        if value is None or not value.readable:
            known = ", ".join(each.name for each in values if each.readable and each.name)
            raise BadInput(
                f"The option arguments cannot read {name!r} of {title}.",
                f"Those that can be read: {known}." if known else "Give their numbers, from 0.",
                code="bad_arguments",
            )
        found.append(value)
    return found


def total(counts: Iterable[int | None]) -> int | None:
    found = 0
    for count in counts:
        if count is None:
            return None
        found += count
    return found


def key(target: Target, targets: Sequence[Target]) -> str:
    """What a map is keyed by: one type for all its probes, as bpftrace asks for."""
    if not any(other.probe.wildcard for other in targets):
        return string(target.title)
    # `func` would let newer versions attach all at once; but it is named when it is printed, out of a
    # process that may have ended by then, and in a return probe it is the caller.
    return "probe"


def aligned(text: str, version: Version) -> str:
    """A literal key of a hist, padded for old versions.

    They put the bucket right behind the text, and the kernel refuses a number that lies across two words.
    """
    missing = -len(text.encode()[1:-1] + b"\0") % 8
    return text if version >= KEYS_ALIGNED else f'{text[:-1]}{missing * _PADDING}"'


def name_piece(target: Target) -> tuple[str, list[str]]:
    """The name in a printf: (part of the format, expressions)."""
    if target.probe.wildcard:
        return "%s", ["probe"]
    return literal(target.title), []


def entries(plan: Plan) -> list[Target]:
    """Each function once, at its entry; for recipes that need its return too.

    Raises BadInput for what has no entry and return.
    """
    found: dict[Probe, Target] = {}
    for target in plan.targets:
        probe = target.probe
        if probe.kind == "usdt" or target.at is not None:
            raise BadInput(
                f"{target.title} marks one moment; {plan.recipe} needs an entry and a return.",
                "Choose a function, or the recipe count or log.",
                code="no_return",
            )
        if probe.kind == "uretprobe":
            probe = Probe("uprobe", probe.path, probe.name, address=probe.address)
        found.setdefault(probe, replace(target, probe=probe))
    return list(found.values())


def returns(plan: Plan, begun: Sequence[Target]) -> list[tuple[Target, Target]]:
    """(entry, return) of those that may have a return probe. Raises BadInput when none may."""
    found = []
    for target in begun:
        try:
            back = target.back(plan.warnings)
        except BadInput as error:
            if not target.wild:
                raise
            plan.warnings.append(error.message)
            continue
        found.append((replace(back, probe=target.probe), back))
    if not found:
        raise BadInput(
            "None of these functions returns in a way that can be traced.", "Use the recipe count."
        )
    return found


def one_site(usdt: Usdt | None) -> UsdtSite | None:
    """A site to take types from; None where the sites do not agree, and a cast would be a guess."""
    if usdt is None or not usdt.sites:
        return None
    shapes = {tuple((arg.size, arg.signed, arg.float) for arg in site.arguments) for site in usdt.sites}
    return usdt.sites[0] if len(shapes) == 1 else None
