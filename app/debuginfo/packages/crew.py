"""Threads that make parts of bytes ahead of who takes them; liblzma, for one, runs without the GIL.

They start at once and stay: in a box none can be started later. Each works on one row of parts at a time.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from queue import SimpleQueue

_MOST_AHEAD = 32 << 20  # bytes made and not yet taken, of one row: a block of xz -6 is 24 MiB


class Crew:
    """A context manager, whose end is that of its threads."""

    def __init__(self, count: int) -> None:
        """Raises RuntimeError where a thread cannot be started."""
        self.count = count
        self._rows: SimpleQueue[Ahead | None] = SimpleQueue()
        self._making: set[Ahead] = set()
        self._ended = False
        self._threads = [threading.Thread(target=self._work, name="crew", daemon=True) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def ahead(self, parts: Iterator[bytes]) -> Ahead:
        """The same parts, made as soon as one of the crew is free; whoever leaves them early closes them."""
        row = Ahead(parts)
        self._rows.put(row)
        return row

    def close(self) -> None:
        """Also what nobody took yet."""
        self._ended = True
        for row in tuple(self._making):
            row.close()
        for _ in self._threads:
            self._rows.put(None)
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _work(self) -> None:
        while (row := self._rows.get()) is not None:
            self._making.add(row)
            if self._ended:
                row.close()
            row.make()
            self._making.discard(row)


class Ahead(Iterator[bytes]):
    """Gives the parts in their order, then raises what making them raised. For one taker."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts = parts
        self._made: deque[bytes] = deque()
        self._held = 0
        self._over = False
        self._closed = False
        self._error: Exception | None = None
        self._changed = threading.Condition(threading.Lock())

    def make(self) -> None:
        """For a thread of the crew."""
        try:
            for part in self._parts:
                if not self._keep(part):
                    break
        except Exception as error:
            self._error = error
        with self._changed:
            self._over = True
            self._changed.notify()

    def _keep(self, part: bytes) -> bool:
        """Waits for room; whether anybody wants more."""
        with self._changed:
            while self._held >= _MOST_AHEAD and not self._closed:
                self._changed.wait()
            if self._closed:
                return False
            self._made.append(part)
            self._held += len(part)
            self._changed.notify()
            return True

    def __next__(self) -> bytes:
        with self._changed:
            while not self._made and not self._over:
                self._changed.wait()
            if self._made:
                part = self._made.popleft()
                self._held -= len(part)
                self._changed.notify()
                return part
        if self._closed:
            raise ValueError("nothing more was wanted")
        if self._error is not None:
            raise self._error
        raise StopIteration

    def close(self) -> None:
        """Nothing more is wanted."""
        with self._changed:
            self._closed = True
            self._made.clear()
            self._changed.notify()
