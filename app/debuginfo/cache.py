"""What debuginfod servers gave, on disk as elfutils keeps it, so that both use what either has fetched.

``<top>/<build-id>/debuginfo``, and ``source##usr##src##file.c`` beside it; an empty file says that no server
had it, and is believed for ten minutes. A file is written under another name and renamed when it is whole.
Source: debuginfod_find_debuginfo(3).
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path

from app.errors import AppError, BadInput, StorageFull

MISS_SECONDS = 600.0
_STALE_SECONDS = 86_400.0  # after which a half-written file is nobody's
_LOOK_BYTES = 8 << 20  # written between looks at the free disk
_BUILD_ID = re.compile(r"[0-9a-f]{2,128}")
DEBUGINFO = "debuginfo"
_LONGEST = 200  # bytes of an entry's name: a file that is being written has a longer one


class Incoming:
    """A file that is being written; gone at the end unless it was kept."""

    def __init__(self, descriptor: int, floor: int) -> None:
        self.descriptor = descriptor
        self.size = 0
        self.kept = False
        self._floor = floor
        self._looked = 0
        self.expect(0)

    def expect(self, size: int) -> None:
        """Raises StorageFull when so many bytes more leave too little of the disk."""
        place = os.fstatvfs(self.descriptor)
        if place.f_bavail * place.f_frsize < self._floor + size:
            raise _full()

    def write(self, data: bytes) -> None:
        """Raises StorageFull."""
        left = memoryview(data)
        try:
            while left:
                left = left[os.write(self.descriptor, left) :]
        except OSError as error:
            raise _full() from error
        self.size += len(data)
        if self.size - self._looked > _LOOK_BYTES:
            self._looked = self.size
            self.expect(0)

    def empty(self) -> None:
        """Starts anew: what came was of no use."""
        os.ftruncate(self.descriptor, 0)
        os.lseek(self.descriptor, 0, os.SEEK_SET)
        self.size = self._looked = 0


# Files of settings, with what is in them where they are not there; as elfutils names them.
_INTERVAL, _UNUSED = ("cache_clean_interval_s", 86_400), ("max_unused_age_s", 604_800)
# What elfutils, and this, puts there; nothing else is taken away.
_OURS = re.compile(r"(?:debuginfo|executable|hdr|section|source).*")


class Cache:
    """``floor``: bytes of free disk below which nothing is written. Any thread may call."""

    def __init__(self, top: Path, floor: int = 0) -> None:
        self._top = top
        self._floor = floor

    def path(self, build_id: str, entry: str = DEBUGINFO) -> Path:
        """Where what servers have of a build is, once it is there; ``entry`` as ``source_entry`` gives it."""
        if not _BUILD_ID.fullmatch(build_id):
            raise BadInput(f"{build_id!r} is no build-id.", "A build-id is written in hex.")
        return self._top / build_id / entry

    def holds(self, build_id: str, entry: str = DEBUGINFO) -> bool:
        with suppress(OSError):
            return self.path(build_id, entry).stat().st_size > 0
        return False

    def missed(self, build_id: str, entry: str = DEBUGINFO) -> float | None:
        """Seconds since all servers said that they have none; None where this is not known or too old."""
        with suppress(OSError):
            found = self.path(build_id, entry).stat()
            age = max(0.0, time.time() - found.st_mtime)
            return age if found.st_size == 0 and age < MISS_SECONDS else None
        return None

    def miss(self, build_id: str, entry: str = DEBUGINFO) -> None:
        """Keeps that no server has it, unless another process has fetched it meanwhile."""
        with suppress(OSError):
            path = self.path(build_id, entry)
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_CREAT | os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                if os.fstat(descriptor).st_size == 0:
                    os.utime(descriptor)
            finally:
                os.close(descriptor)

    def clean(self) -> int:
        """Takes away what nobody has read for a week; how many files that were.

        At most once a day, whoever of those that share the cache does it; the files in it that set this
        otherwise are read, as elfutils reads them.
        """
        now = time.time()
        mark = self._top / _INTERVAL[0]
        count = 0
        with suppress(OSError):
            if not mark.exists():
                mark.write_text(f"{_INTERVAL[1]}\n")
                return 0
            if now - mark.stat().st_mtime < self._number(*_INTERVAL):
                return 0
            os.utime(mark)
            oldest = now - self._number(*_UNUSED)
            for directory in list(os.scandir(self._top)):
                if _BUILD_ID.fullmatch(directory.name) and directory.is_dir(follow_symlinks=False):
                    count += _clean(Path(directory.path), oldest)
        return count

    def _number(self, name: str, default: int) -> int:
        with suppress(OSError, ValueError, IndexError):
            return int((self._top / name).read_text().split()[0])
        return default

    @contextmanager
    def incoming(self, build_id: str, entry: str = DEBUGINFO) -> Iterator[Incoming]:
        """A file to write, which takes its place at the end if ``kept``. Raises StorageFull, BadInput."""
        path = self.path(build_id, entry)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _sweep(path)
            # Named as elfutils names its own, so that its clean-up knows them.
            name = path.with_name(f"{entry}.{os.urandom(4).hex()}")
            descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _refused(self._top, error) from error
        try:
            found = Incoming(descriptor, self._floor)
            yield found
            if found.kept:
                os.fsync(descriptor)
                name.rename(path)
        except OSError as error:
            raise _refused(self._top, error) from error
        finally:
            os.close(descriptor)
            name.unlink(missing_ok=True)
            with suppress(OSError):
                path.parent.rmdir()  # if there is nothing in it


def source_entry(path: str) -> str | None:
    """What a source file is called there, as elfutils does it; None for a path that no name has room for."""
    entry = "source" + path.replace("/", "##")
    return entry if len(os.fsencode(entry)) <= _LONGEST and "\0" not in entry else None


def used(descriptor: int) -> None:
    """Notes that a file of the cache is read, whatever its file system does by itself."""
    with suppress(OSError):
        os.utime(descriptor, ns=(time.time_ns(), os.fstat(descriptor).st_mtime_ns))


def _clean(directory: Path, oldest: float) -> int:
    count = 0
    for file in list(os.scandir(directory)):
        with suppress(OSError):
            found = file.stat(follow_symlinks=False)
            if _OURS.fullmatch(file.name) and file.is_file(follow_symlinks=False) and found.st_atime < oldest:
                Path(file.path).unlink()
                count += 1
    with suppress(OSError):
        directory.rmdir()  # if there is nothing in it
    return count


def _sweep(path: Path) -> None:
    """Takes away what a process that was killed has left half-written."""
    for left in path.parent.glob(f"{escape(path.name)}.*"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > _STALE_SECONDS:
                left.unlink()


def _full() -> StorageFull:
    return StorageFull(
        "The disk has no room for the debug file.", "Free some space, or set PROBESCOPE_DEBUGINFOD_CACHE."
    )


def _refused(top: Path, error: OSError) -> AppError:
    if error.errno in {28, 122}:  # ENOSPC, EDQUOT
        return _full()
    return BadInput(
        f"The cache {top} cannot be written: {error.strerror}.", "Set PROBESCOPE_DEBUGINFOD_CACHE."
    )
