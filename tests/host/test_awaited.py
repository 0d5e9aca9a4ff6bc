"""The next process of a name."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

from app.host.awaited import Awaited


def test_one_that_runs_already_is_not_meant(tmp_path: Path) -> None:
    program = shutil.copy("/bin/sleep", tmp_path / "a-name-of-more-than-fifteen")
    first = subprocess.Popen([program, "60"])
    second = None
    try:
        time.sleep(0.2)
        awaited = Awaited(str(program))
        assert awaited.others == (first.pid,)
        assert awaited.pid is None
        assert not awaited.over
        second = subprocess.Popen([program, "60"])
        time.sleep(0.2)
        assert awaited.pid == second.pid
        assert not awaited.over
        second.kill()
        second.wait()
        assert awaited.over
        assert awaited.pid == second.pid
    finally:
        for process in (first, second):
            if process is not None:
                process.kill()
                process.wait()
