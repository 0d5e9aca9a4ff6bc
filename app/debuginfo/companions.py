"""A binary's links to the paths where the files may be that hold the rest of its debug information.

The dwz file: as its link says, from the binary's directory, then by build-id below the debug root. Split
parts: one package beside the binary, else each ``.dwo`` where it was compiled, or beside the binary.
Sources: GDB's manual, Separate Debug Files; dwz(1); GCC's wiki, DebugFission.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from app.debuginfo.places import DEBUG_ROOT


def alternates(
    path: str, links: Mapping[str, Any], cache: str | None = None, root: str = DEBUG_ROOT
) -> tuple[str, ...]:
    """Paths of the common file, the best first; none for a binary without one.

    ``cache``: directory of elfutils' client.
    """
    if not links.get("alternate"):
        return ()
    name, number = links["alternate"]
    found = [str(PurePosixPath(path).parent / name)]
    if len(number) > 2:
        found.append(f"{root}/.build-id/{number[:2]}/{number[2:]}.debug")
        found += [f"{cache}/{number}/debuginfo"] if cache else []
    return tuple(dict.fromkeys(entry for entry in found if entry != path))


def packages(path: str, links: Mapping[str, Any]) -> tuple[str, ...]:
    """Paths of the package of all split parts."""
    return (f"{path}.dwp",) if links.get("parts") else ()


def parts(path: str, links: Mapping[str, Any]) -> tuple[tuple[str, ...], ...]:
    """For each split part the paths to try."""
    if not links.get("parts"):
        return ()
    directory = PurePosixPath(path).parent
    return tuple(
        tuple(dict.fromkeys((str(directory / each), str(directory / PurePosixPath(each).name))))
        for each in links["parts"]
    )
