"""A binary to the paths where its debug file may lie on this host, in the order in which gdb looks.

What was named by hand first; by build-id below each debug directory; then by .gnu_debuglink beside the
binary, in its .debug directory and below each debug directory; last the cache of elfutils' debuginfod client.
A binary of a container (``/proc/PID/root/…``) has its own directories before the host's.
Sources: GDB's manual, Separate Debug Files; elfutils, debuginfod_find_debuginfo(3).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Literal, NamedTuple

DEBUG_ROOT = "/usr/lib/debug"
Kind = Literal["given", "build-id", "debug-link", "uploaded", "indexed", "cache", "debuginfod"]
_ROOT = re.compile(r"(/proc/(?:\d+|self)/root)(/.*)")
Link = tuple[str, int]


class Place(NamedTuple):
    """A path to look at; whether something is there is not known yet."""

    kind: Kind
    path: str


def places(
    path: str | None,
    build_id: str | None,
    link: Link | None,
    roots: Sequence[str] = (DEBUG_ROOT,),
    given: Sequence[str] = (),
    cache: str | None = None,
) -> tuple[Place, ...]:
    """Where to look, the best first, each path once.

    ``path``: of the binary, None for an upload; ``roots``: debug directories; ``given``: files or directories
    named by hand; ``cache``: directory of elfutils' client.
    """
    found: list[Place] = []
    name = link[0] if link is not None and _is_name(link[0]) else None
    for each in given:
        found.append(Place("given", each))
        found += [Place("given", below) for below in _below(each, path, build_id, name)]
    inside = _ROOT.fullmatch(path) if path else None
    own = [inside[1] + root for root in roots] if inside else []
    for root in (*own, *roots):
        if build_id and len(build_id) > 2:
            found.append(Place("build-id", f"{root}/.build-id/{build_id[:2]}/{build_id[2:]}.debug"))
    if name and path:
        # As texts: each file of a host is looked for, and an object a path takes longer than the look.
        directory = path.rpartition("/")[0]
        there = inside[2].rpartition("/")[0] if inside else directory
        found += [
            Place("debug-link", f"{directory}/{name}"),
            Place("debug-link", f"{directory}/.debug/{name}"),
        ]
        found += [Place("debug-link", f"{root.rstrip('/')}{there}/{name}") for root in (*own, *roots)]
    if cache and build_id:
        found.append(Place("cache", f"{cache}/{build_id}/debuginfo"))
    once = {place.path: place for place in reversed(found) if place.path != path}
    return tuple(place for place in dict.fromkeys(found) if once.get(place.path) == place)


def _below(directory: str, path: str | None, build_id: str | None, name: str | None) -> list[str]:
    """In a directory that is laid out as a debug directory, or has the files just so."""
    found = []
    if build_id and len(build_id) > 2:
        found.append(f"{directory}/.build-id/{build_id[:2]}/{build_id[2:]}.debug")
        found.append(f"{directory}/{build_id[:2]}/{build_id[2:]}.debug")
        found.append(f"{directory}/{build_id}.debug")
    if path:
        program = PurePosixPath(path).name
        names = [*([name] if name else []), f"{program}.debug", f"{program}.debuginfo"]
        inside = PurePosixPath(path).parent.relative_to("/") if path.startswith("/") else PurePosixPath()
        for each in dict.fromkeys(names):
            found += [f"{directory}/{each}", str(PurePosixPath(directory) / inside / each)]
    return found


def _is_name(text: str) -> bool:
    return bool(text) and "/" not in text and "\0" not in text and text not in {".", ".."}
