"""The children that read files: started here and nowhere else in this room, and kept on one socket each.

Needs no more than the standard library's smallest parts, so that a command can start one before it loads its
own modules. Sources: posix_spawn(3), waitpid(2).
"""

from __future__ import annotations

import os
import signal
import socket
import sys

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100, PTH120
# While modules are loaded nothing is garbage, and a fifth of the time would go into looking for it.
_CODE = (
    "import gc, sys; gc.disable(); sys.path[:0] = {paths!r}; "
    "from app.index.{module} import main; main({socket})"
)
# Nothing of ours leaks into it; threads of numpy's would be started before the box is shut.
_ENVIRONMENT = {"LANG": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1"}
# What glibc's allocator is told: to keep what is given back, for all threads, and to take the largest
# pieces by themselves, which are moved without being copied when they grow, and cost nothing where they are
# not touched. A call for each step by which a thread's own heap grows was a tenth of a large file's time.
# No huge pages: a virtual machine whose host takes back what is free for some seconds has those again at a
# fifth of the pace at which it has small ones. Source: mallopt(3); the GNU C Library's manual, Memory
# Allocation Tunables; the kernel's mm/page_reporting.c.
_READING = {
    "arena_max": 1,
    "trim_threshold": 1 << 30,
    "top_pad": 8 << 20,
    "mmap_threshold": 8 << 20,
}
# Whose pieces are fewer, and mostly of one size.
_UNPACKING = {"hugetlb": 1, "arena_max": 1, "trim_threshold": 1 << 30, "mmap_threshold": 2 << 20}


def _environment(tunables: dict[str, int]) -> dict[str, str]:
    told = ":".join(f"glibc.malloc.{name}={value}" for name, value in tunables.items())
    return _ENVIRONMENT | {"GLIBC_TUNABLES": told}


class Child:
    """A process that loads what readers need, and waits at ``channel`` for its limits."""

    __slots__ = ("_pid", "_status", "channel")

    def __init__(self, module: str = "reader_process") -> None:
        """``module`` of this room has its ``main``. Its death signal follows the thread that calls this.

        Raises OSError.
        """
        self._status: int | None = None
        self.channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.channel.setblocking(False)
        # Without site, whose work costs as much as ours; its paths are given instead.
        paths = [_ROOT, *(path for path in sys.path if path.startswith("/"))]
        code = _CODE.format(module=module, paths=paths, socket=theirs.fileno())
        with theirs:
            theirs.set_inheritable(True)
            self._pid = os.posix_spawn(
                sys.executable,
                [sys.executable, "-I", "-S", "-c", code],
                _environment(_UNPACKING if module == "unpack_process" else _READING),
                file_actions=[(os.POSIX_SPAWN_OPEN, each, os.devnull, os.O_RDWR, 0) for each in (0, 1, 2)],
                setsigdef=[signal.SIGINT, signal.SIGPIPE],
            )

    def signal(self) -> int:
        """That by which it ended, 0 for another end."""
        return max(0, -os.waitstatus_to_exitcode(self._status or 0))

    def reap(self, wait: bool = False) -> bool:
        """Whether it has ended."""
        if self._status is None:
            try:
                pid, status = os.waitpid(self._pid, 0 if wait else os.WNOHANG)
            except ChildProcessError:
                pid, status = self._pid, 0
            if pid:
                self._status = status
        return self._status is not None

    def kill(self) -> None:
        """Ends it, without waiting for its end."""
        self.channel.close()
        if not self.reap():
            os.kill(self._pid, signal.SIGKILL)
