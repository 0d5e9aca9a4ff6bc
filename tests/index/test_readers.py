"""Streams of files through several readers: every file answered once, whatever becomes of the readers."""

from __future__ import annotations

import mmap
import os
import shutil
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from app.config import Settings
from app.index import reader_process
from app.index import readers as readers_module
from app.index.reader import Kind, Reader, Source
from app.index.readers import Readers
from tests.index.conftest import children

PROGRAMS = sorted(
    (path for path in Path("/usr/bin").iterdir() if path.is_file() and not path.is_symlink()),
    key=lambda path: (-path.stat().st_size, path.name),
)[:120]


@pytest.fixture
def readers(settings: Settings) -> Iterator[Readers]:
    made = Readers(settings)
    made.start()
    yield made
    made.close()


@pytest.fixture
def sources() -> Iterator[list[Source]]:
    with ExitStack() as stack:
        files = [stack.enter_context(path.open("rb")) for path in PROGRAMS]
        yield [Source(file.fileno(), os.fstat(file.fileno()).st_size, tag=file.name) for file in files]


def test_every_file_is_answered_once(readers: Readers, sources: list[Source]) -> None:
    answered = []
    for source, outcome in readers.stream(sources, Kind(), 2):
        answered.append(source.tag)
        if outcome.meta is not None:
            assert outcome.pack.path.stat().st_size >= sum(outcome.place)
        outcome.done()
    assert sorted(answered) == sorted(source.tag for source in sources)
    assert len(children()) == 2
    assert list(readers.scratch.iterdir()) == []


def test_answers_about_many_small_files_are_gathered(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is woken for each of them spends as much on that as on all else."""
    made = Readers(settings)
    made.start()
    woken = []
    heard = readers_module._with_news

    def counted(readers: Sequence[Reader]) -> list[Reader]:
        woken.append(1)
        return heard(readers)

    monkeypatch.setattr(readers_module, "_with_news", counted)
    monkeypatch.setattr(readers_module, "_GATHER_SECONDS", 0.05)
    with ExitStack() as stack:
        stack.callback(made.close)
        file = stack.enter_context(Path("/bin/true").open("rb"))
        size = os.fstat(file.fileno()).st_size
        for _, outcome in made.stream([Source(file.fileno(), size) for _ in range(144)], Kind(), 1):
            outcome.done()
    assert len(woken) < 72


def test_a_small_file_is_read_and_a_large_one_mapped(tmp_path: Path) -> None:
    for size, kind in ((0, bytes), (reader_process._SMALL, bytes), (reader_process._SMALL + 1, mmap.mmap)):
        (tmp_path / "file").write_bytes(os.urandom(size))
        with (tmp_path / "file").open("rb") as file:
            found = reader_process._opened(file.fileno())
            assert isinstance(found, kind)
            assert bytes(found) == (tmp_path / "file").read_bytes()


def test_readers_that_are_killed_cost_no_file_its_answer(readers: Readers, sources: list[Source]) -> None:
    answered = []
    for number, (source, outcome) in enumerate(readers.stream(sources, Kind(), 2)):
        answered.append(source.tag)
        # A new reader may have been killed over its first file; that is told of this file.
        assert outcome.problem is None or outcome.problem.code == "fault"
        outcome.done()
        if number in {5, 40}:
            for pid in children():
                os.kill(pid, signal.SIGKILL)
    assert sorted(answered) == sorted(source.tag for source in sources)
    assert list(readers.scratch.iterdir()) == []


def test_readers_are_replaced_within_a_stream(settings: Settings, sources: list[Source]) -> None:
    readers = Readers(replace(settings, reader_files=30))
    readers.start()
    seen = set()
    count = 0
    for _, outcome in readers.stream(sources, Kind(), 1):
        seen |= children()
        count += outcome.meta is not None
        outcome.done()
    assert count > 100
    assert len(seen) >= 3
    readers.close()


def test_a_stream_that_is_stopped_ends_its_readers(readers: Readers, sources: list[Source]) -> None:
    stop = threading.Event()
    count = 0
    for _ in readers.stream(sources, Kind(), 2, stop.is_set):
        count += 1
        if count == 3:
            stop.set()
    assert 3 <= count < len(sources)
    assert len(list(readers.scratch.iterdir())) <= count


def test_one_more_reads_for_who_waits_while_all_are_busy(readers: Readers, sources: list[Source]) -> None:
    stream = readers.stream(sources, Kind(low=True), 2)
    next(stream)
    with Path("/bin/true").open("rb") as file:
        outcome = readers.read(Source(file.fileno(), os.fstat(file.fileno()).st_size))
    assert outcome.meta is not None
    assert len(children()) == 3
    stream.close()


def test_two_streams_share_the_readers(settings: Settings, sources: list[Source]) -> None:
    readers = Readers(replace(settings, readers=2))
    readers.start()
    first = readers.stream(sources, Kind(), 2)
    second = readers.stream(list(sources), Kind(), 2)
    got: list[object] = []
    next(first)

    def other() -> None:
        got.extend(source.tag for source, _ in second)

    thread = threading.Thread(target=other)
    thread.start()
    mine = 1 + sum(1 for _ in first)
    thread.join()
    assert mine == len(got) == len(sources)
    readers.close()


def test_low_priority_is_a_lower_one(readers: Readers) -> None:
    with Path("/bin/true").open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        for kind, nice in ((Kind(), 5), (Kind(low=True), 10)):
            before = children()
            stream = readers.stream([Source(file.fileno(), size)], kind, 2)
            next(stream)
            (pid,) = children() - before
            assert os.getpriority(os.PRIO_PROCESS, pid) == min(19, os.getpriority(os.PRIO_PROCESS, 0) + nice)
            stream.close()


def test_a_large_file_and_many_small_ones(readers: Readers, tmp_path: Path) -> None:
    small = tmp_path / "small"
    shutil.copy("/bin/true", small)
    with ExitStack() as stack:
        files = [stack.enter_context(Path(path).open("rb")) for path in ["/bin/bash", *[str(small)] * 60]]
        sources = [Source(file.fileno(), os.fstat(file.fileno()).st_size) for file in files]
        assert sum(1 for _ in readers.stream(sources, Kind(), 2)) == 61
