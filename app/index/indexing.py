"""Files into the catalogue: the half of the index that a command which only indexes needs, without numpy.

All methods may be called from any thread. Files of the host come from ``files``, facts from the boxed
``readers``, what is known from ``catalogue``.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from app.config import Settings
from app.debuginfo.matching import Found
from app.elf.tree import stamp_of
from app.errors import AppError, BadInput, Conflict, NotElf, NotFound, StorageFull, StorageUnavailable
from app.index import companions, files
from app.index.catalogue import BinaryRow, Catalogue, KnownRow
from app.index.debug_files import DebugFiles, sought
from app.index.jobs import Jobs, Result, Task
from app.index.reader import Kind, Outcome, Source
from app.index.readers import Readers
from app.index.records import Binary, Job
from app.index.store import Pending, Store, binary_of

_TRIES = 3  # at a file that changes while it is read


class Indexing:
    """One data directory: catalogue.sqlite, columns/, blobs/, uploads/, scratch/."""

    def __init__(self, settings: Settings, readers: Readers | None = None) -> None:
        self._settings = settings
        self._data = settings.data
        self.upload_dir = settings.data / "uploads"
        self._catalogue = Catalogue(settings.data / "catalogue.sqlite")
        self._store = Store(settings, self._catalogue)
        self._readers = readers or Readers(settings)
        self.debug_files = DebugFiles(settings, self._store, self._readers)

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
        self._store.drop_leftovers()

    # Jobs

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
            self._upload_all(task)
            return
        task.update(save=True, phase="walking")
        walked = files.walk(
            task.spec["paths"],
            self._settings.roots,
            self._settings.index_files,
            task.watch,
            self._store.known_below,
        )
        found, problems, known = walked.found, walked.problems, walked.known
        size = sum(entry.size for entry in found) + sum(row.stamp[2] for _, row in known)
        task.update(total=len(found) + len(problems) + len(known), bytes_total=size)
        for path, error in problems:
            task.advance(_refused(path, error), 0)
        moved = [(path, row) for path, row in known if path != row.path]
        for path, row in known:
            task.advance(self._unchanged(path, row), row.stamp[2], unchanged=True)
        if found:
            whole = any(entry.stamp is not None for entry in found)
            task.update(save=True, phase="reading")
            self._read_all(task, found, whole)
        if not task.cancelled():
            task.update(phase="storing")
            self._store.saw(walked, moved)

    def _unchanged(self, path: str, row: KnownRow) -> Result:
        if row.problem is not None:
            return _refused(path, self._store.problem(row.problem))
        return {
            "path": path,
            "id": row.binary,
            "state": row.state or "ok",
            "code": "",
            "message": "",
            "hint": "",
        }

    def _read_all(self, task: Task, found: Sequence[files.Found], low: bool) -> None:
        pending = Pending(self._store)
        arrived: list[str] = []
        width = min(self._settings.readers, len(found))
        opened: set[files.HostFile] = set()
        stream = self._readers.stream(
            self._sources(task, found, opened), Kind(low=low), width, task.cancelled
        )
        try:
            for source, outcome in stream:
                entry, file = source.tag
                result = self._stored(entry, file, outcome, pending)
                task.advance(result, entry.size)
                if outcome.meta is not None and result["id"] and _gives(outcome.meta):
                    arrived.append(result["id"])
                os.close(file.descriptor)
                opened.discard(file)
        finally:
            stream.close()
            for file in opened:
                os.close(file.descriptor)
            pending.flush()
        self._merge_all(task, arrived)

    def _sources(
        self, task: Task, found: Sequence[files.Found], opened: set[files.HostFile]
    ) -> Iterator[Source]:
        for entry in found:
            try:
                file = files.open_found(entry, self._settings.roots)
            except AppError as error:
                task.advance(_refused(entry.path, error), entry.size)
                continue
            opened.add(file)
            known = self._known(file) if entry.stamp is None else None
            if known is None:
                yield Source(file.descriptor, file.stamp[2], tag=(entry, file))
                continue
            os.close(file.descriptor)
            opened.discard(file)
            task.advance(_taken(entry.path, known), entry.size, unchanged=True)

    def _stored(self, entry: files.Found, file: files.HostFile, outcome: Outcome, pending: Pending) -> Result:
        try:
            if file.unchanged():
                return _taken(entry.path, self._keep(file, outcome, pending))
            outcome.done()
            return _taken(entry.path, self._at(entry.path))
        except StorageFull:
            raise
        except AppError as error:
            return _refused(entry.path, error)

    def _upload_all(self, task: Task) -> None:
        uploads = task.spec["files"]
        task.update(save=True, phase="reading", total=len(uploads))
        for entry in uploads:
            path = Path(entry["path"])
            try:
                if not task.cancelled():
                    result = self._upload(entry["name"], path, task)
                if not task.cancelled():
                    task.advance(result, 0)
                    self._merge_all(task, [result["id"]] if result["id"] else [])
            finally:
                # A server that goes down takes it up again.
                if not task.cancelled() or task.told_to_stop:
                    path.unlink(missing_ok=True)

    def _upload(self, name: str, path: Path, task: Task) -> Result:
        try:
            with path.open("rb") as file:
                if file.read(4) != b"\x7fELF":
                    raise NotElf(
                        f"{name} is not an ELF file.", "Upload a program, a library or a debug file."
                    )
                source = Source(file.fileno(), os.fstat(file.fileno()).st_size, hashed=True)
                for _, alone in self._readers.stream([source], Kind(task.owner), 1, task.cancelled):
                    outcome, debug = self._completed(None, source.descriptor, alone)
                    row = self._store.put(
                        outcome, name, source.descriptor, None, None, task.cancelled, None, debug
                    )
                    return _taken(name, row)
            raise Conflict(f"Reading {name} was cancelled.", "Upload it again.", code="cancelled")
        except FileNotFoundError:
            error = NotFound(f"The upload {name} is gone.", "Upload it again.")
            return _refused(name, error)
        except StorageFull:
            raise
        except AppError as error:
            return _refused(name, error)

    # Binaries

    def binary_at(self, path: str, hashed: bool = False) -> Binary:
        """The binary of a host path, read now if it is new or changed; ``hashed``: with its SHA-256.

        Raises NotElf and its kin.
        """
        row = self._at(path)
        return binary_of(self._store.hashed(row) if hashed else row)

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
        first = Found("embedded", path, "matched" if own else "missing", why, row.build_id, mine)
        wanted = sought({**row.info, "build_id": row.build_id}, row.paths[0] if row.paths else None, row.id)
        return (first, *self.debug_files.search(wanted))

    def remove(self, binary_id: str) -> None:
        """Forgets it; the files of the host are not touched. Raises NotFound."""
        self._store.remove(binary_id)

    def _at(self, path: str) -> BinaryRow:
        for _ in range(_TRIES):
            with files.open_elf(path, self._settings.roots) as file:
                row = self._known(file)
                if row is not None and not self._might_gain(row, file.path):
                    return row
                outcome = self._readers.read(Source(file.descriptor, file.stamp[2]))
                if file.unchanged():
                    return self._keep(file, outcome)
                outcome.done()
        raise Conflict(f"{path} changes while it is read.", "Try again when the file is at rest.")

    def _might_gain(self, row: BinaryRow, path: str) -> bool:
        """Whether a debug file came since the binary was read without one."""
        lacking = row.info["debug"]["kind"] == "none" and not row.info["debug_only"]
        wanted = sought({**row.info, "build_id": row.build_id}, path, row.id)
        if not lacking or not self.debug_files.might_be(wanted):
            return False
        with self.debug_files.opened(wanted) as found:
            return found is not None

    def _known(self, file: files.HostFile) -> BinaryRow | None:
        known = self._catalogue.path(file.path)
        if known is None or known.stamp != file.stamp:
            return None
        return self._store.known(known)

    def _keep(self, file: files.HostFile, outcome: Outcome, pending: Pending | None = None) -> BinaryRow:
        name = Path(_program(file.path)).name
        outcome, debug = self._completed(file.path, file.descriptor, outcome)
        return self._store.put(outcome, name, file.descriptor, file.path, file.stamp, None, pending, debug)

    def _completed(
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
            if lacking and self.debug_files.might_be(wanted):
                debug = stack.enter_context(self.debug_files.opened(wanted))
            if debug is not None:
                outcome.done()
                outcome = self._readers.read(Source(descriptor, size, debug[1], hashed=path is None))
            # What the debug file refers to is known only now.
            links = outcome.meta["links"] if outcome.meta is not None else {}
            holder = debug[0].path if debug is not None else path
            others = stack.enter_context(companions.opened(holder, links, self._settings.roots))
            if others:
                outcome.done()
                separate = debug[1] if debug is not None else None
                outcome = self._readers.read(
                    Source(descriptor, size, separate, others.alternate, others.parts, hashed=path is None)
                )
            return outcome, debug[0] if debug is not None else None

    def _merge_all(self, task: Task, arrived: Sequence[str]) -> None:
        """Debug files that came after their binaries, or better ones than these had."""
        task.update(phase="merging")
        for binary_id in arrived:
            if task.cancelled():
                return
            new = self._catalogue.binary(binary_id)
            if new is None or new.build_id is None:
                continue
            for row in self._catalogue.of_build(new.build_id):
                if row.id != new.id and _gains(row, new):
                    # One whose bytes are damaged or out of reach stays as it was; who opens it is told.
                    with suppress(Conflict, StorageUnavailable):
                        self._merge(row)

    def _merge(self, row: BinaryRow) -> None:
        """Reads a binary of the catalogue again, now that more is known; as it was, if it is gone."""

        def again(descriptor: int, size: int) -> None:
            path, stamp = None, None
            for each in row.paths:
                known = self._catalogue.path(each)
                if known is not None and known.stamp == stamp_of(os.fstat(descriptor)):
                    path, stamp = each, known.stamp
            outcome = self._readers.read(Source(descriptor, size, hashed=path is None))
            outcome, debug = self._completed(path, descriptor, outcome, row.id)
            self._store.put(outcome, row.name, descriptor, path, stamp, None, None, debug)

        self._store.use_bytes(row, again)


def _gives(meta: dict[str, Any]) -> bool:
    """Whether a file has what another of its build may lack."""
    return meta["dwarf"] or 0 in meta["tables"]


def _gains(row: BinaryRow, new: BinaryRow) -> bool:
    """Whether ``new``, of the same build, has what a binary lacks."""
    has, other = row.info["debug"]["has"], new.info["debug"]["has"]
    if row.info["debug_only"] or new.info["debug"]["kind"] == "separate":
        return False
    return any(other[key] and not has[key] for key in ("dwarf", "symtab"))


def _program(path: str) -> str:
    """/proc/PID/exe is called by what it leads to."""
    if path.startswith("/proc/") and path.endswith("/exe"):
        try:
            return os.path.realpath(path).removesuffix(" (deleted)")
        except OSError:
            return path
    return path


def _refused(path: str, error: AppError) -> Result:
    return {"path": path, "id": None, "state": "failed", **error.as_dict()}


def _taken(path: str, row: BinaryRow) -> Result:
    state = row.info["state"]
    problems = row.info["problems"]
    text = problems[0]["text"] if problems else ""
    return {"path": path, "id": row.id, "state": state, "code": "", "message": text, "hint": ""}
