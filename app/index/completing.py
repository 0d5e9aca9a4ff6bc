"""A binary together with the files that hold the rest of what is known of it, whichever came first."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from typing import Any

from app.config import Settings
from app.debuginfo.matching import Found
from app.elf.tree import stamp_of
from app.errors import Conflict, StorageUnavailable
from app.index import companions
from app.index.catalogue import BinaryRow
from app.index.debug_files import DebugFiles, sought
from app.index.jobs import Task
from app.index.reader import Outcome, Source
from app.index.readers import Readers
from app.index.store import Store


class Completing:
    """May be used from any thread."""

    def __init__(self, settings: Settings, store: Store, readers: Readers, debug_files: DebugFiles) -> None:
        self._settings = settings
        self._store = store
        self._readers = readers
        self._debug_files = debug_files

    def completed(
        self, path: str | None, descriptor: int, outcome: Outcome, binary_id: str | None = None
    ) -> tuple[Outcome, Found | None]:
        """Read again with its debug file, and with what its debug information refers to, if at hand."""
        meta = outcome.meta
        if meta is None or meta["state"] in {"malformed", "limit"}:
            return outcome, None
        size = os.fstat(descriptor).st_size
        wanted = sought(meta, path, binary_id)
        lacking = not meta["dwarf"] and not meta["debug_only"]
        with ExitStack() as stack:
            debug = None
            if lacking and self._debug_files.might_be(wanted):
                debug = stack.enter_context(self._debug_files.opened(wanted))
            if debug is not None:
                outcome.done()
                outcome = self._readers.read(Source(descriptor, size, debug[1], hashed=path is None))
            # What the debug file refers to is known only now.
            links = outcome.meta["links"] if outcome.meta is not None else {}
            holder = debug[0].path if debug is not None else path
            others = stack.enter_context(
                companions.opened(
                    holder,
                    links,
                    self._settings.roots,
                    self._store.open_build,
                    self._settings.debuginfod_cache,
                )
            )
            if others:
                outcome.done()
                separate = debug[1] if debug is not None else None
                outcome = self._readers.read(
                    Source(descriptor, size, separate, others.alternate, others.parts, hashed=path is None)
                )
            return outcome, debug[0] if debug is not None else None

    def merge_all(self, task: Task, arrived: Sequence[str]) -> None:
        """Debug files that came after their binaries, or better ones than these had.

        And common parts (dwz) that came after the files which lean on them.
        """
        if arrived:
            task.update(phase="merging")
        self._lean(task, arrived)
        for binary_id in arrived:
            if task.cancelled():
                return
            new = self._store.catalogue.binary(binary_id)
            if new is None or new.build_id is None:
                continue
            for row in self._store.catalogue.of_build(new.build_id):
                if row.id != new.id and _gains(row, new):
                    # One whose bytes are damaged or out of reach stays as it was; who opens it is told.
                    with suppress(Conflict, StorageUnavailable):
                        self.merge(row)

    def _lean(self, task: Task, arrived: Sequence[str]) -> None:
        """Reads again what was read before its common part came."""
        rows = (self._store.catalogue.binary(binary_id) for binary_id in arrived)
        common = {
            row.build_id: row for row in rows if row is not None and row.build_id and is_common(row.info)
        }
        for leaning, build_id in self._store.catalogue.leaning() if common else ():
            found = common.get(build_id)
            row = self._store.catalogue.binary(leaning) if found is not None else None
            if found is None or row is None or row.indexed > found.indexed or task.cancelled():
                continue
            with suppress(Conflict, StorageUnavailable):
                self.merge(row)

    def merge(self, row: BinaryRow) -> None:
        """Reads a binary of the catalogue again, now that more is known; as it was, if it is gone."""

        def again(descriptor: int, size: int) -> None:
            path, stamp = None, None
            for each in row.paths:
                known = self._store.catalogue.path(each)
                if known is not None and known.stamp == stamp_of(os.fstat(descriptor)):
                    path, stamp = each, known.stamp
            outcome = self._readers.read(Source(descriptor, size, hashed=path is None))
            outcome, debug = self.completed(path, descriptor, outcome, row.id)
            self._store.put(outcome, row.name, descriptor, path, stamp, None, None, debug)

        self._store.use_bytes(row, again)


def gives(meta: dict[str, Any]) -> bool:
    """Whether a file has what another of its build may lack."""
    return meta["dwarf"] or 0 in meta["tables"]


def is_common(meta: dict[str, Any]) -> bool:
    """Whether a file may be what debug files share (dwz); ``meta``: a summary, or what a row keeps of it."""
    return bool(meta["type"] == "REL")


def _gains(row: BinaryRow, new: BinaryRow) -> bool:
    """Whether ``new``, of the same build, has what a binary lacks."""
    has, other = row.info["debug"]["has"], new.info["debug"]["has"]
    if row.info["debug_only"] or new.info["debug"]["kind"] == "separate":
        return False
    return any(other[key] and not has[key] for key in ("dwarf", "symtab"))
