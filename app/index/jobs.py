"""Indexing that outlasts a request: a few jobs at once, their progress kept, resumed after a restart.

A job is a list of paths or of uploaded files. Each file is read by the readers, so a job is only the one who
waits for them. What a job has done is in the catalogue; run again, it passes over what did not change.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from typing import Any, Literal

from app.errors import AppError, NotFound, StorageFull
from app.index.catalogue import Catalogue
from app.index.model import Job

_AT_ONCE = 3
_SAVE_SECONDS = 1.0
_RESULTS = 1000
_OVER = frozenset({"done", "partial", "failed", "cancelled"})
# What one file gave: {path, id, state, code, message, hint}.
Result = dict[str, Any]


class Task:
    """One job as it runs. ``update`` is its only writer."""

    def __init__(self, jobs: Jobs, job: Job, owner: str, spec: dict[str, Any]) -> None:
        self._jobs = jobs
        self.job = job
        self.owner = owner
        self.spec = spec
        self.over = threading.Event()
        self._cancel = threading.Event()
        self._lock = threading.Lock()
        self._saved = 0.0

    def cancelled(self) -> bool:
        return self._cancel.is_set() or self._jobs.closing.is_set()

    def cancel(self) -> None:
        self._cancel.set()

    @property
    def told_to_stop(self) -> bool:
        """A person cancelled it; a server that goes down leaves it to be resumed."""
        return self._cancel.is_set()

    def update(self, save: bool = False, **changes: Any) -> None:
        with self._lock:
            self.job = replace(self.job, **changes)
            if save or time.monotonic() - self._saved > _SAVE_SECONDS:
                self._saved = time.monotonic()
                self._jobs.save(self)

    def advance(self, result: Result, size: int) -> None:
        """One file more is done."""
        results = self.job.results
        self.update(
            done=self.job.done + 1,
            bytes_done=self.job.bytes_done + size,
            current=result.get("path"),
            results=(*results, result) if len(results) < _RESULTS else results,
        )

    def read_all(self, files: Iterator[tuple[int, Callable[[], Result]]], width: int) -> None:
        """Calls each on a few threads, (size, call), until cancelled; counts what they give."""
        with ThreadPoolExecutor(width, "index") as pool:
            waiting: dict[Future[Result], int] = {}
            for size, call in files:
                if self.cancelled():
                    break
                waiting[pool.submit(call)] = size
                if len(waiting) >= 2 * width:
                    self._collect(waiting)
            while waiting:
                self._collect(waiting)

    def _collect(self, waiting: dict[Future[Result], int]) -> None:
        for future in wait(waiting, return_when=FIRST_COMPLETED).done:
            self.advance(future.result(), waiting.pop(future))


class Jobs:
    """All jobs; ``run`` does the work of one and ends it by its last update."""

    def __init__(self, catalogue: Catalogue, run: Callable[[Task], None]) -> None:
        self._catalogue = catalogue
        self._run = run
        self._tasks: dict[str, Task] = {}
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(_AT_ONCE, "jobs")
        self.closing = threading.Event()

    def resume(self) -> None:
        """Takes up what a server that went down left behind."""
        for job, owner, spec in reversed(self._catalogue.jobs()):
            if job.state not in _OVER:
                anew = replace(job, state="queued", phase="waiting", done=0, bytes_done=0, results=())
                self._submit(Task(self, anew, owner, spec))

    def add(self, kind: Literal["index", "upload"], owner: str, spec: dict[str, Any]) -> Job:
        job = Job(
            id=secrets.token_hex(8),
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
        )
        task = Task(self, job, owner, spec)
        self.save(task)
        self._submit(task)
        return job

    def _submit(self, task: Task) -> None:
        with self._lock:
            self._tasks[task.job.id] = task
        self._pool.submit(self._perform, task)

    def _perform(self, task: Task) -> None:
        try:
            if not task.cancelled():
                task.update(save=True, state="running")
                self._run(task)
            if task.told_to_stop:
                self._end(task, "cancelled", "Cancelled; what was read before is kept.")
            elif self.closing.is_set():
                task.update(save=True)
            else:
                self._end(task, *_verdict(task.job))
        except AppError as error:
            self._end(task, "failed", f"{error.message} {error.hint}".strip())
        except Exception as error:
            self._end(task, "failed", f"The job failed by a fault of Probescope ({type(error).__name__}).")
            raise
        finally:
            task.over.set()

    def _end(self, task: Task, state: str, message: str | None) -> None:
        changes: dict[str, Any] = {"state": state, "message": message, "ended": time.time()}
        try:
            task.update(save=True, phase="over", current=None, **changes)
        except StorageFull as error:
            # The catalogue cannot keep it; whoever asks is told all the same.
            task.job = replace(task.job, state="failed", message=error.message, ended=time.time())

    def save(self, task: Task) -> None:
        self._catalogue.put_job(task.job, task.owner, task.spec)

    def job(self, job_id: str) -> Job:
        """Raises NotFound."""
        with self._lock:
            task = self._tasks.get(job_id)
        if task is not None:
            return task.job
        for job, _, _ in self._catalogue.jobs():
            if job.id == job_id:
                return job
        raise NotFound(f"There is no job {job_id}.", "See /jobs for those there are.")

    def jobs(self, limit: int) -> tuple[Job, ...]:
        """The latest first."""
        found = {job.id: job for job, _, _ in self._catalogue.jobs()}
        with self._lock:
            found |= {task.job.id: task.job for task in self._tasks.values()}
        return tuple(sorted(found.values(), key=lambda job: -job.started)[:limit])

    def cancel(self, job_id: str) -> Job:
        """Stops it after the files that are being read; does nothing to one that is over."""
        job = self.job(job_id)
        with self._lock:
            task = self._tasks.get(job_id)
        if task is not None and job.state not in _OVER:
            task.cancel()
            task.over.wait(0.2)
        return self.job(job_id)

    def wait(self, job_id: str, seconds: float | None) -> Job:
        with self._lock:
            task = self._tasks.get(job_id)
        if task is not None:
            task.over.wait(seconds)
        return self.job(job_id)

    def close(self) -> None:
        """Ends after the files that are being read; what is left is resumed at the next start."""
        self.closing.set()
        self._pool.shutdown(wait=True, cancel_futures=True)


def _verdict(job: Job) -> tuple[str, str | None]:
    bad = [result for result in job.results if result["id"] is None]
    if job.total == 0 and not bad:
        return "failed", "There is no ELF file."
    if bad and len(bad) >= job.done:
        return "failed", f"{bad[0]['message']} {bad[0]['hint']}".strip()
    if bad or any(result["state"] != "ok" for result in job.results):
        return "partial", f"{len(bad):,} of {job.done:,} files could not be read." if bad else None
    return "done", None
