"""What a package or archive is turned into: facts of entries and packages; the limits; what can be wrong.

Texts are the archive's bytes as UTF-8, other bytes as ``\\xNN``. Nothing here is ever a path to open.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from app.debuginfo.packages.feed import Feed

Kind = Literal["file", "symlink", "hardlink", "other"]
Code = Literal[
    "truncated",
    "malformed",
    "unknown_format",
    "unknown_compression",
    "encrypted",
    "limit_bytes",
    "limit_entries",
    "limit_ratio",
    "limit_nesting",
    "limit_name",
    "limit_memory",
]
# The whole upload's: after these nothing more is read. The others end the archive that they are in.
_ENDS_ALL = frozenset({"limit_bytes", "limit_entries", "limit_ratio"})


@dataclass(frozen=True, slots=True)
class Limits:
    """Ceilings of one reader, nested archives included; sizes in bytes."""

    bytes: int = 16 << 30  # read, and unpacked by all layers together
    file_bytes: int = 8 << 30
    entries: int = 200_000  # also of compressed streams put one after the other
    nesting: int = 2  # archives inside the outermost
    ratio: int = 200  # unpacked to read
    ratio_from: int = 64 << 20  # unpacked bytes below which no ratio is asked for
    name: int = 4096
    link: int = 4096
    # A zstd window of 128 MiB, the most that its tool takes without being told; xz -9 needs 65 MiB.
    memory: int = 136 << 20


@dataclass(frozen=True, slots=True)
class Package:
    """What a package says of itself; ``version`` as its packager compares them: [epoch:]version[-release]."""

    name: str
    version: str
    architecture: str
    kind: Literal["deb", "rpm", "apk", "arch"]


class Broken(Exception):
    """Reading cannot go on; stays inside this package of modules, and becomes a Problem."""

    def __init__(self, code: Code, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.noted = False  # it is among the reader's problems

    @property
    def ends_all(self) -> bool:
        return self.code in _ENDS_ALL


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry as its format's reader gives it; ``content`` is good until the next is asked for."""

    name: bytes
    kind: Kind
    size: int | None = 0
    link: bytes = b""
    content: Feed | None = None
    broken: Broken | None = None  # this entry alone cannot be read


def text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")
