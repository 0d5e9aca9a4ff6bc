"""A map with stacks in its keys to samples: paths of names, outermost first, each once, with its number.

Frames are merged by name, what differs between two calls of a function (offset, address, inlined or not) is
left out; those without a name take that of their file, in brackets. What stands before the stack in a key
(a process, a thread) comes first in its path. Keys without a stack, and values that are no positive number,
are counted and passed over.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from app.trace.stacks import UNKNOWN, StackFrame, has_stack, split
from app.views.table import MapView, weight

# Frames of one stack; of a deeper one the outermost are left out.
DEEPEST = 512
MOST_VALUE = 1 << 64


@dataclass(frozen=True, slots=True)
class Name:
    """What a box of the picture stands for."""

    text: str
    module: str | None = None  # the path of its file; None: not known, or several files have the name
    head: bool = False  # what stands before a stack, and no function


@dataclass(frozen=True, slots=True)
class Samples:
    """``paths`` are indexes into ``names``, outermost first; ``values`` are positive."""

    names: tuple[Name, ...]
    paths: tuple[tuple[int, ...], ...]
    values: tuple[int, ...]
    passed: int = 0  # keys that were passed over
    apart: bool = False  # functions of one name are kept apart by their files

    @property
    def total(self) -> int:
        return sum(self.values)

    def label(self, at: int) -> str:
        name = self.names[at]
        if not self.apart or name.module is None:
            return name.text
        return f"{name.text} ({PurePosixPath(name.module).name})"


@dataclass(frozen=True, slots=True)
class FrameSum:
    """One name over all stacks: ``own`` where it is innermost, ``total`` where it occurs."""

    at: int  # index of its name
    own: int
    total: int


@dataclass(frozen=True, slots=True)
class FrameChange:
    """One name in two: ``before`` and ``total_before`` are its own part and total then, scaled."""

    at: int
    before: float
    own: int
    total_before: float
    total: int

    @property
    def delta(self) -> float:
        return self.own - self.before


def has_stacks(value: Any) -> bool:
    """Whether the value of a map is keyed by stacks: its first key tells, as all are of one form."""
    return isinstance(value, Mapping) and has_stack(str(next(iter(value), "")))


def by_stack(view: MapView) -> bool:
    """The same of a map's latest state."""
    return bool(view.rows) and has_stack(view.rows[0].key or "")


def samples(value: Any, *, apart: bool = False, heads: bool = True) -> Samples:
    """The samples of one map. ``apart``: by name and file; without ``heads`` only the stacks count."""
    table = _Names(apart)
    found: Counter[tuple[int, ...]] = Counter()
    passed = 0
    for key, inner in value.items() if isinstance(value, Mapping) else ():
        number = _number(inner)
        if number <= 0 or not has_stack(key):
            passed += 1
        else:
            found[table.path(key, heads)] += number
    return Samples(table.names, tuple(found), tuple(found.values()), passed, apart)


