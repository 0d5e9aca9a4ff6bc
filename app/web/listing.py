"""A function's source beside its code: the lines that it was made of, and instructions under their lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from app.elf.disassembly import Instruction
from app.index.sources import Source

MOST_LINES = 600
_BEFORE = 2  # lines shown above the first one that has code
Get = Callable[[str], Source | None]


@dataclass(frozen=True, slots=True)
class Line:
    number: int
    text: str
    address: int | None  # of the first instruction that was made of it


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The part of a source file that a function was made of."""

    path: str
    newer: bool
    lines: tuple[Line, ...]
    cut: bool
    origin: str | None = None  # as in Source


@dataclass(frozen=True, slots=True)
class Group:
    """Instructions that stand behind each other and were made of one line; ``text`` None: not at hand."""

    place: str  # file:line, "" where nothing tells
    text: str | None
    code: tuple[Instruction, ...]


def excerpt(file: str | None, line: int | None, rows: Sequence[dict[str, Any]], get: Get) -> Excerpt | None:
    """``file`` and ``line``: where the function is declared; ``rows``: address, file, line of its code."""
    found = get(file) if file else None
    if found is None:
        return None
    addresses: dict[int, int] = {}
    for row in rows:
        if row["file"] == file and row["line"]:
            addresses[row["line"]] = min(row["address"], addresses.get(row["line"], row["address"]))
    known = [*addresses, *([line] if line else [])]
    known = [number for number in known if number <= len(found.lines)]
    if not known:
        return None
    first, last = max(1, min(known) - _BEFORE), min(len(found.lines), max(known) + 1)
    shown = min(last, first + MOST_LINES - 1)
    lines = (
        Line(number, found.lines[number - 1], addresses.get(number)) for number in range(first, shown + 1)
    )
    return Excerpt(found.path, found.newer, tuple(lines), shown < last, found.origin)


def groups(code: Sequence[Instruction], rows: Sequence[dict[str, Any]], get: Get) -> tuple[Group, ...]:
    """The code under its lines; what was inlined has the lines of its own file."""
    starts = {row["address"]: (row["file"], row["line"]) for row in rows if row["line"]}
    found: list[tuple[tuple[str | None, int | None], list[Instruction]]] = []
    sources: dict[str, Source | None] = {}
    for each in code:
        place = starts.get(each.address)
        if not found or (place is not None and place != found[-1][0]):
            found.append((place or (None, None), []))
        found[-1][1].append(each)
    return tuple(
        Group(_place(file, line), _text(sources, file, line, get), tuple(instructions))
        for (file, line), instructions in found
    )


def _place(file: str | None, line: int | None) -> str:
    return f"{file.rsplit('/', 1)[-1]}:{line}" if file and line else ""


def _text(sources: dict[str, Source | None], file: str | None, line: int | None, get: Get) -> str | None:
    if not file or not line:
        return None
    if file not in sources:
        sources[file] = get(file)
    found = sources[file]
    return found.lines[line - 1] if found is not None and line <= len(found.lines) else None
