"""A binary without debug information to one with it, by asking debuginfod servers: the work of a fetch job.

What they give lies in their cache, where every later look finds it; here the binary is read again with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from app.config import Settings
from app.errors import AppError, Conflict, Forbidden
from app.index import companions
from app.index.catalogue import BinaryRow
from app.index.debug_files import DebugFiles, Sought, sought
from app.index.jobs import Result, Task
from app.index.store import Store


class Fetching:
    """``merge`` reads a binary of the catalogue again, with what is at hand by then."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        debug_files: DebugFiles,
        merge: Callable[[BinaryRow], None],
    ) -> None:
        self._settings = settings
        self._store = store
        self._debug_files = debug_files
        self._merge = merge

    def wanting(self, binary_id: str) -> BinaryRow:
        """The binary, if there is something to fetch for it. Raises NotFound, Forbidden, Conflict."""
        row = self._store.row(binary_id)
        if self._settings.read_only:
            raise Forbidden("This server is read-only: it fetches nothing.", "Start it without --read-only.")
        if not self._debug_files.servers.all:
            raise Conflict(
                "No debuginfod server is known.",
                "Name one or more in PROBESCOPE_DEBUGINFOD_URLS.",
                code="no_servers",
            )
        if row.build_id is None:
            raise Conflict(
                f"{row.name} has no build-id, by which servers are asked.", "Upload its debug file."
            )
        if row.info["debug"]["has"]["dwarf"] or row.info["debug_only"]:
            raise Conflict(
                f"The debug information of {row.name} is at hand.",
                "See its page Debug files.",
                code="at_hand",
            )
        return row

    def run(self, task: Task, binary_id: str) -> None:
        """Ends with one result, but for a task that was cancelled."""
        task.update(save=True, phase="fetching", total=1)
        try:
            result = self._fetched(task, self.wanting(binary_id))
        except AppError as error:
            # Another job may have fetched it meanwhile.
            there = error.code == "at_hand"
            result = {
                "path": task.spec["name"],
                "id": binary_id if there else None,
                "state": "ok" if there else "failed",
                **error.as_dict(),
            }
        if not task.cancelled():
            task.advance(result, 0)

    def unasked(self, task: Task, taken: Sequence[str]) -> None:
        """The same for what a job has taken in, where the settings want it so; a failure changes nothing."""
        if not self._settings.debuginfod_auto:
            return
        task.update(phase="fetching")
        for binary_id in taken:
            if task.cancelled():
                return
            try:
                self._fetched(task, self.wanting(binary_id), quiet=True)
            except AppError:
                continue

    def _fetched(self, task: Task, row: BinaryRow, quiet: bool = False) -> Result:
        from app.debuginfo.client import Watch  # loads an HTTP client

        def progress(server: str, size: int, total: int | None) -> None:
            if not quiet:
                task.transferred(server, size, total)

        watch = Watch(progress, task.cancelled)
        path = row.paths[0] if row.paths else None
        wanted = sought({**row.info, "build_id": row.build_id}, path, row.id)
        self._debug_files.fetch(wanted, watch)
        row = self._merged(task, row)
        common = self._common(row, wanted)
        if common is not None:
            # A debug file may leave to another what it shares with its neighbours (dwz).
            self._debug_files.fetch(common, watch, shared=True)
            row = self._merged(task, row)
        return {
            "path": row.name,
            "id": row.id,
            "state": row.info["state"],
            "code": "",
            "message": _told(row),
            "hint": "",
        }

    def _merged(self, task: Task, row: BinaryRow) -> BinaryRow:
        task.update(phase="merging")
        self._merge(row)
        return self._store.row(row.id)

    def _common(self, row: BinaryRow, wanted: Sought) -> Sought | None:
        """The file that the debug file refers to, if it is nowhere at hand."""
        links, holder = row.info["links"], row.info["debug"]["path"]
        if not links.get("alternate") or holder is None:
            return None
        settings = self._settings
        with companions.opened(
            holder, links, settings.roots, self._store.open_build, settings.debuginfod_cache
        ) as found:
            if found.alternate is not None:
                return None
        return wanted._replace(id=None, path=None, build_id=links["alternate"][1], link=None)


def _told(row: BinaryRow) -> str:
    if row.info["debug"]["kind"] == "separate":
        return ""
    return "The debug file was fetched; the binary's own bytes are not at hand to be read with it."
