"""Two builds of a binary to what differs: functions, variables and USDT probes, and probes that fit no more.

Functions and variables are the same by their linkage name; of several of one name (static ones) those of one
source file first, then in the order of their addresses. A size that is not known says nothing, and so does a
signature, a type or a source line unless both builds have it in their DWARF.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Literal

import numpy as np
import numpy.typing as npt

from app.errors import BadInput
from app.index import items, matching
from app.index.columns import Columns
from app.index.items import Items
from app.index.model import Ask, Function, Item, Usdt, Variable
from app.index.names import lines_from
from app.index.rows import RowKind, files_of, lines_of, spellings_of

What = Literal["function", "variable", "usdt"]
WHATS: tuple[What, ...] = ("function", "variable", "usdt")
# Bits of a change, in this order; the last three compare what both builds have.
CHANGES = ("added", "removed", "resized", "signature", "moved", "arguments", "sites")
_ADDED, _REMOVED, _RESIZED, _SIGNATURE, _MOVED, _ARGUMENTS, _SITES = (1 << bit for bit in range(7))
_AT_ONCE = 4096
Side = tuple[Columns, Items]


@dataclass(frozen=True, slots=True)
class Build(Item):
    """A function, variable or USDT probe as one of the builds has it."""

    key: str
    address: int | None
    size: int | None
    signature: str | None  # of a variable its type, of a USDT probe its arguments
    file: str | None
    line: int | None
    sites: int | None = None


@dataclass(frozen=True, slots=True)
class Change(Item):
    what: What
    changes: tuple[str, ...]
    name: str
    demangled: str
    before: Build | None
    after: Build | None
    growth: int | None  # bytes


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Rows of both builds side by side, -1 where one has none, and how they differ."""

    what: What
    before: npt.NDArray[np.int64]
    after: npt.NDArray[np.int64]
    flags: npt.NDArray[np.uint8]
    shown: list[str]  # the names of those that differ


@dataclass(frozen=True, slots=True)
class Difference:
    """``counts``: functions, variables, usdt -> a word of CHANGES or ``same`` -> how many."""

    sides: tuple[Side, Side]
    pairs: tuple[_Pairs, ...]
    counts: dict[str, dict[str, int]]

    def part(self, ask: Ask, seconds: float) -> tuple[int, tuple[Change, ...], dict[str, dict[str, int]]]:
        """(how many, those asked for, facets); filters ``what`` and ``kind``. Raises as ``matching`` does."""
        what, kind = ask.filters.get("what", ""), ask.filters.get("kind", "")
        if what and what not in WHATS:
            raise BadInput(f"{what!r} is nothing that is compared.", "Use one of: " + ", ".join(WHATS) + ".")
        if kind and kind not in CHANGES:
            raise BadInput(f"There is no change {kind!r}.", "Use one of: " + ", ".join(CHANGES) + ".")
        mask = 1 << CHANGES.index(kind) if kind else 0xFF
        chosen: list[tuple[_Pairs, int]] = []
        facets: dict[str, dict[str, int]] = {"what": {}, "kind": {}}
        for pairs in self.pairs:
            rows = np.arange(len(pairs.flags))
            if ask.q and len(rows):
                ranks = matching.line_ranks(lines_from(pairs.shown), ask.q, ask.mode, seconds)
                rows = np.flatnonzero(ranks != matching.NONE)
            fitting = rows[(pairs.flags[rows] & mask) != 0]
            if len(fitting):
                facets["what"][pairs.what] = len(fitting)
            if what in ("", pairs.what):
                _tally(facets["kind"], pairs.flags[rows])
                chosen += [(pairs, int(row)) for row in fitting]
        part = chosen[ask.offset : ask.offset + ask.limit]
        return len(chosen), tuple(self._change(pairs, row) for pairs, row in part), facets

    def _change(self, pairs: _Pairs, row: int) -> Change:
        entries = [
            _entry(side, pairs.what, int(number))
            for side, number in zip(self.sides, (pairs.before[row], pairs.after[row]), strict=True)
        ]
        builds = [_build(entry) if entry is not None else None for entry in entries]
        entry = entries[1] or entries[0]
        assert entry is not None
        sizes = [build.size for build in builds if build is not None and build.size is not None]
        name = f"{entry.provider}:{entry.name}" if isinstance(entry, Usdt) else entry.linkage_name
        return Change(
            what=pairs.what,
            changes=tuple(word for bit, word in enumerate(CHANGES) if pairs.flags[row] >> bit & 1),
            name=name,
            demangled=name if isinstance(entry, Usdt) else entry.demangled,
            before=builds[0],
            after=builds[1],
            growth=sizes[1] - sizes[0] if len(sizes) == 2 else None,
        )


