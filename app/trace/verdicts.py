"""The verdicts of a whole list as JSON: one made for each sort of function, with the name of each put in.

Nearly all functions of a binary have one of a few verdicts, in which nothing but their name differs. Making
each anew would cost more than all else about a list of a hundred thousand.
"""

from __future__ import annotations

import re
from dataclasses import replace
from operator import attrgetter

import orjson

from app.index.model import Binary, Function
from app.trace import returns
from app.trace.bpftrace import Capabilities
from app.trace.verdict import LOOKED_UP, function_verdict

# A name in which no character means anything to bpftrace or to JSON, and that says nothing of its function.
_SIMPLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NAME, _SYMBOL = "ThisFunction", "ThisSymbol"
_MANGLED = ("_Z", "_R")
_sort = attrgetter("type", "sources", "inlined", "inline_sites", "language")


class Verdicts:
    """Of the functions of one binary."""

    def __init__(self, binary: Binary, capabilities: Capabilities) -> None:
        self._binary = binary
        self._capabilities = capabilities
        self._known: dict[tuple[object, ...], _Text] = {}

    def json(self, function: Function) -> str:
        """``function_verdict`` of it, as JSON."""
        address, symbol = function.address, function.linkage_name
        if not _only_names_differ(function):
            return self._made(function)
        mangled = symbol.startswith(_MANGLED)
        sort = (mangled, address is None, not address, not function.size, _sort(function))
        made = self._known.get(sort)
        if made is None:
            stands = _MANGLED[0] + _SYMBOL if mangled else _SYMBOL
            text = self._made(replace(function, name=_NAME, linkage_name=stands)).replace(stands, _SYMBOL)
            made = self._known[sort] = _Text(text)
        return made.with_names(function.name, symbol)

    def _made(self, function: Function) -> str:
        return orjson.dumps(function_verdict(function, self._binary, self._capabilities)).decode()


class _Text:
    """A verdict's JSON, cut where its function's names stand."""

    def __init__(self, text: str) -> None:
        self._by_symbol = [part.split(_NAME) for part in text.split(_SYMBOL)]
        self._by_either = re.split(f"{_NAME}|{_SYMBOL}", text)

    def with_names(self, name: str, symbol: str) -> str:
        if name == symbol:
            return name.join(self._by_either)
        return symbol.join([name.join(parts) for parts in self._by_symbol])


def _only_names_differ(function: Function) -> bool:
    """Whether functions of its sort have the same verdict, but for the name in it."""
    name, symbol = function.name, function.linkage_name
    return (
        not function.aliases
        and not function.clones
        and (function.address is None or not LOOKED_UP.isdisjoint(function.sources))
        and _simple(symbol)
        and (name == symbol or _simple(name))
    )


def _simple(name: str) -> bool:
    return _SIMPLE.fullmatch(name) is not None and returns.refusal(name, None) is None
