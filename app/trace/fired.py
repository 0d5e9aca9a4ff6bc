"""The probes of a counting session that fired, out of the keys of its map."""

from __future__ import annotations

from collections.abc import Iterable

from app.errors import BadInput
from app.trace.quoting import Probe, parse_probe, quote

MOST = 500


def fired(probes: Iterable[str], counts: dict[str, int]) -> tuple[str, ...]:
    """The probes hit most first, at most MOST; keys that name none of a session's probes are passed over.

    A key is what a person calls the probe, or, where a wildcard was chosen, its whole name as bpftrace
    prints it.
    """
    labels: dict[str, Probe] = {}
    for text in probes:
        try:
            probe = parse_probe(text)
        except BadInput:
            continue
        labels.setdefault(probe.label, probe)
    found: dict[str, None] = {}
    for key, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])):
        named = labels.get(key) or _printed(key, labels.values())
        if count > 0 and named is not None:
            found[quote(named)] = None
    return tuple(found)[:MOST]


def _printed(key: str, chosen: Iterable[Probe]) -> Probe | None:
    try:
        probe = parse_probe(key)
    except BadInput:
        return None
    return probe if any(each.path == probe.path for each in chosen) else None
