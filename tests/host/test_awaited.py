"""The next process of a name."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest

from app.host import awaited as module
from app.host.awaited import Awaited
from app.host.processes import alive, all_pids


def test_one_that_runs_already_is_not_meant(tmp_path: Path) -> None:
    program = shutil.copy("/bin/sleep", tmp_path / "a-name-of-more-than-fifteen")
    first = subprocess.Popen([program, "60"])
    second = None
    try:
        time.sleep(0.2)
        awaited = Awaited(str(program))
        assert awaited.others == (first.pid,)
        assert awaited.pid is None
        second = subprocess.Popen([program, "60"])
        time.sleep(0.2)
        assert awaited.pid == second.pid
        assert awaited.process is not None
        assert alive(*awaited.process)
        second.kill()
        second.wait()
        assert not alive(*awaited.process)
        assert awaited.pid == second.pid
    finally:
        for process in (first, second):
            if process is not None:
                process.kill()
                process.wait()


def test_a_process_that_becomes_the_program_later_is_met(tmp_path: Path) -> None:
    program = shutil.copy("/bin/sleep", tmp_path / "late-program")
    awaited = Awaited("late-program")
    shell = subprocess.Popen(["/bin/sh", "-c", f"sleep 1.6; exec {program} 60"])
    try:
        until = time.monotonic() + 10
        while awaited.pid is None:
            assert time.monotonic() < until
            time.sleep(0.02)
        assert awaited.pid == shell.pid
    finally:
        shell.kill()
        shell.wait()


def test_those_that_are_old_are_not_looked_at_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    awaited = Awaited("nothing-of-that-name")
    looked: list[int] = []
    monkeypatch.setattr(module, "read_stat", looked.append)
    assert awaited.process is None
    assert len(looked) >= len(all_pids()) - 2
    monkeypatch.setattr(module, "SETTLED_SECONDS", 0.0)
    looked.clear()
    assert awaited.process is None
    assert looked == []
