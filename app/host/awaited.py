"""The next process of a name: whether it has come, and whether it is over."""

from __future__ import annotations

from pathlib import Path

from app.host.processes import alive, all_pids, read_stat

# The kernel keeps no more of a command's name.
_LONGEST = 15


class Awaited:
    """Those that run already are not meant, and are ``others``.

    /proc is read when somebody asks, so one that lives shorter than the time between may be missed.
    """

    def __init__(self, name: str) -> None:
        self.name = Path(name).name
        self._command = self.name.encode()[:_LONGEST].decode(errors="ignore")
        self._found: tuple[int, int] | None = None  # pid, start time
        self.others = tuple(pid for pid in all_pids() if self._is(pid))

    @property
    def pid(self) -> int | None:
        """The process, once it has come."""
        if self._found is None:
            self._look()
        return None if self._found is None else self._found[0]

    @property
    def over(self) -> bool:
        """Whether it has come and gone."""
        return self.pid is not None and self._found is not None and not alive(*self._found)

    def _is(self, pid: int) -> bool:
        stat = read_stat(pid)
        return stat is not None and stat.command == self._command

    def _look(self) -> None:
        for pid in reversed(all_pids()):
            if pid in self.others:
                continue
            # A process has its pid before it becomes the program, so those of before may be it by now.
            stat = read_stat(pid)
            if stat is not None and stat.command == self._command:
                self._found = pid, stat.starttime
                return
