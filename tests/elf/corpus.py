"""Real ELF files of this machine, chosen so that a run sees many kinds: what the differential tests read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

_PLACES = (
    "/usr/bin",
    "/usr/sbin",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib/postgresql",
    "/usr/lib/debug",
    "/usr/lib/gcc",
    "/usr/libexec",
)
_LARGEST = 12 << 20


@lru_cache
def elf_files(count: int) -> tuple[Path, ...]:
    """``count`` files, evenly over all that are found, one of each inode and at most 12 MB long."""
    found = sorted(_found())
    step = max(1, len(found) // count)
    return tuple(found[::step][:count])


def _found() -> Iterator[Path]:
    seen: set[tuple[int, int]] = set()
    for place in _PLACES:
        for directory, _, names in os.walk(place):
            for name in names:
                path = Path(directory, name)
                if path.is_symlink() or not path.is_file():
                    continue
                status = path.stat()
                if (status.st_dev, status.st_ino) in seen or not 64 <= status.st_size <= _LARGEST:
                    continue
                seen.add((status.st_dev, status.st_ino))
                with path.open("rb") as file:
                    if file.read(4) == b"\x7fELF":
                        yield path
