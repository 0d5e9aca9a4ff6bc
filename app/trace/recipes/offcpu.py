"""Time that threads spend off the CPU inside of chosen functions: waiting for locks, disks, timers, a CPU.

The kernel's sched_switch runs in the thread that leaves the CPU, and names the one that comes. ``@inside``
counts how many chosen functions a thread is in; with several, the outermost has the time.
"""

from __future__ import annotations

from pathlib import Path

from app.errors import BadInput, TracingUnavailable
from app.host.machine import machine
from app.trace.filters import OWN_NAMESPACE, predicate
from app.trace.recipes.plan import TICK, Made, Plan, aligned, entries, key, returns, total
from app.trace.recipes.stacks import stack
from app.trace.targets import Target
from app.trace.values import Version

# From here on args is a structure, before it is a pointer.
ARGS_STRUCTURE: Version = (0, 19, 0)
_SWITCH = "events/sched/sched_switch/format"


def offcpu(plan: Plan) -> Made:
    _possible(plan)
    if plan.filter.picks:
        raise BadInput(
            "The recipe offcpu sees threads, not single calls.", "Leave the options where and sample out."
        )
    pairs = returns(plan, entries(plan))
    several = len(pairs) > 1 or any(target.probe.wildcard for target, _ in pairs)
    lines = ["// Microseconds off the CPU, by what the thread was in when it left."]
    for target, back in pairs:
        named = f" if (@inside[tid] == 1) {{ @in[tid] = {_name(plan, target)}; }}" if several else ""
        lines.append(f"{target.places}{predicate(*plan.filter.process)} {{ @inside[tid]++;{named} }}")
        lines.append(f"{back.places}{predicate('@inside[tid] > 0')} {{ @inside[tid]--; }}")
    lines += _switch(plan, several)
    shown = ["@offcpu_us", *(["@stacks"] if plan.options.stacks else [])]
    lines.append(f"{TICK} {{ {' '.join(f'print({name});' for name in shown)} }}")
    left = [
        "@inside",
        "@left",
        *(["@in"] if several else []),
        *(["@stack", "@owner"] if plan.options.stacks else []),
    ]
    twice = [None if back.expected is None else 2 * back.expected for _, back in pairs]
    functions = total(twice)
    # The tracepoint is one more.
    return Made(lines, None if functions is None else functions + 1, left)


def _switch(plan: Plan, several: bool) -> list[str]:
    coming = "args.next_pid" if plan.version >= ARGS_STRUCTURE else "args->next_pid"
    kept = "@left[tid] = nsecs;"
    if plan.options.stacks:
        kept += f" @stack[tid] = {stack(plan)}; @owner[tid] = pid;"
    shown = "[@in[$next]]" if several else ""
    found = [
        "tracepoint:sched:sched_switch {",
        f"  if (@inside[tid] > 0) {{ {kept} }}",
        f"  $next = (uint64){coming};",
        "  if (@left[$next]) {",
        "    $us = (nsecs - @left[$next]) / 1000;",
        f"    @offcpu_us{shown} = hist($us);",
    ]
    if plan.options.stacks:
        found.append("    @stacks[@owner[$next], @stack[$next]] = sum($us);")
    return [*found, "    @left[$next] = 0;", "  }", "}"]


def _name(plan: Plan, target: Target) -> str:
    return aligned(key(target, [target]), plan.version)


def _possible(plan: Plan) -> None:
    here = machine()
    if here.tracefs is None or not (Path(here.tracefs) / _SWITCH).exists():
        raise TracingUnavailable(
            "This kernel does not offer the tracepoint sched:sched_switch, and so not who leaves the CPU.",
            "Mount tracefs at /sys/kernel/tracing, or use the recipe latency.",
        )
    if plan.version >= OWN_NAMESPACE and not here.host_pid_namespace:
        raise BadInput(
            "The kernel names threads otherwise than this container does, so nothing would be found.",
            "Start the container with --pid=host.",
        )