@dataclass(frozen=True, slots=True)
class Unfit(Item):
    """A probe that the other build does not have as it is; ``nearest`` is what to try there."""

    probe: str
    code: Literal["gone", "offset", "address", "arguments", "unclear"]
    text: str
    nearest: str | None


def compare(before: Side, after: Side) -> Difference:
    """What became of the first build in the second."""
    counts: dict[str, dict[str, int]] = {}
    found: list[_Pairs] = []
    for kind in ("function", "variable"):
        pairs = _rows(before, after, kind)
        counts[f"{kind}s"] = _counted(pairs.flags)
        found.append(_changed(pairs, _shown(before, after, pairs)))
    probes = _probes(before[0], after[0])
    counts["usdt"] = _counted(probes.flags)
    chosen = np.flatnonzero(probes.flags)
    found.append(_changed(probes, [probes.shown[row] for row in chosen.tolist()]))
    return Difference((before, after), tuple(found), counts)


def _tally(into: dict[str, int], flags: npt.NDArray[np.uint8]) -> None:
    for bit, word in enumerate(CHANGES):
        count = int(np.count_nonzero(flags >> bit & 1))
        if count:
            into[word] = into.get(word, 0) + count


def _counted(flags: npt.NDArray[np.uint8]) -> dict[str, int]:
    words = {word: int(np.count_nonzero(flags >> bit & 1)) for bit, word in enumerate(CHANGES)}
    return {**words, "same": int(np.count_nonzero(flags == 0))}


def _changed(pairs: _Pairs, shown: list[str]) -> _Pairs:
    """Those that differ, by name."""
    chosen = np.flatnonzero(pairs.flags)
    order = sorted(range(len(shown)), key=lambda index: (shown[index].lower(), index))
    rows = chosen[order]
    return _Pairs(
        pairs.what,
        pairs.before[rows],
        pairs.after[rows],
        pairs.flags[rows],
        [shown[index] for index in order],
    )


def _shown(before: Side, after: Side, pairs: _Pairs) -> list[str]:
    """The name of each pair that differs, as a person knows it and as the file has it."""
    texts: list[list[str]] = []
    kind: RowKind = "function" if pairs.what == "function" else "variable"
    for columns, _ in (before, after):
        lines, names = lines_of(columns), columns[f"{kind}_name"]
        texts.append([lines.line(name).decode("utf-8", "backslashreplace") for name in names.tolist()])
    chosen = np.flatnonzero(pairs.flags)
    rows = zip(pairs.before[chosen].tolist(), pairs.after[chosen].tolist(), strict=True)
    return [texts[1][second] if second >= 0 else texts[0][first] for first, second in rows]


def _rows(before: Side, after: Side, kind: RowKind) -> _Pairs:
    first, second = _matched(_keys(before[0], kind), _keys(after[0], kind))
    flags = np.zeros(len(first), np.uint8)
    flags[first < 0] = _ADDED
    flags[second < 0] = _REMOVED
    both = np.flatnonzero(flags == 0)
    sizes = before[0][f"{kind}_size"][first[both]], after[0][f"{kind}_size"][second[both]]
    flags[both[(sizes[0] != sizes[1]) & (sizes[0] > 0) & (sizes[1] > 0)]] |= _RESIZED
    if before[0].meta["dwarf"] and after[0].meta["dwarf"]:
        for at in range(0, len(both), _AT_ONCE):
            part = both[at : at + _AT_ONCE]
            flags[part] |= _told_apart(before, after, kind, first[part], second[part])
    return _Pairs(kind, first, second, flags, [])


def _told_apart(
    before: Side, after: Side, kind: RowKind, first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]
) -> npt.NDArray[np.uint8]:
    """What the DWARF of both says differently of these pairs."""
    entries = zip(_entries(before[1], kind, first), _entries(after[1], kind, second), strict=True)
    out = np.zeros(len(first), np.uint8)
    for index, (old, new) in enumerate(entries):
        signatures = _signature(old), _signature(new)
        if None not in signatures and signatures[0] != signatures[1]:
            out[index] |= _SIGNATURE
        if old.file and new.file and (_source(old.file), old.line) != (_source(new.file), new.line):
            out[index] |= _MOVED
    return out


