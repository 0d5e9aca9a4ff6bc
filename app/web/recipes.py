"""The recipes that a person chooses among: what each shows, its options, whether it fits, where to go."""

from __future__ import annotations

from dataclasses import dataclass

from app.errors import BadInput
from app.index.model import Binary, Function
from app.trace.model import Verdict
from app.trace.options import FILTERS, RECIPE_OPTIONS
from app.trace.quoting import Probe, quote
from app.web.render import build_url

RECIPES = (
    ("count", "Count", "How often it is called, as a running count."),
    ("log", "Log", "Every call with its arguments and what it returned."),
    ("latency", "Latency", "A histogram of how long the calls take, in microseconds."),
    ("heatmap", "Heatmap", "How long the calls take, as that changes over time."),
    ("top", "Top values", "Which argument values come most often."),
    ("slower", "Slow calls", "Calls that take longer than some milliseconds, with their arguments."),
    ("stacks", "Stacks", "Who calls it: stacks as a flame graph."),
    ("offcpu", "Off CPU", "How long its threads wait, off the CPU, inside of it."),
    ("tree", "Call tree", "The functions chosen, nested as they call each other, with their times."),
    ("profile", "Profile", "What a process does on the CPU, as a flame graph. Needs a process, no probe."),
)
NEEDS_RETURN = frozenset({"latency", "heatmap", "slower", "offcpu", "tree"})
# A choice for one probe; a profile has none.
OF_A_PROBE = tuple(each for each in RECIPES if each[0] != "profile")


@dataclass(frozen=True, slots=True)
class Field:
    """One option in the builder; a switch is a check box."""

    name: str
    label: str
    example: str
    switch: bool = False

    @property
    def recipes(self) -> str:
        """Those that take it, apart by spaces."""
        every = [recipe for recipe, _, _ in RECIPES]
        return " ".join(each for each in every if self.name in FILTERS or self.name in RECIPE_OPTIONS[each])


OPTIONS = (
    Field("milliseconds", "Slower than, milliseconds", "10"),
    Field("by", "One histogram for each", "thread, process or arg:NAME"),
    Field("arguments", "Arguments", "their names or numbers"),
    Field("members", "Struct members", "order.id, order.at.x"),
    Field("strings", "USDT arguments that are text", "0, 2"),
    Field("returns", "Log returns", "yes or no"),
    Field("frames", "Frames of a stack", "127"),
    Field("frequency", "Samples a second", "99"),
    Field("stacks", "With the stacks it waits in", "", switch=True),
    Field("inline", "With the places it was inlined in", "", switch=True),
)
FILTER_FIELDS = (
    Field("pids", "Processes", "more PIDs"),
    Field("tid", "Thread", "its number"),
    Field("comm", "Command", "nginx"),
    Field("cgroup", "Control group", "/system.slice/nginx.service"),
    Field("where", "Argument", "size > 100"),
    Field("sample", "One call in", "10"),
)
FIELDS = (*OPTIONS, *FILTER_FIELDS)


@dataclass(frozen=True, slots=True)
class Choice:
    recipe: str
    title: str
    text: str
    url: str
    enabled: bool
    why: str | None


def as_text(value: object) -> str:
    """An option as the builder's field has it."""
    if isinstance(value, dict):
        wanted = value.get("value")
        right = f'"{wanted}"' if isinstance(wanted, str) else wanted
        return f"{value.get('argument')} {value.get('op')} {right}"
    if isinstance(value, list | tuple):
        return ", ".join(str(each) for each in value)
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def takes(recipe: str, option: str) -> bool:
    """Whether a recipe has this option; of those that a page left filled in, the others are dropped."""
    return option in RECIPE_OPTIONS.get(recipe, ()) or (option in FILTERS and recipe != "custom")


def choices(verdict: Verdict, kind: str, pid: int | None = None, copies: str | None = None) -> list[Choice]:
    """A choice a recipe; ``kind`` is ``function`` or ``usdt`` (a single USDT probe has no return to time).

    ``copies``: the probe of a function that exists only where it was inlined.
    """
    out = []
    for recipe, title, shows in OF_A_PROBE:
        why, text = None, shows
        inline = copies is not None and "inline" in RECIPE_OPTIONS[recipe]
        if inline:
            text = f"{shows} At each place that it was inlined in."
        elif not verdict.attachable:
            why = " ".join(reason.text for reason in verdict.reasons) or "It cannot be attached."
        elif recipe in NEEDS_RETURN and kind == "usdt":
            why = f"A USDT probe marks one moment; {title.lower()} needs an entry and a return."
        elif recipe in NEEDS_RETURN and not verdict.return_probe.attachable:
            why = " ".join(reason.text for reason in verdict.return_probe.reasons)
        query = {"probe": copies if inline else verdict.probe, "recipe": recipe, "pid": pid}
        url = build_url("/sessions/new", **query, **({"option.inline": "yes"} if inline else {}))
        out.append(Choice(recipe, title, text, url, why is None, why))
    return out


def copies_of(function: Function, binary: Binary, verdict: Verdict) -> str | None:
    """The probe by which the inlined copies of a function can be traced, where it has nothing else."""
    only = any(reason.code == "only_inlined" for reason in verdict.reasons)
    if not only or len(verdict.reasons) > 1 or binary.path is None:
        return None
    try:
        return quote(Probe("uprobe", binary.path, function.linkage_name))
    except BadInput:
        return None
