"""The box around the readers: who they are, what they cannot do, what happens when they fail."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.config import Settings
from app.index.reader import Kind, Outcome, Source
from app.index.readers import Readers
from tests.index.conftest import children

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="asks for root")


@pytest.fixture
def readers(settings: Settings) -> Iterator[Readers]:
    made = Readers(settings)
    made.start()
    yield made
    made.close()


def read(readers: Readers, path: str | Path, owner: str = "") -> Outcome:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return readers.read(Source(descriptor, os.fstat(descriptor).st_size), Kind(owner))
    finally:
        os.close(descriptor)


def test_a_file_becomes_columns(readers: Readers) -> None:
    outcome = read(readers, "/bin/bash")
    assert outcome.problem is None
    assert outcome.meta is not None
    assert outcome.meta["counts"]["symbols"] > 2000
    assert outcome.pack.path.stat().st_mode & 0o777 == 0o600


@as_root
def test_a_reader_is_nobody_without_network_and_rights(readers: Readers) -> None:
    read(readers, "/bin/bash")
    (pid,) = children()
    status = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line
    )
    assert status["Uid"].split() == ["65534"] * 4
    assert status["Gid"].split() == ["65534"] * 4
    assert status["Groups"].strip() == ""
    assert status["NoNewPrivs"] == "1"
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0
    mine = Path("/proc/self/ns/net").readlink()
    # In a container that allows no namespaces the network stays, and only that.
    if subprocess.run(["unshare", "--net", "true"], capture_output=True).returncode == 0:
        assert Path(f"/proc/{pid}/ns/net").readlink() != mine
    limits = Path(f"/proc/{pid}/limits").read_text()
    for name in ("Max address space", "Max cpu time", "Max file size", "Max core file size"):
        line = next(entry for entry in limits.splitlines() if entry.startswith(name))
        assert "unlimited" not in line


@as_root
def test_threads_are_in_the_box_and_no_more_can_be_started(settings: Settings) -> None:
    readers = Readers(replace(settings, reader_threads=3))
    readers.start()
    read(readers, "/bin/bash")
    (pid,) = children()
    for task in Path(f"/proc/{pid}/task").iterdir():
        status = (task / "status").read_text()
        assert "\nUid:\t65534\t65534\t65534\t65534\n" in status
        assert "\nNoNewPrivs:\t1\n" in status
        assert os.getpriority(os.PRIO_PROCESS, int(task.name)) == os.getpriority(os.PRIO_PROCESS, pid)
        assert (task / "ns" / "net").readlink() == Path(f"/proc/{pid}/ns/net").readlink()
    (limit,) = [
        line for line in Path(f"/proc/{pid}/limits").read_text().splitlines() if "Max processes" in line
    ]
    assert limit.split()[2:4] == ["0", "0"]
    readers.close()


@as_root
def test_a_file_that_was_read_is_let_go(readers: Readers, tmp_path: Path) -> None:
    """After its answer, for which nobody waits until a large one is unmapped."""
    program = tmp_path / "bash"
    program.write_bytes(Path("/bin/bash").read_bytes())
    assert read(readers, program).problem is None
    (pid,) = children()
    deadline = time.monotonic() + 20
    while str(program) in Path(f"/proc/{pid}/maps").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_readers_stay_and_serve_no_two_uploaders(readers: Readers) -> None:
    read(readers, "/bin/bash")
    first = children()
    read(readers, "/bin/ls")
    assert children() == first
    read(readers, "/bin/bash", "somebody")
    others = children() - first
    assert len(others) == 1
    # Those of several uploaders stay for a while, each for its own.
    read(readers, "/bin/ls", "somebody")
    assert children() == first | others
    for owner in ("one", "two", "three", "four"):
        read(readers, "/bin/ls", owner)
    assert children().isdisjoint(first | others)


def test_a_reader_is_replaced_after_its_files(settings: Settings) -> None:
    readers = Readers(replace(settings, reader_files=2))
    readers.start()
    read(readers, "/bin/ls")
    first = children()
    read(readers, "/bin/ls")
    read(readers, "/bin/ls")
    assert children().isdisjoint(first)
    readers.close()


def test_one_killed_while_it_was_idle_harms_no_file(readers: Readers) -> None:
    read(readers, "/bin/ls")
    for pid in children():
        os.kill(pid, signal.SIGKILL)
    assert read(readers, "/bin/bash").problem is None


def largest_library() -> Path:
    return max(
        (path for path in Path("/usr/lib").glob("*-linux-gnu/*.so*") if path.is_file()),
        key=lambda path: path.stat().st_size,
    )


def test_memory_has_a_ceiling(settings: Settings) -> None:
    largest = largest_library()
    readers = Readers(replace(settings, reader_memory=(200 << 20)))
    readers.start()
    outcome = read(readers, largest)
    readers.close()
    # Mapping the file alone may be over it; then the reader says so, too.
    if largest.stat().st_size > 50 << 20:
        assert outcome.problem is not None
        assert outcome.problem.code in {"memory", "output"}


def test_time_has_a_ceiling(settings: Settings) -> None:
    readers = Readers(replace(settings, reader_wall=0.001))
    readers.start()
    outcome = read(readers, largest_library())
    readers.close()
    assert outcome.problem is not None
    assert outcome.problem.code == "time"


def test_output_has_a_ceiling(settings: Settings) -> None:
    readers = Readers(replace(settings, reader_output=4096))
    readers.start()
    outcome = read(readers, "/usr/bin/bash")
    readers.close()
    assert outcome.problem is not None
    assert outcome.problem.code == "output"
    outcome.done()
    assert list((settings.data / "scratch").iterdir()) == []


def test_a_file_that_is_cut_while_it_is_read(readers: Readers, tmp_path: Path) -> None:
    path = tmp_path / "cut"
    path.write_bytes(Path("/bin/bash").read_bytes())
    descriptor = os.open(path, os.O_RDONLY)
    os.truncate(path, 5000)
    outcome = readers.read(Source(descriptor, 5000))
    os.close(descriptor)
    assert outcome.meta is not None
    assert outcome.meta["state"] == "partial"
