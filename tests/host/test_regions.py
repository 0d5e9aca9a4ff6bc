"""What a process maps to execute, by address, each file told by its stamp."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.elf.tree import stamp_of
from app.errors import NotFound
from app.host.regions import MappedFile, Snapshot, running, snapshot


@contextmanager
def sleeping(program: Path) -> Iterator[int]:
    process = subprocess.Popen([program, "60"])
    try:
        # It sleeps once all is loaded.
        while "nanosleep" not in Path(f"/proc/{process.pid}/wchan").read_text():
            time.sleep(0.01)
        yield process.pid
    finally:
        process.kill()
        process.wait()


def running_of(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def file_of(found: Snapshot, path: Path) -> MappedFile:
    (file,) = {region.file for region in found.regions if region.file.path == str(path)}
    return file


@pytest.fixture
def program(tmp_path: Path) -> Path:
    return Path(shutil.copy("/bin/sleep", tmp_path / "sl eep"))


def test_an_address_leads_to_its_place_in_the_file(program: Path) -> None:
    with sleeping(program) as pid:
        found = snapshot(pid)
        lines = [line.split(None, 5) for line in Path(f"/proc/{pid}/maps").read_text().splitlines()]
    expected = [line for line in lines if "x" in line[1] and line[5:] and line[5].startswith("/")]
    assert len(found.regions) == len(expected) > 1
    for line in expected:
        start, end = (int(part, 16) for part in line[0].split("-"))
        offset = int(line[2], 16)
        assert found.find(start) == (file_of(found, Path(line[5])), offset)
        at = found.find(end - 1)
        assert at is not None
        assert at[1] == offset + end - 1 - start
        assert found.find(end) is None or found.find(end) != (at[0], at[1] + 1)
    own = file_of(found, program)
    assert own.stamp == stamp_of(program.stat())
    assert (own.host_path, own.deleted, own.fleeting) == (str(program), False, False)
    assert found.program == running_of(program)


def test_one_that_was_replaced_is_told_apart(program: Path) -> None:
    stamp = stamp_of(program.stat())
    with sleeping(program) as pid:
        program.unlink()
        shutil.copy("/bin/true", program)
        found = snapshot(pid)
        deleted = next(region.file for region in found.regions if region.file.path == str(program))
        assert (deleted.deleted, deleted.fleeting, deleted.stamp) == (True, True, stamp)
        assert stamp_of(Path(deleted.host_path).stat()) == stamp


def test_one_that_is_gone(program: Path) -> None:
    with sleeping(program) as pid:
        pass
    with pytest.raises(NotFound):
        snapshot(pid)
    assert running(pid) is None
