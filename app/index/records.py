"""What the catalogue has on record: binaries and jobs; and how every item of the index becomes plain data.

Apart from the other items, so that a command that only indexes need not load them.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, Literal

from app.elf.problem import Problem, State

HEX = frozenset({"address", "offset", "semaphore"})


def with_hex(item: dict[str, Any]) -> dict[str, Any]:
    """Adds ``address_hex`` (and offset, semaphore) beside every such integer, at any depth."""
    out: dict[str, Any] = {}
    for key, value in item.items():
        out[key] = plain(value)
        if key in HEX and (value is None or isinstance(value, int)):
            out[f"{key}_hex"] = None if value is None else f"{value:#x}"
    return out


def plain(value: Any) -> Any:
    """Dataclasses and named tuples as dicts, tuples as lists, at any depth, addresses with their hex."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        return [plain(entry) for entry in value]
    if isinstance(value, dict):
        return with_hex(value)
    return with_hex({name: getattr(value, name) for name in fields_of(value.__class__)})


@lru_cache(maxsize=64)
def fields_of(kind: Any) -> tuple[str, ...]:
    named: tuple[str, ...] | None = getattr(kind, "_fields", None)
    return named if named is not None else tuple(field.name for field in fields(kind))


@dataclass(frozen=True, slots=True)
class Item:
    def as_dict(self) -> dict[str, Any]:
        found: dict[str, Any] = plain(self)
        return found


@dataclass(frozen=True, slots=True)
class Debug:
    """Where the debug information of a binary is, and what it has."""

    kind: Literal["embedded", "separate", "none"]
    path: str | None  # of the debug file; the name of one that was uploaded
    has: dict[str, bool]  # dwarf, lines, symtab, dynsym


@dataclass(frozen=True, slots=True)
class Binary(Item):
    id: str  # build-id in hex, else "sha256-" and the hash
    build_id: str | None
    name: str  # last part of the first path
    path: str | None  # first path on the host that is still there, else the first; None for an upload
    paths: tuple[str, ...]
    sha256: str | None
    size: int
    type: str
    machine: str
    bits: int
    endian: str
    stripped: bool
    language: str | None
    runtime: Literal["compiled", "interpreter", "jit"]
    interpreter_of: str | None
    debug: Debug
    counts: dict[str, int]  # symbols functions variables usdt
    needed: tuple[str, ...]
    frame_pointers: bool | None
    state: State
    problems: tuple[Problem, ...]
    uploaded: bool
    indexed: float  # seconds since the epoch
    gone: bool = False  # nothing is at its paths any more
    debug_only: bool = False  # the debug file of a binary, without its code


@dataclass(frozen=True, slots=True)
class Job(Item):
    id: str
    kind: Literal["index", "upload", "fetch"]
    state: Literal["queued", "running", "done", "partial", "failed", "cancelled"]
    phase: str  # a word for the page: walking, reading, storing, merging, fetching
    done: int  # files
    total: int | None
    bytes_done: int
    bytes_total: int | None
    current: str | None
    results: tuple[dict[str, Any], ...]  # a file each: {path, id, state, code, message, hint}; at most 1000
    message: str | None
    started: float
    ended: float | None
    unchanged: int = 0  # of those done: files that are known already
    failed: int = 0  # of those done: files that could not be read
    seen: int = 0  # files of all kinds that directories held
    files_per_second: float | None = None  # of late, while it runs
    bytes_per_second: float | None = None
    seconds_left: float | None = None  # by bytes, and a little for each file
    what: tuple[str, ...] = ()  # the paths or the name that were given
