"""Where binaries lie: the row in the catalogue, the columns on disk and the blobs of uploads, kept in step.

Files are laid first and the row last, so that a kill between them leaves nothing that is seen. The one place
through which columns and blobs are opened.
"""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from app.config import Settings
from app.debuginfo.matching import Found
from app.elf.problem import Problem
from app.elf.tree import Stamp
from app.errors import AppError, Conflict, NotElf, NotFound, StorageFull, StorageUnavailable, TooLarge
from app.index import files
from app.index.binaries import Package
from app.index.catalogue import Batch, BinaryRow, Catalogue, KnownRow, PathRow
from app.index.reader import Outcome, Pack
from app.index.uploads import Uploads

if TYPE_CHECKING:
    from app.index.columns import Columns
    from app.index.items import Items

_OPEN = 256  # columns kept mapped
_PROBLEMS: dict[str, tuple[type[AppError], str]] = {
    "memory": (TooLarge, "Raise PROBESCOPE_READER_MEMORY."),
    "time": (TooLarge, "Raise PROBESCOPE_READER_WALL."),
    "cpu": (TooLarge, "Raise PROBESCOPE_READER_CPU."),
    "output": (TooLarge, "Raise PROBESCOPE_READER_OUTPUT."),
    "gone": (Conflict, "Try again when the file is at rest."),
}
_KEPT_SECONDS = 0.25  # that a batch waits for more
_KEPT_ROWS = 500
T = TypeVar("T")


