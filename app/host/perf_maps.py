"""The file in which a JIT compiler names the code it made, perf-PID.map: ``START SIZE NAME``, in hex.

Anybody can put one there, so only one of the process's own user, or of root, is believed; no link is
followed. Its name has the pid inside the process's own PID namespace, its directory is below the process's
root. Source: tools/perf/Documentation/jit-interface.txt of Linux.
"""

from __future__ import annotations

import os
import re
import stat
from bisect import bisect_right
from operator import itemgetter

from app.host.model import Process

MOST_BYTES = 64 << 20
_LINE = re.compile(rb"^(?:0x)?([0-9a-fA-F]{1,16}) (?:0x)?([0-9a-fA-F]{1,16}) (.+)$", re.MULTILINE)
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY


class PerfMap:
    """Names of code by address, from a file that stays open: it may grow, and outlasts its process."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._read = 0  # bytes of whole lines so far
        self._starts: list[int] = []
        self._entries: list[tuple[int, int, bytes]] = []  # start, size, name

    def find(self, address: int) -> tuple[str, int] | None:
        """(name, offset in that code) of an address, or None; of two at one place the later one counts."""
        at = bisect_right(self._starts, address) - 1
        if at < 0:
            return None
        start, size, name = self._entries[at]
        return (name.decode("utf-8", "backslashreplace"), address - start) if address < start + size else None

    def refresh(self) -> None:
        """Takes in what was added. Lines of another form, and the last one while it is half written, wait."""
        size = os.fstat(self._descriptor).st_size
        if size < self._read:
            # Begun anew.
            self._read, self._entries = 0, []
        data = os.pread(self._descriptor, max(0, min(size, MOST_BYTES) - self._read), self._read)
        whole = data[: data.rfind(b"\n") + 1]
        if not whole:
            return
        self._read += len(whole)
        found = ((int(start, 16), int(length, 16), name) for start, length, name in _LINE.findall(whole))
        self._entries = sorted([*self._entries, *found], key=itemgetter(0))
        self._starts = [entry[0] for entry in self._entries]

    def close(self) -> None:
        os.close(self._descriptor)


def perf_map(target: Process) -> PerfMap | None:
    """That of a process, for who closes it; None where there is none to believe."""
    name = f"perf-{target.namespace_pid or target.pid}.map"
    try:
        descriptor = os.open(f"/proc/{target.pid}/root/tmp/{name}", _FLAGS)
    except OSError:
        return None
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_uid not in {0, target.uid}:
        os.close(descriptor)
        return None
    return PerfMap(descriptor)
