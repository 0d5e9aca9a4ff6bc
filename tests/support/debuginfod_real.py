"""Debian's own debuginfod, in a network namespace of its own: it would listen on every address."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

PORT = 8002
URL = f"http://127.0.0.1:{PORT}"
_WAIT_SECONDS = 60.0


@dataclass(frozen=True)
class Real:
    pid: int
    log: Path

    def run(self, *command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        """A command in its namespace."""
        return subprocess.run(
            ["nsenter", "-t", str(self.pid), "-n", *map(str, command)],
            capture_output=True,
            text=True,
            env={**os.environ, **environment},
        )

    def until_it_has(self, build_id: str) -> None:
        """It has looked through its directories."""
        ask = f"import urllib.request as r; r.urlopen('{URL}/buildid/{build_id}/debuginfo')"
        deadline = time.monotonic() + _WAIT_SECONDS
        while self.run("/usr/bin/python3", "-c", ask).returncode:
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.2)


@contextmanager
def real_debuginfod(place: Path, *directories: Path) -> Iterator[Real]:
    """Serves what lies in ``directories``; ``place`` is for its database."""
    script = 'ip link set lo up && exec "$@"'
    command = ["debuginfod", "-d", place / "db", "-p", str(PORT), "-t0", "-g0", "-F", *directories]
    log = place / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            ["unshare", "-n", "sh", "-c", script, "sh", *map(str, command)], stdout=output, stderr=output
        )
    try:
        time.sleep(0.2)
        if process.poll() is not None and "Operation not permitted" in log.read_text():
            pytest.skip("this machine allows no network namespaces")
        yield Real(process.pid, log)
    finally:
        process.terminate()
        process.wait()
