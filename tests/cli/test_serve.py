"""``serve`` as a person starts it: the URL that it prints works; what hinders the start is one line."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.support.server import running

ROOT = Path(__file__).resolve().parents[2]


def test_it_prints_a_url_that_signs_in_and_stops_in_order(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PROBESCOPE_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "app", "serve", "--port", "0", "--data", str(tmp_path / "data")],
        cwd=ROOT, env={**environment, "SSH_CONNECTION": "1 2 3 4"}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.fullmatch(r"Probescope is at (http://127\.0\.0\.1:(\d+)/\?token=[\w-]{40,})\n", line)
        assert found, line
        assert process.stdout.readline().startswith(
            f"From your own machine: ssh -L {found[2]}:127.0.0.1:{found[2]} "
        )
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        # The URL is printed once it can be asked.
        with opener.open(found[1], timeout=60) as answer:
            assert answer.status == 200
            assert "token=" not in answer.geturl()
    finally:
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert said == ""
    assert process.returncode in {0, -signal.SIGTERM}


def test_a_port_in_use_says_so(run: Run, own_data: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        complaint = run("serve", "--port", str(port)).complaint
    assert f"Port {port} on 127.0.0.1 cannot be used: Address already in use." in complaint
    assert "--port" in complaint


def test_an_address_that_is_not_ours(run: Run, own_data: Path) -> None:
    assert "192.0.2.1 cannot be used" in run("serve", "--host", "192.0.2.1", "--port", "0").complaint


def test_a_public_url_that_is_none(run: Run, own_data: Path) -> None:
    assert "'debug-host' is not one" in run("serve", "--port", "0", "--public-url", "debug-host").complaint


def test_a_data_directory_that_cannot_be_made(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    complaint = run("serve", "--port", "0", "--data", tmp_path / "file" / "data").complaint
    assert "cannot be made" in complaint


def test_a_data_directory_that_cannot_be_used(run: Run, own_data: Path) -> None:
    own_data.mkdir()
    (own_data / "columns").write_text("in the way")
    assert str(own_data) in run("serve", "--port", "0").complaint


def test_data_that_another_server_uses(run: Run, tmp_path: Path) -> None:
    with running(tmp_path) as server:
        job = server.client.post("/api/v1/index", json={"paths": ["/usr/lib"]}).json()["job"]
        complaint = run("serve", "--port", "0", "--data", tmp_path).complaint
        assert complaint.startswith(f"Another server uses {tmp_path}.")
        assert "--data" in complaint
        # Its jobs went on meanwhile.
        assert server.client.delete(f"/api/v1/jobs/{job}").json()["state"] == "cancelled"


@pytest.mark.parametrize("variable", ["PROBESCOPE_PORT", "PROBESCOPE_READ_ONLY"])
def test_a_setting_that_cannot_be_understood(
    run: Run, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "nonsense")
    assert run("serve").complaint.startswith(f"{variable} is 'nonsense'")