class Store:
    """The binaries of one data directory: columns/, blobs and their rows."""

    def __init__(self, settings: Settings, catalogue: Catalogue) -> None:
        self._settings = settings
        self.catalogue = catalogue
        self.uploads = Uploads(settings, catalogue)
        self._columns_dir = settings.data / "columns"
        self._kept: OrderedDict[str, tuple[Columns, Items]] = OrderedDict()
        self._lock = threading.Lock()
        self._filled: set[str] = set()  # files of columns that get more
        # What limits a reader: an answer that they gave is another one when they are others.
        self._limits = [
            settings.reader_memory,
            settings.reader_cpu,
            settings.reader_output,
            settings.reader_wall,
        ]

    def start(self) -> None:
        """Raises OSError when the directories cannot be made."""
        self._columns_dir.mkdir(mode=0o700, parents=True, exist_ok=True)

    def close(self) -> None:
        with self._lock:
            self._kept.clear()

    def drop_leftovers(self) -> None:
        """Columns and blobs that a kill left without their row."""
        used = {_file_of(columns) for columns in self.catalogue.columns()}
        for left in self._columns_dir.iterdir():
            if left.name not in used:
                left.unlink(missing_ok=True)
        self.uploads.drop_leftovers()

    # What is known

    def known(self, known: PathRow) -> BinaryRow | None:
        """The binary of a path that did not change; None when it must be read. Raises what it had."""
        if known.problem is not None:
            if self._still(known.problem):
                raise self.problem(known.problem)
            return None
        row = self.catalogue.binary(known.binary) if known.binary else None
        return row if row is not None and self._file(row.columns).exists() else None

    def known_below(self, top: str) -> files.Known:
        """What need not be opened again below a directory."""
        known = self.catalogue.known_below(top)
        there = {each.name for each in os.scandir(self._columns_dir)} if known.rows else set()
        rows = [
            row
            for row in known.rows
            if (_file_of(row.columns) in there if row.problem is None else self._still(row.problem))
        ]
        return known if len(rows) == len(known.rows) else known.with_rows(rows)

    def saw(self, walked: files.Walked, moved: Sequence[tuple[str, KnownRow]]) -> None:
        """Keeps what a walk has seen: files that are no ELF, those that are gone, those of another name."""
        batch = Batch(paths=[PathRow(path, row.binary, row.stamp, row.problem) for path, row in moved])
        if len(batch):
            self.catalogue.write(batch, time.time())
        self.catalogue.saw(walked.plain, walked.gone)

    def _still(self, problem: dict[str, Any]) -> bool:
        return problem.get("limits") in (None, self._limits)

    def problem(self, problem: dict[str, Any]) -> AppError:
        """The error that reading a file had."""
        kind, _ = _PROBLEMS.get(problem["code"], (NotElf, ""))
        return kind(problem["message"], problem["hint"], code=problem["code"])

    # What was read

    def put(
        self,
        outcome: Outcome,
        name: str,
        descriptor: int,
        path: str | None,
        stamp: Stamp | None,
        upload: Callable[[], bool] | None,
        pending: Pending | None = None,
        debug: Found | None = None,
        package: Package | None = None,
    ) -> BinaryRow:
        """Columns to their place, then the row, at once or with those of ``pending``.

        ``descriptor`` is the file that was read, ``debug`` the debug file read with it, ``package`` what it
        came in. Of an ``upload`` the bytes are kept; it says whether that should stop. Raises what reading
        it had; for a path this is kept, and not computed again while the file and the limits stay the same.
        """
        batch = pending or Pending(self)
        laying = ExitStack()
        try:
            if upload is not None and outcome.sha256 is not None:
                laying.enter_context(self.uploads.laying(outcome.sha256))
            row = self._laid(outcome, name, descriptor, path, stamp, upload, batch, debug, package)
        except OSError as error:
            raise StorageFull(
                f"The index cannot be written: {error.strerror}.", "Free some space, or use --data."
            ) from error
        except Conflict:
            raise
        except AppError as error:
            if path is None or stamp is None or isinstance(error, StorageFull):
                raise
            problem: dict[str, Any] = {"code": error.code, "message": f"{path}: {error.message}"}
            problem |= {"hint": error.hint, "limits": self._limits if error.code in _PROBLEMS else None}
            batch.batch.paths.append(PathRow(path, None, stamp, problem))
            raise self.problem(problem) from error
        finally:
            outcome.done()
            with laying:
                batch.flush(pending is None)
        return row if pending else self.row(row.id)

    def _laid(
        self,
        outcome: Outcome,
        name: str,
        descriptor: int,
        path: str | None,
        stamp: Stamp | None,
        upload: Callable[[], bool] | None,
        pending: Pending,
        debug: Found | None,
        package: Package | None,
    ) -> BinaryRow:
        meta = outcome.meta
        if meta is None:
            problem = outcome.problem or Problem("fault", "Reading this file failed.")
            kind, hint = _PROBLEMS.get(problem.code, (NotElf, "The file is not what its header says."))
            raise kind(problem.text, hint, code=problem.code)
        if meta["state"] in {"malformed", "limit"}:
            first = meta["problems"][0]
            kind, hint = _PROBLEMS.get(first["code"], (NotElf, "The file is damaged, or was cut off."))
            raise kind(first["text"], hint, code=first["code"])
        size = os.fstat(descriptor).st_size
        binary_id, sha256, same = self._id(meta, size, outcome.sha256, descriptor, path, pending)
        before = pending.binary(binary_id)
        held = before.blob if before is not None and same else None
        if upload is not None:
            assert sha256 is not None
            held = sha256
            self.uploads.put(descriptor, held, upload)
        # What is read again, with more than before, came in what it came in.
        came_in = package or (before.info.get("package") if before is not None else None)
        offset, length = outcome.place
        place = f"{self.filling(outcome.pack)}@{offset}+{length}"
        row = BinaryRow(
            id=binary_id,
            build_id=meta["build_id"],
            sha256=sha256 or (before.sha256 if before is not None and same else None),
            name=before.name if before is not None and same and path is None else name,
            size=size,
            uploaded=path is None if before is None else before.uploaded and path is None,
            indexed=time.time(),
            columns=place,
            blob=held,
            info=_info(meta, debug) | ({"package": came_in} if came_in else {}),
        )
        pending.put(row, before, path, stamp, outcome.pack)
        return row

    def _id(
        self,
        meta: dict[str, Any],
        size: int,
        sha256: str | None,
        descriptor: int,
        path: str | None,
        pending: Pending,
    ) -> tuple[str, str | None, bool]:
        """(id, hash if it was computed, whether the holder of the id is known to be these very bytes).

        The id is the build-id, unless other bytes that are still there have it; a debug file has its own.
        """
        if not meta["build_id"]:
            return f"sha256-{sha256}", sha256, True
        build_id = f"debug-{meta['build_id']}" if meta["debug_only"] else str(meta["build_id"])
        holder = pending.binary(build_id)
        if holder is None:
            return build_id, sha256, False
        elsewhere = [other for other in holder.paths if other != path and self._holds(other, pending)]
        if not elsewhere and not holder.uploaded:
            return build_id, sha256, False
        sha256 = sha256 or files.sha256(descriptor)
        if holder.size == size and self.hashed(holder).sha256 == sha256:
            return build_id, sha256, True
        return f"sha256-{sha256}", sha256, True

    def _holds(self, path: str, pending: Pending) -> bool:
        """Whether the file at ``path`` is still the one that was read."""
        known = pending.path(path)
        try:
            with files.open_elf(path, self._settings.roots) as file:
                return known is not None and known.stamp == file.stamp
        except AppError:
            return False

    def hashed(self, row: BinaryRow) -> BinaryRow:
        """The same with its SHA-256, where its bytes are still at hand."""
        if row.sha256 is None:
            found = self.use_bytes(row, lambda descriptor, _: files.sha256(descriptor))
            if found is not None:
                self.catalogue.set_sha256(row.id, found)
                return row._replace(sha256=found)
        return row

    def drop_unused(self, row: BinaryRow, after: BinaryRow | None = None) -> None:
        """Takes from disk what ``row`` had and the one after it has not; a file of columns with its last."""
        self._drop_file(_file_of(row.columns))
        if row.blob is not None and (after is None or after.blob != row.blob):
            self.uploads.drop(row.blob)

    def _drop_file(self, name: str) -> None:
        with self._lock:
            # One that is being filled may be wanted by rows that are not written yet.
            if name not in self._filled and not self.catalogue.uses(name):
                (self._columns_dir / name).unlink(missing_ok=True)

    def filling(self, pack: Pack) -> str:
        """Its name in its place, where it stays until ``filled``. Raises OSError."""
        name = pack.moved(self._columns_dir)
        with self._lock:
            self._filled.add(name)
        return name

    def filled(self, pack: Pack) -> None:
        with self._lock:
            self._filled.discard(str(pack.name))
        self._drop_file(str(pack.name))

    def _file(self, columns: str) -> Path:
        return self._columns_dir / _file_of(columns)

    def remove(self, binary_id: str) -> None:
        """Takes away the row, its columns and its bytes. Raises NotFound."""
        row = self.row(binary_id)
        self.catalogue.remove(binary_id)
        self.drop_unused(row)

    def row(self, binary_id: str) -> BinaryRow:
        """A build-id is also that of its debug file, as long as no binary has come. Raises NotFound."""
        row = self.catalogue.binary(binary_id) or self.catalogue.binary(f"debug-{binary_id}")
        if row is None:
            raise NotFound(
                f"There is no binary {binary_id}.", "Index its file again; it may have been rebuilt."
            )
        return row

    def bytes_of(self, row: BinaryRow, offset: int, size: int) -> bytes:
        """A part of the file that was indexed; none where just these bytes are no longer at hand."""
        return self.use_bytes(row, lambda descriptor, _: os.pread(descriptor, size, offset)) or b""

    def use_bytes(self, row: BinaryRow, use: Callable[[int, int], T]) -> T | None:
        """What ``use`` makes of an open descriptor of the bytes that were indexed, and of their count.

        None where just these bytes are no longer at hand. Raises Conflict for an upload that is damaged on
        disk, StorageFull and StorageUnavailable for one that cannot be had now.
        """
        if row.blob is not None:
            with ExitStack() as stack:
                try:
                    blob = stack.enter_context(self.uploads.opened(row.blob))
                except NotFound:
                    pass
                else:
                    return use(blob, row.size)
        for path in row.paths:
            known = self.catalogue.path(path)
            try:
                with files.open_elf(path, self._settings.roots) as file:
                    if known is not None and known.stamp == file.stamp:
                        return use(file.descriptor, row.size)
            except AppError:
                continue
        return None

    def open_build(self, build_id: str) -> tuple[int, str] | None:
        """A file of this build that is at hand, the caller's to close; and whose readers read it."""
        for row in self.catalogue.of_build(build_id):
            # One that is damaged or out of reach helps no more than none.
            with suppress(Conflict, StorageUnavailable):
                found = self.use_bytes(row, lambda descriptor, _: os.dup(descriptor))
                if found is not None:
                    return found, row.owner
        return None

    def columns(self, row: BinaryRow) -> tuple[Columns, Items]:
        """Mapped, and kept for the next question. Raises NotFound when they are gone."""
        # numpy takes longer to load than most files to index: who looks into columns waits for it.
        from app.index.columns import BadColumns, open_columns
        from app.index.items import Items, check

        with self._lock:
            kept = self._kept.get(row.columns)
            if kept is not None:
                self._kept.move_to_end(row.columns)
                return kept
        try:
            offset, _, size = row.columns.partition("@")[2].partition("+")
            with self._file(row.columns).open("rb") as file:
                columns = open_columns(file.fileno(), int(offset), int(size))
                check(columns)
        except (OSError, BadColumns) as error:
            raise NotFound(
                f"The index of {row.name} is gone or of an older version.", "Index its file again."
            ) from error
        made = (columns, Items(columns))
        with self._lock:
            self._kept[row.columns] = made
            while len(self._kept) > _OPEN:
                self._kept.popitem(last=False)
        return made


