"""Where binaries lie: the row in the catalogue, the columns and the uploaded bytes on disk, kept in step.

Files are laid first and the row last, so that a kill between them leaves nothing that is seen. The one place
through which columns and blobs are opened.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections import OrderedDict
from dataclasses import asdict
from pathlib import Path

from app.config import Settings
from app.elf.model import Problem
from app.errors import AppError, Conflict, NotElf, NotFound, StorageFull, TooLarge
from app.index import files
from app.index.build import Outcome
from app.index.catalogue import BinaryRow, Catalogue, PathRow, Stamp
from app.index.columns import BadColumns, Columns, open_columns
from app.index.items import Items
from app.index.model import Binary, Debug

_OPEN = 256  # columns kept mapped
_PROBLEMS: dict[str, tuple[type[AppError], str]] = {
    "memory": (TooLarge, "Raise PROBESCOPE_READER_MEMORY."),
    "time": (TooLarge, "Raise PROBESCOPE_READER_WALL."),
    "cpu": (TooLarge, "Raise PROBESCOPE_READER_CPU."),
    "output": (TooLarge, "Raise PROBESCOPE_READER_OUTPUT."),
    "gone": (Conflict, "Try again when the file is at rest."),
}


class Store:
    """The binaries of one data directory: columns/, blobs/ and their rows."""

    def __init__(self, settings: Settings, catalogue: Catalogue) -> None:
        self._settings = settings
        self._catalogue = catalogue
        self._columns_dir = settings.data / "columns"
        self._blobs = settings.data / "blobs"
        self._kept: OrderedDict[str, tuple[Columns, Items]] = OrderedDict()
        self._lock = threading.Lock()

    def start(self) -> None:
        """Raises OSError when the directories cannot be made."""
        for directory in (self._columns_dir, self._blobs):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def close(self) -> None:
        with self._lock:
            self._kept.clear()

    def known(self, known: PathRow) -> BinaryRow | None:
        if known.problem is not None:
            raise NotElf(known.problem["message"], known.problem["hint"], code=known.problem["code"])
        row = self._catalogue.binary(known.binary) if known.binary else None
        return row if row is not None and (self._columns_dir / row.columns).exists() else None

    def put(
        self, outcome: Outcome, name: str, size: int, path: str | None, stamp: Stamp | None, blob: Path | None
    ) -> BinaryRow:
        """Columns to their place, then the row: a kill between them leaves nothing that is seen."""
        columns = outcome.columns
        if columns is None or outcome.path is None or outcome.sha256 is None:
            problem = outcome.problem or Problem("fault", "Reading this file failed.")
            kind, hint = _PROBLEMS.get(problem.code, (NotElf, "The file is not what its header says."))
            raise kind(problem.text, hint, code=problem.code)
        try:
            meta = columns.meta
            if meta["state"] in {"malformed", "limit"}:
                first = meta["problems"][0]
                raise NotElf(first["text"], "The file is damaged, or was cut off.", code=first["code"])
            binary_id = self._id(meta, outcome.sha256, path)
            place = f"{binary_id[:40]}-{outcome.sha256[:16]}.columns"
            before = self._catalogue.binary(binary_id)
            held = None
            if blob is not None:
                held = outcome.sha256
                shutil.move(blob, self._blobs / held)
                (self._blobs / held).chmod(0o600)
            elif before is not None and before.sha256 == outcome.sha256:
                held = before.blob
            outcome.path.replace(self._columns_dir / place)
            row = BinaryRow(
                id=binary_id,
                build_id=meta["build_id"],
                sha256=outcome.sha256,
                name=before.name if before and before.sha256 == outcome.sha256 and path is None else name,
                size=size,
                uploaded=path is None if before is None else before.uploaded and path is None,
                indexed=time.time(),
                columns=place,
                blob=held,
                info=_info(meta),
            )
            self._catalogue.store(row, path, stamp, time.time())
            if before is not None and before.columns != place:
                (self._columns_dir / before.columns).unlink(missing_ok=True)
        except OSError as error:
            raise StorageFull(
                f"The index cannot be written: {error.strerror}.", "Free some space, or use --data."
            ) from error
        finally:
            outcome.path.unlink(missing_ok=True)
        return self.row(binary_id)

    def _id(self, meta: object, sha256: str, path: str | None) -> str:
        """The build-id, unless other bytes that are still there have it; a debug file has its hash."""
        assert isinstance(meta, dict)
        build_id = meta["build_id"]
        if not build_id or meta["debug_only"]:
            return f"sha256-{sha256}"
        holder = self._catalogue.binary(str(build_id))
        if holder is None or holder.sha256 == sha256:
            return str(build_id)
        elsewhere = [other for other in holder.paths if other != path and self._holds(other)]
        return f"sha256-{sha256}" if elsewhere or holder.uploaded else str(build_id)

    def _holds(self, path: str) -> bool:
        """Whether the file at ``path`` is still the one that was read."""
        known = self._catalogue.path(path)
        try:
            with files.open_elf(path, self._settings.roots) as file:
                return known is not None and known.stamp == file.stamp
        except AppError:
            return False

    def remove(self, binary_id: str) -> None:
        """Takes away the row, its columns and its bytes. Raises NotFound."""
        row = self.row(binary_id)
        self._catalogue.remove(binary_id)
        (self._columns_dir / row.columns).unlink(missing_ok=True)
        if row.blob is not None:
            (self._blobs / row.blob).unlink(missing_ok=True)

    def row(self, binary_id: str) -> BinaryRow:
        """Raises NotFound."""
        row = self._catalogue.binary(binary_id)
        if row is None:
            raise NotFound(
                f"There is no binary {binary_id}.", "Index its file again; it may have been rebuilt."
            )
        return row

    def bytes_of(self, row: BinaryRow, offset: int, size: int) -> bytes:
        """A part of the file that was indexed; none where just these bytes are no longer at hand."""
        if row.blob is not None:
            with (self._blobs / row.blob).open("rb") as blob:
                return os.pread(blob.fileno(), size, offset)
        for path in row.paths:
            known = self._catalogue.path(path)
            try:
                with files.open_elf(path, self._settings.roots) as file:
                    if known is not None and known.stamp == file.stamp:
                        return os.pread(file.descriptor, size, offset)
            except AppError:
                continue
        return b""

    def columns(self, row: BinaryRow) -> tuple[Columns, Items]:
        """Mapped, and kept for the next question. Raises NotFound when they are gone."""
        with self._lock:
            kept = self._kept.get(row.columns)
            if kept is not None:
                self._kept.move_to_end(row.columns)
                return kept
        try:
            with (self._columns_dir / row.columns).open("rb") as file:
                columns = open_columns(file.fileno())
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


def binary_of(row: BinaryRow) -> Binary:
    """A row as the other rooms see it."""
    info = row.info
    return Binary(
        id=row.id,
        build_id=row.build_id,
        name=row.name,
        path=row.paths[0] if row.paths else None,
        paths=row.paths,
        sha256=row.sha256,
        size=row.size,
        type=info["type"],
        machine=info["machine"],
        bits=info["bits"],
        endian=info["endian"],
        stripped=info["stripped"],
        language=info["language"],
        runtime=info["runtime"],
        interpreter_of=info["interpreter_of"],
        debug=Debug(**info["debug"]),
        counts=info["counts"],
        needed=tuple(info["needed"]),
        frame_pointers=info["frame_pointers"],
        state=info["state"],
        problems=tuple(Problem(**problem) for problem in info["problems"]),
        uploaded=row.uploaded,
        indexed=row.indexed,
    )


def _info(meta: object) -> dict[str, object]:
    """What a page about the binary shows, so that lists need not open columns."""
    assert isinstance(meta, dict)
    header = meta["header"]
    tables = set(meta["tables"])
    has = {"dwarf": meta["dwarf"], "lines": meta["lines"], "symtab": 0 in tables, "dynsym": 1 in tables}
    return {
        "type": header["type"],
        "machine": header["machine"],
        "bits": header["bits"],
        "endian": header["endian"],
        "stripped": meta["stripped"],
        "language": meta["language"],
        "runtime": meta["runtime"],
        "interpreter_of": meta["interpreter_of"],
        "debug": asdict(Debug("embedded" if meta["dwarf"] else "none", None, has)),
        "counts": meta["counts"],
        "needed": meta["needed"],
        "frame_pointers": meta["frame_pointers"],
        "debug_only": meta["debug_only"],
        "state": meta["state"],
        "problems": meta["problems"],
    }
