"""Probes to targets: what the index knows of each place, and what bpftrace will make of a wildcard.

bpftrace attaches a probe for each name, so a function with two names that match would count twice; 0.17 runs
a program twice where a wildcard meets a name of its own. Both are taken out here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.errors import AppError, BadInput
from app.host.maps import maps_file
from app.index.model import Ask, Binary, Function, Usdt
from app.trace import returns
from app.trace.catalogue import Catalogue, function_named
from app.trace.marks import marked
from app.trace.policy import attach_points
from app.trace.quoting import Probe, parse_probe, quote, spoken

# Names of a wildcard up to which aliases are looked for.
MOST_NAMES = 1000


@dataclass(frozen=True, slots=True)
class Target:
    """A probe and what the index knows of its place; ``expected`` None where that is not known."""

    probe: Probe
    binary: Binary | None
    function: Function | None
    usdt: Usdt | None
    expected: int | None
    members: tuple[tuple[str, Function | None], ...] = ()  # what a wildcard stands for, one an address
    names: tuple[str, ...] = ()  # those of them to attach, where that cannot be left to bpftrace
    wild: bool = False  # one of a wildcard's functions: it may be left out
    label: str = ""  # what a person calls it, where that is not the probe's
    at: int | None = None  # the virtual address of an instruction, whose variables are in reach
    inlined: str | None = None  # the function that was inlined there, whose parameters are meant

    @property
    def title(self) -> str:
        return self.label or self.probe.label

    @property
    def places(self) -> str:
        """The attach points as the script has them."""
        if not self.names:
            return quote(self.probe)
        return ",\n".join(quote(replace(self.probe, name=name)) for name in self.names)

    @property
    def language(self) -> str | None:
        return self.binary.language if self.binary is not None else None

    @property
    def symbols(self) -> tuple[str, ...]:
        """The functions it names, as far as they are known."""
        if self.function is not None:
            return (self.function.linkage_name,)
        if self.probe.wildcard:
            return self.names or tuple(name for name, _ in self.members)
        return (self.probe.name,)

    def spread(self, most: int) -> list[Target]:
        """A target for each function of a wildcard that stands for at most ``most``, else this one.

        Each then has its own name and types.
        """
        if self.probe.kind == "usdt" or not 0 < len(self.members) <= most:
            return [self]
        chosen = set(self.symbols)
        return [
            Target(replace(self.probe, name=name), self.binary, function, None, 1, wild=True)
            for name, function in self.members
            if name in chosen
        ]

    def back(self, warnings: list[str]) -> Target:
        """The return probe of the same place, without what cannot have one.

        Raises BadInput when nothing is left, with the reason.
        """
        probe = Probe("uretprobe", self.probe.path, self.probe.name, address=self.probe.address)
        refused = {
            name: reason
            for name in self.symbols
            if (reason := returns.refusal(name.partition("+")[0], self.language))
        }
        left = tuple(name for name in self.symbols if name not in refused)
        if refused and not left:
            reason = next(iter(refused.values()))
            raise BadInput(
                f"The return of {probe.label} cannot be traced: {reason.text}", reason.hint, code=reason.code
            )
        if refused:
            warnings.append(
                f"The returns of {', '.join(sorted(refused)[:5])} are left out: they cannot be traced."
            )
        caution = next((found for name in left if (found := returns.caution(name, self.language))), None)
        if caution:
            warnings.append(f"{caution.text} {caution.hint}")
        if not self.probe.wildcard:
            return Target(probe, self.binary, self.function, None, self.expected)
        names = left if refused or self.names else ()
        expected = len(names) if names else self.expected
        return Target(probe, self.binary, None, None, expected, self.members, names)


def distinct(probes: list[Probe], warnings: list[str]) -> list[Probe]:
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
        and matches(probe.name, wide.name)
        and (probe.kind != "usdt" or matches(probe.provider or "*", wide.provider or "*"))
    )


def resolve(probe: Probe, index: Catalogue | None, warnings: list[str]) -> Target:
    """What the index knows of a probe; adds a warning for what bpftrace will not find.

    Raises BadInput for a return probe that would harm the program.
    """
    if index is None:
        alone = Target(probe, None, None, None, None if probe.wildcard else 1)
        return alone.back(warnings) if probe.kind == "uretprobe" else alone
    try:
        binary = index.binary_at(probe.path)
    except AppError as error:
        warnings.append(error.message)
        return Target(probe, None, None, None, None if probe.wildcard else 1)
    try:
        if probe.kind == "usdt":
            return _resolve_usdt(probe, binary, index, warnings)
        target = _resolve_function(probe, binary, index, warnings)
    except AppError as error:
        warnings.append(error.message)
        target = Target(probe, binary, None, None, None if probe.wildcard else 1)
    return target.back(warnings) if probe.kind == "uretprobe" else target


def expected_of(script: str, index: Catalogue | None, warnings: list[str]) -> int | None:
    """How many places of targets a script's attach points name; None where that cannot be told."""
    total = 0
    for text in attach_points(script):
        try:
            probe = parse_probe(text)
        except BadInput:
            return None  # kprobes and the like, with rules of their own
        expected = resolve(probe, index, warnings).expected
        if expected is None:
            return None
        total += expected
    return total


