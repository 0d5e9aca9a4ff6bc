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
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from app.elf import tree
from app.elf.tree import MAGIC, Stamp, Watch, stamp_of
from app.errors import AppError, BadInput, Forbidden, NotElf, NotFound

# The kernel's own links to files, which lead where no path need lead any more.
_KERNELS_LINK = re.compile(r"(/proc/(?:\d+|self))/(?:exe|map_files/[0-9a-f-]+)")
_OTHER_NAMESPACE = re.compile(r"/proc/(?:\d+|self)/(?:root/.*|exe|map_files/[0-9a-f-]+)")
_KERNELS_OWN = ("/proc", "/sys", "/dev", "/run")
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_CHUNK = 1 << 17


@dataclass(slots=True, eq=False)
class HostFile:
    """An open regular file; ``stamp`` is (device, inode, size, mtime in ns). Use as a context.

    ``origin``: where it lay, for one that was reached by a link of the kernel's: what belongs to it is there.
    """

    path: str
    descriptor: int
    stamp: Stamp
    origin: str

    def __enter__(self) -> HostFile:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)

    def unchanged(self) -> bool:
        return stamp_of(os.fstat(self.descriptor)) == self.stamp


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


def _origin(path: str) -> str:
    link = _KERNELS_LINK.fullmatch(path)
    if link is None:
        return path
    try:
        place = str(Path(path).readlink()).removesuffix(" (deleted)")
    except OSError:
        return path
    return f"{link[1]}/root{place}" if place.startswith("/") else path


def allowed(path: str, roots: Sequence[str]) -> bool:
    return not roots or any(
        path == root or path.startswith(root.rstrip("/") + "/") for root in map(os.path.realpath, roots)
    )


def open_elf(path: str, roots: Sequence[str] = ()) -> HostFile:
    """Opens a regular file that starts as ELF does. Raises NotFound, Forbidden, BadInput or NotElf."""
    file = open_regular(path, roots)
    try:
        if os.pread(file.descriptor, 4, 0) != MAGIC:
            raise NotElf(f"{path} is not an ELF file.", "Name a program, a library or a debug file.")
    except OSError as error:
        os.close(file.descriptor)
        raise refusal(path, error) from error
    except AppError:
        os.close(file.descriptor)
        raise
    return file


def open_regular(path: str, roots: Sequence[str] = ()) -> HostFile:
    """Opens a regular file that is not empty. Raises NotFound, Forbidden, BadInput or NotElf."""
    real = resolve(path)
    if not allowed(real, roots):
        raise outside(path)
    flags = _FLAGS
    if not _KERNELS_LINK.fullmatch(real):
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
        return HostFile(real, descriptor, stamp_of(status), _origin(real))
    except OSError as error:
        os.close(descriptor)
        raise refusal(path, error) from error
    except AppError:
        os.close(descriptor)
        raise


def open_found(found: Found, roots: Sequence[str] = ()) -> HostFile:
    """Opens what a walk has found, without another look at its path where it is still the same file."""
    if found.stamp is not None:
        try:
            descriptor = os.open(found.path, _FLAGS | os.O_NOFOLLOW)
        except OSError as error:
            raise refusal(found.path, error) from error
        if stamp_of(os.fstat(descriptor)) == found.stamp:
            return HostFile(found.path, descriptor, found.stamp, found.path)
        os.close(descriptor)
    return open_elf(found.path, roots)


def sha256(descriptor: int) -> str:
    """Of a whole file, in hex. Raises OSError."""
    import hashlib  # loads OpenSSL, for the few files that are asked for theirs

    digest = hashlib.sha256()
    buffer = memoryview(bytearray(_CHUNK))
    at = 0
    while size := os.preadv(descriptor, [buffer], at):
        digest.update(buffer[:size])
        at += size
    return digest.hexdigest()


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


class Found(NamedTuple):
    """A file to read; ``stamp`` is None for one that was named, and may be anything."""

    path: str
    size: int
    stamp: Stamp | None = None


