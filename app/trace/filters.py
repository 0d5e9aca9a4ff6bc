"""The filters of a choice to conditions of a script: which hits of a probe count.

Conditions of the process hold at a function's entry and return alike; those of an argument and the sample are
for the entry, and a return is then matched to its entry (calls.py). Refuses a pid that another PID namespace
numbers otherwise, and a condition on what a probe does not have.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from app.errors import BadInput, NotFound
from app.host import cgroups
from app.host.machine import machine
from app.host.processes import process, read_stat
from app.trace.model import ScriptRequest
from app.trace.options import Options, Where
from app.trace.values import Value, Version, chosen, string

# From here on `pid` is the one that bpftrace's own PID namespace sees.
OWN_NAMESPACE: Version = (0, 22, 0)
SEEN = "@seen"


@dataclass(frozen=True, slots=True)
class Filter:
    """``process``: conditions on who runs; ``sample``: one hit in so many."""

    process: tuple[str, ...] = ()
    where: Where | None = None
    sample: int = 1

    @property
    def picks(self) -> bool:
        """Whether single calls of a process are picked, so that a return must know its entry."""
        return self.where is not None or self.sample > 1

    def hits(self, values: Sequence[Value], label: str) -> str:
        """The predicate of a probe on its own, with a space before, or "". Raises BadInput."""
        return predicate(*self.process, *self.calls(values, label))

    def calls(self, values: Sequence[Value], label: str) -> tuple[str, ...]:
        """The conditions on a single call. Raises BadInput for an argument that is not there."""
        found = [] if self.where is None else [_condition(self.where, values, label)]
        if self.sample > 1:
            # Last, so that it counts what the others let through.
            found.append(f"(uint64){SEEN}++ % {self.sample} == 0")
        return tuple(found)

    @property
    def kept(self) -> tuple[str, ...]:
        """Maps of the script's own that are not to be printed at its end."""
        return (SEEN,) if self.sample > 1 else ()


def predicate(*conditions: str) -> str:
    """Conditions as bpftrace has them before a block, with a space before, or ""."""
    return f" /{' && '.join(conditions)}/" if conditions else ""


def filter_of(request: ScriptRequest, options: Options, version: Version, prints: bool) -> Filter:
    """``prints``: each hit of a function prints a line. Raises BadInput, NotFound for what is gone."""
    found: list[str] = []
    pids = tuple(dict.fromkeys([*([request.pid] if request.pid is not None else []), *options.pids]))
    for pid in pids:
        process(pid)
        _same_number("process", pid, version)
    if pids:
        found.append(_any([f"pid == {pid}" for pid in pids]))
    if options.tid is not None:
        if read_stat(options.tid) is None:
            raise NotFound(f"There is no thread {options.tid}.", "See /proc/PID/task for those of a process.")
        _same_number("thread", options.tid, version)
        found.append(f"tid == {options.tid}")
    if options.comm is not None:
        found.append(f"comm == {string(options.comm)}")
    found += [f"pid != {pid}" for pid in request.besides]
    if options.cgroup is not None:
        found.append(f"cgroup == cgroupid({string(cgroups.directory(options.cgroup))})")
    if prints and not pids and options.tid is None:
        # Each line printed is a write of bpftrace and of this server: they would trace themselves for ever.
        found += ['comm != "bpftrace"', f"pid != {os.getpid()}"]
    return Filter(tuple(found), options.where, options.sample)


def cgroup_warning(options: Options) -> str | None:
    """That a group has no task of its own, where one was given."""
    if options.cgroup is None or not cgroups.is_empty(cgroups.directory(options.cgroup)):
        return None
    return f"No process is in the control group {options.cgroup} itself; groups below it do not count."


def _any(conditions: list[str]) -> str:
    return conditions[0] if len(conditions) == 1 else f"({' || '.join(conditions)})"


def _same_number(noun: str, number: int, version: Version) -> None:
    if version < OWN_NAMESPACE and not machine().host_pid_namespace:
        raise BadInput(
            f"The kernel knows {noun} {number} by another pid than this container does, "
            "so a filter would match nothing.",
            "Start the container with --pid=host.",
        )


def _condition(where: Where, values: Sequence[Value], label: str) -> str:
    value = chosen(values, where.argument)
    if value is None or not value.readable:
        names = ", ".join(each.name for each in values if each.readable and each.name)
        raise BadInput(
            f"The option where cannot read {where.argument!r} of {label}.",
            f"Those that can be read: {names}." if names else "Nothing of it can be read.",
            code="bad_where",
        )
    if isinstance(where.value, str):
        if not value.text:
            raise BadInput(f"The option where compares {where.argument} of {label}, a number, with a text.",
                           "Give a number.", code="bad_where")  # fmt: skip
        text = string(where.value)
        # With its end, unless that does not matter. A plain == of two texts makes old versions complain.
        length = len(where.value) + (0 if where.op == "starts" else 1)
        return f"strncmp({value.expression}, {text}, {length}) {'!=' if where.op == '!=' else '=='} 0"
    expression = value.expression if value.number else value.plain[1] if value.plain else ""
    if not expression:
        raise BadInput(f"The option where compares {where.argument} of {label}, a text, with a number.",
                       "Give a text in quotes.", code="bad_where")  # fmt: skip
    return f"{expression} {where.op} {where.value}"
