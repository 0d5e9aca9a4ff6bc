"""/proc/PID/maps into mapped files, and a file into the processes that map it.

A file is known by device and inode as maps prints them, never by its path: paths are reused, deleted, and
differ between mount namespaces. The device numbers of stat(2) are of no use for that: btrfs and overlayfs
give others there, so a file's identity is read from our own maps after mapping it.

maps prints a newline in a path as ``\\012`` and appends `` (deleted)``; its paths are as seen from the
reader's root where the file can be reached from there, else from the root of the file's mount namespace
(fs/d_path.c). Refuses nothing of a process; raises NotFound for one that is gone.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import re
import stat as modes
from pathlib import Path
from typing import NamedTuple

from app.errors import Forbidden, NotFound
from app.host.model import MappedObject, Process
from app.host.processes import DELETED, PROC, all_pids, process

_LINE = re.compile(
    rb"^([0-9a-f]+)-([0-9a-f]+) (\S{4}) ([0-9a-f]+) ([0-9a-f]+:[0-9a-f]+) (\d+) +(/.*)$", re.MULTILINE
)
# Shared memory and devices have inodes and a path here, but are no files that anyone could open.
_NO_FILES = (b"/memfd:", b"/SYSV", b"/dev/", b"/[aio]", b"/anon_hugepage")


class Mapping(NamedTuple):
    start: int
    end: int
    executable: bool
    offset: int  # in the file
    device: str
    inode: int
    path: bytes


def mapped_objects(pid: int) -> tuple[MappedObject, ...]:
    """The files that ``pid`` maps, one each, in the order of their addresses. Raises NotFound, Forbidden."""
    target = process(pid)
    data = read_maps(pid)
    foreign = is_foreign(pid)
    groups: dict[tuple[str, int], list[Mapping]] = {}
    for mapping in parse(data):
        groups.setdefault((mapping.device, mapping.inode), []).append(mapping)
    return tuple(_object(target, group, foreign) for group in groups.values())


def mapping_processes(path: str) -> tuple[Process, ...]:
    """Every process that maps the file at ``path`` (of this mount namespace) to execute it, by pid.

    Those are the ones in which a probe of the file fires; who merely reads the file through a mapping is
    left out, as is whoever's maps may not be read. Device and inode are compared, so copies do not count and
    other names of the file do. Raises NotFound when there is no such regular file, Forbidden.
    """
    identity = _identity(path)
    if identity is None:
        return ()
    executing = re.compile(rb"^\S+ ..x. \S+ " + re.escape(identity), re.MULTILINE)
    found = []
    for pid in all_pids():
        try:
            data = (PROC / str(pid) / "maps").read_bytes()
        except OSError:
            continue
        if identity in data and executing.search(data):
            try:
                found.append(process(pid))
            except NotFound:
                continue
    return tuple(found)


def maps_file(pid: int, path: str) -> bool:
    """Whether ``pid`` maps the file at ``path`` to execute it. Raises NotFound, Forbidden."""
    identity = _identity(path)
    if identity is None:
        return False
    return re.search(rb"^\S+ ..x. \S+ " + re.escape(identity), read_maps(pid), re.MULTILINE) is not None


def parse(data: bytes) -> list[Mapping]:
    """The lines of /proc/PID/maps that map files."""
    return [
        Mapping(
            start=int(match[1], 16),
            end=int(match[2], 16),
            executable=match[3][2:3] == b"x",
            offset=int(match[4], 16),
            device=match[5].decode(),
            inode=int(match[6]),
            path=match[7].replace(b"\\012", b"\n"),
        )
        for match in _LINE.finditer(data)
        if match[6] != b"0" and not match[7].startswith(_NO_FILES)
    ]


def _object(target: Process, group: list[Mapping], foreign: bool) -> MappedObject:
    first = group[0]
    path, deleted, host_path = located(target, first, foreign)
    return MappedObject(
        path=path,
        host_path=host_path,
        inode=first.inode,
        device=first.device,
        executable=any(mapping.executable for mapping in group),
        deleted=deleted,
        start=min(mapping.start for mapping in group),
        end=max(mapping.end for mapping in group),
        size=sum(mapping.end - mapping.start for mapping in group),
    )


def located(target: Process, mapping: Mapping, foreign: bool) -> tuple[str, bool, str]:
    """(path as shown, deleted, path by which we can open it)."""
    through_map = f"/proc/{target.pid}/map_files/{mapping.start:x}-{mapping.end:x}"
    try:
        shown = mapping.path.decode()
    except UnicodeDecodeError:
        # No JSON could carry that path, so these bytes are opened by the mapping.
        return mapping.path.decode(errors="backslashreplace"), False, through_map
    root = f"/proc/{target.pid}/root" if foreign else ""
    if _inode(root + shown) == mapping.inode:
        return shown, False, root + shown
    path = shown.removesuffix(DELETED)
    if path == shown:
        # Not removed, yet not found so: a chroot inside another mount namespace, or a filesystem whose stat
        # gives other inode numbers. Only where it cannot be opened at all does the mapping have to do.
        reachable = _inode(root + path) is not None
        return path, False, root + path if reachable else through_map
    if _inode(f"/proc/{target.pid}/exe") == mapping.inode:
        return path, True, f"/proc/{target.pid}/exe"
    return path, True, through_map


def is_foreign(pid: int) -> bool:
    """Whether a process has a mount namespace of its own."""
    return _mount_namespace(pid) not in {None, _mount_namespace(os.getpid())}


def _inode(path: str) -> int | None:
    try:
        return Path(path).stat().st_ino
    except (OSError, ValueError):
        return None


def _mount_namespace(pid: int) -> str | None:
    try:
        return str((PROC / str(pid) / "ns" / "mnt").readlink())
    except OSError:
        return None


def read_maps(pid: int) -> bytes:
    """/proc/PID/maps. Raises NotFound, Forbidden."""
    try:
        return (PROC / str(pid) / "maps").read_bytes()
    except PermissionError as error:
        raise Forbidden(
            f"What process {pid} maps may not be read.", "Run as root, or choose a process of your own."
        ) from error
    except OSError as error:
        raise NotFound(f"There is no process {pid}.", "It ended just now.") from error


def _identity(path: str) -> bytes | None:
    """``DEVICE INODE `` (with the last space) by which maps names this file; None for an empty file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except PermissionError as error:
        raise Forbidden(f"{path} may not be read.", "Run as root.") from error
    except (OSError, ValueError) as error:
        raise NotFound(f"There is no file {path}.", "Give the path of a file on this host.") from error
    try:
        status = os.fstat(descriptor)
        if not modes.S_ISREG(status.st_mode):
            raise NotFound(f"{path} is no regular file.", "Give the path of a program or library.")
        if status.st_size == 0:
            return None
        # Private and writable only because ctypes tells the address of nothing else; never written to.
        with mmap.mmap(descriptor, 1, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE) as mapped:
            view = ctypes.c_char.from_buffer(mapped)
            address = ctypes.addressof(view)
            del view
            own = (PROC / "self" / "maps").read_bytes()
    finally:
        os.close(descriptor)
    match = re.search(rb"^0*%x-\S+ \S+ \S+ (\S+ \d+ )" % address, own, re.MULTILINE)
    return match[1] if match else None