class Pending:
    """Rows that wait to be written together; one thread's own."""

    def __init__(self, store: Store, many: bool = False) -> None:
        """``many``: most are new, and so not asked for one by one."""
        self._store = store
        self._many = many
        self.batch = Batch()
        self._stale: list[tuple[BinaryRow, BinaryRow]] = []
        self._packs: set[Pack] = set()
        self._since = time.monotonic()

    def binary(self, binary_id: str) -> BinaryRow | None:
        """As it will be."""
        row = self.batch.binaries.get(binary_id)
        if row is None:
            catalogue = self._store.catalogue
            return None if self._many and catalogue.absent.has(binary_id) else catalogue.binary(binary_id)
        waiting = [each.path for each in self.batch.paths if each.binary == binary_id]
        return row._replace(paths=(*row.paths, *waiting))

    def path(self, path: str) -> PathRow | None:
        found = [each for each in self.batch.paths if each.path == path]
        return found[-1] if found else self._store.catalogue.path(path)

    def put(
        self, row: BinaryRow, before: BinaryRow | None, path: str | None, stamp: Stamp | None, pack: Pack
    ) -> None:
        self._packs.add(pack)
        self.batch.binaries[row.id] = row._replace(paths=before.paths) if before else row
        if path is not None and stamp is not None:
            self.batch.paths.append(PathRow(path, row.id, stamp, None))
        if before is not None:
            self._stale.append((before, row))

    def flush(self, now: bool = True) -> None:
        """Writes them when ``now``, or when they are many or waited long. Raises StorageFull."""
        late = time.monotonic() - self._since > _KEPT_SECONDS or len(self.batch) > _KEPT_ROWS
        if not now and not late:
            return
        self._since = time.monotonic()
        batch, self.batch = self.batch, Batch()
        stale, self._stale = self._stale, []
        try:
            if len(batch):
                self._store.catalogue.write(batch, time.time())
            for before, row in stale:
                self._store.drop_unused(before, row)
        finally:
            for pack in [each for each in self._packs if not each.waiting]:
                self._packs.discard(pack)
                self._store.filled(pack)


def _file_of(columns: str | None) -> str:
    """The file of ``NAME@OFFSET+SIZE``, which several binaries may share."""
    return (columns or "").partition("@")[0]


def _info(meta: dict[str, Any], debug: Found | None) -> dict[str, Any]:
    """A reader's summary as lists show it; ``debug``: the debug file that was read with the binary."""
    has = {key: meta[key] for key in ("dwarf", "lines")}
    has |= {"symtab": 0 in meta["tables"], "dynsym": 1 in meta["tables"]}
    away = {"build_id", "tables", "dwarf", "lines", "separate"}
    left = {key: value for key, value in meta.items() if key not in away}
    if debug is not None and meta["separate"] is not None:
        both = {key: has[key] or meta["separate"][key] for key in has}
        return left | {"debug": {"kind": "separate", "path": debug.path, "has": both}}
    return left | {"debug": {"kind": "embedded" if meta["dwarf"] else "none", "path": None, "has": has}}