class Known(NamedTuple):
    """What the catalogue knows below a directory: stamps of files that are no ELF, rows of those that are."""

    plain: bytes = b""
    rows: Sequence[Any] = ()
    stamps: bytes = b""  # of the rows, packed
    keep: bool = True  # whether ``plain`` is this directory's own, to be replaced by what is seen

    def with_rows(self, rows: Sequence[Any]) -> Known:
        """The same that knows only of these."""
        return Known(self.plain, rows, tree.pack([row.stamp for row in rows]), self.keep)


@dataclass(slots=True)
class Walked:
    """``found``: the largest first. ``known``: (path, row) of files that did not change.

    ``gone``: paths that are known, and no more. ``plain``: of each directory the stamps to keep.
    """

    found: list[Found] = field(default_factory=list)
    known: list[tuple[str, Any]] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    plain: dict[str, bytes] = field(default_factory=dict)
    problems: list[tuple[str, AppError]] = field(default_factory=list)


def nothing_known(_: str) -> Known:
    return Known()


def walk(
    paths: Sequence[str],
    roots: Sequence[str],
    most: int,
    watch: Watch,
    known: Callable[[str], Known] = nothing_known,
) -> Walked:
    """ELF files below ``paths``, one of each inode; no links followed within directories.

    A path that names a file is in the answer whatever the file is, so that its problem is told. At most
    ``most`` files of each path are taken. ``known`` is asked once for each directory.
    """
    walked = Walked()
    named: list[Found] = []
    for path in paths:
        try:
            real = resolve(path)
            if not allowed(real, roots):
                raise outside(path)
            descriptor = os.open(real, os.O_PATH | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                status = os.fstat(descriptor)
                if not stat.S_ISDIR(status.st_mode):
                    named.append(Found(path, status.st_size))
                    continue
                if roots and not allowed(str(Path(f"/proc/self/fd/{descriptor}").readlink()), roots):
                    raise outside(path)
                _below(walked, real, descriptor, known(real), most, watch)
            finally:
                os.close(descriptor)
        except AppError as error:
            walked.problems.append((path, error))
        except OSError as error:
            walked.problems.append((path, refusal(path, error)))
    once = {entry.stamp: entry for entry in reversed(walked.found)}
    walked.found = sorted([*named, *once.values()], key=lambda entry: (-entry.size, entry.path))
    return walked


def _below(walked: Walked, top: str, descriptor: int, known: Known, most: int, watch: Watch) -> None:
    found = tree.walk(top, descriptor, _KERNELS_OWN, known.plain, known.stamps, most, watch)
    for directory, number in found.problems:
        walked.problems.append((directory, refusal(directory, OSError(number, os.strerror(number)))))
    for path, *stamp in found.elf:
        if _is_text(path):
            device, inode, size, mtime = stamp
            walked.found.append(Found(path, size, (device, inode, size, mtime)))
        else:
            shown = os.fsencode(path).decode("utf-8", "backslashreplace")
            walked.problems.append((shown, BadInput(f"The name of {shown} is not UTF-8.", "Rename it.")))
    rows = {row.path: row for row in known.rows}
    met: dict[Stamp, tuple[str, Any]] = {}
    for path, number in found.known:
        row = known.rows[number]
        exact = rows.get(path, row)
        if exact.stamp != row.stamp:
            exact = row
        if row.stamp not in met or exact.path == path:
            met[row.stamp] = (path, exact)
    walked.known += met.values()
    if watch.stopped:
        return
    if found.full:
        walked.problems.append((top, BadInput(f"Only the first {most:,} files of {top} were taken.")))
        return
    there = {path for path, _ in found.known} | {path for path, *_ in found.elf}
    walked.gone += [row.path for row in known.rows if row.path not in there]
    if found.plain is not None and known.keep:
        walked.plain[top] = found.plain


def _is_text(path: str) -> bool:
    """Whether it can be kept; names that are no UTF-8 cannot."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True
