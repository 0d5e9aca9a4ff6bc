"""Sessions on a real kernel: what is counted is what ran, and every end has its reason."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app import config
from app.errors import (
    AppError,
    BadInput,
    Busy,
    Conflict,
    Forbidden,
    NotFound,
    ScriptRefused,
    StorageFull,
    TooLarge,
)
from app.host.processes import all_pids, read_stat
from app.trace.bpftrace import Bpftrace
from app.trace.catalogue import Catalogue
from app.trace.model import Loss, ScriptRequest, Session
from app.trace.session import Sessions
from app.views.table import MapView, maps
from tests.support.programs import compile_c
from tests.trace.catalogues import Fake, binary, function, usdt

pytestmark = pytest.mark.skipif(
    shutil.which("bpftrace") is None or os.geteuid() != 0, reason="needs bpftrace and root"
)
ROOT = Path(__file__).resolve().parents[2]
# Waits for a line on its input, calls work() N times, prints how often, and waits again.
SOURCE = """
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#define SDT_USE_VARIADIC
#ifdef SEMAPHORE
#define _SDT_HAS_SEMAPHORES 1
#endif
#include <sys/sdt.h>
#ifdef SEMAPHORE
__extension__ unsigned short demo_hit_semaphore __attribute__((unused)) __attribute__((section(".probes")));
#endif
__attribute__((noinline)) int work(int a, const char *s) {
#ifdef SEMAPHORE
    if (demo_hit_semaphore)
#endif
    STAP_PROBE2(demo, hit, a, s);
    return a * 2;
}
__attribute__((noinline)) int nap(int us) { usleep(us); return us; }
__attribute__((noinline)) int down(int n) { usleep(1000); return n ? down(n - 1) + 1 : 0; }
int main(void) {
    char line[64];
    while (fgets(line, sizeof line, stdin)) {
        int n = atoi(line + 1), i;
        for (i = 0; i < n; i++) {
            if (line[0] == 'w') work(i, "hello");
            else if (line[0] == 'n') nap(2000);
            else down(2);
        }
        printf("%d %d\\n", n,
#ifdef SEMAPHORE
            demo_hit_semaphore
#else
            0
#endif
        );
        fflush(stdout);
    }
    return 0;
}
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_c(tmp_path_factory.mktemp("prog"), SOURCE, "demo")


@pytest.fixture(scope="module")
def index(program: Path) -> Fake:
    return Fake(
        binary(str(program)),
        [
            function("work", (("a", "int"), ("s", "const char *")), returns="int"),
            function("nap", (("us", "int"),), returns="int", key="2000", address=0x2000),
            function("down", (("n", "int"),), returns="int", key="3000", address=0x3000),
        ],
        [usdt("demo", "hit", (4, True), (8, False))],
    )


