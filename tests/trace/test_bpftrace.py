"""A real bpftrace: what it can do, what it compiles, and that it never outlives who started it."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from app import config
from app.errors import BadInput, TracingUnavailable
from app.host.processes import all_pids, read_stat
from app.trace.bpftrace import Bpftrace
from tests.support.programs import compile_c

NEEDS_BPFTRACE = pytest.mark.skipif(
    shutil.which("bpftrace") is None or os.geteuid() != 0, reason="needs bpftrace and root"
)
SETTINGS = config.load({})
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def bpftrace() -> Bpftrace:
    return Bpftrace(SETTINGS)


@NEEDS_BPFTRACE
def test_capabilities_say_the_version(bpftrace: Bpftrace) -> None:
    able = bpftrace.capabilities()
    assert able.available
    assert able.version is not None
    assert able.version >= (0, 17, 0)
    assert able.version_text.startswith("bpftrace v")
    assert able.as_dict()["problem"] is None
    assert bpftrace.capabilities() is able


@pytest.mark.parametrize("name", ["no-such-bpftrace", "/nonexistent/bpftrace", "true", "/etc/passwd"])
def test_what_is_no_bpftrace_is_told(name: str) -> None:
    able = Bpftrace(replace(SETTINGS, bpftrace=name)).capabilities()
    assert not able.available
    assert able.problem
    assert able.hint
    with pytest.raises(TracingUnavailable):
        Bpftrace(replace(SETTINGS, bpftrace=name)).listing("uprobe:/bin/bash:main")


@NEEDS_BPFTRACE
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_scripts_are_checked_in_place(bpftrace: Bpftrace, loop: str) -> None:
    async def run() -> None:
        assert await bpftrace.check("BEGIN { exit(); }") == ()
        (found,) = await bpftrace.check('BEGIN {\n  printf("%d\\n", nothing());\n}\n')
        assert (found.line, found.severity) == (2, "error")
        assert "nothing" in found.message
        (refused,) = await bpftrace.check('BEGIN { cat("/etc/passwd"); }')
        assert refused.message.startswith("cat is not allowed")

    factory = None
    if loop == "uvloop":
        factory = pytest.importorskip("uvloop").new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(run())


@NEEDS_BPFTRACE
def test_no_check_shows_a_file(bpftrace: Bpftrace, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    canary.write_text("canary_7c1f yellow_bird\n")
    scripts = [
        f'#include "{canary}"\nBEGIN {{ exit(); }}',
        f'struct a {{\n%:include "{canary}"\n int x; }};\nBEGIN {{ exit(); }}',
        f'BEGIN {{ cat("{canary}"); exit(); }}',
        f"struct a {{ canary x; }}; uprobe:{canary}:f {{ exit(); }}",
    ]

    async def run() -> None:
        for script in scripts:
            found = await bpftrace.check(script)
            assert found
            assert "yellow_bird" not in repr(found)

    asyncio.run(run())


@NEEDS_BPFTRACE
def test_listing_is_what_bpftrace_lists(bpftrace: Bpftrace, tmp_path: Path) -> None:
    program = compile_c(tmp_path, "int work(void) { return 0; } int main(void) { return work(); }")
    assert bpftrace.listing(f'uprobe:"{program}":w*') == [f"uprobe:{program}:work"]
    for pattern in ("-h", "a\nb"):
        with pytest.raises(BadInput):
            bpftrace.listing(pattern)


@NEEDS_BPFTRACE
def test_a_child_gives_its_lines_and_says_when_it_is_attached(bpftrace: Bpftrace) -> None:
    async def run() -> None:
        child = await bpftrace.spawn('BEGIN { printf("hello\\n"); } interval:ms:50 { exit(); }')
        lines = [line async for batch in child.batches() for line in batch]
        assert await child.wait() == 0
        assert child.attached.is_set()
        assert child.starttime > 0
        assert b'{"type": "printf", "data": "hello\\n"}' in lines
        assert "NOTIFY" not in child.stderr
        child.send(signal.SIGTERM)

    asyncio.run(run())


@NEEDS_BPFTRACE
def test_files_stay_unread_even_past_the_policy(bpftrace: Bpftrace) -> None:
    async def run() -> None:
        child = await bpftrace.spawn('BEGIN { cat("/etc/passwd"); exit(); }')
        lines = [line async for batch in child.batches() for line in batch]
        await child.wait()
        assert b"root:" not in b"".join(lines)

    asyncio.run(run())


@NEEDS_BPFTRACE
def test_bpftrace_dies_with_a_killed_server() -> None:
    code = (
        "import asyncio, sys\n"
        "from app import config\n"
        "from app.trace.bpftrace import Bpftrace\n"
        "async def main():\n"
        "    child = await Bpftrace(config.load({})).spawn('interval:s:100 { exit(); }')\n"
        "    print(child.pid, flush=True)\n"
        "    await asyncio.sleep(float(sys.argv[1]))\n"
        "    print('on', flush=True)\n"
        "    await asyncio.sleep(100)\n"
        "asyncio.run(main())\n"
    )
    for seconds in ("0", "0.02", "0.3"):
        server = subprocess.Popen(
            [sys.executable, "-c", code, seconds],
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env=config.child_environment(PYTHONPATH=str(ROOT)),
        )
        assert server.stdout is not None
        with server.stdout:
            pid = int(server.stdout.readline())
            server.stdout.readline()
            server.send_signal(signal.SIGKILL)
            server.wait()
        for _ in range(100):
            stat = read_stat(pid)
            if stat is None or stat.over or pid not in all_pids():
                break
            time.sleep(0.05)
        else:
            raise AssertionError(f"bpftrace {pid} lives on")
