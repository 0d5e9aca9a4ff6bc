"""Where packed blobs lie: a directory of this machine, or a bucket of any S3 (``bucket``).

A shelf knows names and bytes, not what is in them. What goes wrong there is an AppError with a sentence.
"""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from app.errors import StorageFull, StorageUnavailable

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True, slots=True)
class Kept:
    """One blob as it lies there; ``changed`` in seconds since 1970."""

    name: str
    size: int
    changed: float


class Shelf(Protocol):
    """All methods may be called from any thread; each raises StorageFull or StorageUnavailable."""

    def everything(self) -> Iterator[Kept]: ...

    def find(self, name: str) -> Kept | None: ...

    def take(self, part: Path, name: str, watch: Callable[[bytes], None]) -> None:
        """The whole file ``part`` becomes ``name`` at once, or not at all. It may be gone afterwards.

        ``watch`` is told of each step that takes time, and stops it by raising.
        """

    def open(self, name: str) -> io.BufferedReader:
        """Raises FileNotFoundError where there is none."""

    def renew(self, name: str) -> None:
        """Makes it look new, so that a sweep leaves it."""

    def drop(self, name: str) -> None:
        """Does nothing where there is none."""


@contextmanager
def storing(where: str) -> Iterator[None]:
    """Failures of a file system as errors for people."""
    try:
        yield
    except (FileNotFoundError, BlockingIOError):
        raise
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull(
                f"{where} has no room left.",
                "Free some space, remove binaries that nobody needs, or use --data.",
            ) from error
        raise StorageUnavailable(
            f"{where} cannot be used: {error.strerror}.", "Look at its file system and its permissions."
        ) from error


class Directory:
    """A shelf whose parts are written beside it, on the same file system."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __str__(self) -> str:
        return str(self._path)

    def everything(self) -> Iterator[Kept]:
        with storing(str(self)), os.scandir(self._path) as entries:
            names = [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
        for name in names:
            kept = self.find(name)
            if kept is not None:
                yield kept

    def find(self, name: str) -> Kept | None:
        try:
            with storing(str(self)):
                status = (self._path / name).stat()
        except FileNotFoundError:
            return None
        return Kept(name, status.st_size, status.st_mtime)

    def take(self, part: Path, name: str, watch: Callable[[bytes], None]) -> None:
        with storing(str(self)):
            part.rename(self._path / name)

    def open(self, name: str) -> io.BufferedReader:
        with storing(str(self)):
            return (self._path / name).open("rb")

    def renew(self, name: str) -> None:
        with storing(str(self)):
            os.utime(self._path / name)

    def drop(self, name: str) -> None:
        with storing(str(self)):
            (self._path / name).unlink(missing_ok=True)
