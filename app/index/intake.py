"""Uploads and packages into the catalogue: each ELF file in them, their debug files merged into binaries."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import closing
from pathlib import Path, PurePosixPath

from app.config import Settings
from app.debuginfo.packages.formats import HEAD, told
from app.errors import AppError, Conflict, NotElf, NotFound, StorageFull
from app.index.binaries import Package
from app.index.build import Child
from app.index.completing import Completing, gives, is_common
from app.index.jobs import Task
from app.index.reader import Kind, Source
from app.index.readers import Readers
from app.index.results import Result, refused, taken
from app.index.source_packs import Packing, SourcePacks
from app.index.store import Store
from app.index.unpacking import Unpacked, Unpacking

_LONGEST = 255


class Intake:
    """May be used from any thread."""

    def __init__(self, settings: Settings, store: Store, readers: Readers, completing: Completing) -> None:
        self._settings = settings
        self._packs = SourcePacks(store.catalogue, store.uploads)
        self._store = store
        self._readers = readers
        self._completing = completing
        self.unpacker: Child | None = None  # started before, for the first package

    def is_package(self, descriptor: int) -> bool:
        head = os.pread(descriptor, HEAD, 0)
        return head[:4] != b"\x7fELF" and told(head) is not None

    def uploads(self, task: Task) -> None:
        """The files of a job, each an ELF file or a package."""
        uploads = task.spec["files"]
        task.update(save=True, phase="reading", total=len(uploads))
        for entry in uploads:
            path = Path(entry["path"])
            try:
                if not task.cancelled():
                    self._upload(task, entry["name"], path)
            finally:
                # A server that goes down takes it up again.
                if not task.cancelled() or task.told_to_stop:
                    path.unlink(missing_ok=True)

    def _upload(self, task: Task, name: str, path: Path) -> None:
        try:
            with path.open("rb") as file:
                head = os.pread(file.fileno(), HEAD, 0)
                if head[:4] == b"\x7fELF":
                    result = self._elf(task, name, file.fileno())
                elif self.is_package(file.fileno()):
                    self.package(task, name, file.fileno())
                    return
                else:
                    raise NotElf(
                        f"{name} is neither an ELF file nor a package that is known.",
                        "Upload a program, a library, a debug file, or a package or archive of some.",
                    )
        except FileNotFoundError:
            result = refused(name, NotFound(f"The upload {name} is gone.", "Upload it again."))
        except StorageFull:
            raise
        except AppError as error:
            result = refused(name, error)
        if not task.cancelled():
            task.advance(result, 0)
            self._completing.by(Kind(task.owner)).merge_all(task, [result["id"]] if result["id"] else [])

    def _elf(self, task: Task, name: str, descriptor: int) -> Result:
        source = Source(descriptor, os.fstat(descriptor).st_size, hashed=True)
        for _, alone in self._readers.stream([source], Kind(task.owner), 1, task.cancelled):
            outcome, debug = self._completing.by(Kind(task.owner)).completed(None, descriptor, alone)
            row = self._store.put(outcome, name, descriptor, None, None, task.cancelled, None, debug)
            return taken(name, row)
        raise Conflict(f"Reading {name} was cancelled.", "Upload it again.", code="cancelled")

    def package(self, task: Task, name: str, descriptor: int) -> None:
        """Each ELF file of a package, and its sources; what is wrong with itself is a result of its own."""
        task.update(save=True, phase="unpacking")
        child, self.unpacker = self.unpacker, None
        unpacking = Unpacking(self._settings, descriptor, self._readers.scratch, task.cancelled, child)
        arrived: list[str] = []
        found = 0
        opened: dict[int, Path] = {}
        packing = Packing(self._readers.scratch)
        completing = self._completing.by(Kind(task.owner))
        sources = _sources(unpacking, opened, packing, name)
        stream = self._readers.stream(sources, Kind(task.owner), self._settings.readers, task.cancelled)
        try:
            for source, outcome in stream:
                each: Unpacked = source.tag
                found += 1
                try:
                    whole, debug = completing.completed(None, source.descriptor, outcome)
                    row = self._store.put(
                        whole,
                        _name(each.name),
                        source.descriptor,
                        None,
                        None,
                        task.cancelled,
                        None,
                        debug,
                        each.package or _archive(name),
                    )
                    result = taken(f"{name}: {each.name}", row)
                    if whole.meta is not None and (gives(whole.meta) or is_common(whole.meta)):
                        arrived.append(row.id)
                except StorageFull:
                    raise
                except AppError as error:
                    result = refused(f"{name}: {each.name}", error)
                finally:
                    opened.pop(source.descriptor)
                    os.close(source.descriptor)
                    each.path.unlink(missing_ok=True)
                task.update(total=(task.job.total or 1) + 1)
                task.advance(result, source.size)
        finally:
            stream.close()
            sources.close()
            for descriptor_left, path in opened.items():
                os.close(descriptor_left)
                path.unlink(missing_ok=True)
        try:
            kept = 0 if task.cancelled() else packing.keep(self._packs, task.cancelled)
        finally:
            packing.close()
        if task.cancelled():
            return
        completing.merge_all(task, arrived)
        task.advance(_of_package(name, unpacking, found, kept, packing.left_out), 0)


def _sources(
    unpacking: Unpacking, opened: dict[int, Path], packing: Packing, name: str
) -> Generator[Source, None, None]:
    """Those that are ELF files, each open, with its path in ``opened``; source files go to ``packing``."""
    with closing(iter(unpacking)) as found:
        for each in found:
            if each.what == "source":
                packing.add(each, each.package or _archive(name))
                continue
            if not each.whole:
                each.path.unlink(missing_ok=True)
                continue
            descriptor = os.open(each.path, os.O_RDONLY | os.O_CLOEXEC)
            opened[descriptor] = each.path
            yield Source(descriptor, os.fstat(descriptor).st_size, hashed=True, tag=each)


def _archive(name: str) -> Package:
    """What is no package of a distribution is known by its own name."""
    return {"name": PurePosixPath(name).name, "version": "", "architecture": "", "kind": "archive"}


def _of_package(name: str, unpacking: Unpacking, found: int, sources: int, left_out: int) -> Result:
    for problem in unpacking.problems:
        text = f"{name}: {problem.text}"
        hint = (
            "What came before it is kept."
            if found or sources
            else "Get the package again; it may have been cut off."
        )
        error = NotElf(text, hint, code=problem.code)
        return {**refused(name, error), "state": "partial" if found or sources else "failed"}
    if not found and not sources:
        text = f"{name} holds no ELF file among its {unpacking.entries:,} entries."
        return refused(name, NotElf(text, "Upload a package of programs, libraries or debug files."))
    kept = f", and {sources:,} source files" if sources else ""
    message = f"{found:,} ELF files{kept} in {unpacking.entries:,} entries."
    if left_out:
        message += f" {left_out:,} more source files were left out: they are too many, or too large."
    return {"path": name, "id": None, "state": "ok", "code": "", "message": message, "hint": ""}


def _name(member: str) -> str:
    """What a binary out of a package is called: never a path."""
    return PurePosixPath(member).name[-_LONGEST:] or "member"