def _resolve_function(probe: Probe, binary: Binary, index: Catalogue, warnings: list[str]) -> Target:
    if probe.address is not None:
        try:
            function = index.function(binary.id, f"{probe.address:#x}")
        except AppError:
            function = None  # inside a function, or in none: bpftrace looks at the instruction
        named = function.linkage_name if function and function.address == probe.address else ""
        return Target(probe, binary, function, None, 1, label=named)
    if probe.wildcard:
        names = index.function_names(binary.id, probe.name)
        if not names:
            warnings.append(f"No function of {probe.path} matches {probe.name}.")
        members = _one_an_address(index, binary, probe.name, names)
        alone = tuple(name for name, _ in members) if len(members) < len(names) else ()
        return Target(probe, binary, None, None, len(members), members, alone)
    name = probe.name.partition("+")[0]
    address = marked(index, binary.id, name)
    if address is not None:
        return Target(probe, binary, index.function(binary.id, f"{address:#x}"), None, 1, at=address)
    function = function_named(index, binary.id, name)
    if function is None:
        warnings += _missing(index, binary, probe.path, name)
    else:
        warnings += _about(function, name)
    respelled = function is not None and function.linkage_name == spoken(name) != name
    return Target(probe, binary, function, None, 1, label=spoken(name) if respelled else "")


def _about(function: Function, name: str) -> list[str]:
    """Why the calls of a function that is there may not be seen."""
    if function.address is None:
        return [only_inlined(function, name)]
    found = []
    if function.size == 0:
        found.append(f"The symbol {name} has no size, and bpftrace attaches to none without.")
    if function.type == "IFUNC":
        found.append(f"{name} is chosen at run time: the probe sees only the choosing, not the calls.")
    if function.clones:
        shown = ", ".join(function.clones[:3])
        found.append(
            f"The compiler made {shown} of {name}, which may take its calls; trace {name}* to see all."
        )
    return found


def only_inlined(function: Function, name: str) -> str:
    """That a function has no code of its own, and what traces it."""
    places = "1 place" if function.inline_sites == 1 else f"{function.inline_sites} places"
    return f"{name} exists only where it was inlined, in {places}; the option inline traces those."


def _missing(index: Catalogue, binary: Binary, path: str, name: str) -> list[str]:
    """That there is no such function; where the file only uses it, that it is another's."""
    try:
        symbols = index.symbols(binary.id, Ask(q=name, limit=MOST_NAMES)).items
    except AppError:
        symbols = ()
    used = [symbol for symbol in symbols if symbol.name == name and symbol.section == "UND"]
    if used:
        needed = f" ({', '.join(binary.needed[:3])})" if binary.needed else ""
        stub = (
            "calls it through a stub of the linker (PLT)" if any(each.address for each in used) else "uses it"
        )
        return [f"{path} does not define {name}, but {stub}; trace it in the library that has it{needed}."]
    return [] if index.function_names(binary.id, name) else [f"{path} has no function {name}."]


def unmapped(pid: int, targets: Sequence[Target]) -> list[str]:
    """That a process does not run code of a file, so that no probe of it fires there."""
    found = []
    for path in dict.fromkeys(target.probe.path for target in targets):
        try:
            if maps_file(pid, path):
                continue
        except AppError:
            continue
        found.append(
            f"Process {pid} does not map {path} now; a file that was replaced since is /proc/{pid}/exe to it."
        )
    return found


def _one_an_address(
    index: Catalogue, binary: Binary, pattern: str, names: list[str]
) -> tuple[tuple[str, Function | None], ...]:
    """One name for each function, where some have two that match, without those whose symbol has no size.

    bpftrace would attach a probe for each name, and so count each call of such a function twice; and 0.17
    gives up on all of them at the first one without a size (bpftrace#2552).
    """
    # Nothing to match is every function, and cheaper than matching all.
    ask = Ask(q=pattern if pattern.strip("*") else "", mode="glob", limit=MOST_NAMES)
    page = index.functions(binary.id, ask)
    left, found = set(names), []
    for item in page.items:
        own = [name for name in (item.linkage_name, *item.aliases) if name in left]
        left.difference_update(own)
        if own and item.size:
            found.append((own[0], item))
    rest = [(name, None) for name in left]
    return tuple(sorted([*found, *rest], key=lambda pair: pair[0]))


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
    found = [
        item
        for item in index.usdt(binary.id, Ask(limit=MOST_NAMES)).items
        if matches(item.provider, probe.provider or "*") and matches(item.name, probe.name)
    ]
    if not found:
        warnings.append(f"No USDT probe of {probe.path} matches {probe.label}.")
    only = found[0] if len(found) == 1 else None
    return Target(probe, binary, None, only, sum(len(item.sites) for item in found))


def matches(text: str, pattern: str) -> bool:
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
