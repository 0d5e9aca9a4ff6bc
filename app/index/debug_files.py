"""The debug file of a binary: looked for on the host and in the catalogue, told apart, opened for a reader.

What a file is, is read in a boxed reader; whether it belongs to the binary is decided by ``matching``. No
debuginfod server is asked but by ``fetch``; what they gave lies in their cache, one of the places.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from app.config import Settings
from app.debuginfo import places
from app.debuginfo.cache import Cache, used
from app.debuginfo.matching import ENOUGH, Found, State, Wanted, judged
from app.debuginfo.places import Kind, Place
from app.debuginfo.servers import Servers
from app.elf.problem import Problem
from app.errors import AppError, NotElf, NotFound
from app.index import files
from app.index.binaries import package_of
from app.index.catalogue import BinaryRow
from app.index.reader import Source
from app.index.readers import Readers
from app.index.store import Store

if TYPE_CHECKING:
    from app.debuginfo.client import Watch

_MOST_IN_DIRECTORY = 500


class Sought(NamedTuple):
    """A binary whose debug file is looked for."""

    id: str | None  # in the catalogue, once it is there
    path: str | None
    build_id: str | None
    link: tuple[str, int] | None
    machine: str

    @property
    def wanted(self) -> Wanted:
        return Wanted(self.build_id, self.machine, self.link)


def sought(meta: dict[str, Any], path: str | None, binary_id: str | None = None) -> Sought:
    """``meta``: a reader's summary, or what a row keeps of it, with its build-id."""
    link = meta["debug_link"]
    return Sought(binary_id, path, meta["build_id"], tuple(link) if link else None, meta["machine"])


class Opened(NamedTuple):
    """A debug file that was found, open; ``owner``: whose readers read it, "" for one of the host."""

    found: Found
    descriptor: int
    owner: str


_Judge = Callable[[Sought, Kind, str, int, str], Found]


