"""The index as the other rooms see it: files in, pages of functions, variables, symbols and USDT probes out.

All methods may be called from any thread. Files of the host come from ``files``, facts from the boxed
``build``, what is known from ``catalogue``, columns from disk by ``columns``.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

import numpy as np

from app.config import Settings
from app.elf.disassembly import Instruction, disassemble
from app.elf.model import Header, Problem, Section, Segment
from app.errors import AppError, BadInput, Conflict, NotElf, NotFound, StorageFull, TooLarge
from app.index import files, items, matching, query, search
from app.index.build import Outcome, Readers
from app.index.catalogue import BinaryRow, Catalogue, PathRow, Stamp
from app.index.columns import BadColumns, Columns, open_columns
from app.index.items import Items
from app.index.jobs import Jobs, Result, Task
from app.index.model import Ask, Binary, Debug, Function, Hit, Job, Mode, Page, Symbol, Usdt, Variable

_OPEN = 256  # columns kept mapped
_CODE = 1 << 16  # bytes of a function that are disassembled
_FUNCTIONS = (2, 10)  # STT_FUNC, STT_GNU_IFUNC
_UNSIZED = 256  # bytes shown of a function without a size
T = TypeVar("T")
_PROBLEMS: dict[str, tuple[type[AppError], str]] = {
    "memory": (TooLarge, "Raise PROBESCOPE_READER_MEMORY."),
    "time": (TooLarge, "Raise PROBESCOPE_READER_WALL."),
    "cpu": (TooLarge, "Raise PROBESCOPE_READER_CPU."),
    "output": (TooLarge, "Raise PROBESCOPE_READER_OUTPUT."),
    "gone": (Conflict, "Try again when the file is at rest."),
}


class Index:
    """One data directory: catalogue.sqlite, columns/, blobs/, uploads/, scratch/."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._data = settings.data
        self.upload_dir = settings.data / "uploads"
        self._columns_dir = settings.data / "columns"
        self._blobs = settings.data / "blobs"
        self._kept: OrderedDict[str, tuple[Columns, Items]] = OrderedDict()
        self._lock = threading.Lock()
        self._selections = query.Selections()

    def start(self) -> None:
        """Lays the directory, opens the catalogue, resumes jobs. Raises StorageFull, or BadInput."""
        try:
            for directory in (self._data, self.upload_dir, self._columns_dir, self._blobs):
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._readers = Readers(self._settings)
        except OSError as error:
            if error.errno == 28:
                raise StorageFull(
                    f"The disk of {self._data} is full.", "Free some space, or use --data."
                ) from error
            raise BadInput(
                f"The data directory {self._data} cannot be used: {error.strerror}.",
                "Name one that you may write to by --data.",
            ) from error
        place = self._data / "catalogue.sqlite"
        try:
            self._catalogue = Catalogue(place)
        except sqlite3.Error as error:
            self._readers.close()
            raise BadInput(
                f"The catalogue {place} cannot be opened: {error}.",
                "Move it away: it is made anew, and files are indexed again.",
            ) from error
        self._jobs = Jobs(self._catalogue, self._perform)
        self._drop_leftovers()
        self._jobs.resume()

    def close(self) -> None:
        self._jobs.close()
        self._readers.close()
        self._catalogue.close()
        self._kept.clear()

    def _drop_leftovers(self) -> None:
        """Uploads that no job waits for: the server went down while they were received."""
        awaited = {
            entry["path"]
            for job, _, spec in self._catalogue.jobs()
            if job.ended is None
            for entry in spec.get("files", ())
        }
        for left in self.upload_dir.iterdir():
            if str(left) not in awaited:
                left.unlink(missing_ok=True)

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
        return self._jobs.jobs(limit)

    def job(self, job_id: str) -> Job:
        return self._jobs.job(job_id)

    def cancel(self, job_id: str) -> Job:
        return self._jobs.cancel(job_id)

    def wait(self, job_id: str, timeout: float | None = None) -> Job:
        return self._jobs.wait(job_id, timeout)

    def _perform(self, task: Task) -> None:
        if task.job.kind == "upload":
            uploads = task.spec["files"]
            task.update(save=True, phase="reading", total=len(uploads))
            for entry in uploads:
                task.advance(self._upload(entry["name"], Path(entry["path"]), task.owner), 0)
            return
        task.update(save=True, phase="walking")
        found, problems = files.walk(
            task.spec["paths"], self._settings.roots, self._settings.index_files, task.cancelled
        )
        for path, error in problems:
            task.advance(_refused(path, error), 0)
        task.update(
            save=True,
            phase="reading",
            total=len(found) + len(problems),
            bytes_total=sum(entry.size for entry in found),
        )
        task.read_all(
            ((entry.size, lambda path=entry.path: self._result(path)) for entry in found),  # type: ignore[misc]
            self._settings.readers,
        )
        task.update(save=True, phase="storing")

    def _result(self, path: str) -> Result:
        try:
            row = self._at(path)
        except StorageFull:
            raise
        except AppError as error:
            return _refused(path, error)
        return _taken(path, row)

    def _upload(self, name: str, path: Path, owner: str) -> Result:
        try:
            with path.open("rb") as file:
                if file.read(4) != b"\x7fELF":
                    raise NotElf(
                        f"{name} is not an ELF file.", "Upload a program, a library or a debug file."
                    )
                outcome = self._readers.read(file.fileno(), owner)
                size = os.fstat(file.fileno()).st_size
            row = self._store(outcome, name, size, None, None, path)
        except FileNotFoundError:
            error = NotFound(f"The upload {name} is gone.", "Upload it again.")
            return _refused(name, error)
        except StorageFull:
            raise
        except AppError as error:
            return _refused(name, error)
        finally:
            path.unlink(missing_ok=True)
        return _taken(name, row)

    # Binaries

    def binary_at(self, path: str) -> Binary:
        """The binary of a host path, read now if it is new or changed. Raises NotElf and its kin."""
        return self._binary(self._at(path))

    def _at(self, path: str) -> BinaryRow:
        for _ in range(3):
            with files.open_elf(path, self._settings.roots) as file:
                known = self._catalogue.path(file.path)
                if known is not None and known.stamp == file.stamp:
                    row = self._known(known)
                    if row is not None:
                        return row
                outcome = self._readers.read(file.descriptor)
                if file.unchanged():
                    return self._keep(path, file, outcome)
        raise Conflict(f"{path} changes while it is read.", "Try again when the file is at rest.")

    def _known(self, known: PathRow) -> BinaryRow | None:
        if known.problem is not None:
            raise NotElf(known.problem["message"], known.problem["hint"], code=known.problem["code"])
        row = self._catalogue.binary(known.binary) if known.binary else None
        return row if row is not None and (self._columns_dir / row.columns).exists() else None

    def _keep(self, path: str, file: files.HostFile, outcome: Outcome) -> BinaryRow:
        name = Path(_program(file.path)).name
        try:
            return self._store(outcome, name, file.stamp[2], file.path, file.stamp, None)
        except NotElf as error:
            # The answer is kept with the file's stamp, and not computed again.
            problem = {"code": error.code, "message": f"{path}: {error.message}", "hint": error.hint}
            self._catalogue.put_path(file.path, None, file.stamp, problem, time.time())
            raise NotElf(problem["message"], error.hint, code=error.code) from error

    def _store(
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
        return self._row(binary_id)

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

    def binaries(self, ask: Ask) -> Page[Binary]:
        """By name or build-id, the latest first."""
        began = time.perf_counter()
        rows = search.binaries(self._catalogue.binaries(), ask)
        part = rows[ask.offset : ask.offset + ask.limit]
        return _page(len(rows), tuple(self._binary(row) for row in part), ask, began)

    def binary(self, binary_id: str) -> Binary:
        """Raises NotFound."""
        return self._binary(self._row(binary_id))

    def remove(self, binary_id: str) -> None:
        row = self._row(binary_id)
        self._catalogue.remove(binary_id)
        (self._columns_dir / row.columns).unlink(missing_ok=True)
        if row.blob is not None:
            (self._blobs / row.blob).unlink(missing_ok=True)

    def _row(self, binary_id: str) -> BinaryRow:
        row = self._catalogue.binary(binary_id)
        if row is None:
            raise NotFound(
                f"There is no binary {binary_id}.", "Index its file again; it may have been rebuilt."
            )
        return row

    def _binary(self, row: BinaryRow) -> Binary:
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
            frame_pointers=None,
            state=info["state"],
            problems=tuple(Problem(**problem) for problem in info["problems"]),
            uploaded=row.uploaded,
            indexed=row.indexed,
        )

    # Facts of one binary

    def header(self, binary_id: str) -> Header | None:
        return items.header(self._columns(self._row(binary_id))[0])

    def sections(self, binary_id: str) -> tuple[Section, ...]:
        return self._columns(self._row(binary_id))[1].sections

    def segments(self, binary_id: str) -> tuple[Segment, ...]:
        return items.segments(self._columns(self._row(binary_id))[0])

    def debug_link(self, binary_id: str) -> tuple[str, int] | None:
        found = self._columns(self._row(binary_id))[0].meta["debug_link"]
        return (str(found[0]), int(found[1])) if found else None

    def symbols(self, binary_id: str, ask: Ask) -> Page[Symbol]:
        """The whole symbol tables; without text or order, as they lie in the file."""
        _, found, selection, began = self._select(binary_id, "symbol", ask)
        part = selection.rows[ask.offset : ask.offset + ask.limit].tolist()
        return _page(
            len(selection.rows), tuple(found.symbol(row) for row in part), ask, began, selection.facets
        )

    def functions(self, binary_id: str, ask: Ask) -> Page[Function]:
        _, found, selection, began = self._select(binary_id, "function", ask)
        part = selection.rows[ask.offset : ask.offset + ask.limit].tolist()
        return _page(
            len(selection.rows), tuple(found.function(row) for row in part), ask, began, selection.facets
        )

    def variables(self, binary_id: str, ask: Ask) -> Page[Variable]:
        _, found, selection, began = self._select(binary_id, "variable", ask)
        part = selection.rows[ask.offset : ask.offset + ask.limit].tolist()
        return _page(
            len(selection.rows), tuple(found.variable(row) for row in part), ask, began, selection.facets
        )

    def function(self, binary_id: str, key: str) -> Function:
        """By its key, or by 0xADDRESS, also one inside it. Raises NotFound."""
        row = self._row(binary_id)
        _, found = self._columns(row)
        index = found.find_function(key)
        if index is None:
            raise NotFound(
                f"{row.name} has no function at {key}.", "Addresses change with each build; search by name."
            )
        return found.function(index)

    def function_names(self, binary_id: str, pattern: str) -> list[str]:
        """Every name that bpftrace knows functions by and ``pattern`` matches (``*`` alone is special).

        Sorted, each once. As ``bpftrace -l`` has it: aliases, entries of the PLT that have an address, the
        version where .symtab carries one, but no ``.part.`` clones.
        """
        columns, found = self._columns(self._row(binary_id))
        rows = np.flatnonzero(np.isin(columns["type"], _FUNCTIONS) & (columns["address"] != 0))
        versioned = (columns["table"][rows] == 0) & (columns["version_id"][rows] != 0)
        if pattern.strip("*"):
            escaped = pattern.replace("[", "[[]").replace("?", "[?]")
            ranks = matching.ranks(columns, escaped, "glob", self._settings.search_wall)
            chosen = (ranks[columns["name_id"][rows]] != matching.NONE) | versioned
            rows, versioned = rows[chosen], versioned[chosen]
        fits = matching.wildcard(pattern)
        names = {
            found.symbol_name(row) + (found.version(row) if with_version else "")
            for row, with_version in zip(rows.tolist(), versioned.tolist(), strict=True)
        }
        return sorted(name for name in names if name and ".part." not in name and fits.fullmatch(name))

    def usdt(self, binary_id: str, ask: Ask) -> Page[Usdt]:
        began = time.perf_counter()
        columns, _ = self._columns(self._row(binary_id))
        found, facets = search.usdt(items.usdt(columns), ask, self._settings.search_wall)
        return _page(len(found), found[ask.offset : ask.offset + ask.limit], ask, began, facets)

    def usdt_probe(self, binary_id: str, provider: str, name: str) -> Usdt:
        """Raises NotFound."""
        row = self._row(binary_id)
        for probe in items.usdt(self._columns(row)[0]):
            if (probe.provider, probe.name) == (provider, name):
                return probe
        raise NotFound(f"{row.name} has no USDT probe {provider}:{name}.", "See the list of its USDT probes.")

    def code(self, binary_id: str, key: str) -> tuple[Instruction, ...]:
        """A function's instructions, from the bytes that were indexed; none where these are not at hand."""
        function = self.function(binary_id, key)
        row = self._row(binary_id)
        if function.offset is None:
            return ()
        code = self._bytes(row, function.offset, min(function.size or _UNSIZED, _CODE))
        info = row.info
        return disassemble(code, function.address, info["machine"], info["endian"], info["bits"])

    def _bytes(self, row: BinaryRow, offset: int, size: int) -> bytes:
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

    # Search over everything

    def search(self, text: str, mode: Mode = "substring", limit: int = 50) -> Page[Hit]:
        """Binaries, functions, variables and USDT probes of the whole catalogue, the best first."""
        began = time.perf_counter()
        rows = self._catalogue.binaries()
        hits, total = search.everywhere(
            [(row, lambda row=row: self._columns(row)) for row in rows],  # type: ignore[misc]
            text,
            mode,
            limit,
            self._settings.search_wall,
        )
        return _page(total, hits, Ask(text, mode, limit=limit), began)

    # Columns

    def _select(
        self, binary_id: str, kind: query.Kind, ask: Ask
    ) -> tuple[Columns, Items, query.Selection, float]:
        began = time.perf_counter()
        row = self._row(binary_id)
        columns, found = self._columns(row)
        key = (row.columns, kind, ask.q, ask.mode, ask.sort, tuple(sorted(ask.filters.items())))
        selection = self._selections.get(
            key, lambda: query.select(columns, found.sections, kind, ask, self._settings.search_wall)
        )
        return columns, found, selection, began

    def _columns(self, row: BinaryRow) -> tuple[Columns, Items]:
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


def _page(
    total: int,
    found: tuple[T, ...],
    ask: Ask,
    began: float,
    facets: dict[str, dict[str, int]] | None = None,
) -> Page[T]:
    following = ask.offset + len(found)
    took = round((time.perf_counter() - began) * 1000, 3)
    return Page(total, found, following if found and following < total else None, took, facets or {})


def _program(path: str) -> str:
    """/proc/PID/exe is called by what it leads to."""
    if path.startswith("/proc/") and path.endswith("/exe"):
        try:
            return os.path.realpath(path).removesuffix(" (deleted)")
        except OSError:
            return path
    return path


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
        "debug_only": meta["debug_only"],
        "state": meta["state"],
        "problems": meta["problems"],
    }


def _refused(path: str, error: AppError) -> Result:
    return {"path": path, "id": None, "state": "failed", **error.as_dict()}


def _taken(path: str, row: BinaryRow) -> Result:
    state = row.info["state"]
    problems = row.info["problems"]
    text = problems[0]["text"] if problems else ""
    return {"path": path, "id": row.id, "state": state, "code": "", "message": text, "hint": ""}
