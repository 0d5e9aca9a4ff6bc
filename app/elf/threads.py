"""The threads of this process that work beside the caller's, once they are started.

A reader that is shut in cannot start any, so they are started before, and stay.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

_Item = TypeVar("_Item")
_Made = TypeVar("_Made")
_Other = TypeVar("_Other")
_tasks: SimpleQueue[Callable[[], None]] = SimpleQueue()
_started: list[threading.Thread] = []
_lasting: list[Any] = []


def start(count: int) -> int:
    """To be called once; how many the system gave."""
    if _started:
        return 0
    try:
        for number in range(count):
            thread = threading.Thread(target=_work, name=f"worker-{number}", daemon=True)
            thread.start()
            _started.append(thread)
    except RuntimeError:
        pass  # the system gives no more
    return len(_started)


def _work() -> None:
    while True:
        _tasks.get()()


def free() -> int:
    """How many have nothing that lasts."""
    return len(_started) - len(_lasting)


class Begun(Generic[_Made]):
    """Something that one of the threads does meanwhile; at most as many as are ``free``."""

    def __init__(self, make: Callable[[], _Made]) -> None:
        self._done: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
        _lasting.append(self)
        _tasks.put(partial(self._do, make))

    def _do(self, make: Callable[[], _Made]) -> None:
        try:
            self._done.put((make(), None))
        except BaseException as error:
            self._done.put((None, error))

    def result(self) -> _Made:
        """Waits for its end, once. Raises what it raised."""
        made: _Made
        made, error = self._done.get()
        _lasting.remove(self)
        if error is not None:
            raise error
        return made


def beside(make: Callable[[], _Made], other: Callable[[], _Other]) -> tuple[_Made, _Other]:
    """What both make: ``make`` on a thread that is free for it, else before. Raises what they raise."""
    if not free():
        return make(), other()
    begun = Begun(make)
    try:
        found = other()
    finally:
        made = begun.result()
    return made, found


def spread(make: Callable[[_Item], _Made], items: Sequence[_Item]) -> list[_Made]:
    """What ``make`` gives for each; the caller makes the first, and all that no thread is free for.

    Raises what it raises.
    """
    left = deque(range(len(items)))
    done: SimpleQueue[tuple[int, Any, BaseException | None]] = SimpleQueue()

    def attempt() -> None:
        with suppress(IndexError):
            while True:
                place = left.popleft()
                try:
                    done.put((place, make(items[place]), None))
                except BaseException as error:
                    done.put((place, None, error))

    for _ in range(min(len(_started), len(items) - 1)):
        _tasks.put(attempt)
    attempt()
    found = sorted((done.get() for _ in items), key=lambda each: each[0])
    for _, _, error in found:
        if error is not None:
            raise error
    return [made for _, made, _ in found]
