"""What a process maps to execute, as of one moment: kept, so that addresses can be named when it is gone.

A file is told by its stamp, which is read through the kernel's own link (/proc/PID/map_files), and not by its
path: what lies there may be another file by now. Where that link may not be followed, the file at the path
must have the inode that maps says. Source: proc(5).
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from pathlib import Path

from app.elf.tree import Stamp, stamp_of
from app.errors import NotFound
from app.host import maps
from app.host.maps import Mapping
from app.host.model import Process
from app.host.processes import PROC, alive, process

MOST_REGIONS = 65_536


@dataclass(frozen=True, slots=True)
class MappedFile:
    """``path`` as the process sees it; ``host_path`` where we could open it then."""

    path: str
    host_path: str
    deleted: bool
    stamp: Stamp | None  # None: it could not be told which file this is

    @property
    def fleeting(self) -> bool:
        """Whether only the process leads to it."""
        return self.deleted or self.host_path.startswith("/proc/")


@dataclass(frozen=True, slots=True)
class Region:
    """Addresses from ``start`` up to ``end`` hold the bytes of ``file`` from ``offset`` on."""

    start: int
    end: int
    offset: int
    file: MappedFile


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The executable mappings of files of one process, by address."""

    process: Process
    program: tuple[int, int] | None  # device and inode of what it runs
    regions: tuple[Region, ...]
    raw: bytes = field(repr=False)  # the lines of maps, which tell whether something changed
    starts: tuple[int, ...] = field(repr=False)

    def find(self, address: int) -> tuple[MappedFile, int] | None:
        """The file that is mapped at an address, and the offset in it."""
        at = bisect_right(self.starts, address) - 1
        if at < 0 or address >= self.regions[at].end:
            return None
        region = self.regions[at]
        return region.file, address - region.start + region.offset


def snapshot(pid: int) -> Snapshot:
    """What ``pid`` maps now. Raises NotFound for a process that is gone, and Forbidden."""
    target = process(pid)
    raw = maps.read_maps(pid)
    program = running(pid)
    foreign = maps.is_foreign(pid)
    files: dict[tuple[str, int], MappedFile] = {}
    regions: list[Region] = []
    for mapping in maps.parse(raw):
        if not mapping.executable or len(regions) == MOST_REGIONS:
            continue
        identity = mapping.device, mapping.inode
        if identity not in files:
            files[identity] = _file(target, mapping, foreign)
        regions.append(Region(mapping.start, mapping.end, mapping.offset, files[identity]))
    # The maps of one that ends meanwhile are empty.
    if not raw or not alive(pid, target.starttime):
        raise NotFound(f"There is no process {pid}.", "It ended just now.")
    return Snapshot(target, program, tuple(regions), raw, tuple(region.start for region in regions))


def running(pid: int) -> tuple[int, int] | None:
    """Device and inode of what a process runs: another one after execve(2). None where it is gone."""
    try:
        status = (PROC / str(pid) / "exe").stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _file(target: Process, mapping: Mapping, foreign: bool) -> MappedFile:
    path, deleted, host_path = maps.located(target, mapping, foreign)
    stamp = _stamp(f"/proc/{target.pid}/map_files/{mapping.start:x}-{mapping.end:x}")
    if stamp is None:
        stamp = _stamp(host_path)
        if stamp is not None and stamp[1] != mapping.inode:
            stamp = None
    return MappedFile(path, host_path, deleted, stamp)


def _stamp(path: str) -> Stamp | None:
    try:
        return stamp_of(Path(path).stat())
    except (OSError, ValueError):
        return None