def increase(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """What came to a map between two prints; whether it was cleared meanwhile, so that all of it came.

    A map that only grows lacks no key later, and has no smaller number.
    """
    numbers = {key: _number(value) for key, value in before.items()}
    if any(_number(after.get(key)) < number for key, number in numbers.items()):
        return dict(after), True
    return {key: _number(value) - numbers.get(key, 0) for key, value in after.items()}, False


def sums(found: Samples) -> list[FrameSum]:
    """Each function once, the one with the most of its own first; recursion counts once in a total."""
    own: Counter[int] = Counter()
    total: Counter[int] = Counter()
    for path, number in zip(found.paths, found.values, strict=True):
        own[path[-1]] += number
        for at in set(path):
            total[at] += number
    rows = [FrameSum(at, own[at], total[at]) for at in total if not found.names[at].head]
    return sorted(rows, key=lambda row: (-row.own, -row.total, row.at))


def sum_changes(before: Samples, after: Samples) -> list[FrameChange]:
    """Each function of two that are ``aligned``, the one whose own part changed most first."""
    scale = after.total / before.total if before.total and after.total else 1.0
    one, two = ({row.at: row for row in sums(each)} for each in (before, after))
    found = []
    for at in {**one, **two}:
        then, now = (rows.get(at, FrameSum(at, 0, 0)) for rows in (one, two))
        found.append(FrameChange(at, then.own * scale, now.own, then.total * scale, now.total))
    return sorted(found, key=lambda row: (-abs(row.delta), -abs(row.total - row.total_before), row.at))


def heaviest(found: Samples, most: int) -> list[tuple[tuple[int, ...], int]]:
    """The paths with the largest numbers."""
    pairs = sorted(zip(found.paths, found.values, strict=True), key=lambda pair: -pair[1])
    return pairs[:most]


def search(found: Samples, text: str) -> tuple[tuple[int, ...], int]:
    """(names with ``text`` in them, whatever the case; what the stacks with such a name sum up to)."""
    sought = text.casefold()
    hits = {at for at in range(len(found.names)) if sought in found.label(at).casefold()}
    pairs = zip(found.paths, found.values, strict=True)
    return tuple(sorted(hits)), sum(number for path, number in pairs if not hits.isdisjoint(path))


def turned(found: Samples) -> Samples:
    """Callers above their callees: each path from its innermost frame out."""
    return _with(found, ((path[::-1], number) for path, number in _pairs(found)))


def below(found: Samples, name: str) -> Samples:
    """The parts of the paths from the first frame of this name on; the others are left out."""
    wanted = {at for at, each in enumerate(found.names) if each.text == name}
    cut = (
        (path[next(at for at, index in enumerate(path) if index in wanted) :], number)
        for path, number in _pairs(found)
        if not wanted.isdisjoint(path)
    )
    return _with(found, cut)


def aligned(before: Samples, after: Samples) -> tuple[Samples, Samples]:
    """Both with one list of names."""
    table = _Names(before.apart and after.apart)
    moved = []
    for each in (before, after):
        to = [table.add(name) for name in each.names]
        moved.append([(tuple(to[at] for at in path), number) for path, number in _pairs(each)])
    one, two = (
        _with(Samples(table.names, (), (), each.passed, table.apart), pairs)
        for each, pairs in zip((before, after), moved, strict=True)
    )
    return one, two


def _pairs(found: Samples) -> Iterable[tuple[tuple[int, ...], int]]:
    return zip(found.paths, found.values, strict=True)


def _with(found: Samples, pairs: Iterable[tuple[tuple[int, ...], int]]) -> Samples:
    merged: Counter[tuple[int, ...]] = Counter()
    for path, number in pairs:
        merged[path] += number
    return Samples(found.names, tuple(merged), tuple(merged.values()), found.passed, found.apart)


class _Names:
    """The names of one map; frames that print alike are read once."""

    def __init__(self, apart: bool) -> None:
        self.apart = apart
        self._names: list[Name] = []
        self._known: dict[tuple[str, str | None, bool], int] = {}
        self._lines: dict[str, int] = {}

    @property
    def names(self) -> tuple[Name, ...]:
        return tuple(self._names)

    def path(self, key: str, heads: bool) -> tuple[int, ...]:
        first, _, rest = key.partition("\n")
        known = self._lines
        found: list[int] = []
        for line in rest.split("\n"):
            at = known.get(line)
            if at is None:
                at = known[line] = self._read(line)
            if at >= 0:
                found.append(at)
        found = found[:DEEPEST] or [self.add(Name(UNKNOWN))]
        head, _ = split(f"{first}\n")
        if heads and head:
            found.append(self.add(Name(_text(head), None, True)))
        return tuple(reversed(found))

    def add(self, name: Name) -> int:
        """Its index; a name without ``apart`` keeps its file only while no other file has it."""
        key = name.text, name.module if self.apart else None, name.head
        at = self._known.get(key)
        if at is None:
            at = self._known[key] = len(self._names)
            self._names.append(name)
        elif self._names[at].module != name.module:
            self._names[at] = Name(name.text, None, name.head)
        return at

    def _read(self, line: str) -> int:
        """The index of a frame's name; -1 for a line without a frame."""
        _, frames = split(f"\n{line}")
        return self.add(_name(frames[0])) if frames else -1


def _name(frame: StackFrame) -> Name:
    module = frame.module if frame.module is not None and frame.module != UNKNOWN else None
    if frame.name != UNKNOWN:
        return Name(_text(frame.name), None if module is None else _text(module))
    if module is None:
        return Name(UNKNOWN)
    short = module if module.startswith("[") else f"[{PurePosixPath(module).name}]"
    return Name(_text(short), _text(module))


def _text(text: str) -> str:
    """What UTF-8 can say, on one line."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\r", "\\r")


def _number(value: Any) -> int:
    """The number that a box is as wide as: a count or sum, the count of stats; 0 for what has none."""
    if isinstance(value, int) and not isinstance(value, bool):
        return min(value, MOST_VALUE)
    try:
        found = weight(value)
    except OverflowError:
        return 0
    return int(min(found, float(MOST_VALUE))) if math.isfinite(found) else 0
