"""``script`` and ``trace`` with the bpftrace of this machine, on a program whose calls are known."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.cli.tracing import _Printer
from tests.cli.conftest import Run
from tests.cli.test_screen import Terminal
from tests.support.programs import compile_c
from tests.support.sessions import left
from tests.trace.conftest import no_bpftrace_stays  # noqa: F401 - used by every test here

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("bpftrace") is None, reason="asks for root and bpftrace"
)
ROOT = Path(__file__).resolve().parents[2]
SOURCE = """
#include <stdio.h>
#include <unistd.h>
__attribute__((noinline)) int work_on(int value) { return value + 1; }
int main(int count, char **arguments) {
    int sum = 0;
    for (int each = 0; each < 5; each++) sum += work_on(each);
    puts("the command's own line");
    fflush(stdout);
    while (count > 1) { sum += work_on(sum); usleep(20000); }
    return 3;
}
"""


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_c(tmp_path_factory.mktemp("programs"), SOURCE, "five calls")


@pytest.fixture
def probe(program: Path) -> str:
    return f'uprobe:"{program}":work_on'


@pytest.mark.parametrize(
    "recipe", ["count", "log", "latency", "heatmap", "top", "slower", "stacks", "offcpu", "tree"]
)
def test_a_recipes_script_is_taken_by_bpftrace(run: Run, probe: str, recipe: str) -> None:
    result = run("script", "--recipe", recipe, "--probe", probe, "--check")
    assert (result.code, result.err) == (0, "")
    assert probe in result.out


def test_a_script_as_an_object(run: Run, probe: str) -> None:
    (found,) = run("script", "--recipe", "count", "--probe", probe, "--pid", "1", "--check", "--json").objects
    assert {"script", "warnings", "expected_probes", "ok", "diagnostics"} <= set(found)
    assert found["ok"] is True
    assert "/pid == 1" in found["script"]


def test_more_probes_than_a_session_attaches(run: Run, tmp_path: Path) -> None:
    source = ROOT / "tests/runtime/programs/crowd.c"
    probe = f'uprobe:"{compile_c(tmp_path, source.read_text(), "crowd")}":crowd_*'
    script = run("script", "--recipe", "count", "--probe", probe, "--check")
    assert "This would attach 600 probes, and a session attaches at most 512." in script.complaint
    assert "crowd_*" in script.out
    (found,) = run("script", "--recipe", "count", "--probe", probe, "--json", "--check").objects
    assert found["ok"] is found["verdict"]["attachable"] is False
    assert found["verdict"]["reasons"][0]["code"] == "too_many_probes"
    began = time.monotonic()
    assert "This would attach 600" in run("trace", "--recipe", "count", "--probe", probe).complaint
    assert time.monotonic() - began < 10


def test_a_wrong_script_says_where(run: Run, tmp_path: Path) -> None:
    script = tmp_path / "wrong.bt"
    script.write_text("BEGIN { printf(1); }\n")
    result = run("script", "--script", script, "--check")
    assert result.code == 1
    assert result.err.startswith("probescope: 1:")
    (found,) = run("script", "--script", script, "--check", "--json").objects
    assert found["ok"] is False
    assert set(found["diagnostics"][0]) == {"line", "column", "end_column", "severity", "message"}


def test_a_script_that_cannot_be_read(run: Run, tmp_path: Path) -> None:
    assert "cannot be read" in run("script", "--script", tmp_path / "gone.bt").complaint
    (tmp_path / "bytes.bt").write_bytes(b"\xff\xfe")
    assert "no UTF-8" in run("script", "--script", tmp_path / "bytes.bt").complaint


def test_a_probe_that_is_none(run: Run, program: Path) -> None:
    assert run("script", "--recipe", "count", "--probe", "nonsense").complaint
    missing = run("script", "--recipe", "count", "--probe", f'uprobe:"{program}":no_such')
    assert "has no function no_such" in missing.err


def test_a_command_is_traced_from_its_first_instruction(run: Run, probe: str, program: Path) -> None:
    result = run("trace", "--recipe", "count", "--probe", probe, "--json", "--", program)
    assert result.code == 0
    events = result.objects
    assert [event["n"] for event in events] == list(range(1, len(events) + 1))
    assert all(set(event) >= {"n", "t", "type", "data"} for event in events)
    counts = [event["data"] for event in events if event["type"] == "map"]
    assert "5" in json.dumps(counts[-1])
    # With --json the command's own output must not come between the events.
    assert "the command's own line" in result.err
    assert "The command ended with exit code 3." in result.err


def test_options_are_given_as_text(run: Run, probe: str, program: Path) -> None:
    result = run("trace", "--recipe", "count", "--probe", probe, "-o", "where=value > 2", "--", program)
    assert (result.code, "work_on 2" in " ".join(result.out.split())) == (0, True)
    wrong = run("script", "--recipe", "count", "--probe", probe, "-o", "colour=red")
    assert "no option 'colour'" in wrong.complaint


def test_a_source_line_of_the_command(run: Run, program: Path) -> None:
    source = f"{program.name}.c:4"
    script = run("script", "--recipe", "count", "--line", source, "--file", program)
    assert (script.code, '@calls["five calls.c:4"]' in script.out) == (0, True)
    result = run("trace", "--recipe", "count", "--line", source, "--", program)
    assert "five calls.c:4 5" in " ".join(result.out.split())
    assert (
        "has no code of"
        in run("script", "--recipe", "count", "--line", "x.c:999", "--file", program).complaint
    )


def test_a_profile_takes_no_probe(run: Run) -> None:
    result = run("script", "--recipe", "profile", "--pid", str(os.getpid()), "--check")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(f"profile:hz:99 /pid == {os.getpid()}/")


def test_the_next_process_of_a_name_is_traced_from_its_start(
    probe: str, program: Path, tmp_path: Path
) -> None:
    earlier = subprocess.Popen([program, "on"], stdout=subprocess.DEVNULL)
    tracer = subprocess.Popen(
        [sys.executable, "-m", "app", "trace", "--json", "--recipe", "count", "--probe", probe,
         "--wait-for", "five calls"],
        cwd=ROOT, env={**os.environ, "PROBESCOPE_DATA": str(tmp_path / "data")}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert tracer.stderr is not None
        waiting = tracer.stderr.readline()
        assert "Waiting for a process named five calls to start" in waiting
        later = subprocess.Popen([program, "on"], stdout=subprocess.PIPE, text=True)
        assert later.stdout is not None
        later.stdout.readline()
        assert f"Process {later.pid} (five calls) started." in tracer.stderr.readline()
        later.kill()
        later.communicate()
        out, said = tracer.communicate(timeout=60)
        assert (tracer.returncode, said) == (0, "")
        (last,) = [json.loads(line)["data"] for line in out.splitlines() if '"map"' in line][-1:]
        assert last["@calls"]["work_on"] >= 5
    finally:
        for process in (tracer, earlier):
            process.kill()
            process.communicate()


def test_a_process_that_does_not_come_is_said(run: Run, probe: str) -> None:
    result = run(
        "trace", "--recipe", "count", "--probe", probe, "--wait-for", "no-such-one", "--duration", "0.5"
    )
    assert result.code == 0
    assert result.err.splitlines()[-1] == "probescope: No process named no-such-one was seen in 0.5 s."


def test_a_terminal_shows_how_many_probes_are_attached(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    printer = _Printer(as_json=False)
    starting = left(tmp_path, "s1", (), state="starting", expected_probes=300, attached_probes=None)
    seen = []
    changed: tuple[dict[str, Any], ...] = (
        {},
        {"attached_probes": 41},
        {"attached_probes": 300, "state": "running"},
        {"attached_probes": 300, "state": "stopping", "still_attached": 12},
        {"attached_probes": 300, "state": "ended"},
    )
    for changes in changed:
        printer.tell(replace(starting, **changes))
        seen.append([line for line in terminal.lines() if line])
    attached, detaching = "Attached 41 of 300 probes.", "Detaching: 12 of 300 probes are left."
    assert seen == [[], [attached], [], [detaching], []]
    pipe = io.StringIO()
    monkeypatch.setattr("sys.stdout", pipe)
    _Printer(as_json=False).tell(replace(starting, attached_probes=41))
    assert pipe.getvalue() == ""


def test_a_log_for_people(run: Run, probe: str, program: Path) -> None:
    result = run("trace", "--recipe", "log", "--probe", probe, "--", program)
    assert result.code == 0
    assert "the command's own line" in result.out
    assert sum("work_on" in line for line in result.out.splitlines()) >= 5


def test_a_latency_is_drawn(run: Run, probe: str, program: Path) -> None:
    result = run("trace", "--recipe", "latency", "--probe", probe, "--", program)
    assert result.code == 0
    assert any("|#" in line for line in result.out.splitlines())


def test_a_duration_ends_a_script_of_ones_own(run: Run, tmp_path: Path) -> None:
    script = tmp_path / "own.bt"
    script.write_text('BEGIN { printf("begun\\n"); @n = count(); }\n')
    result = run("trace", "--script", script, "--duration", "1")
    assert result.code == 0
    assert "begun" in result.out.splitlines()
    assert "@n: 1" in result.out.splitlines()


def test_a_failed_session_is_1(run: Run, tmp_path: Path) -> None:
    script = tmp_path / "wrong.bt"
    script.write_text('uprobe:"/no/such/file":main { printf("x\\n"); }\n')
    assert "/no/such/file" in run("trace", "--script", script).complaint


def test_a_function_that_is_not_there_fails_in_one_line(run: Run, program: Path) -> None:
    probe = f'uprobe:"{program}":no_such'
    complaint = run("trace", "--recipe", "count", "--probe", probe, "--duration", "5").complaint
    assert "no_such" in complaint
    assert "probescope functions" in complaint


def test_there_is_no_such_command(run: Run, probe: str) -> None:
    complaint = run("trace", "--recipe", "count", "--probe", probe, "--", "no-such-program").complaint
    assert "no program no-such-program" in complaint


def test_a_process_is_filtered_and_an_interrupt_ends_in_order(
    probe: str, program: Path, tmp_path: Path
) -> None:
    target, other = (subprocess.Popen([program, "on"], stdout=subprocess.DEVNULL) for _ in range(2))
    tracer = subprocess.Popen(
        [sys.executable, "-m", "app", "trace", "--json", "--recipe", "log", "--probe", probe,
         "--pid", str(target.pid)],
        cwd=ROOT, env={**os.environ, "PROBESCOPE_DATA": str(tmp_path / "data")}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert tracer.stdout is not None
        first = next(line for line in tracer.stdout if json.loads(line)["type"] == "printf")
        tracer.send_signal(signal.SIGINT)
        # Not communicate(), which knows nothing of what was read ahead with the first line.
        rest = tracer.stdout.read()
        _, said = tracer.communicate(timeout=60)
        events = [json.loads(line) for line in [first, *rest.splitlines()]]
        lines = [event["data"] for event in events if event["type"] == "printf"]
        assert all(line.endswith(f"{target.pid}]\n") for line in lines)
        assert [event["n"] for event in events[1:]] == list(range(events[1]["n"], events[-1]["n"] + 1))
        # A busy machine may lose lines at the end: the script's own count is the truth, and the rest is told.
        told = sum(event["data"]["events"] for event in events if event["type"] == "lost_events")
        counted = [event["data"]["@n"] for event in events if event["type"] == "map"][-1]
        lost = max(told, counted - len(lines))
        assert lost >= 0
        expected = f"probescope: {lost} events were lost in the kernel, 0 here.\n" if lost else ""
        assert (tracer.returncode, said) == (0, expected)
    finally:
        for process in (tracer, target, other):
            process.kill()
            process.communicate()
