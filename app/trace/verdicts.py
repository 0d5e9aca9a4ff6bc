"""The verdicts of a whole list as JSON: one made for each sort of function, with the name of each put in.

Nearly all functions of a binary have one of a few verdicts, in which nothing but their name differs. Making
each anew would cost more than all else about a list of a hundred thousand.
"""

from __future__ import annotations

import re
from dataclasses import replace
from secrets import token_hex

import numpy as np
import orjson

from app.index.cells import Rows
from app.index.model import Binary, Function
from app.trace import returns
from app.trace.bpftrace import Capabilities
from app.trace.verdict import LOOKED_UP, function_verdict

# Stand for the names of a function while the verdict of its sort is made; no file can have them.
_NAME, _SYMBOL = f"n{token_hex(8)}", f"s{token_hex(8)}"
_MANGLED = ("_Z", "_R")
# Kept, and of each; a hostile file may have as many as it has functions.
_MOST_SORTS, _MOST_ALIKE = 4096, 64
# What a verdict depends on beside names and place.
_SORT = ("type", "inlined", "inline_sites", "language", "sources", "aliases", "clones")


class Verdicts:
    """Of the functions of one binary."""

    def __init__(self, binary: Binary, capabilities: Capabilities) -> None:
        self._binary = binary
        self._capabilities = capabilities
        self._known: dict[tuple[object, ...], dict[str, _Text]] = {}

    def json(self, rows: Rows[Function]) -> list[str]:
        """``function_verdict`` of each, as JSON."""
        place = np.array([2 if each is None else each == 0 for each in rows.values("address")], np.intp)
        sized = np.array(rows.values("size"), np.uint64).astype(bool).astype(np.intp)
        numbers, firsts = rows.groups(_SORT, place, sized)
        sorts = [self._sort((int(place[row]), int(sized[row])), rows, row) for row in firsts]
        found = []
        for row, (number, name, symbol) in enumerate(
            zip(numbers, rows.values("name"), rows.values("linkage_name"), strict=True)
        ):
            sort = sorts[number]
            base, rest = (symbol, "") if symbol.isidentifier() else _parted(symbol)
            if sort is None or not _is_simple(name, symbol, base):
                found.append(self._made(rows.item(row)))
                continue
            if symbol[:2] in _MANGLED:
                rest = _MANGLED[0] + rest
            text = sort.get(rest)
            if text is None:
                text = self._text(rows.item(row), rest)
                if len(sort) < _MOST_ALIKE:
                    sort[rest] = text
            found.append(name.join(text.by_either) if name == base else text.with_names(name, base))
        return found

    def _sort(self, place: tuple[int, int], rows: Rows[Function], row: int) -> dict[str, _Text] | None:
        """The verdicts of the functions that are like this one, by what their symbols have beside the name.

        None where each has one of its own.
        """
        key = (*place, *(rows.value(name, row) for name in _SORT))
        *_, sources, aliases, clones = key
        if aliases or clones or (place[0] != 2 and LOOKED_UP.isdisjoint(sources)):
            return None
        if len(self._known) >= _MOST_SORTS:
            return self._known.get(key, {})
        return self._known.setdefault(key, {})

    def _text(self, function: Function, rest: str) -> _Text:
        stands = rest[:2] + _SYMBOL + rest[2:] if rest.startswith(_MANGLED[0]) else _SYMBOL + rest
        text = self._made(replace(function, name=_NAME, linkage_name=stands))
        return _Text(text.replace(_MANGLED[0] + _SYMBOL, _SYMBOL))

    def _made(self, function: Function) -> str:
        return orjson.dumps(function_verdict(function, self._binary, self._capabilities)).decode()


class _Text:
    """A verdict's JSON, cut where its function's names stand."""

    def __init__(self, text: str) -> None:
        self._by_symbol = [part.split(_NAME) for part in text.split(_SYMBOL)]
        self.by_either = re.split(f"{_NAME}|{_SYMBOL}", text)

    def with_names(self, name: str, symbol: str) -> str:
        """``symbol``: up to its first dot."""
        if not name.isidentifier():
            name = orjson.dumps(name)[1:-1].decode()
        return symbol.join([name.join(parts) for parts in self._by_symbol])


def _parted(symbol: str) -> tuple[str, str]:
    """A symbol at its first dot, as that of a copy; ("", "") for one that means more to bpftrace."""
    base = symbol.partition(".")[0]
    if base.isidentifier() and symbol.replace(".", "_").isidentifier():
        return base, symbol[len(base) :]
    return "", ""


def _is_simple(name: str, symbol: str, base: str) -> bool:
    """Whether the names mean nothing to bpftrace or to JSON, and say nothing of their function."""
    return (
        base != ""
        and symbol.isascii()
        and symbol not in returns.SINGLED_OUT
        and (name == symbol or (name not in returns.SINGLED_OUT and ".cold" not in name))
    )
