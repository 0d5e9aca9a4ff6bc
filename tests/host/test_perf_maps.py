"""Names that JIT compilers lay down: believed only from the process's own user, and read as they grow."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.host.model import Process
from app.host.perf_maps import PerfMap, perf_map
from app.host.processes import process


@pytest.fixture
def target() -> Iterator[Process]:
    child = subprocess.Popen(["sleep", "60"])
    yield process(child.pid)
    child.kill()
    child.wait()


@pytest.fixture
def file(target: Process) -> Iterator[Path]:
    path = Path("/tmp") / f"perf-{target.pid}.map"
    yield path
    path.unlink(missing_ok=True)


def names(found: PerfMap | None, *addresses: int) -> list[tuple[str, int] | None]:
    assert found is not None
    found.refresh()
    return [found.find(address) for address in addresses]


def test_code_by_address_as_the_file_grows(target: Process, file: Path) -> None:
    file.write_text("7f10 20 LazyCompile:*work app.js:3\n0x7f00 0x10 stub\nnonsense\n7f40 8 half")
    found = perf_map(target)
    assert names(found, 0x7F00, 0x7F0F, 0x7F2F, 0x7F30, 0x6000, 0x7F40) == [
        ("stub", 0),
        ("stub", 15),
        ("LazyCompile:*work app.js:3", 0x1F),
        None,
        None,
        None,
    ]
    with file.open("a") as more:
        more.write(" written\n7f00 10 replaced\n")
    assert names(found, 0x7F40, 0x7F00) == [("half written", 0), ("replaced", 0)]
    # Also when nothing leads to it any more.
    with file.open("a") as more:
        more.write("9000 10 late\n")
    file.unlink()
    assert names(found, 0x9000) == [("late", 0)]
    assert found is not None
    found.close()


def test_what_is_not_believed(target: Process, file: Path, tmp_path: Path) -> None:
    assert perf_map(target) is None
    mine = tmp_path / "mine"
    mine.write_text("7f00 10 name\n")
    file.symlink_to(mine)
    assert perf_map(target) is None
    file.unlink()
    os.mkfifo(file)
    assert perf_map(target) is None
    file.unlink()
    file.write_text("7f00 10 name\n")
    if os.geteuid() == 0:
        os.chown(file, 65534, 65534)
    assert perf_map(replace(target, uid=4242)) is None
    if os.geteuid() == 0:
        theirs = perf_map(replace(target, uid=65534))
        assert theirs is not None
        theirs.close()


@given(st.binary(max_size=200))
def test_nothing_is_refused(data: bytes) -> None:
    descriptor = os.memfd_create("names", os.MFD_CLOEXEC)
    os.write(descriptor, data + b"\n10 5 name\n")
    found = PerfMap(descriptor)
    found.refresh()
    assert found.find(0x12) is not None
    found.close()
