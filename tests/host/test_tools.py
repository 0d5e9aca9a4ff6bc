"""Children: tools whose output is taken, and a person's command that is held until it is let go."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from app.errors import NotFound
from app.host.tools import Held, run


def finish(held: Held) -> int | None:
    os.waitid(os.P_PID, held.pid, os.WEXITED | os.WNOWAIT)
    return held.code


def test_a_tools_output_is_taken() -> None:
    output = run(["sh", "-c", "echo out; echo err >&2; exit 3"], timeout=10)
    assert (output.code, output.stdout, output.stderr) == (3, "out\n", "err\n")


def test_a_missing_or_endless_tool_is_an_answer() -> None:
    assert run(["no-such-tool"], timeout=1).code is None
    assert "more than 0.1 s" in run(["sleep", "60"], timeout=0.1).stderr


def test_a_held_command_has_its_pid_before_its_first_instruction(tmp_path: Path) -> None:
    seen = tmp_path / "pid"
    held = Held(["sh", "-c", f"echo $$ > {seen}; exit 7"])
    try:
        assert held.code is None
        assert not seen.exists()
        held.let_go()
        held.let_go()
        assert finish(held) == 7
        assert int(seen.read_text()) == held.pid
    finally:
        held.close()


def test_a_held_command_that_is_closed_never_runs(tmp_path: Path) -> None:
    seen = tmp_path / "ran"
    held = Held(["touch", str(seen)])
    held.close()
    assert held.code is not None
    assert not seen.exists()


def test_closing_ends_what_runs() -> None:
    held = Held(["sleep", "60"])
    held.let_go()
    held.close()
    assert held.code in {-signal.SIGTERM, 125}


def test_a_held_command_keeps_the_persons_environment_and_signals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_PERSONS_OWN", "kept")
    seen = tmp_path / "seen"
    held = Held(["sh", "-c", f'echo "$A_PERSONS_OWN" > {seen}; grep SigIgn /proc/$$/status >> {seen}'])
    held.let_go()
    try:
        finish(held)
    finally:
        held.close()
    value, ignored = seen.read_text().splitlines()
    assert value == "kept"
    assert int(ignored.split()[1], 16) & 1 << (signal.SIGPIPE - 1) == 0


def test_there_is_no_such_program() -> None:
    with pytest.raises(NotFound, match="no program no-such-program"):
        Held(["no-such-program"])


def test_a_program_that_cannot_be_executed_says_so(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    program = tmp_path / "broken"
    program.write_bytes(b"\x7fELF")
    program.chmod(0o755)
    held = Held([str(program)])
    held.let_go()
    try:
        assert finish(held) == 1
    finally:
        held.close()
    assert capfd.readouterr().err.splitlines() == [f"{program}: Exec format error"]


def test_a_held_command_dies_with_its_maker(tmp_path: Path) -> None:
    seen = tmp_path / "ran"
    maker = textwrap.dedent(f"""
        import os, signal
        from app.host.tools import Held
        held = Held(["touch", {str(seen)!r}])
        print(held.pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    # The held command keeps its maker's stdout: reading to the end waits until it is gone too.
    done = subprocess.run([sys.executable, "-c", maker], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL
    assert int(done.stdout) > 0
    assert not seen.exists()
