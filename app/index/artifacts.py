"""What this server has of a build-id, as debuginfod gives it out: debug file, executable, section, source.

Nothing is given for an id that its own note does not carry. Bytes are those that were indexed: a file that
changed since is not given. Source: debuginfod(8), Webapi; debuginfod.cxx of elfutils 0.188 for which section
is given, and that it is given as it lies in the file.
"""

from __future__ import annotations

import os
import re
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import translate
from itertools import chain
from typing import TYPE_CHECKING

from app.config import Settings
from app.elf.problem import Problem
from app.elf.tree import Stamp, stamp_of
from app.errors import AppError, BadInput, Busy, NotFound
from app.index import given_sources, sources
from app.index.answers import Answers
from app.index.catalogue import BinaryRow
from app.index.debug_files import DebugFiles, sought
from app.index.reader import Source
from app.index.readers import Readers
from app.index.store import Store

if TYPE_CHECKING:
    from app.index.source_packs import SourcePacks

_BUILDS = 8  # whose source files are kept in memory
_AT_ONCE = 4  # questions that need a reader, which others wait for, too
_TURN_SECONDS = 30.0  # that one waits for its turn
_LONGEST = 4096  # of a name that is asked for


@dataclass(slots=True, eq=False)
class Artifact:
    """Bytes of an open file, for who closes it; ``name``: where they are from."""

    descriptor: int
    offset: int
    size: int
    name: str
    stamp: Stamp
    owner: str = ""  # whose readers read it

    @property
    def modified(self) -> float:
        return self.stamp[3] / 1e9

    def read(self, at: int, size: int) -> bytes:
        """Less than was asked for at the end, and where the file changed meanwhile."""
        if stamp_of(os.fstat(self.descriptor)) != self.stamp:
            return b""
        return os.pread(self.descriptor, min(size, self.size - at), self.offset + at)

    def close(self) -> None:
        os.close(self.descriptor)


@dataclass(frozen=True, slots=True)
class Match:
    """One file of a question by name."""

    type: str  # executable or debuginfo
    buildid: str
    file: str


