"""Files to columns by a few resident readers: many files as a stream, one file, one question.

A reader is replaced after any fault and after a number of files, and never shared between uploaders. Small
files travel together. Who reads many shares ``settings.readers`` readers; one more serves who waits for one.
"""

from __future__ import annotations

import json
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from app.config import Settings
from app.elf.problem import Problem
from app.errors import Busy, StorageFull
from app.index.build import Child
from app.index.reader import MORE, MOST_DESCRIPTORS, Asked, Kind, Outcome, Pack, Reader, Source

_ANY = Kind()  # for files of the host, of whoever asks
_BATCH_FILES = 24
_BATCH_BYTES = 4 << 20
# Who looks for the debug file of each of many files asks a question and then has it read, by turns.
_MOST_FREE = 3
_LOOK_SECONDS = 0.05  # between looks at whether to stop
# While all readers have so many files in hand, what they say is gathered: to be woken for each answer takes
# longer than to hear it.
_PLENTY, _GATHER_SECONDS = 12, 0.004
_AFTER_A_DEATH = frozenset({"fault", "cpu", "gone"})


def never() -> bool:
    return False


class Readers:
    """All readers of one data directory; any thread may call."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._free: list[Reader] = []
        self._lent: set[Reader] = set()
        self._ending: list[Reader] = []
        self._slots = threading.BoundedSemaphore(settings.readers)
        self._extra = threading.BoundedSemaphore(1)
        self._hungry = 0  # streams that have no reader yet
        self._lock = threading.Lock()
        self._starter = _Starter()
        self._serial = 0
        self.scratch = settings.data / "scratch"

    def start(self) -> None:
        """Raises OSError when the directory cannot be made."""
        self.scratch.mkdir(mode=0o700, parents=True, exist_ok=True)

    def prepare(self, child: Child, kind: Kind) -> None:
        """Takes a child that was started before, by a thread that stays, as a light reader: soon ready."""
        self._give_back(Reader(self._settings, kind, child, light=True))

    def read(self, source: Source, kind: Kind = _ANY) -> Outcome:
        """One file. Raises StorageFull; every other failure is an Outcome."""
        for _, outcome in self.stream([source], kind, 1):
            return outcome
        raise AssertionError

    def stream(
        self, sources: Iterable[Source], kind: Kind, width: int, stopped: Callable[[], bool] = never
    ) -> Generator[tuple[Source, Outcome], None, None]:
        """The outcome of each source as it comes, in any order, by at most ``width`` readers.

        ``sources`` is drawn from as readers become free. Ends at once when ``stopped``. Raises StorageFull.
        """
        work = _Work(sources)
        with self._borrowed(kind, width, stopped) as borrow:
            fed = 0
            while not stopped():
                readers = borrow(wanted=not work.empty())
                # When another stream has no reader at all, one is enough here.
                for reader in readers[: 1 if self._hungry else None]:
                    self._feed(reader, work)
                if len(readers) > fed and not work.empty():
                    fed = len(readers)
                    continue  # perhaps there is one more
                fed = len(readers)
                if not any(reader.asked for reader in readers):
                    if work.empty():
                        return
                    for reader in readers:
                        reader.kill()  # what is left is for new ones
                if all(len(reader.asked) > _PLENTY for reader in readers):
                    time.sleep(_GATHER_SECONDS)
                for reader in _with_news(readers):
                    yield from self._heard(reader, work)

    def answer(
        self, source: Source, question: str, arguments: dict[str, Any], owner: str = ""
    ) -> dict[str, Any] | Problem:
        """What ``app.elf.details`` says to a question about one file."""
        target = os.memfd_create("answer", os.MFD_CLOEXEC)
        try:
            found = self._asked(source, target, question, arguments, Kind(owner, answers=True))
            if not isinstance(found, Problem):
                found = json.loads(os.pread(target, os.fstat(target).st_size, 0))
            return (
                found if isinstance(found, dict | Problem) else Problem("fault", "The answer is no object.")
            )
        except (ValueError, RecursionError):
            return Problem("fault", "The answer cannot be understood.")
        finally:
            os.close(target)

    def _asked(
        self, source: Source, target: int, question: str, arguments: dict[str, Any], kind: Kind
    ) -> dict[str, Any] | Problem:
        with self._borrowed(kind, 1, never) as borrow:
            while True:
                (reader,) = borrow(wanted=True)
                used = reader.files > 0
                # Too long for a message, as thousands of addresses are; the answer takes its place.
                os.ftruncate(target, 0)
                os.pwrite(target, json.dumps(arguments).encode(), 0)
                reader.ask([Asked(source, None)], target, op="answer", question=question)
                while (heard := reader.listen()) is None:
                    _with_news([reader])
                found = heard[1]
                if not (reader.over and used and isinstance(found, Problem) and found.code in _AFTER_A_DEATH):
                    return found

    def _feed(self, reader: Reader, work: _Work) -> None:
        """One batch, if it has little in hand: something to go on with while we hear what it said."""
        if reader.over or reader.files + len(reader.asked) >= self._settings.reader_files:
            return
        if sum(each.source.size for each in reader.asked) >= _BATCH_BYTES or len(reader.asked) > _BATCH_FILES:
            return
        batch = work.batch(fresh=not reader.files and not reader.asked)
        if batch:
            pack = Pack(self._place(), len(batch))
            target = _created(pack.path)
            try:
                reader.ask([Asked(source, pack) for source in batch], target)
            finally:
                os.close(target)

    def _place(self) -> Path:
        with self._lock:
            self._serial += 1
            return self.scratch / f"{os.getpid()}-{self._serial}"

    def _heard(self, reader: Reader, work: _Work) -> Iterator[tuple[Source, Outcome]]:
        while (heard := reader.listen()) is not None:
            asked, found = heard
            source, pack = asked.source, asked.pack
            assert pack is not None
            if not isinstance(found, Problem) and found:
                at = found["at"]
                yield source, Outcome(pack, found["meta"], (at[0], at[1]), found["sha256"])
                continue
            problem = found if isinstance(found, Problem) else Problem("fault", "There was no answer.")
            if problem.code == "disk_full":
                pack.done()
                raise full()
            if found is MORE:
                pack.done()
                work.back([source])
                reader.kill()
            elif reader.over and reader.files and problem.code in _AFTER_A_DEATH and not work.retried(source):
                # Not this file's fault, if an earlier one or an idle hour broke the reader: a new one tells.
                pack.done()
                work.retry(source)
            else:
                yield source, Outcome(pack, problem=problem)
            if reader.over:
                work.back([each.source for each in reader.asked])
                _drop(reader)
                return

    @contextmanager
    def _borrowed(self, kind: Kind, width: int, stopped: Callable[[], bool]) -> Iterator[_Borrow]:
        """A function that gives the readers to use now: none that is over, at most one that is new."""
        held: list[tuple[Reader, threading.BoundedSemaphore]] = []

        def borrow(wanted: bool) -> list[Reader]:
            for entry in list(held):
                reader, slot = entry
                spent = reader.over or (not reader.asked and reader.files >= self._settings.reader_files)
                # Another stream has none at all.
                spare = not reader.asked and len(held) > 1 and self._hungry > 0
                if spent or spare:
                    held.remove(entry)
                    self._give_back(reader)
                    slot.release()
            if wanted and len(held) < width and (not held or not self._hungry):
                found = self._slot(width, patient=not held, stopped=stopped)
                if found is not None:
                    held.append((self._take(kind), found))
            return [reader for reader, _ in held]

        try:
            yield borrow
        finally:
            for reader, slot in held:
                if reader.asked:
                    _drop(reader)
                    reader.kill()
                self._give_back(reader)
                slot.release()

    def _slot(
        self, width: int, patient: bool, stopped: Callable[[], bool]
    ) -> threading.BoundedSemaphore | None:
        slots = [self._slots, self._extra] if width == 1 else [self._slots]
        for slot in slots:
            if slot.acquire(blocking=False):
                return slot
        if not patient:
            return None
        with self._lock:
            self._hungry += 1
        try:
            while not stopped():
                for slot in slots:
                    if slot.acquire(timeout=_LOOK_SECONDS):
                        return slot
        finally:
            with self._lock:
                self._hungry -= 1
        return None

    def _take(self, kind: Kind) -> Reader:
        with self._lock:
            self._reap()
            fitting = next((reader for reader in self._free if reader.kind == kind), None)
            if fitting is not None:
                self._free.remove(fitting)
            elif len(self._free) >= _MOST_FREE:
                spare = self._free.pop(0)
                spare.kill()
                self._ending.append(spare)
        if fitting is None:
            fitting = Reader(self._settings, kind, self._starter.child())
        with self._lock:
            self._lent.add(fitting)
        return fitting

    def _give_back(self, reader: Reader) -> None:
        with self._lock:
            self._lent.discard(reader)
            if not reader.over and reader.files < self._settings.reader_files:
                self._free.append(reader)
                return
            reader.kill()
            self._ending.append(reader)

    def _reap(self) -> None:
        self._ending = [reader for reader in self._ending if not reader.child.reap()]

    def drop_leftovers(self) -> None:
        """What processes that were killed have left in the scratch directory."""
        mine = f"{os.getpid()}-"
        for left in os.scandir(self.scratch):
            if not left.name.startswith(mine):
                Path(left.path).unlink(missing_ok=True)

    def close(self, wait: bool = True) -> None:
        """Kills all readers; with ``wait`` none is left when it returns."""
        self._starter.close()
        with self._lock:
            ending = [*self._free, *self._lent, *self._ending]
            self._free, self._ending = [], []
        for reader in ending:
            reader.kill()
        for reader in ending if wait else ():
            reader.child.reap(wait=True)


_Borrow = Callable[..., list[Reader]]


class _Work:
    """What is left to hand out: what came back first, then the sources."""

    def __init__(self, sources: Iterable[Source]) -> None:
        self._sources = iter(sources)
        self._back: deque[Source] = deque()
        self._suspects: deque[Source] = deque()
        self._retried: set[Source] = set()

    def back(self, sources: Sequence[Source]) -> None:
        self._back.extendleft(reversed(sources))

    def retry(self, source: Source) -> None:
        """A used reader died over it: a new one tells whose fault it was."""
        self._retried.add(source)
        self._suspects.append(source)

    def retried(self, source: Source) -> bool:
        return source in self._retried

    def empty(self) -> bool:
        return not self._suspects and not self._more()

    def _more(self) -> bool:
        if not self._back:
            self._back.extend(islice(self._sources, 1))
        return bool(self._back)

    def batch(self, fresh: bool) -> list[Source]:
        """As many as fit one message; a suspect alone, to a ``fresh`` reader only."""
        if fresh and self._suspects:
            return [self._suspects.popleft()]
        found: list[Source] = []
        size, count = 0, 1
        while len(found) < _BATCH_FILES and self._more():
            following = self._back[0]
            size += following.size
            count += len(following.descriptors)
            if found and (size > _BATCH_BYTES or count > MOST_DESCRIPTORS):
                break
            found.append(self._back.popleft())
        return found


class _Starter:
    """The death signal of a child follows the thread that started it, so one thread starts them all."""

    def __init__(self) -> None:
        self._wanted: SimpleQueue[bool] = SimpleQueue()
        self._made: SimpleQueue[Child | OSError] = SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def child(self) -> Child:
        """Raises Busy."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="readers", daemon=True)
                self._thread.start()
            self._wanted.put(True)
            made = self._made.get()
        if isinstance(made, OSError):
            raise Busy(f"No reader can be started: {made.strerror}.", "Let other programs end.")
        return made

    def _run(self) -> None:
        while self._wanted.get():
            try:
                self._made.put(Child())
            except OSError as error:
                self._made.put(error)

    def close(self) -> None:
        with self._lock:
            if self._thread is not None:
                self._wanted.put(False)
                self._thread.join()


def _with_news(readers: Sequence[Reader]) -> list[Reader]:
    """Those that said something, or nothing for too long; waits for a moment."""
    poll = select.poll()
    alive = {reader.child.channel.fileno(): reader for reader in readers if not reader.over}
    for descriptor in alive:
        poll.register(descriptor, select.POLLIN)
    patience = min([_LOOK_SECONDS, *(reader.patience for reader in alive.values())])
    told = {descriptor for descriptor, _ in poll.poll(patience * 1000)}
    return [
        reader
        for reader in readers
        if reader.over or reader.child.channel.fileno() in told or (reader.asked and reader.patience == 0)
    ]


def _created(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise full() from error


def _drop(reader: Reader) -> None:
    """Forgets what it has in hand."""
    for each in reader.asked:
        if each.pack is not None:
            each.pack.done()
    reader.asked.clear()


def full() -> StorageFull:
    return StorageFull(
        "The disk has no room for the index.", "Free some space, or use --data for another disk."
    )
