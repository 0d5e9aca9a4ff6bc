"""The index as the other rooms see it: files in, pages of functions, variables, symbols and USDT probes out.

All methods may be called from any thread. Files of the host come from ``files``, facts from the boxed
``build``, what is known from ``catalogue``, columns from disk by ``columns``.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from app.config import Settings
from app.elf.disassembly import Instruction, disassemble
from app.elf.model import Header, Section, Segment
from app.errors import AppError, BadInput, Conflict, NotElf, NotFound, StorageFull
from app.index import files, items, matching, query, search
from app.index.build import Outcome, Readers
from app.index.catalogue import BinaryRow, Catalogue
from app.index.columns import Columns
from app.index.everywhere import Everywhere
from app.index.items import Items
from app.index.jobs import Jobs, Result, Task
from app.index.model import Ask, Binary, Function, Hit, Job, Page, Symbol, Usdt, Variable
from app.index.store import Store, binary_of

_CODE = 1 << 16  # bytes of a function that are disassembled
_FUNCTIONS = (2, 10)  # STT_FUNC, STT_GNU_IFUNC
_UNSIZED = 256  # bytes shown of a function without a size
T = TypeVar("T")


class Index:
    """One data directory: catalogue.sqlite, columns/, blobs/, uploads/, scratch/."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._data = settings.data
        self.upload_dir = settings.data / "uploads"
        self._catalogue = Catalogue(settings.data / "catalogue.sqlite")
        self._store = Store(settings, self._catalogue)
        self._selections = query.Selections()
        self._everywhere = Everywhere(
            settings.data / "names",
            self._catalogue.generation,
            self._catalogue.binaries,
            lambda row: self._store.columns(row)[0],
        )

    def start(self) -> None:
        """Lays the directory, opens the catalogue, resumes jobs. Raises StorageFull, or BadInput."""
        try:
            for directory in (self._data, self.upload_dir):
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._store.start()
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
        try:
            self._catalogue.open()
        except AppError:
            self._readers.close()
            raise
        self._jobs = Jobs(self._catalogue, self._perform)
        self._drop_leftovers()
        self._jobs.resume()

    def close(self) -> None:
        self._jobs.close()
        self._everywhere.close()
        self._readers.close()
        self._catalogue.close()
        self._store.close()

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
        self._everywhere.refresh_soon()

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
            row = self._store.put(outcome, name, size, None, None, path)
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
        return binary_of(self._at(path))

    def _at(self, path: str) -> BinaryRow:
        for _ in range(3):
            with files.open_elf(path, self._settings.roots) as file:
                known = self._catalogue.path(file.path)
                if known is not None and known.stamp == file.stamp:
                    row = self._store.known(known)
                    if row is not None:
                        return row
                outcome = self._readers.read(file.descriptor)
                if file.unchanged():
                    return self._keep(path, file, outcome)
        raise Conflict(f"{path} changes while it is read.", "Try again when the file is at rest.")

    def _keep(self, path: str, file: files.HostFile, outcome: Outcome) -> BinaryRow:
        name = Path(_program(file.path)).name
        try:
            return self._store.put(outcome, name, file.stamp[2], file.path, file.stamp, None)
        except NotElf as error:
            # The answer is kept with the file's stamp, and not computed again.
            problem = {"code": error.code, "message": f"{path}: {error.message}", "hint": error.hint}
            self._catalogue.put_path(file.path, None, file.stamp, problem, time.time())
            raise NotElf(problem["message"], error.hint, code=error.code) from error

    def binaries(self, ask: Ask) -> Page[Binary]:
        """By name or build-id, the latest first."""
        began = time.perf_counter()
        rows = search.binaries(self._catalogue.binaries(), ask)
        part = rows[ask.offset : ask.offset + ask.limit]
        return _page(len(rows), tuple(binary_of(row) for row in part), ask, began)

    def binary(self, binary_id: str) -> Binary:
        """Raises NotFound."""
        return binary_of(self._store.row(binary_id))

    def remove(self, binary_id: str) -> None:
        """Forgets it; the files of the host are not touched. Raises NotFound."""
        self._store.remove(binary_id)

    # Facts of one binary

    def header(self, binary_id: str) -> Header | None:
        return items.header(self._store.columns(self._store.row(binary_id))[0])

    def sections(self, binary_id: str) -> tuple[Section, ...]:
        return self._store.columns(self._store.row(binary_id))[1].sections

    def segments(self, binary_id: str) -> tuple[Segment, ...]:
        return self._store.columns(self._store.row(binary_id))[1].segments

    def debug_link(self, binary_id: str) -> tuple[str, int] | None:
        found = self._store.columns(self._store.row(binary_id))[0].meta["debug_link"]
        return (str(found[0]), int(found[1])) if found else None

    def symbols(self, binary_id: str, ask: Ask) -> Page[Symbol]:
        """The whole symbol tables; without text or order, as they lie in the file."""
        _, found, selection, began = self._select(binary_id, "symbol", ask)
        part = found.symbols(selection.rows[ask.offset : ask.offset + ask.limit])
        return _page(len(selection.rows), tuple(part), ask, began, selection.facets)

    def functions(self, binary_id: str, ask: Ask) -> Page[Function]:
        _, found, selection, began = self._select(binary_id, "function", ask)
        part = found.functions(selection.rows[ask.offset : ask.offset + ask.limit])
        return _page(len(selection.rows), tuple(part), ask, began, selection.facets)

    def variables(self, binary_id: str, ask: Ask) -> Page[Variable]:
        _, found, selection, began = self._select(binary_id, "variable", ask)
        part = found.variables(selection.rows[ask.offset : ask.offset + ask.limit])
        return _page(len(selection.rows), tuple(part), ask, began, selection.facets)

    def function(self, binary_id: str, key: str) -> Function:
        """By its key, or by 0xADDRESS, also one inside it. Raises NotFound."""
        row = self._store.row(binary_id)
        _, found = self._store.columns(row)
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
        columns, found = self._store.columns(self._store.row(binary_id))
        rows = np.flatnonzero(np.isin(columns["type"], _FUNCTIONS) & (columns["address"] != 0))
        versioned = (columns["table"][rows] == 0) & (columns["version_id"][rows] != 0)
        if pattern.strip("*"):
            escaped = pattern.replace("[", "[[]").replace("?", "[?]")
            ranks = matching.ranks(columns, escaped, "glob", self._settings.search_wall)
            chosen = (ranks[columns["name_id"][rows]] != matching.NONE) | versioned
            rows, versioned = rows[chosen], versioned[chosen]
        names = set(columns.names_of(np.unique(columns["name_id"][rows[~versioned]])))
        names |= {
            columns.name(int(columns["name_id"][row])) + found.version(row).encode()
            for row in rows[versioned].tolist()
        }
        texts = [name.decode("utf-8", "backslashreplace") for name in names if b".part." not in name]
        if pattern.strip("*"):
            fits = matching.wildcard(pattern)
            texts = [text for text in texts if fits.fullmatch(text)]
        return sorted(text for text in texts if text)

    def usdt(self, binary_id: str, ask: Ask) -> Page[Usdt]:
        began = time.perf_counter()
        columns, _ = self._store.columns(self._store.row(binary_id))
        found, facets = search.usdt(items.usdt(columns), ask, self._settings.search_wall)
        return _page(len(found), found[ask.offset : ask.offset + ask.limit], ask, began, facets)

    def usdt_probe(self, binary_id: str, provider: str, name: str) -> Usdt:
        """Raises NotFound."""
        row = self._store.row(binary_id)
        for probe in items.usdt(self._store.columns(row)[0]):
            if (probe.provider, probe.name) == (provider, name):
                return probe
        raise NotFound(f"{row.name} has no USDT probe {provider}:{name}.", "See the list of its USDT probes.")

    def code(self, binary_id: str, key: str) -> tuple[Instruction, ...]:
        """A function's instructions, from the bytes that were indexed; none where these are not at hand."""
        function = self.function(binary_id, key)
        row = self._store.row(binary_id)
        if function.offset is None or function.address is None:
            return ()
        code = self._store.bytes_of(row, function.offset, min(function.size or _UNSIZED, _CODE))
        info = row.info
        return disassemble(code, function.address, info["machine"], info["endian"], info["bits"])

    # Search over everything

    def search(self, ask: Ask) -> Page[Hit]:
        """Binaries, functions, variables and USDT probes of the whole catalogue, the best first.

        A name that many binaries have is one hit; the filter ``each=1`` gives one for each of them, ``kind``
        those of one kind.
        """
        began = time.perf_counter()
        total, hits, facets = self._everywhere.ask(ask, self._settings.search_wall)
        return _page(total, hits, ask, began, facets)

    # Columns

    def _select(
        self, binary_id: str, kind: query.Kind, ask: Ask
    ) -> tuple[Columns, Items, query.Selection, float]:
        began = time.perf_counter()
        row = self._store.row(binary_id)
        columns, found = self._store.columns(row)
        key = (row.columns, kind, ask.q, ask.mode, ask.sort, tuple(sorted(ask.filters.items())))
        selection = self._selections.get(
            key, lambda: query.select(columns, found.sections, kind, ask, self._settings.search_wall)
        )
        return columns, found, selection, began


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


def _refused(path: str, error: AppError) -> Result:
    return {"path": path, "id": None, "state": "failed", **error.as_dict()}


def _taken(path: str, row: BinaryRow) -> Result:
    state = row.info["state"]
    problems = row.info["problems"]
    text = problems[0]["text"] if problems else ""
    return {"path": path, "id": row.id, "state": state, "code": "", "message": text, "hint": ""}
