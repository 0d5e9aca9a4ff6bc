"""Blobs as whole files, for who maps them: a cache of so many bytes, the least recently used go first.

Each is checked by its hash before it has its name. One that is larger than the cache lives as long as it is
open. All is made again from the shelf, so that a start may empty it.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from io import BufferedReader
from pathlib import Path

from app.index.locks import locked
from app.index.packing import Damaged, unpack, unpacked_size
from app.index.shelves import storing

_PART = ".part"


class BlobCache:
    """Files of one directory, called by their SHA-256. May be used from any thread and process."""

    def __init__(self, directory: Path, locks: Path, most: int) -> None:
        self._directory = directory
        self._locks = locks
        self._most = most

    def open(self, sha256: str, packed: Callable[[], BufferedReader]) -> int:
        """A read-only descriptor of the whole bytes; ``packed`` opens the blob where they must be made.

        Raises Damaged, StorageFull, StorageUnavailable, and what ``packed`` raises.
        """
        found = self._open(sha256)
        if found is not None:
            return found
        with storing(str(self._directory)), locked(self._locks, f"unpacked-{sha256[0]}"):
            # Another one may have made them while we waited.
            found = self._open(sha256)
            if found is not None:
                return found
            with packed() as source:
                return self._make(sha256, source)

    def drop(self, sha256: str) -> None:
        """Who has it open keeps it."""
        with storing(str(self._directory)):
            (self._directory / sha256).unlink(missing_ok=True)

    def clear(self) -> None:
        """Takes all away but what is made at this moment."""
        with storing(str(self._directory)):
            for path in self._directory.iterdir():
                with suppress(BlockingIOError), locked(self._locks, f"unpacked-{path.name[0]}", wait=False):
                    path.unlink(missing_ok=True)

    def _open(self, sha256: str) -> int | None:
        path = self._directory / sha256
        try:
            with storing(str(self._directory)):
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        os.utime(descriptor)  # used now
        return descriptor

    def _make(self, sha256: str, source: BufferedReader) -> int:
        size = unpacked_size(source)
        self._make_room(size)
        part = self._directory / f"{sha256}{_PART}"
        try:
            with part.open("wb") as file:
                part.chmod(0o600)
                if unpack(source, size, file.write) != sha256:
                    raise Damaged
            descriptor = os.open(part, os.O_RDONLY | os.O_CLOEXEC)
            if size <= self._most:
                part.rename(self._directory / sha256)
            return descriptor
        finally:
            part.unlink(missing_ok=True)

    def _make_room(self, size: int) -> None:
        """Takes the oldest away until ``size`` more fit. Raises OSError where the disk has no such room."""
        files = []
        for entry in os.scandir(self._directory):
            with suppress(FileNotFoundError):
                status = entry.stat(follow_symlinks=False)
                if not entry.name.endswith(_PART):
                    files.append((status.st_mtime_ns, status.st_size, entry.path))
        used = sum(each for _, each, _ in files)
        disk = os.statvfs(self._directory)
        free = disk.f_bavail * disk.f_frsize
        for _, each, path in sorted(files):
            if used + size <= self._most and size <= free:
                break
            Path(path).unlink(missing_ok=True)
            used, free = used - each, free + each
        if size > free:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
