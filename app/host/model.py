"""Processes of the live machine and the files they map."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class MappedObject:
    """One file that a process maps, whole: ``path`` as the process sees it, ``host_path`` where we see it."""

    path: str
    host_path: str  # through /proc/PID/root where the mount namespace differs
    inode: int
    device: str  # major:minor in hex, as /proc/PID/maps has it
    executable: bool  # some mapping of it can be executed
    deleted: bool
    start: int
    end: int
    size: int


@dataclass(frozen=True, slots=True)
class Process:
    pid: int
    starttime: int  # clock ticks since boot, field 22 of /proc/PID/stat: with the pid it names the process
    command: str  # comm
    arguments: tuple[str, ...]
    user: str
    uid: int
    executable: str | None
    executable_deleted: bool
    threads: int
    rss_bytes: int
    started: float  # seconds since the epoch
    container: str | None  # a short container id out of the cgroup, or None
    namespace_pid: int | None  # the pid inside its own PID namespace when that differs
    parent: int

    @property
    def key(self) -> str:
        return f"{self.pid}-{self.starttime}"

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "key": self.key}
