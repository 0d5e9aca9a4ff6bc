"""What this machine is and what its kernel offers for tracing user processes, read from /proc and /sys.

Nothing is started or changed. What may not be read counts as absent.
Sources: proc(5), capabilities(7), kernel_lockdown(7), include/linux/proc_ns.h (PROC_PID_INIT_INO),
Documentation/trace/uprobetracer.rst.
"""

from __future__ import annotations

import os
import platform
import resource
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

# PROC_PID_INIT_INO: the inode of the first PID namespace, the same on every Linux.
_FIRST_PID_NAMESPACE = "pid:[4026531836]"
# Bits of include/uapi/linux/capability.h that tracing asks for.
_CAPABILITIES = {"sys_admin": 21, "sys_ptrace": 19, "sys_resource": 24, "perfmon": 38, "bpf": 39}
_TRACEFS = (Path("/sys/kernel/tracing"), Path("/sys/kernel/debug/tracing"))


@dataclass(frozen=True, slots=True)
class Machine:
    """One host as seen from this process; sizes in bytes, times in seconds since the epoch."""

    hostname: str
    system: str  # PRETTY_NAME of os-release; inside a container the container's
    kernel: str
    arch: str
    cpus: int
    memory: int
    booted: float
    uid: int
    root: bool
    capabilities: tuple[str, ...]  # those of sys_admin, sys_ptrace, sys_resource, perfmon, bpf that are held
    btf: bool
    tracefs: str | None  # where it is mounted
    debugfs: bool
    uprobes: bool
    host_pid_namespace: bool
    lockdown: str | None  # none, integrity, confidentiality; None: the kernel has no lockdown
    memlock: int | None  # bytes that may be locked; None: no limit
    container: bool  # this process runs in a container
    seccomp: bool  # a filter of system calls is on

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def machine() -> Machine:
    """This machine now; cheap enough to ask for each page. Raises nothing."""
    tracefs = next((path for path in _TRACEFS if (path / "uprobe_events").exists()), None)
    soft, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    return Machine(
        hostname=platform.node(),
        system=_system(),
        kernel=platform.release(),
        arch=platform.machine(),
        cpus=len(os.sched_getaffinity(0)),
        memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        booted=_booted(),
        uid=os.geteuid(),
        root=os.geteuid() == 0,
        capabilities=_capabilities(),
        btf=Path("/sys/kernel/btf/vmlinux").exists(),
        tracefs=str(tracefs) if tracefs else None,
        debugfs=" /sys/kernel/debug debugfs " in _text("/proc/self/mounts"),
        uprobes=tracefs is not None or Path("/sys/bus/event_source/devices/uprobe/type").exists(),
        host_pid_namespace=_pid_namespace() == _FIRST_PID_NAMESPACE,
        lockdown=lockdown_state(_text("/sys/kernel/security/lockdown")),
        memlock=None if soft == resource.RLIM_INFINITY else soft,
        container=any(Path(mark).exists() for mark in ("/.dockerenv", "/run/.containerenv")),
        seccomp=_status("Seccomp") == "2",
    )


def lockdown_state(text: str) -> str | None:
    """The word in brackets of ``none [integrity] confidentiality``; None for an empty text."""
    opened, closed = text.find("["), text.find("]")
    return text[opened + 1 : closed] if 0 <= opened < closed else None


def kernel_version(release: str) -> tuple[int, int]:
    """``6.1.0-13-amd64`` -> ``(6, 1)``; ``(0, 0)`` for a release that is not spelled like that."""
    parts = release.split(".")
    try:
        return int(parts[0]), int(parts[1].split("-")[0])
    except (IndexError, ValueError):
        return 0, 0


def _capabilities() -> tuple[str, ...]:
    held = int(_status("CapEff") or "0", 16)
    return tuple(name for name, bit in _CAPABILITIES.items() if held >> bit & 1)


def _status(field: str) -> str:
    for line in _text("/proc/self/status").splitlines():
        if line.startswith(f"{field}:"):
            return line.split()[1]
    return ""


def _booted() -> float:
    for line in _text("/proc/stat").splitlines():
        if line.startswith("btime "):
            return float(line.split()[1])
    return 0.0


def _system() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    except OSError:
        return "Linux"


def _pid_namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def _text(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""