class Target:
    """The program, told what to do."""

    def __init__(self, path: Path) -> None:
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def call(self, what: str, times: int) -> int:
        """Lets it call; gives the semaphore as the program sees it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{what}{times}\n")
        self.process.stdin.flush()
        done, semaphore = self.process.stdout.readline().split()
        assert int(done) == times
        return int(semaphore)


@contextmanager
def running(path: Path) -> Iterator[Target]:
    target = Target(path)
    try:
        yield target
    finally:
        target.process.kill()
        target.process.communicate()


@asynccontextmanager
async def opened(data: Path, index: Catalogue | None = None, **changes: Any) -> AsyncIterator[Sessions]:
    settings = replace(config.load({}), **{"data": data, "free_disk": 0, **changes})
    sessions = Sessions(settings, Bpftrace(settings), index)
    await sessions.start()
    try:
        yield sessions
    finally:
        await sessions.close()


async def until(sessions: Sessions, id: str, *states: str) -> Session:
    for _ in range(400):
        session = sessions.get(id)
        if session.state in states:
            return session
        await sessions.changed(id, session.last, 0.2)
        await asyncio.sleep(0.02)
    raise AssertionError(session)


def events(sessions: Sessions, id: str, start: int = 1) -> list[dict[str, Any]]:
    return [json.loads(line) for line in sessions.read(id, start, 1_000_000)]


def views(sessions: Sessions, id: str) -> dict[str, MapView]:
    return maps(events(sessions, id))


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await work()
        # What a session started must have ended with it.
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left

    asyncio.run(main(), debug=False)


def request(program: Path, recipe: str, probe: str, **more: Any) -> ScriptRequest:
    kind, _, name = probe.rpartition("|")
    return ScriptRequest(recipe, (f'{kind or "uprobe"}:"{program}":{name}',), **more)


def test_who_asks_for_changes_leaves_others_their_turn(program: Path, index: Fake, tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path, index) as sessions:
            session = await sessions.create(request(program, "count", "work"), "admin")
            turns = 0

            async def others() -> None:
                nonlocal turns
                while True:
                    await asyncio.sleep(0)
                    turns += 1

            other = asyncio.create_task(others())
            asked = 0
            while sessions.get(session.id).state == "starting" and asked < 5:
                await sessions.changed(session.id, 1_000_000, 5)
                asked += 1
            assert turns >= asked
            other.cancel()
            with suppress(asyncio.CancelledError):
                await other
            await sessions.stop(session.id)
            await sessions.wait(session.id, 20)

    run(work)


def test_counts_equal_what_the_program_says(program: Path, index: Fake, tmp_path: Path) -> None:
    async def work() -> None:
        with running(program) as target, running(program) as other:
            async with opened(tmp_path, index) as sessions:
                session = await sessions.create(
                    request(program, "count", "work", pid=target.process.pid), "admin"
                )
                assert session.state == "starting"
                session = await until(sessions, session.id, "running")
                assert (session.expected_probes, session.attached_probes) == (1, 1)
                target.call("w", 4321)
                other.call("w", 50)
                for _ in range(100):
                    found = views(sessions, session.id)
                    if "@calls" in found and found["@calls"].total == 4321:
                        break
                    await asyncio.sleep(0.05)
                else:
                    raise AssertionError("the live map never came to the count")
                stopping = await sessions.stop(session.id)
                assert stopping.state == "stopping"
                await sessions.stop(session.id)
                session = await sessions.wait(session.id, 60)
                assert (session.state, session.code, session.reason) == (
                    "ended",
                    "stopped",
                    "It was stopped.",
                )
                assert views(sessions, session.id)["@calls"].rows[0].value == 4321
                assert session.ended is not None
                assert session.loss.kernel == session.loss.server == 0
                numbers = [event["n"] for event in events(sessions, session.id)]
                assert numbers == list(range(1, session.events + 1))
                assert [event["n"] for event in events(sessions, session.id, 3)] == numbers[2:]
                target.call("w", 1)
        acts = [json.loads(line)["act"] for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
        assert acts == ["session.start", "session.stop"]

    run(work)


def test_a_log_has_each_call_with_arguments_and_result(program: Path, index: Fake, tmp_path: Path) -> None:
    async def work() -> None:
        with running(program) as target:
            async with opened(tmp_path, index) as sessions:
                session = await sessions.create(request(program, "log", "work", pid=target.process.pid), "a")
                session = await until(sessions, session.id, "running")
                assert (session.expected_probes, session.attached_probes) == (2, 2)
                target.call("w", 300)
                await sessions.stop(session.id)
                session = await sessions.wait(session.id, 60)
                lines = [entry["data"] for entry in events(sessions, session.id) if entry["type"] == "printf"]
                pid = target.process.pid
                assert lines[0].startswith("-> work(a=0, s=")
                assert lines[1] == f"<- work = 0  [demo {pid}]\n"
                calls = [line for line in lines if line.startswith("-> ")]
                assert [int(re.findall(r"a=(\d+)", line)[0]) for line in calls] == list(range(300))
                assert views(sessions, session.id)["@n"].rows[0].value == len(lines) == 600
                assert session.loss.kernel == 0

    run(work)


def test_a_burst_while_the_server_is_busy_is_whole(program: Path, index: Fake, tmp_path: Path) -> None:
    """bpftrace must not wait for its reader: the buffers run over, and a stop would cut off its last maps."""

    async def work() -> None:
        with running(program) as target:
            async with opened(tmp_path, index) as sessions:
                session = await sessions.create(request(program, "log", "work", pid=target.process.pid), "a")
                await until(sessions, session.id, "running")
                # Nothing is read meanwhile: this does not await.
                target.call("w", 4000)
                await sessions.stop(session.id)
                session = await sessions.wait(session.id, 60)
                found = events(sessions, session.id)
                assert sum(event["type"] == "printf" for event in found) == 8000
                assert found[-1]["data"] == {"@n": 8000}
                assert session.loss == Loss(0, 0, 0)
                assert session.warnings == ()

    run(work)


# Says that it is attached, prints a line, and ends at once when it is asked to.
MUTE = """#!/bin/sh
[ "$1" = --version ] && { echo bpftrace v0.17.0; exit; }
trap 'exit 0' TERM
echo '{"type": "attached_probes", "data": {"probes": 3}}'
echo '{"type": "printf", "data": "-> work(1)"}'
echo __BPFTRACE_NOTIFY_PROBES_ATTACHED >&2
while :; do sleep 0.05; done
"""


def test_a_last_count_that_did_not_come_is_told(program: Path, index: Fake, tmp_path: Path) -> None:
    mute = tmp_path / "bpftrace"
    mute.write_text(MUTE)
    mute.chmod(0o755)

    async def work() -> None:
        async with opened(tmp_path / "data", index, bpftrace=str(mute)) as sessions:
            session = await sessions.create(request(program, "log", "work"), "a")
            await until(sessions, session.id, "running")
            await sessions.stop(session.id)
            session = await sessions.wait(session.id, 60)
            assert (session.state, session.events) == ("ended", 2)
            assert session.diagnostics[-1].message.startswith("bpftrace did not print its last count")
            assert session.warnings[-1] == session.diagnostics[-1].message

    run(work)


def test_names_of_any_length_load(tmp_path: Path) -> None:
    """0.17 lays a hist's bucket behind its key, and the kernel wants it aligned."""
    names = ["f" + "x" * more for more in range(12)]
    text = "".join(
        f"__attribute__((noinline)) int {name}(int a) {{ return a + {at}; }}\n"
        for at, name in enumerate(names)
    )
    program = compile_c(
        tmp_path, f"{text}int main(void) {{ return {'+'.join(f'{n}(0)' for n in names)} - 66; }}"
    )
    index = Fake(
        binary(str(program)),
        [function(name, key=str(at), address=at) for at, name in enumerate(names, start=1)],
    )

    async def work() -> None:
        async with opened(tmp_path / "data", index) as sessions:
            session = await sessions.create(request(program, "latency", "f*"), "a")
            session = await until(sessions, session.id, "running", "failed")
            assert (session.state, session.attached_probes) == ("running", 24), session.reason
            done = await asyncio.to_thread(subprocess.run, [program])
            assert done.returncode == 0
            await sessions.stop(session.id)
            await sessions.wait(session.id, 60)
            assert {row.key for row in views(sessions, session.id)["@us"].rows} == set(names)

    run(work)


