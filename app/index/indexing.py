"""Files into the catalogue: the half of the index that a command which only indexes needs, without numpy.

All methods may be called from any thread. Files of the host come from ``files``, facts from the boxed
``readers``, what is known from ``catalogue``.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from app.config import Settings
from app.debuginfo.matching import Found, State
from app.elf.tree import MAGIC, Stamp
from app.errors import AppError, BadInput, Conflict, StorageFull
from app.index import files
from app.index.binaries import binary_of, package_of
from app.index.build import Child
from app.index.catalogue import BinaryRow, Catalogue, KnownRow
from app.index.completing import Completing
from app.index.debug_files import DebugFiles, sought
from app.index.fetching import Fetching
from app.index.hosted import Hosted, changes
from app.index.jobs import Jobs, Task
from app.index.reader import Kind
from app.index.readers import Readers
from app.index.records import Binary, Job
from app.index.results import Result, refused
from app.index.store import Store
from app.index.sweep import Sweep

if TYPE_CHECKING:
    from app.index.intake import Intake
    from app.index.source_packs import SourcePacks


class Indexing:
    """One data directory: catalogue.sqlite, columns/, blobs/, uploads/, scratch/."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._data = settings.data
        self.upload_dir = settings.data / "uploads"
        self._catalogue = Catalogue(settings.data / "catalogue.sqlite")
        self._store = Store(settings, self._catalogue)
        self._readers = Readers(settings)
        self.debug_files = DebugFiles(settings, self._store, self._readers)
        self._completing = Completing(settings, self._store, self._readers, self.debug_files)
        self._hosted = Hosted(settings, self._store, self._readers, self.debug_files, self._completing)
        self._sweep = Sweep(settings, self._store, self._readers, self._completing, self._hosted)
        self._fetching = Fetching(settings, self._store, self.debug_files, self._completing.merge)

    @cached_property
    def _source_packs(self) -> SourcePacks:
        from app.index.source_packs import SourcePacks

        return SourcePacks(self._catalogue, self._store.uploads)

    @cached_property
    def _intake(self) -> Intake:
        # Loads what unpacks; most commands that index have no package.
        from app.index.intake import Intake

        return Intake(self._settings, self._store, self._readers, self._completing)

    def start(self, serving: bool = True) -> None:
        """Lays the directory, opens the catalogue. Raises StorageFull, or BadInput.

        ``serving``: also takes up what a server that went down has left, if no other one is at work.
        """
        try:
            for directory in (self._data, self.upload_dir):
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._store.start()
            self._readers.start()
            self._lock = os.open(self._data / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            if error.errno == 28:
                raise StorageFull(
                    f"The disk of {self._data} is full.", "Free some space, or use --data."
                ) from error
            raise BadInput(
                f"The data directory {self._data} cannot be used: {error.strerror}.",
                "Name one that you may write to by --data.",
            ) from error
        alone = self._is_alone()
        try:
            self._catalogue.open()
        except AppError:
            self._readers.close()
            os.close(self._lock)
            raise
        self._jobs = Jobs(self._catalogue, self._perform)
        if alone:
            self._readers.drop_leftovers()
        if alone and serving:
            self._drop_leftovers()
            self._jobs.resume()
        fcntl.flock(self._lock, fcntl.LOCK_SH)

    def _is_alone(self) -> bool:
        """Whether no other process has this directory; others wait until ours is in order."""
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            fcntl.flock(self._lock, fcntl.LOCK_SH)
            return False
        return True

    def close(self, wait: bool = True) -> None:
        """``wait``: until no reader is left; without it they are killed, and end by themselves."""
        self._jobs.close()
        self._readers.close(wait)
        self._catalogue.close()
        self._store.close()
        os.close(self._lock)

    def _drop_leftovers(self) -> None:
        """Uploads that no job waits for, and columns without a row: a server went down over them."""
        awaited = {
            entry["path"]
            for _, _, spec in self._catalogue.unfinished_jobs()
            for entry in spec.get("files", ())
        }
        for left in self.upload_dir.iterdir():
            if str(left) not in awaited:
                left.unlink(missing_ok=True)
        self._source_packs.drop_unused()
        self._store.drop_leftovers()

    # Jobs

    def take_reader(self, child: Child) -> None:
        """Takes a reader's child that was started before this index was there."""
        self._readers.prepare(child, Kind())

    def take_unpacker(self, child: Child) -> None:
        """Takes a child that reads packages and was started before this index was there."""
        self._intake.unpacker = child

    def add_paths(self, paths: Sequence[str], owner: str = "") -> Job:
        """Indexes files and directories of the host. Raises BadInput when a path is not absolute."""
        if not paths:
            raise BadInput("There is no path to index.", "Give at least one.")
        for path in paths:
            if not files.allowed(files.resolve(path), self._settings.roots):
                raise files.outside(path)
        return self._jobs.add("index", owner, {"paths": list(paths)})

    def add_upload(self, uploaded: Sequence[tuple[str, Path]], owner: str = "") -> list[Job]:
        """One job a file, (name, temporary file in ``upload_dir``), which is taken over."""
        return [
            self._jobs.add("upload", owner, {"files": [{"name": name, "path": str(path)}]})
            for name, path in uploaded
        ]

    def add_fetch(self, binary_id: str, owner: str = "") -> Job:
        """Asks debuginfod servers for the debug file of a binary, and merges it.

        Raises NotFound, and Conflict or Forbidden where there is nobody to ask, or nothing to ask for.
        """
        row = self._fetching.wanting(binary_id)
        return self._jobs.add("fetch", owner, {"fetch": row.id, "name": row.name})

    def may_fetch(self, binary_id: str) -> bool:
        """Whether ``add_fetch`` would take it."""
        try:
            self._fetching.wanting(binary_id)
        except AppError:
            return False
        return True

    def jobs(self, limit: int = 50) -> tuple[Job, ...]:
        """The latest first, without their results."""
        return self._jobs.jobs(limit)

    def job(self, job_id: str) -> Job:
        return self._jobs.job(job_id)

    def cancel(self, job_id: str) -> Job:
        return self._jobs.cancel(job_id)

    def wait(self, job_id: str, timeout: float | None = None) -> Job:
        return self._jobs.wait(job_id, timeout)

    def _perform(self, task: Task) -> None:
        if task.spec.get("files"):
            self._intake.uploads(task)
            self._fetching.unasked(task, _ids(task))
            return
        if task.spec.get("fetch"):
            self._fetching.run(task, task.spec["fetch"])
            return
        packages = [path for path in task.spec["paths"] if self._is_package(path)]
        for path in packages:
            with files.open_regular(path, self._settings.roots) as file:
                self._intake.package(task, path, file.descriptor)
        self._fetching.unasked(task, _ids(task))
        paths = [path for path in task.spec["paths"] if path not in packages]
        if not paths:
            return
        task.update(save=True, phase="walking", total=None)
        walked = files.walk(
            paths,
            self._settings.roots,
            self._settings.index_files,
            task.watch,
            self._store.known_below,
        )
        found, problems, known = walked.found, walked.problems, walked.known
        size = sum(entry.size for entry in found) + sum(row.stamp[2] for _, row in known)
        total = task.job.done + len(found) + len(problems) + len(known)
        task.update(total=total, bytes_total=task.job.bytes_done + size)
        for path, error in problems:
            task.advance(refused(path, error), 0)
        moved = [(path, row) for path, row in known if path != row.path]
        for path, row in known:
            task.advance(self._unchanged(path, row), row.stamp[2], unchanged=True)
        if found:
            whole = any(entry.stamp is not None for entry in found)
            task.update(save=True, phase="reading")
            self._fetching.unasked(task, self._sweep.read(task, found, whole))
        if not task.cancelled():
            task.update(phase="storing")
            self._store.saw(walked, moved)

    def _is_package(self, path: str) -> bool:
        """Whether a path that was named is a package; those that lie in a directory are left alone."""
        if path.endswith("/"):
            return False
        try:
            with files.open_regular(path, self._settings.roots) as file:
                return os.pread(file.descriptor, 4, 0) != MAGIC and self._intake.is_package(file.descriptor)
        except AppError:
            return False

    def _unchanged(self, path: str, row: KnownRow) -> Result:
        if row.problem is not None:
            return refused(path, self._store.problem(row.problem))
        return {
            "path": path,
            "id": row.binary,
            "state": row.state or "ok",
            "code": "",
            "message": "",
            "hint": "",
        }

    # Binaries

    def binary_at(self, path: str, hashed: bool = False) -> Binary:
        """The binary of a host path, read now if it is new or changed; ``hashed``: with its SHA-256.

        Raises NotElf and its kin.
        """
        row = self._hosted.at(path)
        return binary_of(self._store.hashed(row) if hashed else row)

    def known_at(self, path: str) -> str | None:
        """The id of the binary that was at a host path when that was last read. Raises BadInput."""
        known = self._catalogue.path(files.resolve(path))
        return known.binary if known is not None else None

    def open_mapped(self, path: str, stamp: Stamp) -> files.HostFile:
        """The file at a path if it is the one that was mapped, for who closes it.

        Raises Conflict with the code ``replaced`` for another one, and as ``binary_at`` does.
        """
        file = files.open_elf(path, self._settings.roots)
        if file.stamp == stamp:
            return file
        os.close(file.descriptor)
        raise Conflict(f"{path} was replaced meanwhile.", "Start the program anew.", code="replaced")

    def row_of(self, file: files.HostFile) -> BinaryRow:
        """Of a file that is open, wherever its path leads by now. Raises as ``binary_at`` does."""
        row = self._hosted.row(file)
        if row is None:
            raise changes(file.path)
        return row

    def binary(self, binary_id: str, hashed: bool = False) -> Binary:
        """``hashed``: with its SHA-256, if its bytes are still at hand. Raises NotFound."""
        row = self._store.row(binary_id)
        return binary_of(self._store.hashed(row) if hashed else row)

    def debug_places(self, binary_id: str) -> tuple[Found, ...]:
        """Everywhere that debug information of a binary was looked for, the binary itself first."""
        row = self._store.row(binary_id)
        has = row.info["debug"]["has"]
        own, path = row.info["debug"]["kind"] == "embedded", row.paths[0] if row.paths else row.name
        why = "The file has its debug information itself." if own else "The file has no DWARF itself."
        mine = {**has, "dwarf": own, "lines": own and has["lines"]}
        if row.info["debug"]["kind"] == "separate":
            mine["symtab"] = not row.info["stripped"]
        state: State = "matched" if own else "missing"
        first = Found("embedded", path, state, why, row.build_id, mine, package_of(row))
        wanted = sought({**row.info, "build_id": row.build_id}, row.paths[0] if row.paths else None, row.id)
        return (first, *self.debug_files.search(wanted))

    def remove(self, binary_id: str) -> None:
        """Forgets it; the files of the host are not touched. Raises NotFound."""
        package = self._store.row(binary_id).info.get("package")
        self._store.remove(binary_id)
        if package is not None:
            self._source_packs.drop_unused(package)


def _ids(task: Task) -> list[str]:
    """Of the binaries that a job has taken in so far."""
    return [result["id"] for result in task.job.results if result["id"]]
