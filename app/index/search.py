"""Searches of short lists: the binaries of the catalogue, and the USDT probes of one."""

from __future__ import annotations

import fnmatch
import time
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import chain

import re2

from app.errors import BadInput, Busy
from app.index import matching
from app.index.catalogue import BinaryRow
from app.index.model import Ask, Mode, Usdt
from app.index.traits import usdt_traits


def rank_of(text: str, mode: Mode) -> Callable[[str], int | None]:
    """A function that ranks one name, lower is better, None for no match; for lists of a few thousand."""
    fold = matching.folds(text)

    def folded(name: str) -> str:
        return name.lower() if fold else name

    if mode == "regex":
        options = re2.Options()
        options.case_sensitive = not fold
        options.log_errors = False
        try:
            compiled = re2.compile(text, options)
        except re2.error as error:
            raise BadInput(
                f"The regular expression {text!r} is not understood.", "Use RE2's syntax.", code="bad_regex"
            ) from error
        return lambda name: matching.INSIDE if compiled.search(name) else None
    if mode == "glob":
        return lambda name: matching.INSIDE if fnmatch.fnmatchcase(folded(name), text) else None
    if mode == "fuzzy":
        return lambda name: _fuzzy(folded(name), text)

    def plain(name: str) -> int | None:
        name = folded(name)
        if name == text:
            return matching.EXACT
        if name.startswith(text):
            return matching.PREFIX
        return matching.INSIDE if mode == "substring" and text in name else None

    return plain


def _fuzzy(name: str, text: str) -> int | None:
    if text in name:
        return matching.EXACT if name == text else matching.INSIDE
    at = -1
    first: int | None = None
    for letter in text.replace(" ", ""):
        at = name.find(letter, at + 1)
        if at < 0:
            return None
        first = at if first is None else first
    return 16 + at - (first or 0)


def _best(rank: Callable[[str], int | None], names: Sequence[str]) -> int | None:
    return min((found for name in names if (found := rank(name)) is not None), default=None)


def binaries(rows: list[BinaryRow], ask: Ask) -> list[BinaryRow]:
    """Those whose name, path or id matches, in the order asked for; without one, best then latest first."""
    language, debug = ask.filters.get("language"), ask.filters.get("debug")
    if language:
        rows = [row for row in rows if row.info["language"] == language]
    if debug:
        rows = [row for row in rows if row.info["debug"]["kind"] == debug]
    if ask.q:
        rank = rank_of(ask.q, ask.mode)
        ranked = [
            (found, row) for row in rows if (found := _best(rank, (row.name, row.id, *row.paths))) is not None
        ]
        rows = [row for _, row in sorted(ranked, key=lambda entry: entry[0])]
    by = ask.sort.removeprefix("-")
    keys: dict[str, Callable[[BinaryRow], object]] = {
        "name": lambda row: row.name.lower(),
        "size": lambda row: row.size,
        "indexed": lambda row: row.indexed,
        "symbols": lambda row: row.info["counts"]["symbols"],
        "functions": lambda row: row.info["counts"]["functions"],
        "usdt": lambda row: row.info["counts"]["usdt"],
    }
    if by:
        if by not in keys:
            raise BadInput(f"Binaries cannot be sorted by {by!r}.", "Use one of: " + ", ".join(keys) + ".")
        rows = sorted(rows, key=keys[by], reverse=ask.sort.startswith("-"))  # type: ignore[arg-type]
    return rows


def usdt(
    probes: tuple[Usdt, ...], ask: Ask, seconds: float
) -> tuple[tuple[Usdt, ...], dict[str, dict[str, int]]]:
    """The matching probes; how many each provider and verdict has of those that the other filter leaves."""
    deadline = time.monotonic() + seconds
    found: list[tuple[int, Usdt]] = []
    rank = rank_of(ask.q, ask.mode) if ask.q else (lambda _: 0)
    for probe in probes:
        best = _best(rank, (f"{probe.provider}:{probe.name}", probe.name, probe.provider))
        if best is not None:
            found.append((best, probe))
        if time.monotonic() > deadline:
            raise Busy("The search took too long and was stopped.", "Use a simpler text.", code="search_time")
    words: dict[str, Callable[[Usdt], tuple[str, ...]]] = {
        "provider": lambda probe: (probe.provider,),
        "verdict": usdt_traits,
    }
    chosen = {name: set(filter(None, ask.filters.get(name, "").split(","))) for name in words}

    def fits(probe: Usdt, name: str) -> bool:
        return not chosen[name] or not chosen[name].isdisjoint(words[name](probe))

    facets = {}
    for name, other in (("provider", "verdict"), ("verdict", "provider")):
        left = (probe for _, probe in found if fits(probe, other))
        facets[name] = dict(Counter(chain.from_iterable(map(words[name], left))).most_common())
    found = [entry for entry in found if fits(entry[1], "provider") and fits(entry[1], "verdict")]
    by = ask.sort.removeprefix("-")
    keys: dict[str, Callable[[tuple[int, Usdt]], tuple[object, ...]]] = {
        "": lambda entry: (entry[0], entry[1].provider, entry[1].name),
        "name": lambda entry: (entry[1].name, entry[1].provider),
        "provider": lambda entry: (entry[1].provider, entry[1].name),
        "sites": lambda entry: (len(entry[1].sites), entry[1].provider, entry[1].name),
        "address": lambda entry: (entry[1].sites[0].address,),
    }
    if by not in keys:
        raise BadInput(
            f"USDT probes cannot be sorted by {by!r}.", "Use one of: name, provider, sites, address."
        )
    found.sort(key=keys[by], reverse=ask.sort.startswith("-"))
    return tuple(probe for _, probe in found), facets
