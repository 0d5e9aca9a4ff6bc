"""One file of the host to its row: known, or read now together with its debug file."""

from __future__ import annotations

import os

from app.config import Settings
from app.debuginfo.matching import Found
from app.errors import Conflict
from app.index import files
from app.index.catalogue import BinaryRow
from app.index.completing import Completing
from app.index.debug_files import DebugFiles, sought
from app.index.reader import Outcome, Source
from app.index.readers import Readers
from app.index.store import Pending, Store

_TRIES = 3  # at a file that changes while it is read


class Hosted:
    """May be used from any thread."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        readers: Readers,
        debug_files: DebugFiles,
        completing: Completing,
    ) -> None:
        self._settings = settings
        self._store = store
        self._readers = readers
        self._debug_files = debug_files
        self._completing = completing

    def at(self, path: str) -> BinaryRow:
        """Of what is at a path now. Raises NotElf and its kin, and Conflict for one that changes."""
        for _ in range(_TRIES):
            with files.open_elf(path, self._settings.roots) as file:
                row = self.row(file)
                if row is not None:
                    return row
        raise changes(path)

    def row(self, file: files.HostFile) -> BinaryRow | None:
        """Of an open file, read now if need be; None for one that changes meanwhile."""
        row = self.known(file)
        if row is not None and not self._might_gain(row, file.origin):
            return row
        outcome = self._readers.read(Source(file.descriptor, file.stamp[2]))
        if file.unchanged():
            return self.keep(file, *self._completing.completed(file.origin, file.descriptor, outcome))
        outcome.done()
        return None

    def _might_gain(self, row: BinaryRow, path: str) -> bool:
        """Whether a debug file came since the binary was read without one."""
        lacking = row.info["debug"]["kind"] == "none" and not row.info["debug_only"]
        wanted = sought({**row.info, "build_id": row.build_id}, path, row.id)
        if not lacking or not self._debug_files.might_be(wanted):
            return False
        with self._debug_files.opened(wanted) as found:
            return found is not None

    def known(self, file: files.HostFile) -> BinaryRow | None:
        """Of an open file, if just this one was read before. Raises what it had."""
        known = self._store.catalogue.path(file.path)
        if known is None or known.stamp != file.stamp:
            return None
        return self._store.known(known)

    def keep(
        self, file: files.HostFile, outcome: Outcome, debug: Found | None, pending: Pending | None = None
    ) -> BinaryRow:
        """``debug``: the debug file that was read with it. Raises as ``Store.put`` does."""
        name = _program(file.path).rpartition("/")[2]
        return self._store.put(outcome, name, file.descriptor, file.path, file.stamp, None, pending, debug)


def changes(path: str) -> Conflict:
    """Of a file that is never twice the same."""
    return Conflict(f"{path} changes while it is read.", "Try again when the file is at rest.")


def _program(path: str) -> str:
    """/proc/PID/exe is called by what it leads to, as are its like."""
    if path.startswith("/proc/") and (path.endswith("/exe") or "/map_files/" in path):
        try:
            return os.path.realpath(path).removesuffix(" (deleted)")
        except OSError:
            return path
    return path
