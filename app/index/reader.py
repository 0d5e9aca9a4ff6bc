"""One boxed reader as its parent has it: files are handed to a child, its answers looked at and taken.

A start costs more than most files do, so a reader stays for many; descriptors are passed to it, it opens
nothing. What it says has a shape before it is believed. Source: unix(7) for SCM_RIGHTS.
"""

from __future__ import annotations

import array
import json
import mmap
import os
import signal
import socket
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from app.config import Settings
from app.elf.problem import Problem
from app.index.build import Child
from app.index.meta import is_numbers, is_sha256, is_summary

# What a light reader says of a file that a full one has to read.
MORE = Problem("more", "This file needs a reader that has more loaded.")
MOST_DESCRIPTORS = 96  # of one message; the kernel takes 253
_START_SECONDS = 60.0
_ANSWER = 1 << 20


@dataclass(slots=True, eq=False)
class Source:
    """A file to read, open; its debug file, the dwz file of that or of itself, its .dwo and .dwp files."""

    descriptor: int
    size: int
    debug: int | None = None
    alt: int | None = None
    split: Sequence[int] = ()
    hashed: bool = False  # whether its SHA-256 is wanted though it has a build-id
    tag: Any = None

    @property
    def descriptors(self) -> list[int]:
        single = (each for each in (self.descriptor, self.debug, self.alt) if each is not None)
        return [*single, *self.split]


@dataclass(slots=True, eq=False)
class Pack:
    """A file that holds the columns of all files of one message; gone with the last that could want it."""

    path: Path
    waiting: int  # files whose outcome is not done with
    name: str | None = None  # where it is kept

    def moved(self, directory: Path) -> str:
        """Its name in ``directory``, where it goes when the first of its columns are kept. Raises OSError."""
        if self.name is None:
            name = f"{os.urandom(8).hex()}.columns"
            self.path.rename(directory / name)
            self.path, self.name = directory / name, name
        return self.name

    def done(self) -> None:
        self.waiting -= 1
        if not self.waiting and self.name is None:
            self.path.unlink(missing_ok=True)


class Outcome(NamedTuple):
    """What one file gave: its ``meta`` and where its columns are in the pack, or the problem.

    Whoever takes it says ``done`` when it has moved the pack, or wants nothing of it.
    """

    pack: Pack
    meta: dict[str, Any] | None = None
    place: tuple[int, int] = (0, 0)  # offset and size
    sha256: str | None = None
    problem: Problem | None = None

    def done(self) -> None:
        self.pack.done()


class Kind(NamedTuple):
    """Which readers may stand for each other: one owner, one niceness, able to answer or not."""

    owner: str = ""
    low: bool = False
    answers: bool = False


@dataclass(slots=True)
class Asked:
    """A file that a reader has in hand, and the file that it fills."""

    source: Source
    pack: Pack | None


@dataclass(slots=True, eq=False)
class Reader:
    """Not for several threads at once."""

    settings: Settings
    kind: Kind
    child: Child
    light: bool = False  # has only what most files need
    files: int = 0  # answered
    asked: deque[Asked] = field(default_factory=deque)
    over: bool = False
    _ready: bool = False
    _deadline: float = 0.0

    def __post_init__(self) -> None:
        settings = self.settings
        limits = {
            "memory": settings.reader_memory,
            "cpu": settings.reader_cpu,
            "output": settings.reader_output,
            "threads": settings.reader_threads,
            "nice": settings.index_nice if self.kind.low else 5,
            "idle": self.kind.low and settings.index_nice > 0,
            "answers": self.kind.answers,
            "light": self.light,
            "descriptors": MOST_DESCRIPTORS,
        }
        self._deadline = time.monotonic() + _START_SECONDS
        self._send(limits)

    def _send(self, message: dict[str, Any], rights: Sequence[int] = ()) -> None:
        try:
            sent = array.array("i", rights)
            self.child.channel.sendmsg(
                [json.dumps(message).encode()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, sent)] if sent else []
            )
        except OSError:
            self.over = True  # which is said when it is listened to

    def ask(self, batch: Sequence[Asked], target: int, **question: Any) -> None:
        """Hands over files; a reader that is dead is noticed when it is listened to."""
        rights = [target]
        files = []
        for each in batch:
            source = each.source
            rights.extend(source.descriptors)
            files.append(
                {
                    "debug": source.debug is not None,
                    "alt": source.alt is not None,
                    "split": len(source.split),
                    "hash": source.hashed,
                }
            )
        if not self.asked:
            patience = self.settings.reader_wall if self._ready else _START_SECONDS
            self._deadline = time.monotonic() + patience
        self.asked.extend(batch)
        self._send({"op": "index", **question, "files": files}, rights)

    def listen(self) -> tuple[Asked, dict[str, Any] | Problem] | None:
        """The next answer, if one is there; for a file over which the reader died, why."""
        if self.over:
            return self._died()
        try:
            answer = self.child.channel.recv(_ANSWER)
        except BlockingIOError:
            return self._late() if time.monotonic() > self._deadline else None
        except OSError:
            answer = b""
        if not answer:
            return self._died()
        self._deadline = time.monotonic() + self.settings.reader_wall
        if not self._ready:
            self._ready = True
            return self.listen()
        self.files += 1
        asked = self.asked.popleft()
        return asked, _believed(answer, self.light)

    @property
    def patience(self) -> float:
        """Seconds until it is late."""
        return max(0.0, self._deadline - time.monotonic())

    def _late(self) -> tuple[Asked, Problem] | None:
        self.kill()
        seconds = self.settings.reader_wall
        if not self.asked:
            return None
        return self.asked.popleft(), Problem(
            "time", f"Reading this file took longer than {seconds:g} seconds."
        )

    def _died(self) -> tuple[Asked, Problem] | None:
        code = self._signal()
        self.kill()
        if not self.asked:
            return None
        problem = Problem("fault", "The reader of this file ended without an answer.")
        if code == signal.SIGXCPU:
            problem = Problem("cpu", "Reading this file took more CPU time than a reader may use.")
        elif code == signal.SIGBUS:
            problem = Problem("gone", "The file was shortened while it was read.")
        return self.asked.popleft(), problem

    def _signal(self) -> int:
        """That by which it ended; one that only closed its socket lives on."""
        for _ in range(100):
            if self.child.reap():
                return self.child.signal()
            time.sleep(0.002)
        return 0

    def kill(self) -> None:
        """Ends it, without waiting for its end."""
        self.over = True
        self.child.kill()


def _believed(answer: bytes, light: bool) -> dict[str, Any] | Problem:
    """An answer of the shape that answers have."""
    try:
        found: dict[str, Any] = json.loads(answer)
        if light and found == {"more": True}:
            return MORE
        if "problem" in found:
            return Problem(str(found["problem"])[:40], str(found["text"])[:500])
        if not found or _is_indexed(**found):
            return found
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    return Problem("fault", "The reader of this file gave no answer that can be understood.")


def _is_indexed(meta: Any, at: Any, sha256: Any) -> bool:
    if not is_numbers(at) or len(at) != 2 or min(at) < 0 or at[0] % mmap.ALLOCATIONGRANULARITY:
        return False
    return is_summary(meta) and (is_sha256(sha256) or (sha256 is None and meta["build_id"] is not None))
