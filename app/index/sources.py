"""Source files that debug information names, opened only where that gives nothing away.

A line table is what its author wrote, and may name any file of the host, and the server may be root. So only
what is a source by its name is opened, and only what everybody may read, or the owner of the binary, who
could have put it there.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from app.errors import AppError, Forbidden
from app.index import files

_SUFFIX = re.compile(
    r"\.(?:[cfhils]|a68|ad[abs]|asm|c\+\+|h\+\+|cc|cpp|cs|cu|cxx|dats|d|f\d\d|for|go|hh|hpp|hs|hxx|ii|inc|inl|ipp"
    r"|java|jl|kt|ll|m|mli?|mm|mod|nim|pas|php|p[lmy]|proto|pyx|rb|rs|re|sats|scala|sx|swift|tcc|tpp|v|vala|yy?|zig)",
    re.IGNORECASE,
)
_HEADERS = ("/usr/include/", "/usr/lib/gcc/", "/usr/lib/llvm-", "/usr/local/include/", "/usr/src/")
MOST_BYTES = 8 << 20
_ROOT = re.compile(r"(/proc/(?:\d+|self)/root)/.*")


@dataclass(frozen=True, slots=True)
class Source:
    """A file's lines as they are there now; the binary may have been built from others."""

    path: str
    lines: tuple[str, ...]
    newer: bool  # changed after the binary was
    origin: str | None = None  # the package or server that it is from; None: it lies on the host


def is_source(name: str) -> bool:
    """By how the name ends."""
    return _SUFFIX.fullmatch(PurePosixPath(name).suffix) is not None


def source(
    name: str, binary: str, changed: float, owner: int | None, roots: Sequence[str] = ()
) -> Source | None:
    """``name``: as debug information has it; ``binary``: the path whose root a container's files lie in.

    ``changed``: when the binary was, in seconds since the epoch; ``owner``: see ``opened``. None where there
    is no such file to show.
    """
    if not name.startswith("/"):
        return None
    inside = _ROOT.fullmatch(binary)
    for path in ([f"{inside[1]}{name}"] if inside else []) + [name]:
        try:
            descriptor = opened(path, roots, owner)
        except AppError:
            continue
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            content = file.read(MOST_BYTES + 1)
        if len(content) <= MOST_BYTES:
            return Source(
                path, tuple(content.decode("utf-8", "replace").split("\n")), status.st_mtime > changed
            )
    return None


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
    return is_source(path) or (not PurePosixPath(path).suffix and path.startswith(_HEADERS))


def _readable(file: files.HostFile, owner: int | None) -> bool:
    """Whether everybody may read it, or whoever made the binary."""
    directories = Path(file.path).parents
    return _lets(os.fstat(file.descriptor), owner, stat.S_IRUSR, stat.S_IROTH) and all(
        _lets(each.stat(), owner, stat.S_IXUSR, stat.S_IXOTH) for each in directories
    )


def _lets(status: os.stat_result, owner: int | None, own: int, others: int) -> bool:
    return bool(status.st_mode & (own if status.st_uid == owner else others))
