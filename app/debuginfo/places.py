"""A binary to the paths where the host's packages lay its debug file.

By build-id below /usr/lib/debug/.build-id, then by .gnu_debuglink beside the binary, in its .debug directory
and below /usr/lib/debug. Source: GDB's manual, Separate Debug Files; the same order.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

DEBUG_ROOT = "/usr/lib/debug"


def candidates(
    path: str, build_id: str | None, debug_link: Sequence[object] | None, root: str = DEBUG_ROOT
) -> tuple[str, ...]:
    """Paths to try, the best first; none of them is known to be there."""
    found: list[str] = []
    if build_id and len(build_id) > 2:
        found.append(f"{root}/.build-id/{build_id[:2]}/{build_id[2:]}.debug")
    if debug_link and "/" not in str(debug_link[0]):
        name, directory = str(debug_link[0]), PurePosixPath(path).parent
        found += [str(directory / name), str(directory / ".debug" / name)]
        found.append(str(PurePosixPath(root) / directory.relative_to("/") / name))
    return tuple(dict.fromkeys(entry for entry in found if entry != path))
