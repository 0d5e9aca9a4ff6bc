"""Probes of a script against another build: which fit no more, why, and what is nearest there.

A name fits when a function or USDT probe has it, a wildcard when one does. An address never does, and an
offset into a function is right by luck alone, because code moves with each build.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

import numpy as np

from app.elf.symbols.names import demangle
from app.index import items, matching
from app.index.columns import Columns
from app.index.difference import Side, Unfit
from app.index.rows import lines_of

_CLONE = re.compile(r"\.(?:isra|constprop|part|cold|lto_priv|llvm)\b.*")
_PROBE = re.compile(r'(?P<kind>uprobe|uretprobe|u|ur|usdt|U):(?:"[^"]+"|[^":]+):(?P<name>.+)')
_ADDRESS = re.compile(r"(?:0[xX][0-9a-fA-F]+|[0-9]+)")
_CANDIDATES = 2000
_SECONDS = 2.0
_FUNCTIONS = (2, 10)


def unfit(probes: Sequence[str], before: Side | None, after: Side) -> tuple[Unfit, ...]:
    """In the order of ``probes``; ``before`` is the build that they were written for, where it is known."""
    names = _functions(after[0])
    found = (_unfit(probe, names, before, after[0]) for probe in dict.fromkeys(probes))
    return tuple(each for each in found if each is not None)


def _unfit(probe: str, names: frozenset[str], before: Side | None, columns: Columns) -> Unfit | None:
    match = _PROBE.fullmatch(probe.strip())
    if match is None:
        return Unfit(probe, "unclear", f"{probe!r} is no probe of a file.", None)
    place = match["name"].strip('"')
    if match["kind"] in {"usdt", "U"}:
        provider, colon, name = place.partition(":")
        return _usdt(probe, provider if colon else "*", name if colon else provider, before, columns)
    name, plus, offset = place.partition("+")
    if _ADDRESS.fullmatch(name):
        return Unfit(probe, "address", f"{name} is an address, which changes with each build.", None)
    if not _there(name, names, columns):
        nearest = None if "*" in name else _nearest(name, names, columns)
        return Unfit(probe, "gone", f"There is no function {name}.", nearest)
    if plus:
        return Unfit(probe, "offset", f"{offset} bytes into {name} may be another instruction here.", name)
    return None


def _there(name: str, names: frozenset[str], columns: Columns) -> bool:
    if "*" in name:
        return any(map(matching.wildcard(name).fullmatch, names))
    if name in names or not set(name) & set(":(<"):
        return name in names
    # As it is shown, which bpftrace takes, too.
    ranks = matching.line_ranks(lines_of(columns), name, "substring", _SECONDS)
    return bool((ranks == matching.EXACT).any())


def _functions(columns: Columns) -> frozenset[str]:
    ids = columns["name_id"][np.isin(columns["type"], _FUNCTIONS) & (columns["section_index"] != 0)]
    names = columns.names_of(np.unique(ids))
    return frozenset(name.decode("utf-8", "backslashreplace") for name in names)


def _nearest(name: str, names: frozenset[str], columns: Columns) -> str | None:
    """A clone or the original, an overload, or the name that is spelled most alike."""
    plain = _CLONE.sub("", name)
    clones = sorted(other for other in names if other.startswith(plain) and _CLONE.sub("", other) == plain)
    if clones:
        return clones[0]
    base = demangle(name).partition("(")[0]
    ranks = matching.line_ranks(lines_of(columns), f"{base}(", "substring", _SECONDS)
    for spelled in columns.names_of(np.flatnonzero(ranks <= matching.UNQUALIFIED)):
        other = spelled.decode("utf-8", "backslashreplace")
        if other in names:
            return other
    room = len(name) // 2
    alike = [other for other in names if other[:2] == name[:2] and abs(len(other) - len(name)) <= room]
    close = difflib.get_close_matches(name, sorted(alike)[:_CANDIDATES], 1)
    return close[0] if close else None


def _usdt(probe: str, provider: str, name: str, before: Side | None, columns: Columns) -> Unfit | None:
    fits = matching.wildcard(provider), matching.wildcard(name)

    def among(columns: Columns) -> dict[str, tuple[str, ...]]:
        return {
            f"{each.provider}:{each.name}": tuple(one.type for one in each.sites[0].arguments)
            if each.sites
            else ()
            for each in items.usdt(columns)
            if fits[0].fullmatch(each.provider) and fits[1].fullmatch(each.name)
        }

    here = among(columns)
    if not here:
        others = [f"{each.provider}:{each.name}" for each in items.usdt(columns)]
        close = difflib.get_close_matches(f"{provider}:{name}".removeprefix("*:"), others, 1, 0.5)
        shown = f"{provider}:{name}".removeprefix("*:")
        return Unfit(probe, "gone", f"There is no USDT probe {shown}.", close[0] if close else None)
    known = among(before[0]) if before else {}
    for key, arguments in here.items():
        if key in known and known[key] != arguments:
            then, now = (", ".join(each) or "none" for each in (known[key], arguments))
            return Unfit(probe, "arguments", f"The arguments of {key} were {then}, and are {now}.", key)
    return None
