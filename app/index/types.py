"""The named types of a binary's debug information: structs, classes, unions, enums, typedefs, base types.

A type is an object only for the row of a page; its declaration is read from the file when it is asked for.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from app.errors import BadInput, Busy
from app.index.columns import Columns
from app.index.model import Ask, Item, Page
from app.index.search import rank_of

KINDS = ("", "struct", "class", "union", "enum", "typedef", "base")
_CHECK_EVERY = 4096


@dataclass(frozen=True, slots=True)
class Type(Item):
    name: str  # with its namespaces and classes
    kind: str  # struct, class, union, enum, typedef, base
    size: int  # bytes; 0 where it is not known
    unit: str  # the source file of the compilation unit that it was first found in


def types(columns: Columns, ask: Ask, seconds: float) -> Page[Type]:
    """One page; by name, or as ``ask.sort`` says. Raises BadInput, and Busy after ``seconds``."""
    began = time.perf_counter()
    names = columns.strings(columns["type_name"])
    kinds, sizes = columns["type_kind"].tolist(), columns["type_size"].tolist()
    matched = _matched(names, ask, seconds)
    wanted = set(ask.filters["kind"].split(",")) if ask.filters.get("kind") else None
    facets: dict[str, int] = {}
    chosen: list[tuple[int, int]] = []
    for rank, number in matched:
        kind = _kind(kinds[number])
        facets[kind] = facets.get(kind, 0) + 1
        if wanted is None or kind in wanted:
            chosen.append((rank, number))
    keys = {
        "": lambda entry: (entry[0], names[entry[1]].lower(), entry[1]),
        "name": lambda entry: (names[entry[1]].lower(), entry[1]),
        "kind": lambda entry: (kinds[entry[1]], names[entry[1]].lower(), entry[1]),
        "size": lambda entry: (sizes[entry[1]], names[entry[1]].lower(), entry[1]),
    }
    by = ask.sort.removeprefix("-")
    if by not in keys:
        raise BadInput(f"Types cannot be sorted by {by!r}.", "Use one of: name, kind, size.")
    chosen.sort(key=keys[by], reverse=ask.sort.startswith("-"))
    part = [number for _, number in chosen[ask.offset : ask.offset + ask.limit]]
    units = columns.strings(columns["unit_name"][columns["type_unit"][np.asarray(part, np.int64)]])
    items = tuple(
        Type(names[number], _kind(kinds[number]), sizes[number], unit)
        for number, unit in zip(part, units, strict=True)
    )
    end = ask.offset + len(items)
    following = end if end < len(chosen) and items else None
    counted = dict(sorted(facets.items(), key=lambda entry: -entry[1]))
    return Page(len(chosen), items, following, (time.perf_counter() - began) * 1e3, {"kind": counted})


def _kind(number: int) -> str:
    return KINDS[number] if 0 < number < len(KINDS) else "other"


def _matched(names: list[str], ask: Ask, seconds: float) -> list[tuple[int, int]]:
    if not ask.q:
        return [(0, number) for number, name in enumerate(names) if name]
    rank = rank_of(ask.q, ask.mode)
    deadline = time.monotonic() + seconds
    found = []
    for number, name in enumerate(names):
        if number % _CHECK_EVERY == 0 and time.monotonic() > deadline:
            raise Busy("The search took too long and was stopped.", "Use a simpler text.", code="search_time")
        best = rank(name)
        if best is not None:
            found.append((best, number))
    return found
