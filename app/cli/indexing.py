"""info and index: what needs no look into columns, and so none of the libraries that this takes."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from app.cli.catalogue import each_file, opened
from app.cli.output import note, put, put_json, shown, size
from app.config import Settings
from app.errors import NotFound
from app.index.indexing import Indexing
from app.index.records import Binary, Job

_POLL_SECONDS = 0.1
_LINE_SECONDS = 5.0  # between lines of progress where there is no terminal


def info(options: argparse.Namespace, settings: Settings) -> int:
    """``info FILE…``."""

    def one(_: Indexing, binary: Binary) -> None:
        if options.json:
            put_json(binary.as_dict())
            return
        put(shown(binary.path or binary.name))
        for name, value in _info_rows(binary):
            put(f"  {name:<15} {shown(value)}")

    with opened(Indexing, settings, child=options.child) as index:
        return each_file(options.files, index, one, hashed=True)


def index(options: argparse.Namespace, settings: Settings) -> int:
    """``index PATH…``, with progress; the answer is a line a file that failed, and a sum."""
    paths = [Path(path).absolute() for path in options.paths]

    with opened(Indexing, settings, keep=True, child=options.child) as opened_index:
        if options.unpacker is not None:
            opened_index.take_unpacker(options.unpacker)
        job = opened_index.add_paths([str(path) for path in paths], owner="command line")
        job = followed(opened_index, job)
    return _told(job, options.json)


def followed(index: Indexing, job: Job) -> Job:
    """A job until it is over, its progress on stderr; cancelled by Ctrl-C."""
    progress = _Progress()
    try:
        while job.ended is None:
            job = index.wait(job.id, _POLL_SECONDS)
            progress.show(job)
    except KeyboardInterrupt:
        index.cancel(job.id)
        raise
    finally:
        progress.wipe()
    return job


def _told(job: Job, as_json: bool) -> int:
    for result in job.results:
        if as_json:
            put_json(result)
        elif result["message"]:
            note(f"{result['path']}: {result['message']} {result['hint']}")
    if not as_json:
        seconds = (job.ended or job.started) - job.started
        known = f"{job.unchanged:,} of them unchanged, " if job.unchanged else ""
        put(f"{job.done:,} files, {known}{size(job.bytes_done)} in {seconds:.1f} s: {job.state}.")
    if job.state in {"failed", "cancelled"} or not job.done:
        raise NotFound(job.message or "No ELF file was found there.", "Give ELF files, or directories.")
    return 0


class _Progress:
    """One line that is written over on a terminal; elsewhere a line now and then."""

    def __init__(self) -> None:
        self._written_over = sys.stderr.isatty()
        self._last = time.monotonic()

    def show(self, job: Job) -> None:
        if self._written_over:
            text = shown(f"{progress(job)}  {job.current or ''}")[: _width()]
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()
        elif time.monotonic() - self._last > _LINE_SECONDS:
            self._last = time.monotonic()
            note(progress(job))

    def wipe(self) -> None:
        if self._written_over:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def progress(job: Job) -> str:
    """``reading 812 of 2,463 files, 1.2 GiB of 2.6 GiB, 640 files/s, 512.0 MiB/s, 3 s left``."""
    if job.total is None:
        return f"{job.phase} {job.seen:,} files"
    parts = [f"{job.phase} {job.done:,} of {job.total:,} files"]
    if job.bytes_total:
        parts.append(f"{size(job.bytes_done)} of {size(job.bytes_total)}")
    if job.files_per_second is not None and job.bytes_per_second is not None:
        parts.append(f"{job.files_per_second:,.0f} files/s, {size(job.bytes_per_second)}/s")
    if job.seconds_left is not None:
        parts.append(f"{job.seconds_left:.0f} s left")
    return ", ".join(parts)


def _width() -> int:
    import shutil

    return shutil.get_terminal_size().columns - 1


def _info_rows(binary: Binary) -> Iterator[tuple[str, str]]:
    yield "id", binary.id
    yield "build-id", binary.build_id or "none"
    if binary.sha256:
        yield "sha256", binary.sha256
    yield "size", f"{size(binary.size)} ({binary.size} bytes)"
    yield "type", f"{binary.type}, {binary.machine}, {binary.bits}-bit, {binary.endian}-endian"
    yield "stripped", "yes" if binary.stripped else "no"
    yield "language", binary.language or "not known"
    of = f" of {binary.interpreter_of}" if binary.interpreter_of else ""
    yield "runtime", binary.runtime + of
    has = [name for name, there in binary.debug.has.items() if there]
    where = f" at {binary.debug.path}" if binary.debug.path else ""
    yield "debug", f"{binary.debug.kind}{where}{': ' if has else ''}{', '.join(has)}"
    for name, count in binary.counts.items():
        yield name, str(count)
    if binary.needed:
        yield "needed", " ".join(binary.needed)
    if binary.frame_pointers is not None:
        yield "frame pointers", "yes" if binary.frame_pointers else "no"
    for problem in binary.problems:
        yield binary.state, problem.text


COMMANDS: dict[str, Callable[[argparse.Namespace, Settings], int]] = {"info": info, "index": index}
