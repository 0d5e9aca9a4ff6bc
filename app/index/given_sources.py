"""Source files that line tables name: found by that name, and opened only where that gives nothing away.

A line table is what its author wrote, and may name any file of the host. So only what is a source by its
name is opened, and only what everybody may read, or the owner of the binary, who could have put it there.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from app.errors import Forbidden
from app.index import files, sources

_HEADERS = ("/usr/include/", "/usr/lib/gcc/", "/usr/lib/llvm-", "/usr/local/include/", "/usr/src/")


class Named:
    """The names of one binary's sources."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(name for name in names if name.startswith("/"))
        self._canonical: dict[str, str] = {}
        for name in sorted(self._names):
            self._canonical.setdefault(canonical(name), name)

    def paths(self, asked: str) -> tuple[str, ...]:
        """The names that are meant: the very one, else the one that differs by ``//``, ``.`` and ``..``.

        Some clients rewrite these on the way.
        """
        if asked in self._names:
            return (asked,)
        found = self._canonical.get(canonical(asked))
        return () if found is None else (found,)


def canonical(path: str) -> str:
    """Without ``//``, ``/./`` and ``/../``, by letters alone: links of the host do not count."""
    found: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del found[-1:]
        elif part not in {"", "."}:
            found.append(part)
    return "/" + "/".join(found)


def opened(path: str, roots: Sequence[str], owner: int | None) -> int:
    """A descriptor of a source file. ``owner``: of the binary; None: only what everybody may read.

    Raises NotFound, Forbidden or BadInput.
    """
    with files.open_regular(path, roots) as file:
        if not is_given(file.path) or not _readable(file, owner):
            raise Forbidden(f"{path} is not given out.", "Sources are, which everybody may read.")
        return os.dup(file.descriptor)


def is_given(path: str) -> bool:
    """By its name; C++ headers have none that tells, but a directory that does."""
    return sources.is_source(path) or (not PurePosixPath(path).suffix and path.startswith(_HEADERS))


def _readable(file: files.HostFile, owner: int | None) -> bool:
    """Whether everybody may read it, or whoever made the binary."""
    directories = Path(file.path).parents
    return _lets(os.fstat(file.descriptor), owner, stat.S_IRUSR, stat.S_IROTH) and all(
        _lets(each.stat(), owner, stat.S_IXUSR, stat.S_IXOTH) for each in directories
    )


def _lets(status: os.stat_result, owner: int | None, own: int, others: int) -> bool:
    return bool(status.st_mode & (own if status.st_uid == owner else others))
