"""Source files that debug information names, where they are at hand on the host.

The names come from the binary, which may be hostile, and the server may be root: a file is shown only if its
name ends as source code does, everybody may read it, and it lies within the roots.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from app.errors import AppError
from app.index import files

_SUFFIX = re.compile(
    r"\.(?:[cfhils]|a68|ad[abs]|asm|c\+\+|h\+\+|cc|cpp|cs|cu|cxx|dats|d|f\d\d|for|go|hh|hpp|hs|hxx|ii|inc|inl|ipp"
    r"|java|jl|kt|ll|m|mli?|mm|mod|nim|pas|php|p[lmy]|proto|pyx|rb|rs|re|sats|scala|sx|swift|tcc|tpp|v|vala|yy?|zig)",
    re.IGNORECASE,
)
MOST_BYTES = 8 << 20
_ROOT = re.compile(r"(/proc/(?:\d+|self)/root)/.*")


@dataclass(frozen=True, slots=True)
class Source:
    """A file's lines as they are there now; the binary may have been built from others."""

    path: str
    lines: tuple[str, ...]
    newer: bool  # changed after the binary was


def is_source(name: str) -> bool:
    """By how the name ends."""
    return _SUFFIX.fullmatch(PurePosixPath(name).suffix) is not None


def source(name: str, binary: str | None, changed: float | None, roots: Sequence[str] = ()) -> Source | None:
    """``name``: as debug information has it; ``binary``: whose root a container's files lie in.

    ``changed``: when the binary was, in seconds since the epoch. None where there is no such file to show.
    """
    if not name.startswith("/") or not is_source(name):
        return None
    inside = _ROOT.fullmatch(binary) if binary else None
    for path in ([f"{inside[1]}{name}"] if inside else []) + [name]:
        try:
            content, stamp = files.read_public(path, roots, MOST_BYTES)
        except AppError:
            continue
        lines = tuple(content.decode("utf-8", "replace").split("\n"))
        return Source(path, lines, changed is not None and stamp[3] / 1e9 > changed)
    return None
