"""A machine and a bpftrace into checks: what tracing needs, whether it is there, and how to mend it.

``checks`` only looks; ``prove`` attaches a real uprobe for a moment and says whether it fired.
Sources: bpftrace's INSTALL.md, capabilities(7), kernel_lockdown(7), kernel 5.11 (BPF memory counted in
cgroups, no longer by RLIMIT_MEMLOCK).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from app.config import MIB, Settings
from app.elf import native
from app.errors import AppError
from app.host import tools
from app.host.machine import Machine, kernel_version
from app.host.maps import mapped_objects

_C_LIBRARY = re.compile(r"/(?:libc\.so\.6|libc-2\.\d+\.so|ld-musl-[^/]+\.so\.1)$")
_PROOF_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Check:
    """One need: ``text`` says how it stands, ``mend`` what to do ("" when ``ok``).

    ``needed`` is False where the lack costs something, but tracing goes on without.
    """

    name: str
    ok: bool
    text: str
    mend: str
    needed: bool = True

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def checks(
    machine: Machine, capabilities: dict[str, Any], settings: Settings | None = None
) -> tuple[Check, ...]:
    """Every check in the order in which to mend; ``capabilities`` as the bpftrace engine's ``as_dict``.

    With ``settings`` the data directory is looked at too.
    """
    found = [
        _check(
            "root",
            machine.root,
            "The server runs as root." if machine.root else f"The server runs as uid {machine.uid}.",
            "bpftrace asks for root: start it with sudo.",
        ),
        _bpftrace(capabilities),
        _capabilities(machine),
        _check(
            "uprobes",
            machine.uprobes,
            "The kernel has uprobes." if machine.uprobes else "The kernel shows no uprobes.",
            "Use a kernel with CONFIG_UPROBE_EVENTS=y; in a container mount the host's /sys.",
        ),
        _check(
            "tracefs",
            machine.tracefs is not None,
            f"tracefs is mounted at {machine.tracefs}." if machine.tracefs else "tracefs is not mounted.",
            "Start the container with -v /sys/kernel/tracing:/sys/kernel/tracing"
            if machine.container
            else "mount -t tracefs none /sys/kernel/tracing",
        ),
        _debugfs(machine, capabilities),
        _check(
            "seccomp",
            not machine.seccomp,
            "A filter of system calls is on: it may forbid bpf and perf_event_open."
            if machine.seccomp
            else "No system call is filtered.",
            "Start the container with --security-opt seccomp=unconfined, or a profile that allows both.",
            needed=False,
        ),
        _check(
            "btf",
            machine.btf,
            "The kernel has its types (BTF)." if machine.btf else "The kernel has no BTF.",
            "Types of the kernel are then missing in scripts; use a kernel with CONFIG_DEBUG_INFO_BTF=y.",
            needed=False,
        ),
        _memlock(machine),
        _check(
            "pid_namespace",
            machine.host_pid_namespace,
            "Process ids are the host's."
            if machine.host_pid_namespace
            else "This server is in a PID namespace of its own: filters by pid would match nothing.",
            "Start the container with --pid=host.",
        ),
        _check(
            "lockdown",
            machine.lockdown in {None, "none"},
            "The kernel is not locked down."
            if machine.lockdown in {None, "none"}
            else f"The kernel is locked down ({machine.lockdown}).",
            "Boot with lockdown=none, or without Secure Boot: confidentiality forbids reading user memory.",
            needed=machine.lockdown == "confidentiality",
        ),
    ]
    found.append(_core())
    if settings is not None:
        found += [_data(settings), _disk(settings)]
    return tuple(found)


def _core() -> Check:
    missing = native.missing()
    return _check(
        "core",
        not missing,
        f"The native core was not compiled ({', '.join(missing)}): files are read slowly."
        if missing
        else "The native core is compiled.",
        "Install gcc, libc6-dev and python3-dev, then Probescope again.",
        needed=False,
    )


def prove(bpftrace: str) -> Check:
    """Attach a uprobe to this very process's C library, call it, and see whether the probe fires.

    Takes a second or so, ten at most. Raises nothing.
    """
    name = "prove"
    try:
        library = next(
            (found for found in mapped_objects(os.getpid()) if _C_LIBRARY.search(found.path)), None
        )
    except AppError as error:
        return Check(name, False, error.message, error.hint)
    if library is None:
        return Check(name, True, "No shared C library here to prove a uprobe with.", "", needed=False)
    script = (
        f'uprobe:"{library.path}":getppid /pid == {os.getpid()}/ {{ printf("fired\\n"); exit(); }}\n'
        f"interval:s:{_PROOF_SECONDS - 2} {{ exit(); }}"
    )
    over = threading.Event()

    def call() -> None:
        while not over.wait(0.01):
            os.getppid()

    caller = threading.Thread(target=call, name="prove")
    caller.start()
    try:
        output = tools.run([bpftrace, "-f", "json", "-e", script], _PROOF_SECONDS)
    finally:
        over.set()
        caller.join()
    if _fired(output.stdout):
        return Check(name, True, f"A uprobe on getppid of {library.path} fired.", "")
    said = _complaint(output.stderr)
    why = f"bpftrace says: {said}" if said else "bpftrace attached it, but no call was seen."
    return Check(name, False, f"A uprobe on getppid of {library.path} did not fire. {why}", "Mend the above.")


def _complaint(stderr: str) -> str:
    """The line that says most: an error before a warning, and never the one about RLIMIT_MEMLOCK."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip() and "RLIMIT_MEMLOCK" not in line]
    return next((line for line in lines if "ERROR" in line), lines[0] if lines else "")


