"""The processes whose stacks a session has: what each maps, from its first sight on, and names of JIT code.

A mapping stays known when the process has ended or runs another program. Each look at a process is kept as
JSON in the session's directory. Where a process is gone before its first sight, nothing is known of it.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from app.errors import AppError
from app.host.maps import read_maps
from app.host.perf_maps import PerfMap, perf_map
from app.host.processes import alive, read_stat
from app.host.regions import MappedFile, Snapshot, running, snapshot

MOST_PROCESSES = 256
MOST_LOOKS = 8  # at one process that are kept in memory
LOOK_SECONDS = 0.5  # between looks at a process that has no mapping at some address


@dataclass(slots=True)
class _Seen:
    looks: list[Snapshot] = field(default_factory=list)
    at: float = 0.0
    names: PerfMap | None = None
    named: float = -LOOK_SECONDS  # when the names were read


class StackProcesses:
    """Any thread may call. ``hold`` is given each file that cannot be reached without its process."""

    def __init__(self, directory: Path, hold: Callable[[MappedFile], None]) -> None:
        self.warnings: list[str] = []
        self._directory = directory
        self._hold = hold
        self._seen: dict[int, _Seen] = {}
        self._saved = 0
        self._closed = False
        self._lock = threading.Lock()

    def meet(self, pid: int) -> Snapshot | None:
        """Looks at a process unless it was seen already, and runs what it ran then; the latest look."""
        with self._lock:
            seen = self._of(pid)
            if seen is None:
                return None
            if not seen.looks or _is_another(pid, seen.looks[-1]):
                self._look(pid, seen)
            return seen.looks[-1] if seen.looks else None

    def watch(self, pid: int) -> bool:
        """Looks again where its mappings changed; whether there is still something to watch."""
        with self._lock:
            seen = self._of(pid)
            if seen is None:
                return False
            try:
                changed = not seen.looks or read_maps(pid) != seen.looks[-1].raw
            except AppError:
                return False
            if changed:
                self._look(pid, seen)
            return bool(seen.looks)

    def file_at(self, pid: int, address: int) -> tuple[MappedFile, int] | None:
        """The file that ``pid`` has, or had, at an address, and the offset in it."""
        with self._lock:
            seen = self._seen.get(pid)
            if seen is None:
                return None
            found = _find(seen, address)
            late = time.monotonic() - seen.at > LOOK_SECONDS
            if found is None and late and not self._closed and _lives(pid, seen):
                # It may have loaded a library since.
                self._look(pid, seen)
                found = _find(seen, address)
            return found

    def name_at(self, pid: int, address: int) -> tuple[str, int] | None:
        """What a JIT compiler of ``pid`` calls its code at an address, and the offset in that."""
        with self._lock:
            seen = self._seen.get(pid)
            if seen is None or seen.names is None:
                return None
            found = seen.names.find(address)
            if found is None and time.monotonic() - seen.named > LOOK_SECONDS:
                seen.named = time.monotonic()
                seen.names.refresh()
                found = seen.names.find(address)
            return found

    def close(self) -> None:
        """Lets go of the files of names."""
        with self._lock:
            for seen in self._seen.values():
                if seen.names is not None:
                    seen.names.close()
                    seen.names = None
            self._closed = True

    def _of(self, pid: int) -> _Seen | None:
        seen = self._seen.get(pid)
        if self._closed:
            return None
        if seen is None and len(self._seen) < MOST_PROCESSES:
            seen = self._seen[pid] = _Seen()
        elif seen is None:
            self._tell(
                f"It has stacks of more than {MOST_PROCESSES} processes; the rest is as bpftrace named it."
            )
        return seen

    def _look(self, pid: int, seen: _Seen) -> None:
        seen.at = time.monotonic()
        try:
            found = snapshot(pid)
        except AppError:
            return
        if seen.names is None:
            seen.names = perf_map(found.process)
        before = seen.looks[-1] if seen.looks else None
        if before is not None and _same(before, found):
            seen.looks[-1] = found
            return
        seen.looks = [*seen.looks[-MOST_LOOKS + 1 :], found]
        for file in dict.fromkeys(region.file for region in found.regions):
            if file.fleeting:
                self._hold(file)
        self._save(found)

    def _save(self, found: Snapshot) -> None:
        regions = [
            {
                "start": f"{region.start:#x}",
                "end": f"{region.end:#x}",
                "offset": f"{region.offset:#x}",
                **asdict(region.file),
            }
            for region in found.regions
        ]
        document = {"process": found.process.as_dict(), "taken": time.time(), "regions": regions}
        self._saved += 1
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = self._directory / f"{found.process.key}.{self._saved}.json"
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "w") as file:
                json.dump(document, file)
        except OSError as error:
            self._tell(f"What processes map could not be kept with the session: {error.strerror}.")

    def _tell(self, warning: str) -> None:
        if warning not in self.warnings:
            self.warnings.append(warning)


def _find(seen: _Seen, address: int) -> tuple[MappedFile, int] | None:
    for look in reversed(seen.looks):
        found = look.find(address)
        if found is not None:
            return found
    return None


def _lives(pid: int, seen: _Seen) -> bool:
    return not seen.looks or alive(pid, seen.looks[-1].process.starttime)


def _is_another(pid: int, look: Snapshot) -> bool:
    """Whether the pid is another process's now, or its process runs another program; not when it is gone."""
    stat = read_stat(pid)
    if stat is None or stat.over:
        return False
    return stat.starttime != look.process.starttime or running(pid) not in {look.program, None}


def _same(before: Snapshot, after: Snapshot) -> bool:
    same_process = before.process.key == after.process.key and before.program == after.program
    return same_process and before.regions == after.regions
