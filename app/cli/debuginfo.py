"""debuginfo: every place where a binary's debug information was looked for, and what to do next.

With ``--fetch`` debuginfod servers are asked before.
"""

from __future__ import annotations

import argparse

from app.cli.catalogue import each_file, opened
from app.cli.indexing import followed
from app.cli.output import put, put_json, shown
from app.config import Settings
from app.debuginfo.advice import steps
from app.errors import AppError, NotFound
from app.host.packages import distribution, owner
from app.index.indexing import Indexing
from app.index.model import Binary

_SIGNS = {"matched": "+", "partial": "~", "mismatched": "!", "missing": "-"}


def debuginfo(options: argparse.Namespace, settings: Settings) -> int:
    """``debuginfo FILE…``."""

    def one(index: Indexing, binary: Binary) -> None:
        problem = _fetch(index, binary) if options.fetch else None
        binary = index.binary(binary.id)
        found = index.debug_places(binary.id)
        if options.json:
            for each in found:
                put_json(each._asdict())
            if problem is not None:
                raise problem
            return
        put(shown(f"{binary.path or binary.name}: {binary.debug.kind}, build-id {binary.build_id or 'none'}"))
        for each in found:
            has = ", ".join(name for name, there in (each.has or {}).items() if there)
            put(shown(f"  {_SIGNS[each.state]} {each.state:<10} {each.kind:<10} {each.path}"))
            came = f" It came in {each.package}." if each.package else ""
            put(shown(f"      {each.why}{f' It has {has}.' if has else ''}{came}"))
        if not any(each.state == "matched" and (each.has or {}).get("dwarf") for each in found):
            here = distribution(binary.path or "/")
            package = owner(binary.path, here) if binary.path else None
            fetched = (binary.path or binary.name) if index.may_fetch(binary.id) else None
            for step in steps((here.id, *here.like), package, binary.build_id, fetched):
                put(shown(f"  > {step.text}"))
                if step.command:
                    put(shown(f"      {step.command}"))
        if problem is not None:
            raise problem

    with opened(Indexing, settings) as index:
        return each_file(options.files, index, one)


def _fetch(index: Indexing, binary: Binary) -> AppError | None:
    """What went wrong; nothing is fetched for a file whose debug information is at hand."""
    if binary.debug.has["dwarf"]:
        return None
    job = followed(index, index.add_fetch(binary.id, owner="command line"))
    return None if job.state in {"done", "partial"} else NotFound(job.message or "It was not fetched.")
