"""Paths of the host to open descriptors: the only place that opens what a person named.

A path is resolved, compared with the roots, opened without following a last link and without waiting on a
FIFO, and what was opened is compared with the roots again, because a directory may have been exchanged
meanwhile. Below /proc/PID the kernel's own links lead into other mount namespaces and are left to it.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.errors import AppError, BadInput, Forbidden, NotElf, NotFound

_OTHER_NAMESPACE = re.compile(r"/proc/(?:\d+|self)/(?:root/.*|exe|map_files/[0-9a-f-]+)")
_KERNELS_OWN = frozenset({"/proc", "/sys", "/dev", "/run"})
_MAGIC = b"\x7fELF"
_SMALLEST = 52  # bytes of the smaller ELF header


@dataclass(slots=True)
class HostFile:
    """An open regular file; ``stamp`` is (device, inode, size, mtime in ns). Use as a context."""

    path: str
    descriptor: int
    stamp: tuple[int, int, int, int]

    def __enter__(self) -> HostFile:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)

    def unchanged(self) -> bool:
        return stamp_of(os.fstat(self.descriptor)) == self.stamp


def stamp_of(status: os.stat_result) -> tuple[int, int, int, int]:
    # SQLite's integers are signed.
    return status.st_dev, status.st_ino & 0x7FFF_FFFF_FFFF_FFFF, status.st_size, status.st_mtime_ns


def resolve(path: str) -> str:
    """The path without links and dots; raises BadInput for one that is not absolute."""
    if "\0" in path or not path.startswith("/"):
        raise BadInput(f"{path!r} is not an absolute path.", "Give the path from / on.")
    if _OTHER_NAMESPACE.fullmatch(path) and "/../" not in path:
        return path
    try:
        return os.path.realpath(path)
    except OSError as error:
        # A link was taken away between two looks at it.
        raise refusal(path, error) from error


def allowed(path: str, roots: Sequence[str]) -> bool:
    return not roots or any(
        path == root or path.startswith(root.rstrip("/") + "/") for root in map(os.path.realpath, roots)
    )


def open_elf(path: str, roots: Sequence[str] = ()) -> HostFile:
    """Opens a regular file that starts as ELF does. Raises NotFound, Forbidden, BadInput or NotElf."""
    real = resolve(path)
    if not allowed(real, roots):
        raise outside(path)
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
    if not re.fullmatch(r"/proc/(?:\d+|self)/exe", real):
        flags |= os.O_NOFOLLOW
    try:
        descriptor = os.open(real, flags)
    except (OSError, ValueError) as error:
        raise refusal(path, error) from error
    try:
        status = os.fstat(descriptor)
        if roots and not allowed(str(Path(f"/proc/self/fd/{descriptor}").readlink()), roots):
            raise outside(path)
        if stat.S_ISDIR(status.st_mode):
            raise BadInput(
                f"{path} is a directory.", "Name a file in it, or index the directory.", code="directory"
            )
        if not stat.S_ISREG(status.st_mode):
            raise BadInput(f"{path} is not a regular file.", "Name an ELF file.")
        if status.st_size == 0:
            raise NotElf(f"{path} is empty.", "Name an ELF file.", code="empty")
        if os.pread(descriptor, 4, 0) != _MAGIC:
            raise NotElf(f"{path} is not an ELF file.", "Name a program, a library or a debug file.")
        return HostFile(real, descriptor, stamp_of(status))
    except OSError as error:
        os.close(descriptor)
        raise refusal(path, error) from error
    except AppError:
        os.close(descriptor)
        raise


def refusal(path: str, error: Exception) -> AppError:
    """The error of a person for one of the system's."""
    number = error.errno if isinstance(error, OSError) else None
    if number in (errno.ENOENT, errno.ENOTDIR):
        return NotFound(f"There is no file {path}.", "Check the path; the file may be gone meanwhile.")
    if number in (errno.EACCES, errno.EPERM):
        return Forbidden(
            f"There is no permission to read {path}.", "Run Probescope as a user who may, such as root."
        )
    if number == errno.ELOOP:
        return BadInput(f"{path} became a link while it was opened.", "Try again.")
    reason = error.strerror if isinstance(error, OSError) else "it is no path"
    return BadInput(f"{path} cannot be read: {reason}.", "Check the path and its file system.")


def outside(path: str) -> Forbidden:
    """The error for a path that the roots do not hold."""
    return Forbidden(f"{path} is outside the directories that may be read.", "Start the server with --root.")


@dataclass(frozen=True, slots=True)
class Found:
    path: str
    size: int


def walk(
    paths: Sequence[str], roots: Sequence[str], most: int, cancelled: Callable[[], bool]
) -> tuple[list[Found], list[tuple[str, AppError]]]:
    """ELF files below ``paths``, largest first, one of each inode; no links followed within directories.

    A path that names a file is in the answer whatever the file is, so that its problem is told. The second
    value says what could not be read at all.
    """
    found: list[Found] = []
    problems: list[tuple[str, AppError]] = []
    seen: set[tuple[int, int]] = set()
    for path in paths:
        try:
            real = resolve(path)
            if not allowed(real, roots):
                raise outside(path)
            status = Path(real).stat()
        except AppError as error:
            problems.append((path, error))
            continue
        except OSError as error:
            problems.append((path, refusal(path, error)))
            continue
        if not stat.S_ISDIR(status.st_mode):
            found.append(Found(path, status.st_size))
            continue
        for entry in _below(real, seen, problems, cancelled):
            found.append(entry)
            if len(found) >= most:
                problems.append((path, BadInput(f"Only the first {most:,} files of {path} were taken.")))
                break
    return sorted(found, key=lambda entry: -entry.size), problems


def _below(
    top: str,
    seen: set[tuple[int, int]],
    problems: list[tuple[str, AppError]],
    cancelled: Callable[[], bool],
) -> Iterator[Found]:
    waiting = [top]
    while waiting:
        directory = waiting.pop()
        if cancelled():
            return
        try:
            with os.scandir(directory) as entries:
                listed = list(entries)
        except OSError as error:
            problems.append((directory, refusal(directory, error)))
            continue
        for entry in listed:
            try:
                if entry.is_symlink():
                    continue
                if entry.is_dir(follow_symlinks=False):
                    if entry.path not in _KERNELS_OWN:
                        waiting.append(entry.path)
                    continue
                status = entry.stat(follow_symlinks=False)
            except OSError:
                continue  # gone since it was listed
            if not stat.S_ISREG(status.st_mode) or status.st_size < _SMALLEST:
                continue
            key = (status.st_dev, status.st_ino)
            if key not in seen and _is_elf(entry.path):
                seen.add(key)
                yield Found(entry.path, status.st_size)


def _is_elf(path: str) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        return os.read(descriptor, 4) == _MAGIC
    except OSError:
        return False
    finally:
        os.close(descriptor)
