"""/proc into processes, the files they map, and the processes that map a file.

Refuses nothing: a process that ends while it is read is left out, a file of /proc that may not be read
leaves its field empty. Kernel threads and processes that have wholly ended are no targets and never listed.

Sources: proc(5), Documentation/filesystems/proc.rst, fs/proc/task_mmu.c (show_map_vma), cgroups(7),
pid_namespaces(7).
"""

from __future__ import annotations

import os
import pwd
import re
import time
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from app.errors import NotFound
from app.host.model import Process

PROC = Path("/proc")
# PF_KTHREAD of include/linux/sched.h.
_KERNEL_THREAD = 0x0020_0000
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_CONTAINER_HASH = re.compile(r"(?<![0-9a-f])([0-9a-f]{64})(?![0-9a-f])")
_CONTAINER_NAME = re.compile(r"/(?:lxc/|lxc\.payload\.|machine-)([^/]+?)(?:\.scope)?(?:/|$)")
DELETED = " (deleted)"


class Stat(NamedTuple):
    """The fields of /proc/PID/stat that are asked for here."""

    command: str
    state: str
    parent: int
    flags: int
    threads: int
    starttime: int
    rss_pages: int

    @property
    def over(self) -> bool:
        """Ended: a zombie, but not one whose other threads live on."""
        return self.state in "ZXx" and self.threads <= 1


def processes() -> tuple[Process, ...]:
    """Every process that can be a target, by pid; those that vanish meanwhile are left out."""
    found = (_read(pid) for pid in all_pids())
    return tuple(process for process in found if process is not None)


def process(pid: int, starttime: int | None = None) -> Process:
    """The process ``pid``, and only the one started at ``starttime`` (ticks since boot) where that is given.

    Raises NotFound: none by that pid, another one by now, or a kernel thread.
    """
    found = _read(pid)
    if found is None:
        stat = read_stat(pid)
        if stat is not None and stat.flags & _KERNEL_THREAD:
            raise NotFound(
                f"Process {pid} ({stat.command}) is a thread of the kernel.", "Choose a user process."
            )
        raise NotFound(f"There is no process {pid}.", "It may have ended; look at the list of processes.")
    if starttime is not None and found.starttime != starttime:
        raise NotFound(
            f"Process {pid} of then has ended; {found.command} has that pid now.",
            f"Use {found.key} if you mean that one.",
        )
    return found


def alive(pid: int, starttime: int) -> bool:
    """Whether this very process still runs: the pid is not another's, and it is no zombie."""
    stat = read_stat(pid)
    return stat is not None and stat.starttime == starttime and not stat.over


def namespace_pids(pid: int) -> tuple[int, ...]:
    """The pids of one process, from this /proc's PID namespace inwards; () when it is gone."""
    for line in _text(PROC / str(pid) / "status").splitlines():
        if line.startswith("NSpid:"):
            return tuple(int(part) for part in line.split()[1:])
    return ()


def all_pids() -> list[int]:
    """Every pid in /proc, upwards, kernel threads included."""
    return sorted(int(path.name) for path in PROC.iterdir() if path.name.isdecimal())


def read_stat(pid: int) -> Stat | None:
    """/proc/PID/stat, or None when there is no such process."""
    text = _text(PROC / str(pid) / "stat")
    # The command may hold spaces and parentheses: the last one closes it.
    opened, closed = text.find("("), text.rfind(")")
    if opened < 0 or closed < opened:
        return None
    rest = text[closed + 1 :].split()
    if len(rest) < 22:
        return None
    return Stat(
        command=text[opened + 1 : closed],
        state=rest[0],
        parent=int(rest[1]),
        flags=int(rest[6]),
        threads=int(rest[17]),
        starttime=int(rest[19]),
        rss_pages=int(rest[21]),
    )


def container_of(cgroup: str) -> str | None:
    """A short container id out of the text of /proc/PID/cgroup, or None.

    Docker, Podman, containerd and CRI-O name their groups by 64 hex digits, of which 12 are kept; LXC and
    systemd-nspawn by a name.
    """
    names = [line.split(":", 2)[-1] for line in cgroup.splitlines()]
    for name in names:
        # The innermost one: a container may hold containers.
        hashes = _CONTAINER_HASH.findall(name)
        if hashes:
            return str(hashes[-1])[:12]
    for name in names:
        match = _CONTAINER_NAME.search(name)
        if match:
            return match[1]
    return None


def _read(pid: int) -> Process | None:
    stat = read_stat(pid)
    if stat is None or stat.flags & _KERNEL_THREAD or stat.over:
        return None
    base = PROC / str(pid)
    try:
        # The real uid, which `ps` shows too; the owner of /proc/PID is root for whoever may not be dumped.
        status = _text(base / "status")
        uid = int(_field(status, "Uid").split()[0])
        pids = tuple(int(part) for part in _field(status, "NSpid").split())
        executable = _link(base / "exe")
        # Read last: what was read belongs to one process if it began and ended as the same one.
        arguments = _arguments(base / "cmdline")
        cgroup = _text(base / "cgroup")
    except (IndexError, ValueError):
        return None
    again = read_stat(pid)
    if again is None or again.starttime != stat.starttime:
        return None
    deleted = executable is not None and executable.endswith(DELETED)
    return Process(
        pid=pid,
        starttime=stat.starttime,
        command=stat.command,
        arguments=arguments,
        user=_user(uid),
        uid=uid,
        executable=executable.removesuffix(DELETED) if executable and deleted else executable,
        executable_deleted=deleted,
        threads=stat.threads,
        rss_bytes=stat.rss_pages * _PAGE,
        started=_boot_time() + stat.starttime / _TICKS,
        container=container_of(cgroup),
        namespace_pid=pids[-1] if len(pids) > 1 and pids[-1] != pid else None,
        parent=stat.parent,
    )


def _arguments(path: Path) -> tuple[str, ...]:
    text = _text(path)
    if not text:
        return ()
    # A program that rewrites its title (postgres, nginx) leaves padding instead of arguments.
    return tuple(text.rstrip("\0").split("\0"))


def _field(status: str, name: str) -> str:
    match = re.search(rf"^{name}:\s*(.*)$", status, re.MULTILINE)
    return match[1] if match else ""


def _text(path: Path) -> str:
    """A small file of /proc, bytes outside UTF-8 shown as \\xNN; "" when it cannot be read."""
    try:
        return path.read_bytes().decode("utf-8", "backslashreplace")
    except OSError:
        return ""


def _link(path: Path) -> str | None:
    try:
        return os.fsencode(path.readlink()).decode("utf-8", "backslashreplace")
    except OSError:
        return None


@lru_cache(maxsize=4096)
def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


@lru_cache(maxsize=1)
def _boot_time() -> float:
    # From the clocks, not from btime of /proc/stat, which is whole seconds.
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
