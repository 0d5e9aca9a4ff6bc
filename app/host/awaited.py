"""The next process of a name: whether it has come, and whether it is over."""

from __future__ import annotations

import time
from pathlib import Path

from app.host.processes import all_pids, read_stat

# The kernel keeps no more of a command's name.
_LONGEST = 15
# A process that has not become the program for so long is looked at only so often.
SETTLED_SECONDS, EVERY_SECONDS = 1.0, 0.5


class Awaited:
    """Those that run already are not meant, and are ``others``.

    /proc is read when somebody asks, so one that lives shorter than the time between may be missed. A process
    has its pid before it becomes the program: those that were there for a while are looked at now and then.
    """

    def __init__(self, name: str) -> None:
        self.name = Path(name).name
        self._command = self.name.encode()[:_LONGEST].decode(errors="ignore")
        self._found: tuple[int, int] | None = None
        self.others = tuple(pid for pid in all_pids() if self._is(pid))
        self._seen: dict[int, float] = {}
        self._all_at = 0.0

    @property
    def pid(self) -> int | None:
        """The process, once it has come."""
        return None if self.process is None else self.process[0]

    @property
    def process(self) -> tuple[int, int] | None:
        """Its pid and start time (ticks since boot), once it has come."""
        if self._found is None:
            self._look()
        return self._found

    def _is(self, pid: int) -> bool:
        stat = read_stat(pid)
        return stat is not None and stat.command == self._command

    def _look(self) -> None:
        now = time.monotonic()
        every = now - self._all_at >= EVERY_SECONDS
        if every:
            self._all_at = now
        pids = all_pids()
        self._seen = {pid: self._seen.get(pid, now) for pid in pids}
        for pid in reversed(pids):
            if pid in self.others or not (every or now - self._seen[pid] < SETTLED_SECONDS):
                continue
            stat = read_stat(pid)
            if stat is not None and stat.command == self._command:
                self._found = pid, stat.starttime
                return
