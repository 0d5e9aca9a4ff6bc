"""All files that a walk has found: read, with their debug files once all are there, and kept.

A stripped file is read twice, since only a reader can tell its build-id: alone, then with its debug file. The
second time is for all of them together, so that no reader waits for one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from app.config import Settings
from app.errors import AppError, StorageFull
from app.index import files
from app.index.completing import Completing, gives, is_common
from app.index.debug_files import Opened, Sought
from app.index.hosted import Hosted
from app.index.jobs import Task
from app.index.reader import Kind, Outcome, Source
from app.index.readers import Readers
from app.index.results import Result, refused, taken
from app.index.store import Pending, Store


class Sweep:
    """May be used from any thread."""

    def __init__(
        self, settings: Settings, store: Store, readers: Readers, completing: Completing, hosted: Hosted
    ) -> None:
        self.settings = settings
        self.store = store
        self.readers = readers
        self.completing = completing
        self.hosted = hosted

    def read(self, task: Task, found: Sequence[files.Found], low: bool) -> list[str]:
        """Tells the task of each; the ids of all that were read. Raises StorageFull."""
        run = _Run(self, task, low)
        run.each(found)
        run.pairs()
        run.completing.merge_all(task, run.arrived, run.common)
        return run.read


@dataclass(slots=True, eq=False)
class _Open:
    """A file that a reader has, and the debug file beside it, until it is done with."""

    entry: files.Found
    file: files.HostFile
    stack: ExitStack
    wanted: Sought | None = None
    likely: Opened | None = None


class _Run:
    """One task's."""

    def __init__(self, sweep: Sweep, task: Task, low: bool) -> None:
        self._sweep = sweep
        self._task = task
        self._kind = Kind(low=low)
        self.completing = sweep.completing.by(self._kind)
        self._lacking: list[tuple[files.Found, Sought]] = []
        self.read: list[str] = []
        self.arrived: list[str] = []  # what may be, or bring, another's debug file
        self.common: list[str] = []  # of these, what may be a part that others lean on

    def each(self, found: Sequence[files.Found]) -> None:
        """Every file alone."""
        self._through(len(found), lambda opened: self._sources(found, opened))

    def pairs(self) -> None:
        """Those that lack debug information which is at hand, with it."""
        lacking, self._lacking = self._lacking, []
        self._through(len(lacking), lambda opened: self._pairs(lacking, opened))

    def _through(self, count: int, sources: Callable[[set[_Open]], Iterator[Source]]) -> None:
        pending = Pending(self._sweep.store, many=True)
        opened: set[_Open] = set()
        width = min(self._sweep.settings.readers, count)
        stream = self._sweep.readers.stream(sources(opened), self._kind, width, self._task.cancelled)
        try:
            for source, outcome in stream if count else ():
                self._take(source.tag, outcome, pending)
                opened.discard(source.tag)
                source.tag.stack.close()
        finally:
            stream.close()
            for each in opened:
                each.stack.close()
            pending.flush()

    def _take(self, each: _Open, outcome: Outcome, pending: Pending) -> None:
        if each.wanted is None:
            wanted = self.completing.lacks(each.file.origin, outcome, many=True)
            if wanted is not None:
                outcome.done()
                self._lacking.append((each.entry, wanted))
                return
        result = self._stored(each, outcome, pending)
        self._task.advance(result, each.entry.size)
        if result["id"]:
            self.read.append(result["id"])
            if outcome.meta is not None and gives(outcome.meta):
                self.arrived.append(result["id"])
                if is_common(outcome.meta):
                    self.common.append(result["id"])

    def _stored(self, each: _Open, outcome: Outcome, pending: Pending) -> Result:
        file, path = each.file, each.entry.path
        completing, hosted = self.completing, self._sweep.hosted
        try:
            if not file.unchanged():
                outcome.done()
                return taken(path, hosted.at(path))
            if each.wanted is None:
                whole = completing.with_companions(file.origin, file.descriptor, outcome, None)
            else:
                whole = completing.paired(file.origin, file.descriptor, outcome, each.wanted, each.likely)
            return taken(path, hosted.keep(file, *whole, pending))
        except StorageFull:
            raise
        except AppError as error:
            return refused(path, error)

    def _sources(self, found: Sequence[files.Found], opened: set[_Open]) -> Iterator[Source]:
        for entry in found:
            each = self._opened(entry, opened)
            if each is None:
                continue
            known = self._sweep.hosted.known(each.file) if entry.stamp is None else None
            if known is None:
                yield Source(each.file.descriptor, each.file.stamp[2], tag=each)
                continue
            opened.discard(each)
            each.stack.close()
            self._task.advance(taken(entry.path, known), entry.size, unchanged=True)

    def _pairs(self, lacking: Sequence[tuple[files.Found, Sought]], opened: set[_Open]) -> Iterator[Source]:
        for entry, wanted in lacking:
            each = self._opened(entry, opened)
            if each is None:
                continue
            each.wanted = wanted
            likely = self.completing.likely(wanted, each.stack)
            # An upload is not for the readers of the host's files.
            each.likely = likely if likely is not None and not likely.owner else None
            debug = each.likely.descriptor if each.likely is not None else None
            size = each.file.stamp[2] + (os.fstat(debug).st_size if debug is not None else 0)
            yield Source(each.file.descriptor, size, debug, tag=each)

    def _opened(self, entry: files.Found, opened: set[_Open]) -> _Open | None:
        """None for one that cannot be opened, of which the task is told."""
        try:
            file = files.open_found(entry, self._sweep.settings.roots)
        except AppError as error:
            self._task.advance(refused(entry.path, error), entry.size)
            return None
        each = _Open(entry, file, ExitStack())
        each.stack.callback(os.close, file.descriptor)
        opened.add(each)
        return each
