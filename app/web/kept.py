"""What was read of sessions' logs and made of it, kept in memory for the next who asks.

A log only grows at its end, so what was made of its lines goes on with those that came since; it is made anew
once lines at its beginning are dropped, so that it never tells more than the log has. What was used longest
ago goes when all together has more bytes than the ceiling. Safe among threads: who asks for what another is
making waits for it.
"""

from __future__ import annotations

import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from types import FunctionType, ModuleType
from typing import Any, Protocol, TypeVar

from app.trace.heads import Span, head
from app.trace.model import Session

Batches = Callable[[int, int], Iterator[list[bytes]]]  # from number, to number


class Model(Protocol):
    def add(self, lines: Sequence[bytes]) -> None:
        """Takes lines of a log that follow one another."""


M = TypeVar("M", bound=Model)
T = TypeVar("T")


@dataclass(slots=True)
class _Entry:
    value: Any = None
    version: Hashable = None  # what the value belongs to; None: there is no value
    next: int = 1  # number of the first line that it has not
    over: bool = False  # no line that comes changes it
    read: int = 0  # bytes
    weighed: int = 0  # ``read`` at that time
    size: int = 0  # bytes, with its key
    lock: threading.Lock = field(default_factory=threading.Lock)


class Kept:
    """All that is kept, by session and key."""

    def __init__(self, ceiling: int) -> None:
        """``ceiling`` in bytes, as Python's objects have them."""
        self._ceiling = ceiling
        self._lock = threading.Lock()
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._size = 0

    @property
    def size(self) -> int:
        """Bytes of all together."""
        return self._size

    def told(
        self,
        session: Session,
        key: Hashable,
        make: Callable[[], M],
        batches: Batches,
        tell: Callable[[M], T],
        span: Span | None = None,
        start: Callable[[], int] = lambda: 1,
    ) -> T:
        """What ``tell`` says of a model of the session's log, to which the lines that came since are added.

        ``make`` gives an empty model, ``start`` the number of its first line; no line past ``span`` is read.
        """
        span = span or Span()
        entry = self._entry(key := (session.id, key))
        with entry.lock:
            if entry.version != session.first:
                entry.value, entry.next, entry.over = make(), start(), False
                entry.read = entry.weighed = 0
            # Until it has all lines it belongs to nothing.
            entry.version = None
            if not entry.over:
                for lines in batches(entry.next, session.last):
                    entry.value.add(lines)
                    last = head(lines[-1])
                    entry.next, entry.over = last.n + 1, not span.before(last.t)
                    entry.read += sum(map(len, lines))
                    if entry.over:
                        break
            entry.version = session.first
            found = tell(entry.value)
            # Looking at all of it takes a while: so not before it may have doubled.
            if entry.read >= 2 * entry.weighed:
                entry.weighed = entry.read
                self._weigh(key, entry)
        return found

    def once(self, session: Session, key: Hashable, version: Hashable, make: Callable[[], T]) -> T:
        """What ``make`` gives, made once for each ``version`` of the log that it depends on."""
        entry = self._entry(key := (session.id, key))
        with entry.lock:
            wanted = session.first, version
            if entry.version != wanted:
                entry.version = None
                entry.value = make()
                entry.version = wanted
                self._weigh(key, entry)
            found: T = entry.value
        return found

    def _entry(self, key: Hashable) -> _Entry:
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                entry = self._entries[key] = _Entry(size=size_of(key))
                self._size += entry.size
            self._entries.move_to_end(key)
            return entry

    def _weigh(self, key: Hashable, entry: _Entry) -> None:
        """Counts what an entry has come to, and drops what there is no more room for."""
        size = size_of((key, entry.value))
        with self._lock:
            if self._entries.get(key) is not entry:
                return  # dropped meanwhile
            self._size += size - entry.size
            entry.size = size
            while self._size > self._ceiling:
                _, oldest = self._entries.popitem(last=False)
                self._size -= oldest.size


def size_of(value: Any) -> int:
    """The bytes of an object and of all that it holds, each once."""
    seen: set[int] = set()
    total = 0
    ahead = [value]
    while ahead:
        found = ahead.pop()
        if id(found) in seen or isinstance(found, type | FunctionType | ModuleType):
            continue
        seen.add(id(found))
        total += sys.getsizeof(found)
        if isinstance(found, dict):
            ahead += found.keys()
            ahead += found.values()
        elif isinstance(found, list | tuple | set | frozenset):
            ahead += found
        elif not isinstance(found, str | bytes | int | float | None):
            ahead += vars(found).values() if hasattr(found, "__dict__") else ()
            slots = getattr(type(found), "__slots__", ())
            ahead += [getattr(found, name) for name in slots if hasattr(found, name)]
    return total
