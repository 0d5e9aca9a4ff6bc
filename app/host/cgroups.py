"""A control group as people write it to its directory, which bpftrace asks for the group's number.

Only groups of version 2 have a number that a task carries. Sources: cgroups(7), proc(5) on mounts.
"""

from __future__ import annotations

import re
from pathlib import Path

from app.errors import BadInput, NotFound

MOUNTS = Path("/proc/self/mounts")
_OCTAL = re.compile(r"\\([0-7]{3})")


def hierarchy(mounts: Path = MOUNTS) -> str | None:
    """Where version 2 is mounted; None where it is not."""
    try:
        lines = mounts.read_text(errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        fields = line.split(" ")
        if len(fields) > 2 and fields[2] == "cgroup2":
            return _OCTAL.sub(lambda match: chr(int(match[1], 8)), fields[1])
    return None


def directory(path: str, mounts: Path = MOUNTS) -> str:
    """The directory of a group, given whole or as /proc/PID/cgroup has it. Raises BadInput, NotFound."""
    top = hierarchy(mounts)
    if top is None:
        raise BadInput("This host has no control groups of version 2.", "Filter by pid or command instead.")
    plain = str(Path(path))
    if ".." in Path(plain).parts:
        raise BadInput(f"{path} is no path of a control group.", "Write it without `..`.")
    found = plain if plain == top or plain.startswith(top + "/") else top + plain.rstrip("/")
    if not (Path(found) / "cgroup.procs").exists():
        raise NotFound(
            f"There is no control group {path} of version 2.",
            f"They are the directories below {top}; a process names its own in /proc/PID/cgroup.",
        )
    return found


def is_empty(found: str) -> bool:
    """Whether no task is in the group itself, whatever those below it have."""
    try:
        return not (Path(found) / "cgroup.procs").read_text().strip()
    except OSError:
        # Of a threaded group the tasks are not told by process.
        return False
