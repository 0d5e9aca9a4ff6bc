"""``diff``: two builds into what was added, removed and changed, and the probes of a script that do not fit.

With ``--json`` an object a difference, then one a probe that does not fit; else lines, and a sum at the end.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from app.cli.files import PART, catalogue
from app.cli.output import columns, note, put, put_json, shown
from app.config import Settings
from app.errors import BadInput
from app.index.difference import Change, Unfit
from app.index.model import Ask
from app.index.service import Index
from app.trace.policy import attach_points


def diff(options: argparse.Namespace, settings: Settings) -> int:
    """``diff FILE FILE``: exit code 0 whether they differ or not, as for every command that answers."""
    probes = _probes(options.script) if options.script else []
    with catalogue(settings) as index:
        before, after = (
            index.binary_at(str(Path(file).absolute())).id for file in (options.before, options.after)
        )
        counts = index.difference(before, after, Ask(limit=0))[1]
        for change in _changes(index, before, after, options):
            if options.json:
                put_json(change.as_dict())
            else:
                put(_line(change))
        unfit = index.unfit(probes, before, after) if probes else ()
    for each in unfit:
        if options.json:
            put_json(each.as_dict())
        else:
            put(_unfit(each))
    if not options.json:
        for what, found in counts.items():
            words = [f"{count} {word}" for word, count in found.items() if count]
            note(f"{what}: {', '.join(words) or 'none'}.")
        if probes:
            note(f"{len(unfit)} of {len(probes)} probes do not fit {options.after}.")
    return 0


def _changes(index: Index, before: str, after: str, options: argparse.Namespace) -> Iterator[Change]:
    left = options.limit if options.limit is not None else sys.maxsize
    offset: int | None = 0
    filters = {"kind": options.kind or ""}
    while offset is not None and left > 0:
        ask = Ask(options.query, options.mode, offset=offset, limit=min(PART, left), filters=filters)
        page = index.difference(before, after, ask)[0]
        yield from page.items
        left -= len(page.items)
        offset = page.next


def _line(change: Change) -> str:
    notes = []
    if change.growth:
        notes.append(f"{change.growth:+d} bytes")
    if change.before and change.after and change.before.signature != change.after.signature:
        notes.append(f"{change.before.signature} -> {change.after.signature}")
    name = change.demangled + (f"  ({'; '.join(notes)})" if notes else "")
    return columns((change.what, ", ".join(change.changes), name), (9, 20))


def _unfit(each: Unfit) -> str:
    nearest = f" Nearest: {each.nearest}." if each.nearest else ""
    return shown(f"{each.probe}: {each.text}{nearest}")


def _probes(path: str) -> list[str]:
    try:
        return attach_points(Path(path).read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} cannot be read.", "--script takes a file with a bpftrace script.") from error
