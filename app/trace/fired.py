"""The probes of a counting session that fired, out of the keys of its map."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from app.errors import BadInput
from app.trace.catalogue import Catalogue
from app.trace.quoting import Probe, name_problem, parse_probe, quote
from app.trace.targets import matches, resolve

MOST = 500


def fired(probes: Iterable[str], counts: dict[str, int], index: Catalogue | None = None) -> tuple[str, ...]:
    """The probes hit most first, at most MOST; keys that name none of a session's probes are passed over.

    A key is what a person calls the probe (with the ``index`` the function at an address by its name), or,
    where a wildcard was chosen, a function's name, or its whole name as bpftrace prints it.
    """
    labels: dict[str, Probe] = {}
    for text in probes:
        try:
            probe = parse_probe(text)
        except BadInput:
            continue
        labels.setdefault(probe.label, probe)
        if probe.address is not None and index is not None:
            labels.setdefault(resolve(probe, index, []).title, probe)
    found: dict[str, None] = {}
    for key, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])):
        named = labels.get(key) or _matched(key, labels.values()) or _printed(key, labels.values())
        if count > 0 and named is not None:
            found[quote(named)] = None
    return tuple(found)[:MOST]


def _matched(key: str, chosen: Iterable[Probe]) -> Probe | None:
    """A function of a wildcard that stood for few, so that each was counted by its name."""
    if "*" in key or name_problem(key):
        return None
    wide = (each for each in chosen if each.kind != "usdt" and each.wildcard and matches(key, each.name))
    found = next(wide, None)
    return None if found is None else replace(found, name=key)


def _printed(key: str, chosen: Iterable[Probe]) -> Probe | None:
    try:
        probe = parse_probe(key)
    except BadInput:
        return None
    return probe if any(each.path == probe.path for each in chosen) else None
