"""Opening what a person named: links, roots, and names that are exchanged meanwhile."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from app.elf.tree import Watch
from app.errors import AppError, BadInput, Forbidden
from app.index.files import open_elf, resolve, walk


def test_links_are_resolved_and_stamps_tell_changes(tmp_path: Path) -> None:
    program, link = tmp_path / "program", tmp_path / "link"
    shutil.copy("/bin/true", program)
    link.symlink_to(program)
    with open_elf(str(link)) as file:
        assert file.path == str(program)
        assert file.unchanged()
        os.utime(program, (1, 1))
        assert not file.unchanged()


@pytest.mark.parametrize("path", ["", "relative", "./x", "~/x", "/with\0nul"])
def test_only_absolute_paths(path: str) -> None:
    with pytest.raises(BadInput):
        resolve(path)


def test_the_walk_gives_the_largest_first_and_each_inode_once(tmp_path: Path) -> None:
    for name, source in (("small", "/bin/true"), ("large", "/bin/bash"), ("middle", "/bin/ls")):
        shutil.copy(source, tmp_path / name)
    (tmp_path / "again").hardlink_to(tmp_path / "large")
    walked = walk([str(tmp_path)], (), 100, Watch())
    found = walked.found
    assert walked.problems == []
    assert [entry.size for entry in found] == sorted((entry.size for entry in found), reverse=True)
    assert len(found) == 3
    bounded = walk([str(tmp_path)], (), 2, Watch())
    assert len(bounded.found) == 2
    assert "first 2" in bounded.problems[0][1].message
    stopped = Watch()
    stopped.stop()
    assert walk([str(tmp_path)], (), 100, stopped).found == []


ESCAPES = [
    "../out/secret",
    "link/secret",
    "file-link",
    "../in/../out/secret",
    "./../out/secret",
    "deep/../../out/secret",
]


@pytest.mark.parametrize("escape", ESCAPES)
def test_roots_hold(tmp_path: Path, escape: str) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    (inside / "deep").mkdir(parents=True)
    outside.mkdir()
    shutil.copy("/bin/true", outside / "secret")
    shutil.copy("/bin/true", inside / "mine")
    (inside / "link").symlink_to(outside)
    (inside / "file-link").symlink_to(outside / "secret")
    with open_elf(str(inside / "mine"), (str(inside),)) as file:
        assert file.path == str(inside / "mine")
    with pytest.raises(Forbidden):
        open_elf(f"{inside}/{escape}", (str(inside),))
    with pytest.raises(Forbidden):
        open_elf("/proc/self/exe", (str(inside),))
    with pytest.raises(Forbidden):
        open_elf(f"/proc/self/root{outside}/secret", (str(inside),))
    walked = walk([str(outside)], (str(inside),), 10, Watch())
    assert walked.found == []
    assert isinstance(walked.problems[0][1], Forbidden)


def test_a_name_that_is_exchanged_meanwhile_does_not_escape(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    shutil.copy("/bin/true", inside / "real")
    shutil.copy("/bin/ls", outside / "name")
    secret = (outside / "name").stat().st_ino
    stop = threading.Event()

    def exchange() -> None:
        place = inside / "place"
        ways: tuple[Callable[[], None], ...] = (lambda: place.symlink_to(outside), place.mkdir)
        while not stop.is_set():
            for make in ways:
                make()
                place.unlink() if place.is_symlink() else place.rmdir()

    thread = threading.Thread(target=exchange)
    thread.start()
    try:
        for _ in range(3000):
            try:
                with open_elf(f"{inside}/place/name", (str(inside),)) as file:
                    assert os.fstat(file.descriptor).st_ino != secret
            except AppError:
                continue
    finally:
        stop.set()
        thread.join()


def test_the_executable_of_a_process_and_a_file_in_its_root() -> None:
    with open_elf("/proc/self/exe") as file:
        assert os.fstat(file.descriptor).st_ino == Path(sys.executable).stat().st_ino
    with subprocess.Popen(["sleep", "60"]) as child:
        with open_elf(f"/proc/{child.pid}/root/bin/bash") as file:
            assert os.fstat(file.descriptor).st_ino == Path("/bin/bash").stat().st_ino
        child.kill()
