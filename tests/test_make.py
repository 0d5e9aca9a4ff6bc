"""The two commands: what they print, that second runs install nothing, and what they say without root."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
INSTALL = ROOT / "requirements" / "install-system"
NEEDS_VENV = pytest.mark.skipif(
    not (ROOT / ".venv" / ".test").exists(), reason="this environment was not made by make"
)


@NEEDS_VENV
def test_make_run_prints_a_url_and_serves(tmp_path: Path) -> None:
    process = subprocess.Popen(
        ["make", "run", f"SERVE_ARGS=--port 0 --data {tmp_path}"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    with process.stdout:
        line = next(line for line in process.stdout if "/?token=" in line)
        assert line.startswith("Probescope is at http://127.0.0.1:")
        os.killpg(process.pid, signal.SIGTERM)
        process.stdout.read()
    process.wait(60)


@NEEDS_VENV
@pytest.mark.parametrize("target", ["run", "test"])
def test_a_second_run_installs_no_package_again(target: str) -> None:
    planned = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "pip install" not in planned.stdout
    assert "install-system" in planned.stdout


def test_ci_is_make_test_and_nothing_else() -> None:
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    commands = [line for line in lines if line and not line.startswith(("#", "set ", "cd "))]
    assert commands in (["make test"], ["exec make test"])


def test_what_is_there_is_not_installed_again(tmp_path: Path) -> None:
    wanted = tmp_path / "packages.txt"
    wanted.write_text("bash\ncoreutils\n")
    done = subprocess.run([INSTALL, wanted], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_without_root_the_command_is_printed() -> None:
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as wanted:
        wanted.write("bash\nno-such-package\nnor-this\n")
        wanted.flush()
        Path(wanted.name).chmod(0o644)
        # As a text: the checkout may lie where others cannot read.
        command = ["sh", "-c", INSTALL.read_text(), "install-system", wanted.name]
        done = subprocess.run([*nobody, *command], capture_output=True, text=True, cwd="/")
    assert done.returncode == 3
    assert done.stderr.rstrip().endswith("run: sudo apt-get install -y no-such-package nor-this")
