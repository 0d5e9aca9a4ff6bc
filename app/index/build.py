"""Files to columns by resident, boxed readers: the only place of this room that starts children.

A start costs more than most files do, so a reader stays for many files. It is replaced after any fault, after
a number of files, and before it would read for another uploader. Descriptors are passed; it opens nothing.
"""

from __future__ import annotations

import array
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.config import Settings, child_environment
from app.elf.model import Problem
from app.errors import StorageFull
from app.index import items
from app.index.columns import BadColumns, Columns, open_columns

_START_SECONDS = 60.0
_PACKAGE_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one file gave: ``columns`` at ``path`` (the caller's to move or remove), or the problem."""

    columns: Columns | None
    path: Path | None
    sha256: str | None
    problem: Problem | None


class Reader:
    """One boxed child and the socket to it. Not for several threads at once."""

    def __init__(self, settings: Settings, owner: str) -> None:
        self.owner = owner
        self.files = 0
        self.over = False
        limits = {
            "memory": settings.reader_memory,
            "cpu": settings.reader_cpu,
            "output": settings.reader_output,
        }
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._child = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "app.index.reader_process",
                    json.dumps(limits | {"socket": theirs.fileno()}),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=_PACKAGE_ROOT,
                env=child_environment(OPENBLAS_NUM_THREADS="1", PYTHONDONTWRITEBYTECODE="1"),
                pass_fds=(theirs.fileno(),),
            )
        self._channel.settimeout(_START_SECONDS)
        try:
            self.over = not self._channel.recv(64)
        except OSError:
            self.over = True

    def read(self, source: int, target: int, hashed: bool, seconds: float) -> dict[str, str | None]:
        """The child's answer; a problem when it died or took longer than ``seconds``."""
        self.files += 1
        rights = array.array("i", [source, target])
        message = json.dumps({"hash": hashed}).encode()
        try:
            self._channel.settimeout(seconds)
            self._channel.sendmsg([message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
            answer = self._channel.recv(1 << 16)
        except TimeoutError:
            self.close()
            return {"problem": "time", "text": f"Reading this file took longer than {seconds:g} seconds."}
        except OSError:
            answer = b""
        if not answer:
            return self._died()
        try:
            found = json.loads(answer)
            return {key: found.get(key) for key in ("sha256", "problem", "text")}
        except (ValueError, AttributeError):
            return self._died()

    def _died(self) -> dict[str, str | None]:
        self.close()
        code = -self._child.returncode if self._child.returncode else 0
        if code == signal.SIGXCPU:
            return {"problem": "cpu", "text": "Reading this file took more CPU time than a reader may use."}
        if code == signal.SIGBUS:
            return {"problem": "gone", "text": "The file was shortened while it was read."}
        return {"problem": "fault", "text": "The reader of this file ended without an answer."}

    def close(self) -> None:
        """Ends the child and waits for it."""
        self.over = True
        self._channel.close()
        # Without its socket it ends by itself; one that is inside a file does not look.
        try:
            self._child.wait(0.05)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()


class Readers:
    """At most ``settings.readers`` readers, lent to one thread each."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._free: list[Reader] = []
        self._slots = threading.BoundedSemaphore(settings.readers)
        self._lock = threading.Lock()
        # The death signal of a child follows the thread that started it, so one thread starts them all.
        self._starter = ThreadPoolExecutor(1, "readers")
        self._scratch = settings.data / "scratch"
        self._scratch.mkdir(parents=True, exist_ok=True)
        for left in self._scratch.iterdir():
            left.unlink(missing_ok=True)

    def read(self, descriptor: int, owner: str = "", hashed: bool = True) -> Outcome:
        """Reads the file behind ``descriptor``. Raises StorageFull; every other failure is an Outcome."""
        try:
            handle, name = tempfile.mkstemp(prefix="columns-", dir=self._scratch)
        except OSError as error:
            raise _full() from error
        path = Path(name)
        keep = False
        try:
            answer = self._ask(descriptor, handle, owner, hashed)
            if answer["problem"] == "disk_full":
                raise _full()
            if answer["problem"]:
                return Outcome(None, None, None, Problem(str(answer["problem"]), str(answer["text"])))
            try:
                columns = open_columns(handle)
                items.check(columns)
            except BadColumns as error:
                return Outcome(None, None, None, Problem("fault", str(error)))
            keep = True
            return Outcome(columns, path, answer["sha256"], None)
        finally:
            os.close(handle)
            if not keep:
                path.unlink(missing_ok=True)

    def _ask(self, source: int, target: int, owner: str, hashed: bool) -> dict[str, str | None]:
        with self._lent(owner) as reader:
            used = reader.files > 0
            answer = reader.read(source, target, hashed, self._settings.reader_wall)
        if answer["problem"] == "fault" and used:
            # Not this file's fault, if an earlier one or an idle hour broke the reader: a new one tells.
            with self._lent(owner) as reader:
                answer = reader.read(source, target, hashed, self._settings.reader_wall)
        return answer

    @contextmanager
    def _lent(self, owner: str) -> Iterator[Reader]:
        with self._slots:
            reader = self._take(owner)
            try:
                yield reader
            finally:
                if reader.over or reader.files >= self._settings.reader_files:
                    reader.close()
                else:
                    with self._lock:
                        self._free.append(reader)

    def _take(self, owner: str) -> Reader:
        with self._lock:
            fitting = next((reader for reader in self._free if reader.owner == owner), None)
            spare = fitting or next(iter(self._free), None)
            if spare is not None:
                self._free.remove(spare)
        if fitting is not None:
            return fitting
        if spare is not None:
            spare.close()
        return self._starter.submit(Reader, self._settings, owner).result()

    def close(self) -> None:
        """Ends the readers that nobody uses; those in use end with their file."""
        with self._lock:
            free, self._free = self._free, []
        for reader in free:
            reader.close()
        self._starter.shutdown()


def _full() -> StorageFull:
    return StorageFull(
        "The disk has no room for the index.", "Free some space, or use --data for another disk."
    )
