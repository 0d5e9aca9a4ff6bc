"""A directory tree to the ELF files in it that are new, changed or known; what is known is not opened.

No link is followed below the top: each name is opened from the descriptor of its directory. Without the
native core, the same by os.scandir, one directory after another. Sources: getdents64(2), openat(2).
"""

from __future__ import annotations

import errno
import os
import stat
import struct
from collections.abc import Iterator
from typing import NamedTuple

try:
    from app.elf import _tree
except ImportError:
    _tree = None  # type: ignore[assignment]

MAGIC = b"\x7fELF"
SMALLEST = 52  # bytes of the smaller ELF header
_THREADS = 2
_DEEPEST = 256
_MOST_PROBLEMS = 1000
_STAMP = struct.Struct("=qqqq")
Stamp = tuple[int, int, int, int]  # device, inode, size, mtime in ns


def stamp_of(status: os.stat_result) -> Stamp:
    """What tells that a file is the same as before; the integers of SQLite are signed."""
    return status.st_dev, status.st_ino & 0x7FFF_FFFF_FFFF_FFFF, status.st_size, status.st_mtime_ns


def pack(stamps: list[Stamp]) -> bytes:
    """Stamps as ``walk`` takes them, 32 bytes each."""
    return b"".join([_STAMP.pack(*stamp) for stamp in stamps])


class Watch:
    """A walk as others see it: ``stop`` ends it soon, ``files`` counts what it has seen."""

    def __init__(self) -> None:
        self.memory = bytearray(16)

    def stop(self) -> None:
        self.memory[0] = 1

    @property
    def stopped(self) -> bool:
        return self.memory[0] != 0

    @property
    def files(self) -> int:
        return int.from_bytes(self.memory[8:16], "little")

    def count(self, files: int) -> None:
        self.memory[8:16] = (self.files + files).to_bytes(8, "little")


class Tree(NamedTuple):
    """``elf``: new or changed, one of each inode, the largest first. ``known``: (path, its number).

    ``plain``: the stamps of all that are no ELF files, None when they are those that were given.
    ``problems``: directories and the errno of reading them. ``full``: there were more than wanted.
    """

    elf: list[tuple[str, int, int, int, int]]
    known: list[tuple[str, int]]
    plain: bytes | None
    problems: list[tuple[str, int]]
    full: bool


def walk(
    top: str, descriptor: int, leave: tuple[str, ...], plain: bytes, elf: bytes, most: int, watch: Watch
) -> Tree:
    """Walks what ``descriptor``, the open directory ``top``, holds; directories of ``leave`` are not entered.

    ``plain`` and ``elf``: packed stamps of files that are known to be none, or to be one.
    """
    if _tree is None:
        return _Walk(leave, plain, elf, most, watch).tree(top, descriptor)
    left = tuple(map(os.fsencode, leave))
    return Tree(*_tree.walk(top, descriptor, left, plain, elf, most, SMALLEST, _THREADS, watch.memory))


class _Walk:
    """The same without the native core."""

    def __init__(self, leave: tuple[str, ...], plain: bytes, elf: bytes, most: int, watch: Watch) -> None:
        self._leave = leave
        self._plain = dict.fromkeys(_STAMP.iter_unpack(plain), False)
        self._elf = {stamp: number for number, stamp in enumerate(_STAMP.iter_unpack(elf))}
        self._most = most
        self._watch = watch
        self._problems: list[tuple[str, int]] = []

    def tree(self, top: str, descriptor: int) -> Tree:
        new: dict[tuple[int, int], tuple[str, int, int, int, int]] = {}
        known: list[tuple[str, int]] = []
        seen: list[Stamp] = []
        changed = full = False
        for path, stamp, is_elf in self._files(top, descriptor):
            if not is_elf:
                seen.append(stamp)
                changed |= stamp not in self._plain
                self._plain[stamp] = True
            elif len(new) + len(known) >= self._most:
                full = True
            elif stamp in self._elf:
                known.append((path, self._elf[stamp]))
            elif path < new.get(stamp[:2], (path + "/",))[0]:
                new[stamp[:2]] = (path, *stamp)
        changed |= not all(self._plain.values())
        elf = sorted(new.values(), key=lambda entry: (-entry[3], entry[0]))
        plain = pack(sorted(seen)) if changed else None
        return Tree(elf, sorted(known), plain, sorted(self._problems), full)

    def _files(self, top: str, descriptor: int) -> Iterator[tuple[str, Stamp, bool]]:
        for directory, below, names, at in os.fwalk(
            ".", onerror=self._failed, follow_symlinks=False, dir_fd=descriptor
        ):
            path = os.path.normpath(os.path.join(top, directory))  # noqa: PTH118 - texts, not files
            if self._watch.stopped:
                return
            if path.count("/") - top.count("/") >= _DEEPEST:
                for name in below:
                    self._problem(f"{path}/{name}", errno.ELOOP)
                below.clear()
            below[:] = [name for name in below if os.path.normpath(f"{path}/{name}") not in self._leave]
            for name in names:
                try:
                    status = os.stat(name, dir_fd=at, follow_symlinks=False)
                    if not stat.S_ISREG(status.st_mode):
                        continue
                    self._watch.count(1)
                    if status.st_size < SMALLEST:
                        continue
                    stamp = stamp_of(status)
                    is_elf = stamp in self._elf or (stamp not in self._plain and _starts_as_elf(name, at))
                except OSError:
                    continue  # gone since it was listed, or not to be read
                yield os.path.normpath(f"{path}/{name}"), stamp, is_elf

    def _failed(self, error: OSError) -> None:
        self._problem(str(error.filename), error.errno or 0)

    def _problem(self, path: str, number: int) -> None:
        if len(self._problems) < _MOST_PROBLEMS:
            self._problems.append((path, number))


def _starts_as_elf(name: str, directory: int) -> bool:
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
    descriptor = os.open(name, flags, dir_fd=directory)
    try:
        return os.read(descriptor, 4) == MAGIC
    finally:
        os.close(descriptor)
