"""Files of probes that are replaced: refused before, and told after, bpftrace has attached."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.config import load
from app.errors import Conflict
from app.index.model import Ask
from app.index.service import Index
from app.trace import symbol_directory
from app.trace.bound import Bound, bind, check
from app.trace.bpftrace import Bpftrace
from app.trace.model import ScriptRequest, Session
from app.trace.session import Sessions
from app.views.table import maps
from tests.support.programs import compile_c

SOURCE = """
#include <stdio.h>
%s
__attribute__((noinline)) int work(int n) { asm volatile(""); return n + 1; }
int main(void) { int n = 0; for (int i = 0; i < 7; i++) n = work(n); return n != 7; }
"""
real = pytest.mark.skipif(
    shutil.which("bpftrace") is None or os.geteuid() != 0, reason="needs bpftrace and root"
)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    made = Index(load({}, data=tmp_path / "data"))
    made.start()
    yield made
    made.close()


@pytest.fixture
def program(tmp_path: Path) -> Path:
    return compile_c(tmp_path, SOURCE % "", "app", "-O1")


def another(program: Path) -> None:
    """Another build in its place, as a package lays it."""
    place = program.parent / "new"
    place.mkdir(exist_ok=True)
    made = compile_c(place, SOURCE % "int before(int n) { return n * 3; }", "app", "-O1")
    made.rename(program)


def test_the_same_bytes_are_not_replaced(index: Index, program: Path) -> None:
    bound = bind([f'uprobe:"{program}":work', "kprobe:vfs_read", 'uprobe:"/nowhere":f'], index)
    assert [each.path for each in bound] == [str(program)]
    program.write_bytes(program.read_bytes())
    os.utime(program, (1, 1))
    check(bound, index)


@pytest.mark.parametrize("flags", [(), ("-Wl,--build-id=none",)], ids=["build-id", "none"])
def test_another_build_is(index: Index, tmp_path: Path, flags: tuple[str, ...]) -> None:
    program = compile_c(tmp_path, SOURCE % "", "app", "-O1", *flags)
    bound = bind([f'uprobe:"{program}":work'], index)
    another(program)
    with pytest.raises(Conflict, match="was replaced meanwhile") as refused:
        check(bound, index)
    assert refused.value.code == "replaced"
    check(bind([f'uprobe:"{program}":work'], index), index)
    program.unlink()
    with pytest.raises(Conflict, match="There is no file"):
        check([Bound(str(program), bound[0].binary)], index)


def test_a_path_that_went_with_its_process(index: Index, program: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        bound = bind([f"uprobe:/proc/{process.pid}/exe:main"], index)
        assert len(bound) == 1
        check(bound, index)
        process.kill()
    check(bound, index)


def test_an_address_of_the_build_before_is_refused(index: Index, program: Path) -> None:
    index.binary_at(str(program))
    another(program)
    for probe, following in (("0x1139", "true"), ("work+4", "false"), ("work.at.4", "true")):
        with pytest.raises(Conflict, match="another instruction"):
            bind([f'uprobe:"{program}":{probe}'], index)
        index.binary_at(str(program))
        bind([f'uprobe:"{program}":{probe}'], index)
        shutil.copy(f"/bin/{following}", program)
    # A name is looked up anew.
    assert bind([f'uprobe:"{program}":work'], index)


async def session_of(index: Index, data: Path, program: Path, act: Callable[[], None]) -> Session:
    settings = load({}, data=data)
    sessions = Sessions(settings, Bpftrace(settings), index)
    await sessions.start()
    try:
        request = ScriptRequest(recipe="count", probes=(f'uprobe:"{program}":work',), duration=20)
        session = await sessions.create(request, "test")
        act()
        for _ in range(1000):
            if sessions.get(session.id).state != "starting":
                break
            await asyncio.sleep(0.02)
        if sessions.get(session.id).state == "running":
            await asyncio.to_thread(subprocess.run, [program], check=True)
            await sessions.stop(session.id)
        ended = await sessions.wait(session.id, 30)
        events = [json.loads(line) for line in sessions.read(session.id, 1, 1000)]
        calls = maps(events).get("@calls")
        assert calls is None or calls.total in {0, 7}
        return ended
    finally:
        await sessions.close()


@real
def test_one_that_is_replaced_while_the_session_is_made(
    index: Index, program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lay(*_: object) -> None:
        another(program)

    monkeypatch.setattr(symbol_directory, "lay", lay)
    with pytest.raises(Conflict, match=f"{program} was replaced meanwhile"):
        asyncio.run(session_of(index, tmp_path / "data", program, lambda: None))
    assert not list((tmp_path / "data/sessions").glob("*"))


@real
def test_one_that_is_replaced_while_bpftrace_attaches(index: Index, program: Path, tmp_path: Path) -> None:
    ended = asyncio.run(session_of(index, tmp_path / "data", program, lambda: another(program)))
    assert (ended.state, ended.code) == ("failed", "replaced")
    assert "was replaced meanwhile" in (ended.reason or "")


@real
def test_one_that_is_not_replaced(index: Index, program: Path, tmp_path: Path) -> None:
    index.binary_at(str(program))
    another(program)
    ended = asyncio.run(session_of(index, tmp_path / "data", program, lambda: None))
    assert (ended.state, ended.code) == ("ended", "stopped")
    assert index.functions(index.binary_at(str(program)).id, Ask(q="before")).total == 1