def _fired(stdout: str) -> bool:
    for line in stdout.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and event.get("data") == "fired\n":
            return True
    return False


def _check(name: str, ok: bool, text: str, mend: str, needed: bool = True) -> Check:
    return Check(name, ok, text, "" if ok else mend, needed)


def _debugfs(machine: Machine, capabilities: dict[str, Any]) -> Check:
    name = "debugfs"
    if machine.debugfs:
        return Check(name, True, "debugfs is mounted.", "", needed=False)
    version = capabilities.get("version")
    if version and tuple(version) >= (0, 18):
        return Check(name, True, "debugfs is not mounted; this bpftrace does without.", "", needed=False)
    mend = (
        "Start the container with -v /sys/kernel/debug:/sys/kernel/debug"
        if machine.container
        else "mount -t debugfs none /sys/kernel/debug"
    )
    return Check(name, False, "debugfs is not mounted; bpftrace before 0.18 looks there.", mend, needed=False)


def _bpftrace(capabilities: dict[str, Any]) -> Check:
    version = capabilities.get("version")
    path = capabilities.get("path")
    if not version or not path:
        problem = str(capabilities.get("problem") or "bpftrace was not found.")
        hint = str(capabilities.get("hint") or "apt-get install bpftrace")
        return Check("bpftrace", False, problem, hint)
    spelled = ".".join(str(part) for part in version)
    enough = tuple(version) >= (0, 17)
    return _check(
        "bpftrace",
        enough,
        f"bpftrace {spelled} at {path}.",
        "Install bpftrace 0.17 or newer: older ones were not tried.",
    )


def _capabilities(machine: Machine) -> Check:
    held = set(machine.capabilities)
    enough = "sys_admin" in held or {"bpf", "perfmon"} <= held
    stacks = "sys_admin" in held or "sys_ptrace" in held
    if not enough:
        text = "The kernel gives this process neither CAP_SYS_ADMIN nor CAP_BPF with CAP_PERFMON."
    elif not stacks:
        text = "CAP_SYS_PTRACE is missing: stacks stay without names."
    else:
        text = "The kernel lets this process load and attach BPF programs."
    return _check(
        "capabilities",
        enough and stacks,
        text,
        "Start as root; in a container: --cap-add BPF --cap-add PERFMON --cap-add SYS_PTRACE.",
        needed=not enough,
    )


def _memlock(machine: Machine) -> Check:
    by_cgroup = kernel_version(machine.kernel) >= (5, 11)
    ok = by_cgroup or machine.memlock is None or "sys_resource" in machine.capabilities
    if by_cgroup:
        text = "The kernel counts the memory of BPF in cgroups, no limit on locked memory applies."
    elif ok:
        text = "Enough memory may be locked."
    else:
        text = f"Only {machine.memlock} bytes may be locked."
    return _check("memlock", ok, text, "ulimit -l unlimited, or --ulimit memlock=-1 for a container.")


def _data(settings: Settings) -> Check:
    """The directory itself, or the nearest parent in which it would be made."""
    nearest = _nearest(settings.data)
    ok = os.access(nearest, os.W_OK | os.X_OK) and nearest.is_dir()
    return _check(
        "data",
        ok,
        f"{settings.data} can be written." if ok else f"{settings.data} cannot be written.",
        "Give another directory by --data or PROBESCOPE_DATA.",
    )


def _disk(settings: Settings) -> Check:
    free = shutil.disk_usage(_nearest(settings.data)).free
    return _check(
        "disk",
        free >= settings.free_disk,
        f"{free // MIB} MiB are free for {settings.data}.",
        f"Make room: below {settings.free_disk // MIB} MiB nothing is taken in.",
    )


def _nearest(path: Path) -> Path:
    path = path.absolute()
    while not path.exists() and path != path.parent:
        path = path.parent
    return path
