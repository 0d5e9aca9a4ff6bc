"""The next process of a name: waited for, traced from its start, until it ends."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from app import config
from app.errors import BadInput
from app.index.service import Index
from app.trace.model import ScriptRequest, Session
from app.trace.session import Sessions
from tests.support.programs import compile_c
from tests.trace.catalogues import Fake, binary, function
from tests.trace.test_session import SOURCE, opened, pytestmark, request, run, running, until, views  # noqa: F401


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_c(tmp_path_factory.mktemp("awaited"), SOURCE, "awaited-one")


@pytest.fixture(scope="module")
def index(program: Path) -> Fake:
    return Fake(binary(str(program)), [function("work", (("a", "int"),), returns="int")])


async def came(sessions: Sessions, id: str) -> Session:
    for _ in range(400):
        if (found := sessions.get(id)).pid is not None:
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(sessions.get(id))


def test_the_next_one_is_traced_and_those_before_are_not(program: Path, index: Fake, tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path, index) as sessions:
            with running(program) as earlier:
                asked = request(program, "count", "work", wait_for=f"/usr/bin/{program.name}", duration=60)
                session = await sessions.create(asked, "a")
                session = await until(sessions, session.id, "running")
                assert (session.wait_for, session.pid) == ("awaited-one", None)
                assert 'comm == "awaited-one"' in session.script
                assert f"pid != {earlier.process.pid}" in session.script
                earlier.call("w", 5)
                with running(program) as later:
                    later.call("w", 3)
                    session = await came(sessions, session.id)
                    assert session.pid == later.process.pid
                    assert session.state == "running"
                session = await sessions.wait(session.id, 60)
                assert (session.code, session.reason) == ("target_gone", f"Process {session.pid} ended.")
            assert views(sessions, session.id)["@calls"].total == 3

    run(work)


def test_waiting_is_stopped_and_has_its_deadline(program: Path, index: Fake, tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path, index) as sessions:
            asked = request(program, "count", "work", wait_for="awaited-one", duration=60)
            stopped = await sessions.create(asked, "a")
            await until(sessions, stopped.id, "running")
            await sessions.stop(stopped.id)
            stopped = await sessions.wait(stopped.id, 60)
            assert (stopped.state, stopped.code, stopped.pid) == ("ended", "stopped", None)
            late = await sessions.create(
                request(program, "count", "work", wait_for="no-such", duration=0.5), "a"
            )
            late = await sessions.wait(late.id, 60)
            assert (late.state, late.code) == ("ended", "nothing_came")
            assert late.reason == "No process named no-such was seen in 0.5 s."

    run(work)


def test_the_time_of_tracing_begins_when_it_has_come(program: Path, index: Fake, tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path, index) as sessions:
            asked = request(program, "count", "work", wait_for="awaited-one", duration=2)
            session = await sessions.create(asked, "a")
            await until(sessions, session.id, "running")
            await asyncio.sleep(1.5)
            with running(program):
                await came(sessions, session.id)
                began = time.monotonic()
                session = await sessions.wait(session.id, 60)
                assert time.monotonic() - began >= 1.9
            assert session.code == "deadline"

    run(work)


def test_the_stacks_of_one_that_lives_shortly_have_names(program: Path, tmp_path: Path) -> None:
    stripped = tmp_path / program.name
    shutil.copy(program, stripped)
    debug = tmp_path / f"{program.name}.debug"
    subprocess.run(["objcopy", "--only-keep-debug", stripped, debug], check=True)
    subprocess.run(["strip", stripped], check=True)
    subprocess.run(["objcopy", f"--add-gnu-debuglink={debug}", stripped], check=True)
    data = tmp_path / "data"
    real = Index(replace(config.load({}), data=data))
    real.start(serving=False)

    async def work() -> None:
        async with opened(data, real) as sessions:
            asked = request(stripped, "stacks", "work", wait_for=stripped.name, duration=60)
            session = await sessions.create(asked, "a")
            await until(sessions, session.id, "running")
            with running(stripped) as target:
                target.call("w", 3)
                await came(sessions, session.id)
            session = await sessions.wait(session.id, 60)
            (row,) = views(sessions, session.id)["@stacks"].rows
            assert row.value == 3
            assert row.key is not None and "work" in row.key and "main" in row.key, row.key

    try:
        run(work)
    finally:
        real.close()


def test_what_cannot_be_waited_for_is_refused(program: Path, index: Fake, tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path, index) as sessions:
            with running(program) as target:
                pid = target.process.pid
                for more in (
                    {"pid": pid},
                    {"options": {"comm": "x"}},
                    {"options": {"pids": [pid]}},
                    {"options": {"tid": pid}},
                ):
                    with pytest.raises(BadInput, match="is none that runs already"):
                        await sessions.create(request(program, "count", "work", wait_for="x", **more), "a")
            for name in ("/", "a\nb"):
                with pytest.raises(BadInput):
                    await sessions.create(request(program, "count", "work", wait_for=name), "a")
            own = ScriptRequest(script="interval:s:9 { exit(); }", wait_for="no-such", duration=0.5)
            session = await sessions.create(own, "a")
            assert "does not look at comm" in session.warnings[0]
            assert (await sessions.wait(session.id, 60)).code == "nothing_came"

    run(work)
