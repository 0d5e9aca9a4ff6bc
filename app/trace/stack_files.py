"""The files of stacks: which function and line an address in one is, asked of the index, kept by address.

A file is known by its stamp and held open while its session lives, so that its bytes are there when the
process or the path is gone; one that was replaced is never used. Reading and asking happen in two threads of
the session's own; who waits for them does so for a given time.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

from app.elf.model import Segment
from app.elf.tree import Stamp
from app.errors import AppError
from app.host.regions import MappedFile
from app.index.files import HostFile
from app.index.held import Held
from app.trace.catalogue import Catalogue

MOST_FILES = 512
MOST_OPEN = 192  # files, debug files among them
MOST_PLACES = 200_000
_THREADS = 2
_ASKED_AT_ONCE = 20_000
_MOMENT = 0.05


@dataclass(frozen=True, slots=True)
class Place:
    """What is at an address: names with their file:line, the innermost inlined call first.

    The last name is of the function that has the code; ``offset`` is the address's in it.
    """

    names: tuple[tuple[str, str | None], ...]
    offset: int | None


@dataclass(slots=True, eq=False)
class _File:
    mapped: MappedFile
    lock: threading.Lock = field(default_factory=threading.Lock)  # of who reads it
    opened: HostFile | None = None  # until it is held
    held: Held | None = None
    failed: bool = False
    places: dict[int, Place | None] = field(default_factory=dict)  # by offset in the file
    asked: set[int] = field(default_factory=set)
    work: list[Future[None]] = field(default_factory=list)


class StackFiles:
    """Those of one session; any thread may call. ``warnings``: sentences for who reads the session."""

    def __init__(self, index: Catalogue) -> None:
        self.warnings: list[str] = []
        self._index = index
        self._files: dict[Stamp, _File] = {}
        self._places = 0
        self._open = 0
        self._closed = False
        self._lock = threading.Lock()
        self._workers = ThreadPoolExecutor(_THREADS, thread_name_prefix="stacks")

    def hold(self, mapped: MappedFile) -> None:
        """Opens it soon: a file that cannot be reached any more once its process is gone."""
        with self._lock:
            file = self._file(mapped)
            if file is not None and file.held is None and file.opened is None and not file.failed:
                self._submit(file, None)

    def prepare(self, mapped: MappedFile) -> None:
        """Begins to read it, before there is an address to look up."""
        with self._lock:
            file = self._file(mapped)
            if file is not None and file.held is None and not file.failed:
                self._submit(file, ())

    def want(self, mapped: MappedFile, offsets: Iterable[int]) -> None:
        """Begins to look up what is not known yet."""
        with self._lock:
            file = self._file(mapped)
            if file is None or file.failed:
                return
            new = {offset for offset in offsets if offset not in file.places} - file.asked
            if len(new) > MOST_PLACES - self._places:
                self._tell(
                    f"Its stacks have more than {MOST_PLACES:,} addresses; the rest is as bpftrace named it."
                )
                new = set(sorted(new)[: MOST_PLACES - self._places])
            if new:
                self._places += len(new)
                file.asked |= new
                self._submit(file, sorted(new))

    def wait(self, seconds: float) -> bool:
        """Until all that was wanted is known, so long at most; whether it is."""
        with self._lock:
            work = [each for file in self._files.values() for each in file.work]
        return not wait(work, timeout=seconds).not_done

    def place(self, mapped: MappedFile, offset: int) -> tuple[Place | None, bool]:
        """What is there, None where nothing is known; and whether that will stay so."""
        with self._lock:
            file = self._files.get(mapped.stamp) if mapped.stamp is not None else None
            if file is None or file.failed:
                return None, True
            return file.places.get(offset), offset not in file.asked

    def close(self) -> None:
        """Lets go of the files; who is at work with one ends by itself."""
        with self._lock:
            self._closed = True
            files = list(self._files.values())
        self._workers.shutdown(wait=False, cancel_futures=True)
        for file in files:
            # Who is just done with one may not have seen that this is over.
            if file.lock.acquire(timeout=_MOMENT):
                self._let_go(file)
                file.lock.release()

    def _file(self, mapped: MappedFile) -> _File | None:
        if mapped.stamp is None or self._closed:
            return None
        found = self._files.get(mapped.stamp)
        if found is None and len(self._files) >= MOST_FILES:
            self._tell(f"Its stacks lie in more than {MOST_FILES} files; the rest is as bpftrace named it.")
        elif found is None:
            found = self._files[mapped.stamp] = _File(mapped)
        return found

    def _submit(self, file: _File, offsets: Sequence[int] | None) -> None:
        file.work = [each for each in file.work if not each.done()]
        file.work.append(self._workers.submit(self._look, file, offsets))

    def _look(self, file: _File, offsets: Sequence[int] | None) -> None:
        """``offsets`` None: the file is but opened."""
        found: dict[int, Place | None] = {}
        with file.lock:
            try:
                if not self._closed and not file.failed:
                    found = self._read(file, offsets)
            except AppError as error:
                file.failed = True
                if error.code in {"replaced", "forbidden"}:
                    self._tell(f"Frames in it are as bpftrace named them. {error.message}")
            finally:
                with self._lock:
                    file.places |= found
                    file.asked.difference_update(offsets or ())
                if self._closed or file.failed or self._open > MOST_OPEN:
                    self._let_go(file)

    def _read(self, file: _File, offsets: Sequence[int] | None) -> dict[int, Place | None]:
        if file.held is None and file.opened is None:
            assert file.mapped.stamp is not None
            file.opened = self._index.open_mapped(file.mapped.host_path, file.mapped.stamp)
            self._open += 1
        if offsets is None:
            return {}
        if file.held is None:
            opened, file.opened = file.opened, None
            self._open -= 1
            assert opened is not None
            file.held = self._index.hold(opened)
            self._open += file.held.descriptors
        held = file.held
        found: dict[int, Place | None] = dict.fromkeys(offsets)
        addresses = {
            address: offset for offset in offsets if (address := virtual(held.segments, offset)) is not None
        }
        wanted = sorted(addresses)
        for at in range(0, len(wanted), _ASKED_AT_ONCE):
            for location in held.locate(wanted[at : at + _ASKED_AT_ONCE]):
                found[addresses[location["address"]]] = placed(location)
        return found

    def _let_go(self, file: _File) -> None:
        if file.held is not None:
            self._open -= file.held.descriptors
            file.held.close()
            file.held = None
        if file.opened is not None:
            os.close(file.opened.descriptor)
            file.opened = None
            self._open -= 1

    def _tell(self, warning: str) -> None:
        if warning not in self.warnings:
            self.warnings.append(warning)


def virtual(segments: Sequence[Segment], offset: int) -> int | None:
    """The address, as the file has it, of what lies at ``offset`` in its code."""
    for each in segments:
        if each.type == "LOAD" and "E" in each.flags and each.offset <= offset < each.offset + each.file_size:
            return offset - each.offset + each.address
    return None


def placed(location: dict[str, Any]) -> Place | None:
    """An answer of ``Answers.locate``, with demangled names, as frames; None where it names no function."""
    name = location["demangled"]
    if not name:
        return None
    inlined = location["inlined"]
    names = [(each["demangled"] or name, _source(each["file"], each["line"])) for each in inlined]
    if inlined:
        own = _source(inlined[-1]["call_file"], inlined[-1]["call_line"])
    else:
        own = _source(location["file"], location["line"])
    return Place((*names, (name, own)), location["offset_in_function"])


def _source(file: str | None, line: int | None) -> str | None:
    return f"{file}:{line}" if file and line else None
