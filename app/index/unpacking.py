"""One package, read in a boxed child: its ELF and source files as they come, each in a file of ours.

Nothing is written by an archive's own name: what a member is called is text. A few members are ahead of who
takes them, so that unpacking and reading overlap; not more, so that little disk is needed.
"""

from __future__ import annotations

import array
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Full, Queue
from select import select
from typing import Any

from app.config import Settings
from app.elf.problem import Problem
from app.index.build import Child
from app.index.meta import fitting

_AHEAD = 4
_LOOK_SECONDS = 0.1
_ANSWER = 1 << 20
_START = 60.0
_is_member = fitting(
    {
        "name": str,
        "inside": [str],
        "size": (int, None),
        "what": frozenset({"elf", "source"}),
        "package": ({"name": str, "version": str, "architecture": str, "kind": str}, None),
    }
)
_is_filled = fitting({"whole": bool, "written": int})


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A member; its bytes are the file at ``path``, which is whoever takes it to move or remove."""

    name: str
    inside: tuple[str, ...]
    what: str  # elf, source
    package: dict[str, str] | None  # name, version, architecture, kind
    path: Path
    whole: bool


class Unpacking:
    """Iterate over it; then ``problems`` has what was wrong, and ``entries`` how many the package has."""

    def __init__(
        self,
        settings: Settings,
        descriptor: int,
        scratch: Path,
        stopped: Callable[[], bool],
        child: Child | None = None,
    ) -> None:
        """``descriptor``: of the package, which stays the caller's.

        ``child``: one that was started before, by a thread that stays; else it is started when it is needed.
        """
        self.problems: list[Problem] = []
        self.entries = 0
        self._settings = settings
        self._descriptor = descriptor
        self._scratch = scratch
        self._stopped = stopped
        self._child = child
        self._queue: Queue[Unpacked | None] = Queue(_AHEAD)
        self._closed = threading.Event()

    def __iter__(self) -> Generator[Unpacked, None, None]:
        # The child dies with the thread that started it, which is therefore the one that hears it.
        thread = threading.Thread(target=self._run, name="unpacking")
        thread.start()
        try:
            while (each := self._queue.get()) is not None:
                yield each
        finally:
            self._closed.set()
            self._drain()
            thread.join()
            self._drain()

    def _drain(self) -> None:
        while True:
            try:
                left = self._queue.get_nowait()
            except Empty:
                return
            if left is not None:
                left.path.unlink(missing_ok=True)

    def _run(self) -> None:
        try:
            child = self._child or Child("unpack_process")
        except OSError as error:
            self.problems.append(
                Problem("fault", f"The reader of packages cannot be started: {error.strerror}.")
            )
            self._put(None)
            return
        try:
            self._hear(child)
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            self.problems.append(self._end(child))
        finally:
            child.kill()
            child.reap(wait=True)
            self._put(None)

    def _hear(self, child: Child) -> None:
        settings = self._settings
        limits = {
            "memory": settings.reader_memory,
            "cpu": settings.package_cpu,
            "threads": settings.reader_threads,
            "nice": 5,
            "idle": False,
            "descriptors": 4,
        }
        child.channel.send(json.dumps(limits).encode())
        self._next(child, _START)
        self._send(child, self._descriptor)
        while True:
            said = self._next(child, settings.reader_wall)
            if said is None:
                return
            if "over" in said:
                self.entries = int(said["entries"])
                self.problems += [Problem(str(code)[:40], str(text)[:500]) for code, text in said["problems"]]
                return
            if not _is_member(said):
                raise ValueError
            self._take(child, said)

    def _take(self, child: Child, said: dict[str, Any]) -> None:
        path = self._scratch / f"{os.urandom(8).hex()}.member"
        target = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            self._send(child, target)
            filled = self._next(child, self._settings.reader_wall)
            if filled is None or not _is_filled(filled):
                raise ValueError
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        finally:
            os.close(target)
        found = Unpacked(
            said["name"], tuple(said["inside"]), said["what"], said["package"], path, filled["whole"]
        )
        if not self._put(found):
            path.unlink(missing_ok=True)

    def _send(self, child: Child, descriptor: int) -> None:
        rights = array.array("i", [descriptor])
        child.channel.sendmsg([b"{}"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])

    def _next(self, child: Child, seconds: float) -> dict[str, Any] | None:
        """What it says next; None when nobody wants more. Raises ValueError at its end, OSError when late."""
        deadline = time.monotonic() + seconds
        while not self._stopped() and not self._closed.is_set():
            if select([child.channel], [], [], _LOOK_SECONDS)[0]:
                answer = child.channel.recv(_ANSWER)
                found = json.loads(answer)
                if not isinstance(found, dict):
                    raise ValueError
                return found
            if time.monotonic() > deadline:
                raise TimeoutError
        return None

    def _end(self, child: Child) -> Problem:
        """Why it gave no answer."""
        for _ in range(50):
            if child.reap():
                break
            time.sleep(0.002)
        if child.reap() and child.signal() == signal.SIGXCPU:
            return Problem("cpu", "Reading the package took more CPU time than a reader may use.")
        return Problem("fault", "The reader of the package ended without an answer, or was too slow.")

    def _put(self, each: Unpacked | None) -> bool:
        while not self._closed.is_set():
            try:
                self._queue.put(each, timeout=_LOOK_SECONDS)
            except Full:
                continue
            return True
        return False
