"""What a catalogue has not, without a query for each: a job on thousands of files asks for little else."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

_MOST = 20_000  # binaries; to look through more takes longer than it saves
_FRESH_SECONDS = 0.05


class Absent:
    """Ids and build-ids; this process's writes are known at once, another's a moment later.

    ``rows`` runs a query, ``lock`` keeps writers away meanwhile.
    """

    def __init__(self, rows: Callable[..., list[Any]], lock: threading.RLock) -> None:
        self._rows = rows
        self._lock = lock
        self._version: int | None = None
        self._names: set[str] | None = None
        self._looked = 0.0

    def has(self, name: str) -> bool:
        """Whether no binary has this id or build-id; False where that is not known."""
        if time.monotonic() - self._looked > _FRESH_SECONDS:
            self._look()
        return self._names is not None and name not in self._names

    def _look(self) -> None:
        with self._lock:
            version = self._rows("PRAGMA data_version")[0][0]
            if version != self._version:
                found = self._rows("SELECT id, build_id FROM binaries LIMIT ?", _MOST + 1)
                self._names = None if len(found) > _MOST else {name for row in found for name in row if name}
                self._version = version
            self._looked = time.monotonic()

    def came(self, names: Iterable[str]) -> None:
        """Of a writer that has the lock."""
        if self._names is not None:
            self._names.update(names)