class DebugFiles:
    """May be used from any thread."""

    def __init__(self, settings: Settings, store: Store, readers: Readers) -> None:
        self._settings = settings
        self._store = store
        self._readers = readers
        self.servers = Servers(
            settings.debuginfod_urls, settings.debuginfod_failures, settings.debuginfod_pause
        )
        self._cache = Cache(Path(settings.debuginfod_cache or ""), settings.free_disk)

    def might_be(self, wanted: Sought, many: bool = False) -> bool:
        """Whether a look is worth its time: something lies in one of the places, or came by upload."""
        if any(os.access(place.path, os.F_OK) for place in self._places(wanted)):
            return True
        if many and wanted.build_id and self._store.catalogue.absent.has(wanted.build_id):
            return False
        return any(True for _ in self._rows(wanted))

    def search(self, wanted: Sought) -> tuple[Found, ...]:
        """Every place, in the order in which they are looked at."""
        with ExitStack() as stack:
            found = [each for each, *_ in self._looked(wanted, stack)]
        return (*found, *self._servers(wanted))

    def fetch(self, wanted: Sought, watch: Watch, shared: bool = False) -> Path:
        """Asks the debuginfod servers of the settings; the path in the cache of what fits.

        ``shared``: a common part (dwz) is wanted, which may have texts alone.
        Raises NotFound, Unreachable, StorageFull, and Conflict when it was stopped.
        """
        # An HTTP client takes longer to load than most commands run.
        from app.debuginfo.client import Limits, fetch

        assert wanted.build_id is not None
        settings = self._settings

        def fits(descriptor: int, server: str) -> str | None:
            found = self._judged(wanted, "debuginfod", server, descriptor, "")
            fitting = found.state == "matched" or (shared and found.state == "partial")
            return None if fitting else found.why

        limits = Limits(settings.debuginfod_timeout, settings.debuginfod_wall, settings.debuginfod_bytes)
        return fetch(self.servers, self._cache, wanted.build_id, fits, limits, watch)

    def _servers(self, wanted: Sought) -> Iterator[Found]:
        """What each debuginfod server is known to have; none is asked."""
        if wanted.build_id is None or not self._settings.separate_debug:
            return
        missed = self._cache.missed(wanted.build_id)
        for server in self.servers.all:
            said = server.said(wanted.build_id, missed)
            yield Found("debuginfod", server.shown, said.state, said.why)

    @contextmanager
    def opened(self, wanted: Sought) -> Iterator[Opened | None]:
        """The best one that matches; None where there is none."""
        with ExitStack() as stack:
            chosen: Opened | None = None
            for each, descriptor, owner in self._looked(wanted, stack):
                if descriptor is not None and each.quality > (chosen.found.quality if chosen else 0):
                    chosen = Opened(each, descriptor, owner)
                if each.quality >= ENOUGH:
                    break
            yield chosen

    def likely(self, wanted: Sought, stack: ExitStack) -> Opened | None:
        """What ``opened`` would look at first, if a build-id can tell whether it is the one; not judged yet.

        It is open until ``stack`` closes.
        """
        if wanted.build_id is None:
            return None

        def unjudged(wanted: Sought, kind: Kind, path: str, descriptor: int, owner: str) -> Found:
            return Found(kind, path, "partial", "It was not looked at yet.")

        for each, descriptor, owner in self._looked(wanted, stack, unjudged):
            if descriptor is not None:
                return Opened(each, descriptor, owner)
        return None

    def _looked(
        self, wanted: Sought, stack: ExitStack, judge: _Judge | None = None
    ) -> Iterator[tuple[Found, int | None, str]]:
        """Each place with what is there, open until ``stack`` closes, and whose readers read it."""
        judge = judge or self._judged
        with ExitStack() as own:
            for row in self._rows(wanted):
                kind: Kind = "uploaded" if row.uploaded else "indexed"
                path = row.paths[0] if row.paths else row.name
                why = "Its bytes are not at hand any more."
                try:
                    descriptor = self._store.use_bytes(row, lambda descriptor, _: os.dup(descriptor))
                except AppError as error:
                    descriptor, why = None, error.message
                package = package_of(row)
                if descriptor is None:
                    yield Found(kind, path, "missing", why, package=package), None, row.owner
                    continue
                stack.callback(os.close, descriptor)
                found = judge(wanted, kind, path, descriptor, row.owner)
                yield found._replace(package=package), descriptor, row.owner
            for place in self._places(wanted):
                try:
                    file = own.enter_context(files.open_elf(place.path, self._roots(place)))
                except NotFound:
                    yield Found(place.kind, place.path, "missing", "There is no such file."), None, ""
                    continue
                except AppError as error:
                    if error.code == "empty" and place.kind == "cache":
                        why = "Servers were asked, and none had it."
                        yield Found(place.kind, place.path, "missing", why), None, ""
                    elif error.code != "directory":
                        state: State = "mismatched" if isinstance(error, NotElf) else "missing"
                        yield Found(place.kind, place.path, state, error.message), None, ""
                    continue
                if place.kind == "cache":
                    used(file.descriptor)
                descriptor = os.dup(file.descriptor)
                stack.callback(os.close, descriptor)
                yield judge(wanted, place.kind, place.path, descriptor, ""), descriptor, ""

    def _roots(self, place: Place) -> Sequence[str]:
        """What this server keeps itself is read wherever it lies."""
        roots, cache = self._settings.roots, self._settings.debuginfod_cache
        return (*roots, cache) if roots and cache and place.kind == "cache" else roots

    def _judged(self, wanted: Sought, kind: Kind, path: str, descriptor: int, owner: str) -> Found:
        by_checksum = wanted.build_id is None and wanted.link is not None
        source = Source(descriptor, os.fstat(descriptor).st_size)
        answer = self._readers.answer(source, "identity", {"crc": by_checksum}, owner)
        if isinstance(answer, Problem):
            return Found(kind, path, "mismatched", answer.text)
        return judged(wanted.wanted, kind, path, answer)

    def _places(self, wanted: Sought) -> Sequence[Place]:
        settings = self._settings
        if not settings.separate_debug:
            return ()
        found = list(
            places.places(
                wanted.path,
                wanted.build_id,
                wanted.link,
                settings.debug_directories,
                settings.debug_paths,
                settings.debuginfod_cache,
            )
        )
        known = {place.path for place in found}
        for given in settings.debug_paths:
            with suppress(OSError):
                each = sorted(entry.path for entry in os.scandir(given) if entry.is_file())[
                    :_MOST_IN_DIRECTORY
                ]
                found += [Place("given", path) for path in each if path not in known and path != wanted.path]
        return found

    def _rows(self, wanted: Sought) -> Iterator[BinaryRow]:
        """Others of the same build in the catalogue that have what a debug file has."""
        if wanted.build_id is None or not self._settings.separate_debug:
            return
        for row in self._store.catalogue.of_build(wanted.build_id):
            has = row.info["debug"]["has"]
            own = row.info["debug"]["kind"] != "separate"
            if (
                row.id != wanted.id
                and wanted.path not in row.paths
                and own
                and (has["dwarf"] or has["symtab"])
            ):
                yield row
