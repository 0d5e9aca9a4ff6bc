"""A real server in a process of its own, on a free port, with a data directory of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

TOKEN = "test-token-0123456789abcdef"
ROOT = Path(__file__).resolve().parents[2]
STOP_SECONDS = 60
WAIT_SECONDS = 60.0
OVER = ("ended", "failed")


@dataclass(frozen=True)
class Server:
    """Where it listens, how to speak with it, and what it said."""

    url: str
    port: int
    pid: int
    data: Path
    client: httpx2.Client
    output: list[str]

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {TOKEN}"}

    def get(self, path: str, **params: Any) -> Any:
        answer = self.client.get(path, params=params)
        assert answer.status_code == 200, (path, answer.status_code, answer.text[:500])
        return answer.json()

    def until(self, session: str, *states: str) -> dict[str, Any]:
        """The session once it is in one of ``states``; fails when it gets into none of them in a minute."""
        deadline = time.monotonic() + WAIT_SECONDS
        while (found := self.get(f"/api/v1/sessions/{session}"))["state"] not in states:
            assert found["state"] not in OVER, found
            assert time.monotonic() < deadline, found
            time.sleep(0.05)
        return dict(found)

    def events(self, session: str) -> list[dict[str, Any]]:
        """What is kept of the session's log."""
        text = self.client.get(f"/api/v1/sessions/{session}/events").raise_for_status().text
        return [json.loads(line) for line in text.splitlines()]


@contextmanager
def running(
    data: Path, *arguments: str, wrapper: tuple[str, ...] = (), **environment: str
) -> Iterator[Server]:
    """Starts ``probescope serve``, waits until it says its URL, and stops it at the end.

    ``wrapper``: a command that becomes the server, such as ``unshare -U``.
    """
    env = {**os.environ, "PROBESCOPE_TOKEN": TOKEN, "PYTHONUNBUFFERED": "1", **environment}
    command = [*wrapper, sys.executable, "-m", "app", "serve", "--port", "0", "--data", str(data), *arguments]
    process = subprocess.Popen(
        command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    output: list[str] = []
    assert process.stdout is not None
    try:
        url = ""
        for line in process.stdout:
            output.append(line)
            if "/?token=" in line:
                url = line.split()[-1].partition("/?token=")[0]
                break
        assert url, f"the server did not start: {''.join(output)}"
        reader = threading.Thread(target=output.extend, args=(process.stdout,), daemon=True)
        reader.start()
        transport = httpx2.HTTPTransport(retries=50)
        with httpx2.Client(
            base_url=url, headers={"authorization": f"Bearer {TOKEN}"}, timeout=60, transport=transport
        ) as client:
            yield Server(url, int(url.rpartition(":")[2]), process.pid, data, client, output)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        finally:
            process.stdout.close()