class Artifacts:
    """Any thread may call. Everything raises NotFound for what is not there."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        readers: Readers,
        debug_files: DebugFiles,
        answers: Answers,
        packs: Callable[[], SourcePacks],
    ) -> None:
        """``packs``: the sources of packages, which are seldom asked for."""
        self._packs = packs
        self._settings = settings
        self._store = store
        self._readers = readers
        self._debug_files = debug_files
        self._answers = answers
        self._sources: OrderedDict[str, given_sources.Named] = OrderedDict()
        self._lock = threading.Lock()
        self._turns = threading.BoundedSemaphore(_AT_ONCE)
        self.given: Counter[str] = Counter()  # by kind

    def debuginfo(self, build_id: str) -> Artifact:
        return self._counted("debuginfo", self._first(self._debug(build_id), build_id, "debug file"))

    def executable(self, build_id: str) -> Artifact:
        return self._counted("executable", self._first(self._programs(build_id), build_id, "executable"))

    def section(self, build_id: str, name: str) -> Artifact:
        """As it lies in the debug file, else in the executable; compressed where it is so there."""
        for artifact in chain(self._debug(build_id), self._programs(build_id)):
            place = self._place(artifact, name)
            if place is None:
                artifact.close()
                continue
            artifact.offset, artifact.size = place
            return self._counted("section", artifact)
        raise NotFound(f"Nothing of the build {build_id} has a section {name}.", "See the list of sections.")

    def source(self, build_id: str, path: str) -> Artifact:
        """A source file that the line tables of the build name just so, if everybody may read it.

        Else out of a package of its sources.
        """
        rows = self._rows(build_id)
        for row in rows:
            if row.uploaded or row.info["debug_only"]:
                continue
            named = self.named(row)
            for real in named.paths(path) if named is not None else ():
                try:
                    return self._counted("source", self._opened_source(row, real))
                except AppError:
                    continue
        for row in rows:
            named = self.named(row)
            for real in named.paths(path) if named is not None else ():
                with self._packs().opened(real, rows) as found:
                    if found is not None:
                        artifact = _artifact(os.dup(found[0]), real)
                        artifact.offset, artifact.size = found[1].offset, found[1].size
                        return self._counted("source", artifact)
        raise NotFound(
            f"The build {build_id} names no source {path} that is here to be read.",
            "Files of the host are given only as the line tables name them.",
        )

    def metadata(self, key: str, value: str, limit: int) -> tuple[list[Match], bool]:
        """Files of this name, or whose names fit a glob; and whether these are all. Raises BadInput."""
        if key not in {"file", "glob"} or len(value) > _LONGEST:
            raise BadInput("The key is file or glob, the value a name.", "Ask by one of these.")
        fits = re.compile(translate(value) if key == "glob" else re.escape(value))
        found: list[Match] = []
        for row in self._store.catalogue.binaries():
            for path in (row.paths or (row.name,)) if row.build_id is not None else ():
                if not fits.fullmatch(path):
                    continue
                for kind, there in (("executable", _is_program(row)), ("debuginfo", _own_debug(row))):
                    if there and len(found) == limit:
                        return found, False
                    if there:
                        found.append(Match(kind, str(row.build_id), path))
        return found, True

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Who asks may be nobody that we know: they leave readers for others. Raises Busy."""
        if not self._turns.acquire(timeout=_TURN_SECONDS):
            raise Busy("Too many ask for sections and sources at once.", "Ask again in a moment.")
        try:
            yield
        finally:
            self._turns.release()

    def _counted(self, kind: str, artifact: Artifact) -> Artifact:
        with self._lock:
            self.given[kind] += 1
        return artifact

    def _rows(self, build_id: str) -> list[BinaryRow]:
        return self._store.catalogue.of_build(build_id.lower())

    def _debug(self, build_id: str) -> Iterator[Artifact]:
        """The best first: what has DWARF, and of that debug files; then what is elsewhere on the host."""
        rows = self._rows(build_id)
        own = [row for row in rows if _own_debug(row) or self._is_common(row)]
        for row in sorted(
            own, key=lambda row: (not row.info["debug"]["has"]["dwarf"], not row.info["debug_only"])
        ):
            yield from self._opened(row)
        for row in rows:
            if row.info["debug"]["kind"] == "separate":
                wanted = sought(
                    {**row.info, "build_id": row.build_id}, row.paths[0] if row.paths else None, row.id
                )
                with self._debug_files.opened(wanted) as found:
                    if found is not None:
                        yield _artifact(os.dup(found.descriptor), found.found.path, found.owner)

    def _programs(self, build_id: str) -> Iterator[Artifact]:
        for row in self._rows(build_id):
            if _is_program(row):
                yield from self._opened(row)

    def _is_common(self, row: BinaryRow) -> bool:
        """Whether it is what debug files share (dwz), which may be texts and macros alone."""
        if row.info["type"] != "REL" or row.build_id is None:
            return False
        sections = self._store.columns(row)[1].sections
        return any(section.name.startswith(".debug_") for section in sections)

    def _opened(self, row: BinaryRow) -> Iterator[Artifact]:
        descriptor = self._store.use_bytes(row, lambda descriptor, _: os.dup(descriptor))
        if descriptor is not None:
            yield _artifact(descriptor, row.paths[0] if row.paths else row.name, row.owner)

    def _first(self, found: Iterator[Artifact], build_id: str, what: str) -> Artifact:
        for artifact in found:
            return artifact
        raise NotFound(f"There is no {what} of the build {build_id}.", "Index or upload it.")

    def _place(self, artifact: Artifact, name: str) -> tuple[int, int] | None:
        source = Source(artifact.descriptor, artifact.size)
        with self._turn():
            answer = self._readers.answer(source, "section", {"name": name}, artifact.owner)
        if isinstance(answer, Problem) or not isinstance(answer.get("place"), list):
            return None
        offset, size = answer["place"]
        # A reader may have been taken over by what it reads.
        inside = type(offset) is int and type(size) is int and 0 <= offset <= offset + size <= artifact.size
        return (offset, size) if inside and size else None

    def named(self, row: BinaryRow) -> given_sources.Named | None:
        """The source files that a binary names."""
        with self._lock:
            kept = self._sources.get(row.columns)
        if kept is None:
            try:
                with self._turn():
                    kept = given_sources.Named(self._answers.files(row.id))
            except Busy:
                raise
            except AppError:
                return None
        with self._lock:
            self._sources[row.columns] = kept
            self._sources.move_to_end(row.columns)
            while len(self._sources) > _BUILDS:
                self._sources.popitem(last=False)
        return kept

    def _opened_source(self, row: BinaryRow, path: str) -> Artifact:
        debug = row.info["debug"]
        from_upload = debug["kind"] == "separate" and not str(debug["path"]).startswith("/")
        owner = self._store.use_bytes(row, lambda descriptor, _: os.fstat(descriptor).st_uid)
        return _artifact(sources.opened(path, self._settings.roots, None if from_upload else owner), path)


def _artifact(descriptor: int, name: str, owner: str = "") -> Artifact:
    stamp = stamp_of(os.fstat(descriptor))
    return Artifact(descriptor, 0, stamp[2], name, stamp, owner)


def _own_debug(row: BinaryRow) -> bool:
    debug = row.info["debug"]
    if debug["kind"] == "separate":
        return not row.info["stripped"]
    return bool(debug["has"]["dwarf"] or debug["has"]["symtab"])


def _is_program(row: BinaryRow) -> bool:
    """Neither a debug file nor the common part of some, which is of the type REL."""
    return not row.info["debug_only"] and row.info["type"] in {"EXEC", "DYN"}