def _source(path: str) -> str:
    """The file's name: its directory may be that of the build alone."""
    return PurePath(path).name


def _entries(made: Items, kind: RowKind, rows: npt.NDArray[np.int64]) -> Sequence[Function | Variable]:
    return (made.functions(rows) if kind == "function" else made.variables(rows)).items()


def _keys(columns: Columns, kind: RowKind) -> list[tuple[bytes, bytes]]:
    """(linkage name, source file or nothing) of each row."""
    lines = lines_of(columns)
    spelled, text, at = spellings_of(lines), lines.text.tobytes(), lines.line_at.astype(np.int64)

    def texts(names: npt.NDArray[np.int64]) -> list[bytes]:
        line = spelled[names]
        places = zip(at[line].tolist(), at[line.astype(np.int64) + 1].tolist(), strict=True)
        return [text[start : end - 1] for start, end in places]

    files = files_of(columns, kind)
    known = np.flatnonzero(files >= 0)
    of_file = [b""] * len(files)
    for row, name in zip(known.tolist(), texts(files[known]), strict=True):
        of_file[row] = name
    return list(zip(texts(columns[f"{kind}_name"]), of_file, strict=True))


def _matched(
    before: list[tuple[bytes, bytes]], after: list[tuple[bytes, bytes]]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows side by side: of one name and file first, then of one name; what is left has -1 beside it."""
    first, second = list(range(len(before))), list(range(len(after)))
    pairs: list[tuple[int, int]] = []
    for length in (2, 1):
        waiting: dict[tuple[bytes, ...], list[int]] = {}
        for row in reversed(second):
            waiting.setdefault(after[row][:length], []).append(row)
        left = []
        for row in first:
            others = waiting.get(before[row][:length])
            if others:
                pairs.append((row, others.pop()))
            else:
                left.append(row)
        first, second = left, sorted(row for rows in waiting.values() for row in rows)
    pairs += [(row, -1) for row in first] + [(-1, row) for row in second]
    both = np.array(pairs, np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def _probes(before: Columns, after: Columns) -> _Pairs:
    old, new = (
        {(probe.provider, probe.name): (index, probe) for index, probe in enumerate(items.usdt(columns))}
        for columns in (before, after)
    )
    rows, flags, shown = [], [], []
    for key in sorted(old.keys() | new.keys()):
        first, second = old.get(key), new.get(key)
        flag = _ADDED if first is None else _REMOVED if second is None else 0
        if first is not None and second is not None:
            flag |= _ARGUMENTS if _arguments(first[1]) != _arguments(second[1]) else 0
            flag |= _SITES if len(first[1].sites) != len(second[1].sites) else 0
        rows.append((first[0] if first else -1, second[0] if second else -1))
        flags.append(flag)
        shown.append(":".join(key))
    both = np.array(rows, np.int64).reshape(-1, 2)
    return _Pairs("usdt", both[:, 0], both[:, 1], np.array(flags, np.uint8), shown)


def _arguments(probe: Usdt) -> tuple[str, ...]:
    """The kinds of a probe's arguments; where they lie changes with each build and with no script."""
    return tuple(argument.type for argument in probe.sites[0].arguments) if probe.sites else ()


def _entry(side: Side, what: What, row: int) -> Function | Variable | Usdt | None:
    if row < 0:
        return None
    if what == "usdt":
        return items.usdt(side[0])[row]
    return _entries(side[1], what, np.array([row]))[0]


def _signature(entry: Function | Variable) -> str | None:
    if isinstance(entry, Variable):
        return entry.type
    if entry.parameters is None:
        return None
    return f"{entry.returns or 'void'} ({', '.join(each.type for each in entry.parameters)})"


def _build(entry: Function | Variable | Usdt) -> Build:
    if isinstance(entry, Usdt):
        address = entry.sites[0].address if entry.sites else None
        key = f"{entry.provider}/{entry.name}"
        return Build(key, address, None, ", ".join(_arguments(entry)), None, None, len(entry.sites))
    return Build(entry.key, entry.address, entry.size, _signature(entry), entry.file, entry.line)
