"""What is known of each debuginfod server: whether it may be asked now, and what it said of each build.

A server that failed several times in a row is left alone for a while; then one may try, and its answer
decides (a circuit breaker). Nothing here speaks to a server. Any thread may call.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from app.debuginfo.matching import State

_REMEMBERED = 10_000  # builds a server


class Said(NamedTuple):
    """What a server said of one build; ``failed``: it did not answer as a server should."""

    state: State
    why: str
    failed: bool = False


UNASKED = Said("missing", "It was not asked yet.")


class Breaker:
    """Closed, open after ``failures`` in a row for ``pause`` seconds, then half-open: one may try."""

    def __init__(self, failures: int, pause: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = failures
        self._pause = pause
        self._clock = clock
        self._failed = 0
        self._until = 0.0
        self._lock = threading.Lock()

    def closed_for(self) -> float:
        """Seconds until it may be asked again; 0: now."""
        with self._lock:
            return max(0.0, self._until - self._clock())

    def enter(self) -> bool:
        """Whether it may be asked; who enters a half-open one keeps others out until it has answered."""
        with self._lock:
            now = self._clock()
            if now < self._until:
                return False
            if self._failed >= self._most:
                self._until = now + self._pause
            return True

    def left(self, failed: bool) -> None:
        with self._lock:
            self._failed = self._failed + 1 if failed else 0
            self._until = self._clock() + self._pause if self._failed >= self._most else 0.0

    def gave_up(self) -> None:
        """Who asked did not wait for the answer: another one may try."""
        with self._lock:
            self._until = 0.0


class Server:
    def __init__(self, url: str, breaker: Breaker) -> None:
        self.url = url.rstrip("/")
        self.breaker = breaker
        self._said: OrderedDict[str, Said] = OrderedDict()

    @property
    def shown(self) -> str:
        """Its URL without the name and password that may be in it."""
        parts = urlsplit(self.url)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()

    def say(self, build_id: str, said: Said) -> None:
        self._said[build_id] = said
        self._said.move_to_end(build_id)
        while len(self._said) > _REMEMBERED:
            self._said.popitem(last=False)

    def said(self, build_id: str, missed: float | None) -> Said:
        """Of a build; ``missed``: seconds since all servers were known to lack it."""
        found = self._said.get(build_id, UNASKED)
        seconds = self.breaker.closed_for()
        if found is UNASKED and missed is not None:
            return Said("missing", f"It has none; it was asked {missed / 60:.0f} minutes ago.")
        if seconds and found.state != "matched":
            before = "" if found is UNASKED else f" {found.why}"
            return Said("missing", f"It failed too often, and is left alone for {seconds:.0f} s.{before}")
        return found


class Servers:
    """All of the settings, in their order."""

    def __init__(self, urls: Sequence[str], failures: int, pause: float) -> None:
        self.all = tuple(Server(url, Breaker(failures, pause)) for url in urls)
        self._locks: dict[str, tuple[threading.Lock, int]] = {}
        self._lock = threading.Lock()

    def acquire(self, build_id: str, stopped: Callable[[], bool]) -> bool:
        """Waits while another thread fetches the same; False when ``stopped`` before."""
        with self._lock:
            lock, users = self._locks.get(build_id, (threading.Lock(), 0))
            self._locks[build_id] = (lock, users + 1)
        while not lock.acquire(timeout=0.1):
            if stopped():
                self._leave(build_id)
                return False
        return True

    def release(self, build_id: str) -> None:
        self._locks[build_id][0].release()
        self._leave(build_id)

    def _leave(self, build_id: str) -> None:
        with self._lock:
            lock, users = self._locks.pop(build_id)
            if users > 1:
                self._locks[build_id] = (lock, users - 1)
