"""A session whose process ends goes on with the next process of its name, in a session of its own."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from app.errors import BadInput
from app.trace.model import ScriptRequest, Session
from app.trace.session import Sessions
from tests.support.programs import compile_c
from tests.trace.catalogues import Fake, binary, function
from tests.trace.test_session import SOURCE, opened, request, run, running, until, views


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_c(tmp_path_factory.mktemp("followed"), SOURCE, "followed")


@pytest.fixture(scope="module")
def index(program: Path) -> Fake:
    return Fake(binary(str(program)), [function("work", (("a", "int"),), returns="int")])


async def successor(sessions: Sessions, id: str) -> Session:
    for _ in range(400):
        if (found := sessions.get(id).followed_by) is not None:
            return sessions.get(found)
        await asyncio.sleep(0.05)
    raise AssertionError(sessions.get(id))


def test_the_next_process_of_the_name_is_traced_for_the_time_that_is_left(
    program: Path, index: Fake, tmp_path: Path
) -> None:
    async def work() -> None:
        async with opened(tmp_path, index) as sessions:
            with running(program) as target:
                asked = request(program, "count", "work", pid=target.process.pid, follow=True, duration=50)
                first = await sessions.create(asked, "a")
                await until(sessions, first.id, "running")
                target.call("w", 10)
            first = await sessions.wait(first.id, 60)
            assert (first.code, first.follow) == ("target_gone", True)
            with running(program) as target:
                second = await successor(sessions, first.id)
                assert (second.pid, second.follows) == (target.process.pid, first.id)
                assert 0 < second.duration < 50
                await until(sessions, second.id, "running")
                target.call("w", 4)
                target.call("w", 3)
                await sessions.stop(second.id)
                second = await sessions.wait(second.id, 60)
            assert views(sessions, first.id)["@calls"].total == 10
            assert views(sessions, second.id)["@calls"].total == 7
            # It was stopped, so nothing comes after it.
            with running(program):
                await asyncio.sleep(0.5)
            assert sessions.get(second.id).followed_by is None
            assert sessions.get(first.id).followed_by == second.id

    run(work)


def test_a_session_that_is_not_to_follow_ends(program: Path, index: Fake, tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path, index) as sessions:
            with running(program) as target:
                alone = await sessions.create(request(program, "count", "work", pid=target.process.pid), "a")
                await until(sessions, alone.id, "running")
            await sessions.wait(alone.id, 60)
            with running(program):
                await asyncio.sleep(0.5)
            assert len(sessions.list()) == 1

    run(work)


def test_closing_ends_the_waiting(program: Path, index: Fake, tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path, index) as sessions:
            with running(program) as target:
                asked = request(program, "count", "work", pid=target.process.pid, follow=True)
                gone = await sessions.create(asked, "a")
                await until(sessions, gone.id, "running")
            await sessions.wait(gone.id, 60)

    run(work)


def test_only_a_recipe_over_one_process_can_follow_it(program: Path, index: Fake, tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path, index) as sessions:
            with pytest.raises(BadInput):
                await sessions.create(request(program, "count", "work", follow=True), "a")
            with running(program) as target, pytest.raises(BadInput):
                own = ScriptRequest(script="BEGIN {}", pid=target.process.pid, follow=True)
                await sessions.create(own, "a")

    run(work)
