"""The options of a recipe as a person gave them to values that were looked at.

A value may come as JSON has it, or as text, as a form or a shell gives it: ``"1, 2"`` for a list, ``"yes"``
for a switch, ``"size > 100"`` for a condition. Refuses, naming the option, what does not fit or is not known.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, cast

from app.errors import BadInput

Operator = Literal["==", "!=", "<", "<=", ">", ">=", "starts"]
OPERATORS: tuple[Operator, ...] = ("==", "!=", "<", "<=", ">", ">=", "starts")
FILTERS = ("pids", "tid", "comm", "cgroup", "where", "sample")
# What each recipe takes beside the filters.
RECIPE_OPTIONS: dict[str, tuple[str, ...]] = {
    "count": ("inline",),
    "log": ("arguments", "members", "returns", "strings", "inline"),
    "latency": ("by",),
    "heatmap": ("by",),
    "top": ("arguments", "strings", "inline"),
    "slower": ("milliseconds", "arguments"),
    "stacks": ("frames", "inline"),
    "profile": ("frequency", "frames"),
    "offcpu": ("stacks", "frames"),
    "tree": ("milliseconds",),
    "custom": (),
}
MOST_PIDS = 64
MOST_NAMES = 16
LONGEST_COMM = 15  # TASK_COMM_LEN without its end
LONGEST_TEXT = 63  # of what str() reads before it needs a larger stack
MOST_FRAMES = 127  # kernel.perf_event_max_stack
FREQUENCIES = (1, 999)
_TRUE, _FALSE = {"1", "yes", "true", "on"}, {"0", "no", "false", "off"}
_CONDITION = re.compile(r"\s*(\S+?)\s*(==|!=|<=|>=|<|>|\bstarts\b|=)\s*(.+?)\s*", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Where:
    """A condition on one argument, by its name or its number from 0."""

    argument: str
    op: Operator
    value: int | str


@dataclass(frozen=True, slots=True)
class Options:
    pids: tuple[int, ...] = ()
    tid: int | None = None
    comm: str | None = None
    cgroup: str | None = None  # a path, as it was given
    where: Where | None = None
    sample: int = 1  # one in so many
    strings: frozenset[int] = frozenset()  # USDT arguments to read as text, by number
    returns: bool | None = None  # None: where nothing speaks against it
    inline: bool = False
    members: tuple[str, ...] = ()  # such as order.id
    by: str | None = None  # thread, process, arg:NAME, arg:NUMBER
    arguments: tuple[str, ...] = ()  # names or numbers; (): the first that can be read
    milliseconds: float | None = None
    frames: int = MOST_FRAMES
    frequency: int = 99  # Hz
    stacks: bool = False


def read_options(recipe: str, given: dict[str, Any]) -> Options:
    """The options of ``recipe``; an empty text counts as not given. Raises BadInput."""
    known = {*RECIPE_OPTIONS[recipe], *(FILTERS if recipe != "custom" else ())}
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name not in known:
            fitting = f"It takes: {', '.join(sorted(known))}." if known else "It takes none."
            raise BadInput(f"The recipe {recipe} has no option {name!r}.", fitting)
        if value is not None and value != "":
            values[name] = _READERS[name](name, value)
    return Options(**values)


def _wrong(name: str, text: str, hint: str) -> BadInput:
    return BadInput(f"The option {name} {text}", hint)


def _integer(name: str, value: Any, low: int, high: int) -> int:
    if isinstance(value, str) and re.fullmatch(r"\s*[0-9]{1,9}\s*", value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise _wrong(name, "is a number.", f"Give one from {low} to {high}.")
    return value


def _list(name: str, value: Any, most: int) -> list[Any]:
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(value, list | tuple) or len(value) > most:
        raise _wrong(name, f"is a list of at most {most}.", 'Such as [1, 2], or "1, 2".')
    return list(value)


def _pids(name: str, value: Any) -> tuple[int, ...]:
    return tuple(dict.fromkeys(_integer(name, each, 1, 1 << 22) for each in _list(name, value, MOST_PIDS)))


def _tid(name: str, value: Any) -> int:
    return _integer(name, value, 1, 1 << 22)


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or _CONTROL.search(value) or not value.isprintable():
        raise _wrong(name, "is a text without control characters.", "Write it in one line.")
    return value


def _comm(name: str, value: Any) -> str:
    text = _text(name, value).strip()
    if not text:
        raise _wrong(name, "is empty.", "Give the name of a command, as ps -o comm shows it.")
    # The kernel keeps no more of a name, so that much is what can be compared.
    return text.encode()[:LONGEST_COMM].decode(errors="ignore")


def _cgroup(name: str, value: Any) -> str:
    text = _text(name, value).strip()
    if not text.startswith("/") or '"' in text or "\\" in text:
        raise _wrong(name, "is no path that bpftrace can be given.", "Such as /system.slice/nginx.service.")
    return text


def _where(name: str, value: Any) -> Where:
    hint = 'Such as "size > 100", "path == /etc/passwd" or {"argument": "size", "op": ">", "value": 100}.'
    if isinstance(value, str):
        match = _CONDITION.fullmatch(value)
        if match is None:
            raise _wrong(name, f"cannot be read: {value[:60]!r}.", hint)
        value = {"argument": match[1], "op": match[2], "value": _literal(match[3])}
    if not isinstance(value, dict) or set(value) != {"argument", "op", "value"}:
        raise _wrong(name, "has an argument, an op and a value.", hint)
    op = "==" if value["op"] == "=" else value["op"]
    wanted = value["value"]
    if op not in OPERATORS:
        raise _wrong(name, f"has no op {op!r}.", f"Use one of: {' '.join(OPERATORS)}.")
    if isinstance(wanted, str):
        if op not in ("==", "!=", "starts"):
            raise _wrong(name, f"cannot compare a text by {op}.", "Use ==, != or starts, or a number.")
        if not 0 < len(_text(name, wanted).encode()) <= LONGEST_TEXT or not wanted.isascii():
            raise _wrong(name, "has a text that is not compared.", f"1 to {LONGEST_TEXT} letters of ASCII.")
    elif isinstance(wanted, bool) or not isinstance(wanted, int) or not -(1 << 63) <= wanted < 1 << 63:
        raise _wrong(name, "has a value that is no whole number and no text.", hint)
    elif op == "starts":
        raise _wrong(name, "asks how a number starts.", "Put quotes around a text.")
    return Where(_name(name, value["argument"]), cast(Operator, op), wanted)


def _literal(text: str) -> int | str:
    """The right side of a condition: a number where it is one, and quotes are taken off a text."""
    if re.fullmatch(r"[-+]?(?:0[xX][0-9a-fA-F]{1,16}|[0-9]{1,19})", text):
        return int(text, 0 if "x" in text.lower() else 10)
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1]
    return text


def _name(name: str, value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    text = _text(name, value).strip() if isinstance(value, str) else ""
    if not text or len(text) > 200:
        raise _wrong(name, "names no argument.", "Give its name, or its number from 0.")
    return text


def _names(name: str, value: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_name(name, each) for each in _list(name, value, MOST_NAMES)))


def _sample(name: str, value: Any) -> int:
    return _integer(name, value, 1, 1_000_000)


def _strings(name: str, value: Any) -> frozenset[int]:
    return frozenset(_integer(name, each, 0, 63) for each in _list(name, value, MOST_NAMES))


def _switch(name: str, value: Any) -> bool:
    if isinstance(value, str):
        value = {**dict.fromkeys(_TRUE, True), **dict.fromkeys(_FALSE, False)}.get(value.strip().lower())
    if not isinstance(value, bool):
        raise _wrong(name, "is a switch.", "Give true or false.")
    return value


def _by(name: str, value: Any) -> str:
    text = _name(name, value)
    if text not in ("thread", "process") and not re.fullmatch(r"arg:\S+", text):
        raise _wrong(name, f"cannot be {text[:60]!r}.", "Use thread, process, arg:NAME or arg:NUMBER.")
    return text


def _milliseconds(name: str, value: Any) -> float:
    if isinstance(value, str) and re.fullmatch(r"\s*[0-9]{1,9}(?:\.[0-9]{1,9})?\s*", value):
        value = float(value)
    fits = isinstance(value, int | float) and not isinstance(value, bool)
    if not fits or not math.isfinite(value) or not 0 <= value <= 86_400_000:
        raise _wrong(name, "is a number of milliseconds.", "Such as 10, or 0.5.")
    return float(value)


def _frames(name: str, value: Any) -> int:
    return _integer(name, value, 1, MOST_FRAMES)


def _frequency(name: str, value: Any) -> int:
    return _integer(name, value, *FREQUENCIES)


_READERS: dict[str, Callable[[str, Any], Any]] = {
    "pids": _pids,
    "tid": _tid,
    "comm": _comm,
    "cgroup": _cgroup,
    "where": _where,
    "sample": _sample,
    "strings": _strings,
    "returns": _switch,
    "inline": _switch,
    "members": _names,
    "by": _by,
    "arguments": _names,
    "milliseconds": _milliseconds,
    "frames": _frames,
    "frequency": _frequency,
    "stacks": _switch,
}
