"""Source files that debuginfod servers have: asked for when somebody wants one, kept in the client's cache.

Nothing can prove that a text is the one that was compiled: the page says where it is from. Only what the line
tables of a build name is asked for, and only what is a source by its name.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from app.config import Settings
from app.debuginfo.cache import Cache, source_entry, used
from app.errors import AppError, Conflict, Forbidden, NotFound
from app.index.catalogue import BinaryRow
from app.index.debug_files import DebugFiles
from app.index.given_sources import Named
from app.index.sources import MOST_BYTES, Source, is_given


class FetchedSources:
    """May be used from any thread. ``named`` gives the source files that a binary names."""

    def __init__(
        self, settings: Settings, debug_files: DebugFiles, named: Callable[[BinaryRow], Named | None]
    ) -> None:
        self._settings = settings
        self._servers = debug_files.servers
        self._named = named
        self._cache = Cache(Path(settings.debuginfod_cache or ""), settings.free_disk)
        self._asked: set[tuple[str, str]] = set()

    def source(self, row: BinaryRow, name: str) -> Source | None:
        """A file that was fetched before.

        For an upload only what was fetched here: the cache is shared with others of this host, and an upload
        may name what it likes.
        """
        entry = source_entry(name)
        if row.build_id is None or entry is None or not self._settings.debuginfod_cache:
            return None
        if not row.paths and (row.build_id, entry) not in self._asked:
            return None
        try:
            with self._cache.path(row.build_id, entry).open("rb") as file:
                used(file.fileno())
                content = file.read(MOST_BYTES + 1)
        except (OSError, AppError):
            return None
        if not 0 < len(content) <= MOST_BYTES:
            return None
        lines = tuple(content.decode("utf-8", "replace").split("\n"))
        return Source(name, lines, newer=False, origin="a debuginfod server")

    def may_fetch(self, row: BinaryRow) -> bool:
        """Whether there is anybody to ask."""
        return bool(self._servers.all) and row.build_id is not None and not self._settings.read_only

    def fetch(self, row: BinaryRow, name: str) -> None:
        """Asks the servers of the settings, one after the other.

        Raises Forbidden, Conflict, NotFound, Unreachable and StorageFull.
        """
        from app.debuginfo.client import Limits, Watch, fetch, source  # loads an HTTP client

        settings = self._settings
        if settings.read_only:
            raise Forbidden("This server is read-only: it fetches nothing.", "Start it without --read-only.")
        if not self._servers.all or row.build_id is None:
            raise Conflict(
                "No debuginfod server is known, or the binary has no build-id to ask by.",
                "Name one or more in PROBESCOPE_DEBUGINFOD_URLS.",
                code="no_servers",
            )
        named = self._named(row)
        part = source(name)
        if named is None or name not in named.paths(name) or not is_given(name) or part is None:
            raise NotFound(f"{row.name} names no source {name}.", "See the files of its functions.")
        limits = Limits(settings.debuginfod_timeout, settings.debuginfod_wall, MOST_BYTES)
        fetch(self._servers, self._cache, row.build_id, _text, limits, Watch(), part=part)
        self._asked.add((row.build_id, part.entry))


def _text(descriptor: int, _: str) -> str | None:
    with open(descriptor, "rb", closefd=False) as file:
        file.seek(0)
        return "It is no text." if b"\0" in file.read(MOST_BYTES) else None