def test_latency_is_in_microseconds_also_of_recursion(program: Path, index: Fake, tmp_path: Path) -> None:
    async def work() -> None:
        with running(program) as target:
            async with opened(tmp_path, index) as sessions:
                asked = replace(
                    request(program, "latency", "nap"),
                    probes=(f'uprobe:"{program}":nap', f'uprobe:"{program}":down'),
                )
                session = await sessions.create(asked, "a")
                await until(sessions, session.id, "running")
                target.call("n", 20)
                target.call("d", 10)
                await sessions.stop(session.id)
                session = await sessions.wait(session.id, 60)
                assert session.state == "ended", session
                found = views(sessions, session.id)
                assert set(found) == {"@us"}
                rows = {row.key: row.value for row in found["@us"].rows}
                assert sum(bucket["count"] for bucket in rows["nap"]) == 20
                assert all(bucket["max"] >= 2000 for bucket in rows["nap"] if bucket["count"])
                # Three calls deep, each one at least a millisecond longer than the one inside.
                assert sum(bucket["count"] for bucket in rows["down"]) == 30
                assert sum(bucket["count"] for bucket in rows["down"] if bucket["max"] >= 3000) >= 10

    run(work)


def test_programs_that_begin_while_all_their_returns_are_traced_stay_whole(tmp_path: Path) -> None:
    program = compile_c(
        tmp_path,
        "#include <setjmp.h>\njmp_buf b; int work(int c) { return c; }\n"
        "int main(int c, char **v) { int r = setjmp(b); if (r < 2) longjmp(b, r + 1); return work(c); }",
        "whole",
    )
    index = Fake(
        binary(str(program)),
        [function("_start"), function("main", key="2", address=2), function("work", key="3", address=3)],
    )

    async def work() -> None:
        async with opened(tmp_path / "data", index) as sessions:
            session = await sessions.create(request(program, "latency", "*"), "a")
            session = await until(sessions, session.id, "running")
            assert (session.expected_probes, session.attached_probes) == (4, 4)
            done = await asyncio.to_thread(subprocess.run, [str(program), "a", "b"])
            assert done.returncode == 3
            await sessions.stop(session.id)
            await sessions.wait(session.id, 60)
            assert {row.key for row in views(sessions, session.id)["@us"].rows} == {"main", "work"}

    run(work)


