"""Indexing that outlasts a request: a few jobs at once, their progress kept, resumed after a restart.

A job is a list of paths or of uploaded files, or a debug file to fetch. Each file is read by the readers, so
a job is only the one who waits for them. What a job has done is in the catalogue; run again, it passes over
what did not change.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from queue import SimpleQueue
from typing import Any, Literal

from app.elf.tree import Watch
from app.errors import AppError, NotFound, StorageFull
from app.index.catalogue import Catalogue
from app.index.records import Job

_AT_ONCE = 3
_SAVE_SECONDS = 1.0
_RESULTS = 1000
_RATE_SECONDS = 5.0  # that a rate is taken over
_MARK_SECONDS = 0.2
_FILE_BYTES = 100_000  # as many as take the time that a file takes whatever its size
_REMEMBERED = 20  # jobs that are over
_OVER = frozenset({"done", "partial", "failed", "cancelled"})
# As app.index.results makes them.
Result = dict[str, Any]


class Task:
    """One job as it runs; one thread writes, others look at ``job``."""

    def __init__(self, jobs: Jobs, job: Job, owner: str, spec: dict[str, Any]) -> None:
        self._jobs = jobs
        self._job = job
        self.owner = owner
        self.spec = spec
        self.over = threading.Event()
        self.watch = Watch()
        self._cancel = threading.Event()
        self._lock = threading.Lock()
        self._saved = 0.0
        self._bad: list[Result] = []
        self._good: list[Result] = []
        self._less_than_ok = False
        self._done = self._unchanged = self._failed = self._bytes = 0
        self._current: str | None = None
        # (time, files, bytes) of late, without what was unchanged.
        self._marks: deque[tuple[float, int, int]] = deque()

    @property
    def job(self) -> Job:
        """As it is now."""
        with self._lock:
            return self._snapshot()

    def _snapshot(self) -> Job:
        job = self._job
        if job.phase == "waiting":
            return job
        rates = self._rates() if job.ended is None else (None, None)
        return replace(
            job,
            done=self._done,
            unchanged=self._unchanged,
            failed=self._failed,
            bytes_done=self._bytes,
            seen=self.watch.files,
            current=self._current if job.ended is None else None,
            results=(*self._bad, *self._good)[:_RESULTS],
            files_per_second=rates[0],
            bytes_per_second=rates[1],
            seconds_left=_seconds_left(job, self._done, self._bytes, *rates),
        )

    def _rates(self) -> tuple[float | None, float | None]:
        if len(self._marks) < 2:
            return None, None
        (began, files, size), (ended, all_files, all_size) = self._marks[0], self._marks[-1]
        seconds = ended - began
        return round((all_files - files) / seconds, 1), round((all_size - size) / seconds, 1)

    def cancelled(self) -> bool:
        return self._cancel.is_set() or self._jobs.closing.is_set()

    def cancel(self) -> None:
        self._cancel.set()
        self.watch.stop()

    @property
    def told_to_stop(self) -> bool:
        """A person cancelled it; a server that goes down leaves it to be resumed."""
        return self._cancel.is_set()

    def update(self, save: bool = False, **changes: Any) -> None:
        with self._lock:
            self._job = replace(self._job, **changes)
        self._save(save)

    def advance(self, result: Result, size: int, unchanged: bool = False) -> None:
        """One file more is done."""
        now = time.monotonic()
        with self._lock:
            self._done += 1
            self._bytes += size
            self._unchanged += unchanged
            self._failed += result["state"] == "failed"
            self._less_than_ok |= result["state"] != "ok"
            self._current = result["path"]
            kept = self._bad if result["state"] == "failed" else self._good
            if len(kept) < _RESULTS:
                kept.append(result)
            if not unchanged and (not self._marks or now - self._marks[-1][0] > _MARK_SECONDS):
                self._marks.append((now, self._done, self._bytes))
                while now - self._marks[0][0] > _RATE_SECONDS:
                    self._marks.popleft()
        self._save(False)

    def transferred(self, source: str, size: int, total: int | None) -> None:
        """So much has come of what is fetched."""
        now = time.monotonic()
        with self._lock:
            self._current, self._bytes = source, size
            self._job = replace(self._job, bytes_total=total)
            if not self._marks or now - self._marks[-1][0] > _MARK_SECONDS:
                self._marks.append((now, self._done, size))
        self._save(False)

    def fail(self, message: str) -> None:
        """Where it cannot be saved."""
        with self._lock:
            self._job = replace(self._job, state="failed", message=message, ended=time.time())

    def _save(self, now: bool) -> None:
        if now or time.monotonic() - self._saved > _SAVE_SECONDS:
            self._saved = time.monotonic()
            self._jobs.save(self)

    def verdict(self) -> tuple[str, str | None]:
        """State and message of one that came to its end."""
        first = self._bad[0] if self._bad else None
        if not self._done:
            return "failed", "There is no ELF file."
        if first is not None and self._failed >= self._done:
            return "failed", f"{first['message']} {first['hint']}".strip()
        if first is not None:
            return "partial", f"{self._failed:,} of {self._done:,} files could not be read."
        return ("partial" if self._less_than_ok else "done"), None


def _seconds_left(
    job: Job, done: int, size: int, files_rate: float | None, bytes_rate: float | None
) -> float | None:
    if job.total is None or job.bytes_total is None or files_rate is None or bytes_rate is None:
        return None
    left = job.bytes_total - size + _FILE_BYTES * (job.total - done)
    rate = bytes_rate + _FILE_BYTES * files_rate
    return round(left / rate, 1) if rate else None


class Jobs:
    """All jobs; ``run`` does the work of one and ends it by its last update."""

    def __init__(self, catalogue: Catalogue, run: Callable[[Task], None]) -> None:
        self._catalogue = catalogue
        self._run = run
        self._tasks: dict[str, Task] = {}
        self._lock = threading.Lock()
        self._queue: SimpleQueue[Task | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self.closing = threading.Event()

    def resume(self) -> None:
        """Takes up what a server that went down left behind."""
        for job, owner, spec in self._catalogue.unfinished_jobs():
            anew = replace(job, state="queued", phase="waiting", done=0, bytes_done=0)
            self._submit(Task(self, anew, owner, spec))

    def add(self, kind: Literal["index", "upload", "fetch"], owner: str, spec: dict[str, Any]) -> Job:
        names = spec.get("paths") or [file["name"] for file in spec.get("files", ())] or [spec["name"]]
        job = Job(
            id=os.urandom(8).hex(),
            kind=kind,
            state="queued",
            phase="waiting",
            done=0,
            total=None,
            bytes_done=0,
            bytes_total=None,
            current=None,
            results=(),
            message=None,
            started=time.time(),
            ended=None,
            what=tuple(names),
        )
        task = Task(self, job, owner, spec)
        self.save(task)
        self._submit(task)
        return job

    def _submit(self, task: Task) -> None:
        with self._lock:
            self._tasks[task.job.id] = task
            if len(self._threads) < _AT_ONCE:
                self._threads.append(threading.Thread(target=self._work, name="jobs", daemon=True))
                self._threads[-1].start()
        self._queue.put(task)

    def _work(self) -> None:
        while (task := self._queue.get()) is not None:
            if not self.closing.is_set():
                self._perform(task)

    def _perform(self, task: Task) -> None:
        try:
            task.update(save=True, state="running")
            self._run(task)  # also one that is cancelled, to clear away what it was given
            if task.told_to_stop:
                self._end(task, "cancelled", "Cancelled; what was read before is kept.")
            elif self.closing.is_set():
                task.update(save=True)
            else:
                self._end(task, *task.verdict())
        except AppError as error:
            self._end(task, "failed", f"{error.message} {error.hint}".strip())
        except Exception as error:
            self._end(task, "failed", f"The job failed by a fault of Probescope ({type(error).__name__}).")
            raise
        finally:
            self._forget()
            task.over.set()

    def _end(self, task: Task, state: str, message: str | None) -> None:
        changes: dict[str, Any] = {"state": state, "message": message, "ended": time.time()}
        try:
            task.update(save=True, phase="over", **changes)
        except StorageFull as error:
            # The catalogue cannot keep it; whoever asks is told all the same.
            task.fail(error.message)

    def _forget(self) -> None:
        """Jobs that are over are the catalogue's, but for the latest."""
        with self._lock:
            over = [key for key, each in self._tasks.items() if each.over.is_set()]
            for key in over[:-_REMEMBERED]:
                del self._tasks[key]

    def save(self, task: Task) -> None:
        self._catalogue.put_job(task.job, task.owner, task.spec)

    def job(self, job_id: str) -> Job:
        """Raises NotFound."""
        with self._lock:
            task = self._tasks.get(job_id)
        if task is not None:
            return task.job
        job = self._catalogue.job(job_id)
        if job is not None:
            return job
        raise NotFound(f"There is no job {job_id}.", "See /jobs for those there are.")

    def jobs(self, limit: int) -> tuple[Job, ...]:
        """The latest first, without their results."""
        found = {job.id: job for job in self._catalogue.jobs(limit)}
        with self._lock:
            found |= {key: replace(task.job, results=()) for key, task in self._tasks.items()}
        return tuple(sorted(found.values(), key=lambda job: -job.started)[:limit])

    def cancel(self, job_id: str) -> Job:
        """Stops it, also within a file; does nothing to one that is over."""
        job = self.job(job_id)
        with self._lock:
            task = self._tasks.get(job_id)
        if task is not None and job.state not in _OVER:
            task.cancel()
            task.over.wait(1.0)
        return self.job(job_id)

    def wait(self, job_id: str, seconds: float | None) -> Job:
        with self._lock:
            task = self._tasks.get(job_id)
        if task is not None:
            task.over.wait(seconds)
        return self.job(job_id)

    def close(self) -> None:
        """Ends, also within a file; what is left is resumed at the next start."""
        self.closing.set()
        with self._lock:
            tasks, threads = list(self._tasks.values()), self._threads
        for task in tasks:
            task.watch.stop()
        for _ in threads:
            self._queue.put(None)
        for thread in threads:
            thread.join()
