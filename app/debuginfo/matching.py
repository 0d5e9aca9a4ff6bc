"""Whether a file is the debug file of a binary, said in words. Pure.

A build-id decides where the binary has one. Without it the name and checksum of ``.gnu_debuglink`` do. What
only looks alike (the same machine and sections in memory) is called probable, and is never merged.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from app.debuginfo.places import Kind, Link

State = Literal["matched", "mismatched", "partial", "missing"]
ENOUGH = 4  # of Found.quality: it has DWARF
_SAME_BUILD = "Its build-id is the same."


class Wanted(NamedTuple):
    """What the binary says of itself; ``layout``: name, address and size of its sections in memory."""

    build_id: str | None
    machine: str
    link: Link | None
    layout: tuple[tuple[str, int, int], ...] = ()


class Found(NamedTuple):
    """A place that was looked at: what is there, and why it is or is not the one."""

    kind: Kind | Literal["embedded"]
    path: str
    state: State
    why: str
    build_id: str | None = None
    has: dict[str, bool] | None = None  # dwarf, lines, symtab, dynsym
    package: str | None = None  # that it came in, with its version

    @property
    def quality(self) -> int:
        """0: of no use; more is better: DWARF before a symbol table."""
        if self.state != "matched" or self.has is None:
            return 0
        return 4 * self.has["dwarf"] + 2 * self.has["symtab"] + self.has["lines"]


def of_build(place: Found, build_id: str | None, has: dict[str, bool] | None) -> Found:
    """A place as ``judged`` tells of it; ``has``: what its file has, None where that is of another build."""
    if has is None or build_id is None:
        return place
    return place._replace(state="matched", why=_SAME_BUILD, build_id=build_id, has=has)


def judged(wanted: Wanted, kind: Kind, path: str, identity: Mapping[str, Any]) -> Found:
    """``identity``: the fields of ``app.elf.identity.Identity`` of the file at ``path``."""
    build_id, has = identity["build_id"], identity["has"]
    state, why = _verdict(wanted, kind, identity)
    if state == "matched" and not (has["dwarf"] or has["symtab"]):
        state, why = "partial", f"{why} It has neither DWARF nor a symbol table."
    return Found(kind, path, state, why, build_id, has)


def _verdict(wanted: Wanted, kind: Kind, identity: Mapping[str, Any]) -> tuple[State, str]:
    build_id = identity["build_id"]
    if identity["problem"] is not None:
        return "mismatched", identity["problem"]
    if identity["machine"] != wanted.machine:
        return "mismatched", "It is for another machine."
    if wanted.build_id is not None:
        if build_id == wanted.build_id:
            return "matched", _SAME_BUILD
        there = f"Its build-id is {build_id}" if build_id else "It has no build-id"
        return "mismatched", f"{there}, and the binary's is {wanted.build_id}: it is of another build."
    if wanted.link is not None and kind != "uploaded":
        if identity["crc"] == wanted.link[1]:
            return "matched", "Its checksum is the one that the binary's .gnu_debuglink has."
        there = "not known" if identity["crc"] is None else f"{identity['crc']:08x}"
        return "mismatched", f"Its checksum is {there}, and the binary's link says {wanted.link[1]:08x}."
    if tuple(map(tuple, identity["layout"])) == wanted.layout and wanted.layout:
        return "partial", "Probably of the same build, by its sections; without a build-id it is not merged."
    return "mismatched", "Neither a build-id nor a checksum says that it is of the same build."
