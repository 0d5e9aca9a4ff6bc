"""A binary together with the files that hold the rest of what is known of it, whichever came first."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from typing import Any

from app.config import Settings
from app.debuginfo.matching import ENOUGH, Found, of_build
from app.elf.tree import stamp_of
from app.errors import Conflict, StorageUnavailable
from app.index import companions
from app.index.catalogue import BinaryRow
from app.index.debug_files import DebugFiles, Opened, Sought, sought
from app.index.jobs import Task
from app.index.reader import Kind, Outcome, Source
from app.index.readers import Readers
from app.index.store import Store

_ALONE = companions.Companions()


class Completing:
    """May be used from any thread."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        readers: Readers,
        debug_files: DebugFiles,
        kind: Kind | None = None,
    ) -> None:
        """``kind``: of the readers; where these are nobody's, an upload has some of its own."""
        self._settings = settings
        self._store = store
        self._readers = readers
        self._debug_files = debug_files
        self._kind = kind or Kind()

    def by(self, kind: Kind) -> Completing:
        """The same by readers of this kind."""
        return Completing(self._settings, self._store, self._readers, self._debug_files, kind)

    def lacks(
        self, path: str | None, outcome: Outcome, binary_id: str | None = None, many: bool = False
    ) -> Sought | None:
        """What to look for, for a file without debug information whose debug file may be at hand.

        ``many``: it is one of many, of most of which nothing is known.
        """
        meta = outcome.meta
        if meta is None or _is_no_use(meta) or meta["dwarf"] or meta["debug_only"]:
            return None
        wanted = sought(meta, path, binary_id)
        return wanted if self._debug_files.might_be(wanted, many) else None

    def likely(self, wanted: Sought, stack: ExitStack) -> Opened | None:
        """The debug file to try first, open until ``stack`` closes: who reads both tells whether it fits."""
        return self._debug_files.likely(wanted, stack)

    def completed(
        self, path: str | None, descriptor: int, outcome: Outcome, binary_id: str | None = None
    ) -> tuple[Outcome, Found | None]:
        """Read again with its debug file, and with what its debug information refers to, if at hand."""
        wanted = self.lacks(path, outcome, binary_id)
        with ExitStack() as stack:
            likely = self.likely(wanted, stack) if wanted is not None else None
            if wanted is not None and likely is not None:
                outcome.done()
                outcome = self._read(path, descriptor, likely)
                return self.paired(path, descriptor, outcome, wanted, likely)
            return self._judged(path, descriptor, outcome, wanted)

    def paired(
        self,
        path: str | None,
        descriptor: int,
        outcome: Outcome,
        wanted: Sought,
        likely: Opened | None,
    ) -> tuple[Outcome, Found | None]:
        """The same for what was read with ``likely``; where that does not fit, with the one that does."""
        if likely is not None:
            separate = outcome.meta["separate"] if outcome.meta is not None else None
            found = of_build(likely.found, wanted.build_id, separate)
            if found.quality >= ENOUGH:
                return self.with_companions(path, descriptor, outcome, likely._replace(found=found))
            outcome.done()
            outcome = self._read(path, descriptor)
        return self._judged(path, descriptor, outcome, wanted)

    def _judged(
        self, path: str | None, descriptor: int, outcome: Outcome, wanted: Sought | None
    ) -> tuple[Outcome, Found | None]:
        """With the best of all debug files, each of which is asked what it is."""
        with ExitStack() as stack:
            debug = stack.enter_context(self._debug_files.opened(wanted)) if wanted is not None else None
            if debug is not None:
                outcome.done()
                outcome = self._read(path, descriptor, debug)
            return self.with_companions(path, descriptor, outcome, debug)

    def with_companions(
        self, path: str | None, descriptor: int, outcome: Outcome, debug: Opened | None
    ) -> tuple[Outcome, Found | None]:
        """What the file, or the debug file that it was read with, refers to is known only now."""
        meta, found = outcome.meta, debug.found if debug is not None else None
        if meta is None or _is_no_use(meta) or not any(meta["links"].values()):
            return outcome, found
        with companions.opened(
            found.path if found is not None else path,
            meta["links"],
            self._settings.roots,
            self._store.open_build,
            self._settings.debuginfod_cache,
        ) as others:
            if others:
                outcome.done()
                outcome = self._read(path, descriptor, debug, others)
            return outcome, found

    def _read(
        self,
        path: str | None,
        descriptor: int,
        debug: Opened | None = None,
        others: companions.Companions = _ALONE,
    ) -> Outcome:
        owner = self._kind.owner or (debug.owner if debug is not None else "") or others.owner
        separate = debug.descriptor if debug is not None else None
        size = os.fstat(descriptor).st_size
        source = Source(descriptor, size, separate, others.alternate, others.parts, hashed=path is None)
        return self._readers.read(source, self._kind._replace(owner=owner))

    def merge_all(self, task: Task, arrived: Sequence[str], common: Sequence[str] | None = None) -> None:
        """Debug files that came after their binaries, or better ones than these had.

        And common parts (dwz) that came after the files which lean on them: ``common``, or any that arrived.
        """
        if not arrived:
            return
        task.update(phase="merging")
        catalogue = self._store.catalogue
        shared = catalogue.shared_builds()
        if common is not None:
            # Of thousands few are of any use to another one.
            alone = set(arrived).difference(common)
            arrived = [each for each in arrived if each not in alone or _may_be_of(each, shared)]
        rows = [row for binary_id in arrived if (row := catalogue.binary(binary_id)) is not None]
        self._lean(task, rows)
        for arrival in rows:
            if task.cancelled():
                return
            new = catalogue.binary(arrival.id) if arrival.build_id in shared else None
            if new is None or new.build_id is None:
                continue
            for row in catalogue.of_build(new.build_id):
                if row.id != new.id and _gains(row, new):
                    # One whose bytes are damaged or out of reach stays as it was; who opens it is told.
                    with suppress(Conflict, StorageUnavailable):
                        self.merge(row)

    def _lean(self, task: Task, rows: Sequence[BinaryRow]) -> None:
        """Reads again what was read before its common part came."""
        common = {row.build_id: row for row in rows if row.build_id and is_common(row.info)}
        for leaning, build_id in self._store.catalogue.leaning() if common else ():
            found = common.get(build_id)
            row = self._store.catalogue.binary(leaning) if found is not None else None
            if found is None or row is None or row.indexed > found.indexed or task.cancelled():
                continue
            with suppress(Conflict, StorageUnavailable):
                self.merge(row)

    def merge(self, row: BinaryRow) -> None:
        """Reads a binary of the catalogue again, now that more is known; as it was, if it is gone."""
        kind = self._kind._replace(owner=self._kind.owner or row.owner)

        def again(descriptor: int, size: int) -> None:
            path, stamp = None, None
            for each in row.paths:
                known = self._store.catalogue.path(each)
                if known is not None and known.stamp == stamp_of(os.fstat(descriptor)):
                    path, stamp = each, known.stamp
            outcome = self._readers.read(Source(descriptor, size, hashed=path is None), kind)
            outcome, debug = self.by(kind).completed(path, descriptor, outcome, row.id)
            self._store.put(outcome, row.name, descriptor, path, stamp, None, None, debug)

        self._store.use_bytes(row, again)


def _is_no_use(meta: dict[str, Any]) -> bool:
    return meta["state"] in {"malformed", "limit"}


def _may_be_of(binary_id: str, builds: set[str]) -> bool:
    """Whether a binary is of one of these builds; one that is named by its bytes may be of any."""
    return binary_id.startswith("sha256-") or binary_id.removeprefix("debug-") in builds


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