@pytest.mark.parametrize("flags", [(), ("-DSEMAPHORE",)], ids=["plain", "semaphore"])
def test_usdt_probes_fire_and_semaphores_go_back(tmp_path: Path, flags: tuple[str, ...]) -> None:
    program = compile_c(tmp_path, SOURCE, "demo", *flags)
    index = Fake(binary(str(program)), [], [usdt("demo", "hit", (4, True), (8, False))])

    async def work() -> None:
        with running(program) as target:
            async with opened(tmp_path / "data", index) as sessions:
                session = await sessions.create(
                    request(program, "log", "usdt|demo:hit", pid=target.process.pid), "a"
                )
                session = await until(sessions, session.id, "running")
                assert (session.expected_probes, session.attached_probes) == (1, 1)
                assert target.call("w", 25) == bool(flags)
                await sessions.stop(session.id)
                session = await sessions.wait(session.id, 60)
                lines = [entry["data"] for entry in events(sessions, session.id) if entry["type"] == "printf"]
                assert len(lines) == 25
                assert lines[7].startswith("-> demo:hit(7, 0x")
                assert target.call("w", 1) == 0

    run(work)


def test_a_script_with_an_error_fails_with_its_place(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as sessions:
            session = await sessions.create(ScriptRequest(script="BEGIN {\n  @x = nothing();\n}\n"), "admin")
            session = await sessions.wait(session.id, 60)
            assert (session.state, session.code) == ("failed", "script_error")
            assert str(session.reason).replace("'", "") == "Unknown function: nothing."
            found = session.diagnostics[0]
            assert (found.line, found.severity) == (2, "error")
            assert (session.events, session.attached_probes) == (0, None)
            assert events(sessions, session.id) == []

    run(work)


def test_a_symbol_that_is_missing_is_no_silence(program: Path, index: Fake, tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path, index) as sessions:
            session = await sessions.create(request(program, "count", "nothing"), "a")
            session = await sessions.wait(session.id, 60)
            assert (session.state, session.code) == ("failed", "attach_failed")
            # Newer versions say so themselves.
            assert session.reason in {
                f"No probe was attached: {program} has no function nothing.",
                f"Could not resolve symbol: {program}:nothing, cannot attach probe.",
            }
            asked = ScriptRequest("count", (f'uprobe:"{program}":nothing', f'uprobe:"{program}":work'))
            session = await sessions.create(asked, "a")
            session = await until(sessions, session.id, "running", "failed")
            if session.state == "failed":
                assert "nothing" in str(session.reason)
                return
            await asyncio.sleep(0.05)
            session = sessions.get(session.id)
            assert (session.expected_probes, session.attached_probes) == (2, 1)
            assert session.diagnostics[0].message.startswith("1 of 2 probes were attached")
            await sessions.stop(session.id)
            session = await sessions.wait(session.id, 60)
            assert session.state == "ended"

    run(work)


def test_an_address_that_cannot_be_attached_fails(program: Path, tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as sessions:
            session = await sessions.create(ScriptRequest("count", (f'uprobe:"{program}":0x11',)), "a")
            session = await sessions.wait(session.id, 60)
            assert (session.state, session.code) == ("failed", "attach_failed")
            assert "0x11" in str(session.reason)

    run(work)


def test_a_session_ends_with_its_target_at_its_deadline_or_by_itself(
    program: Path, index: Fake, tmp_path: Path
) -> None:
    async def work() -> None:
        async with opened(tmp_path, index) as sessions:
            with running(program) as target:
                gone = await sessions.create(request(program, "count", "work", pid=target.process.pid), "a")
                late = await sessions.create(request(program, "count", "work", duration=0.4), "a")
                itself = await sessions.create(ScriptRequest(script='BEGIN { printf("x\\n"); exit(); }'), "a")
                await until(sessions, gone.id, "running")
                target.call("w", 10)
            gone = await sessions.wait(gone.id, 60)
            late = await sessions.wait(late.id, 60)
            itself = await sessions.wait(itself.id, 60)
            assert (gone.state, gone.code) == ("ended", "target_gone")
            assert views(sessions, gone.id)["@calls"].total == 10
            assert (late.state, late.code) == ("ended", "deadline")
            assert (itself.state, itself.code) == ("ended", "exited")
            assert [found.id for found in sessions.list()] == [itself.id, late.id, gone.id]

    run(work)


def test_attaching_and_stopping_tell_how_many_probes_are_attached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old versions take a millisecond to attach one, and a tenth of a second to detach it."""
    monkeypatch.setattr("app.trace.live.ATTACH_SECONDS", 0.01)
    count = 100
    names = [f"f{n}" for n in range(count)]
    source = "".join(f"__attribute__((noinline)) int {name}(int a) {{ return a + 1; }}\n" for name in names)
    calls = "".join(f" sum += {name}(sum);" for name in names)
    source += f"#include <unistd.h>\nint main(void) {{ int sum = 0; for (;;) {{{calls} usleep(9999); }} }}\n"
    many = compile_c(tmp_path, source, "many")

    async def seen(sessions: Sessions, id: str, state: str, field: str) -> list[int]:
        """The numbers that a viewer of the session's changes is told."""
        told: list[int] = []
        while (found := sessions.get(id)).state == state:
            value = getattr(found, field)
            if value is not None and told[-1:] != [value]:
                told.append(value)
            await sessions.changed(id, found.last, 0.05)
        return told

    async def work() -> None:
        async with opened(tmp_path / "data") as sessions:
            probes = tuple(f'uprobe:"{many}":{name}' for name in names)
            session = await sessions.create(ScriptRequest("count", probes), "a")
            attaching = await seen(sessions, session.id, "starting", "attached_probes")
            found = sessions.get(session.id)
            assert (found.state, found.attached_probes, found.still_attached) == ("running", count, None)
            assert attaching == sorted(attaching)
            await sessions.stop(session.id)
            stopping = await seen(sessions, session.id, "stopping", "still_attached")
            found = sessions.get(session.id)
            assert (found.state, found.still_attached, found.attached_probes) == ("ended", None, count)
            # Newer versions detach all at once, and have nothing to tell.
            assert stopping == sorted(stopping, reverse=True)
            assert all(0 <= number <= count for number in [*attaching, *stopping])
            if Bpftrace(config.load({})).capabilities().multi is False:
                assert any(0 < number < count for number in attaching)
                assert len(set(stopping)) > 3

    run(work)


def test_a_bpftrace_that_fails_while_it_attaches_has_attached_nothing(program: Path, tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as sessions:
            script = (
                f'uprobe:"{program}":work {{ @ = count(); }} uprobe:"/no/such/file":work {{ @ = count(); }}'
            )
            session = await sessions.create(ScriptRequest(script=script), "a")
            session = await sessions.wait(session.id, 60)
            assert (session.state, session.attached_probes) == ("failed", None)

    run(work)


def test_a_killed_bpftrace_is_told(program: Path, tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as sessions:
            session = await sessions.create(request(program, "count", "work"), "a")
            session = await until(sessions, session.id, "running")
            assert session.bpftrace_pid is not None
            os.kill(session.bpftrace_pid, signal.SIGKILL)
            session = await sessions.wait(session.id, 60)
            assert (session.state, session.code) == ("failed", "killed")
            assert "SIGKILL" in str(session.reason)

    run(work)


def test_limits_and_refusals_have_their_sentences(program: Path, index: Fake, tmp_path: Path) -> None:
    sleep = ScriptRequest(script="interval:s:100 { exit(); }")
    refused: list[tuple[dict[str, Any], ScriptRequest, type[AppError]]] = [
        ({"read_only": True}, sleep, Forbidden),
        ({"free_scripts": False}, sleep, Forbidden),
        ({"free_disk": 1 << 60}, sleep, StorageFull),
        ({}, ScriptRequest(script='BEGIN { cat("/etc/passwd"); }'), ScriptRefused),
        ({}, replace(sleep, duration=1e9), BadInput),
        ({}, replace(sleep, duration=float("nan")), BadInput),
        ({}, replace(sleep, pid=2**22), NotFound),
        ({"session_probes": 2}, request(program, "count", "*"), TooLarge),
        ({}, ScriptRequest("count"), BadInput),
    ]

    async def work() -> None:
        for changes, asked, kind in refused:
            async with opened(tmp_path / "a", index, **changes) as sessions:
                with pytest.raises(kind) as caught:
                    await sessions.create(asked, "a")
                assert caught.value.message.endswith(".")
                assert caught.value.hint
                assert sessions.list() == ()
        async with opened(tmp_path / "b", sessions=4, viewers=1) as sessions:
            first = [await sessions.create(sleep, "a") for _ in range(3)]
            with pytest.raises(Busy, match="a runs 3 sessions"):
                await sessions.create(sleep, "a")
            await sessions.create(sleep, "b")
            with pytest.raises(Busy, match="4 sessions run"):
                await sessions.create(sleep, "c")
            with sessions.viewer(first[0].id), pytest.raises(Busy), sessions.viewer(first[0].id):
                pass
            assert sessions.get(first[0].id).viewers == 0
            sessions.add_viewer_loss(first[0].id, 5)
            assert sessions.get(first[0].id).loss.viewer == 5
            await sessions.delete(first[0].id)
            with pytest.raises(NotFound):
                sessions.get(first[0].id)
            with pytest.raises(NotFound), sessions.viewer(first[0].id):
                pass

    run(work)


def test_closing_stops_what_runs_and_the_next_server_knows_it(program: Path, tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path) as sessions:
            session = await sessions.create(request(program, "count", "work"), "a")
            await until(sessions, session.id, "running")
        async with opened(tmp_path) as sessions:
            (found,) = sessions.list()
            assert (found.id, found.state, found.code) == (session.id, "ended", "server_stopped")
            assert events(sessions, found.id)
            assert await sessions.changed(found.id, 99, 5.0)
            assert (await sessions.stop(found.id)).state == "ended"
        async with opened(tmp_path, retention=0.0) as sessions:
            await asyncio.sleep(0.05)
            assert sessions.list() == ()
            assert not list((tmp_path / "sessions").iterdir())

    run(work)


def test_a_second_server_leaves_the_sessions_of_the_first_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.trace.data_lock.LOCK_SECONDS", 0.1)

    async def work() -> None:
        async with opened(tmp_path) as sessions:
            made = await sessions.create(ScriptRequest(script="interval:s:100 { exit(); }"), "a")
            await until(sessions, made.id, "running")
            with pytest.raises(Conflict, match="Another server"):
                async with opened(tmp_path):
                    pass
            assert sessions.get(made.id).state == "running"

    run(work)


def test_a_flood_is_kept_up_to_the_cap_and_the_rest_is_a_gap(tmp_path: Path) -> None:
    script = 'BEGIN { $i = 0; while ($i < 3000) { printf("line %d\\n", $i); $i++; } exit(); }'

    async def work() -> None:
        async with opened(tmp_path, session_events=800) as sessions:
            session = await sessions.create(ScriptRequest(script=script), "a")
            session = await sessions.wait(session.id, 60)
            assert session.state == "ended", session
            found = events(sessions, session.id)
            assert found[0]["type"] == "gap"
            assert found[0]["data"] == {"from": 1, "to": session.first - 1, "count": session.first - 1}
            assert len(found) - 1 == session.last - session.first + 1 <= 800
            assert session.loss.server == session.first - 1
            assert session.events + session.loss.kernel >= 3000

    run(work)


def test_a_full_disk_ends_the_session_and_nothing_else(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "none", disk]).returncode:
        pytest.skip("tmpfs cannot be mounted here")
    script = 'interval:ms:1 { printf("%s\\n", "' + "x" * 60 + '"); @a = count(); print(@a); }'

    async def work() -> None:
        async with opened(disk) as sessions:
            blocker = disk / "blocker"
            session = await sessions.create(ScriptRequest(script=script), "a")
            await until(sessions, session.id, "running")
            blocker.write_bytes(b"x" * (shutil.disk_usage(disk).free - 20_000))
            session = await sessions.wait(session.id, 60)
            assert (session.state, session.code) == ("failed", "disk_full")
            assert "disk is full" in str(session.reason)
            assert session.loss.server > 0
            assert len(events(sessions, session.id)) == session.events > 0
            blocker.unlink()
            again = await sessions.create(ScriptRequest(script="BEGIN { exit(); }"), "a")
            assert (await sessions.wait(again.id, 60)).state == "ended"

    try:
        run(work)
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_killed_server_leaves_no_bpftrace_and_the_next_one_tells(program: Path, tmp_path: Path) -> None:
    code = (
        "import asyncio, sys\n"
        "from dataclasses import replace\n"
        "from pathlib import Path\n"
        "from app import config\n"
        "from app.trace.bpftrace import Bpftrace\n"
        "from app.trace.model import ScriptRequest\n"
        "from app.trace.session import Sessions\n"
        "async def main():\n"
        "    settings = replace(config.load({}), data=Path(sys.argv[1]), free_disk=0)\n"
        "    sessions = Sessions(settings, Bpftrace(settings), None)\n"
        "    await sessions.start()\n"
        "    made = await sessions.create(ScriptRequest('count', (sys.argv[2],)), 'a')\n"
        "    while sessions.get(made.id).state == 'starting':\n"
        "        await asyncio.sleep(0.01)\n"
        "    print(sessions.get(made.id).bpftrace_pid, flush=True)\n"
        "    await asyncio.sleep(100)\n"
        "asyncio.run(main())\n"
    )
    server = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path), f'uprobe:"{program}":work'],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env=config.child_environment(PYTHONPATH=str(ROOT)),
    )
    assert server.stdout is not None
    with server.stdout, running(program) as target:
        pid = int(server.stdout.readline())
        server.kill()
        server.wait()
        target.call("w", 5)
        for _ in range(200):
            stat = read_stat(pid)
            if stat is None or stat.over or pid not in all_pids():
                break
            time.sleep(0.05)
        else:
            raise AssertionError(f"bpftrace {pid} lives on")

    async def work() -> None:
        async with opened(tmp_path) as sessions:
            (found,) = sessions.list()
            assert (found.state, found.code) == ("ended", "server_gone")

    run(work)


def test_recovery_kills_a_bpftrace_that_lived_on(program: Path, tmp_path: Path) -> None:
    orphan = subprocess.Popen(["sleep", "100"])
    stat = read_stat(orphan.pid)
    assert stat is not None

    async def work() -> None:
        async with opened(tmp_path) as sessions:
            made = await sessions.create(ScriptRequest(script="BEGIN { exit(); }"), "a")
            done = await sessions.wait(made.id, 60)
            left = replace(
                done, state="running", ended=None, bpftrace_pid=orphan.pid, bpftrace_starttime=stat.starttime
            )
            other = replace(left, id="other", bpftrace_starttime=1)
            sessions._stored.put(other)
        async with opened(tmp_path) as sessions:
            assert orphan.poll() is None
            assert sessions.get("other").state == "ended"
            sessions._stored.put(left)
        async with opened(tmp_path) as sessions:
            assert orphan.wait(10) == -signal.SIGKILL
            assert sessions.get(left.id).code == "server_gone"
            assert len(sessions.read(left.id, 1, 99)) == sessions.get(left.id).events == done.events

    try:
        run(work)
    finally:
        orphan.kill()
        orphan.wait()
