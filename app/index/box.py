"""The box that a child shuts itself into before it is given a file: nobody's rights, no network, limits.

Sources: prctl(2), setrlimit(2), unshare(2), ioprio_set(2).
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

_NOBODY = 65534
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS, _PR_SET_DUMPABLE = 1, 38, 4
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_IOPRIO_SET = {"x86_64": 251, "aarch64": 30, "riscv64": 30, "ppc64le": 273, "s390x": 282}
_IDLE = 3 << 13  # ioprio_set's class for who takes only what nobody else wants

Threads = TypeVar("Threads")


def shut_in(limits: dict[str, Any], start_threads: Callable[[int], Threads]) -> Threads:
    """Gives up root, network, new processes and whatever exceeds ``limits`` (memory, cpu, output).

    Gives what ``start_threads`` gives, which is asked for as many as the limits say, at the last moment.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() == 0:
        # Where a container does not allow it, its own network rules hold.
        libc.unshare(_CLONE_NEWNET)
        os.setgroups([])
        os.setresgid(_NOBODY, _NOBODY, _NOBODY)
        os.setresuid(_NOBODY, _NOBODY, _NOBODY)
    else:
        libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    # Only after the user changed, which clears it.
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    os.chdir("/")
    os.umask(0o077)
    with suppress(OSError):
        os.nice(limits["nice"])
    if limits["idle"] and os.uname().machine in _IOPRIO_SET:
        libc.syscall(_IOPRIO_SET[os.uname().machine], 1, 0, _IDLE)
    # Namespaces, rights and niceness are each thread's own, so threads start with those of the box; later
    # none can be started.
    threads = start_threads(limits["threads"])
    for kind, value in (
        (resource.RLIMIT_AS, limits["memory"]),
        (resource.RLIMIT_CPU, limits["cpu"]),
        (resource.RLIMIT_FSIZE, limits["output"]),
        (resource.RLIMIT_NOFILE, limits["descriptors"] + 16),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (value, value))
    return threads
