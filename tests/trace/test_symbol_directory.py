"""Stripped programs traced by the names of their debug files, on a real kernel: every call is counted."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.config import Settings, load
from app.elf.image import open_image
from app.elf.symbols.rows import read_symbols
from app.index.model import Ask
from app.index.service import Index
from app.trace import symbol_directory
from app.trace.bpftrace import Bpftrace
from app.trace.model import ScriptRequest, Session
from app.trace.session import Sessions
from app.trace.verdict import function_verdict
from app.views.table import maps
from tests.support.programs import compile_c

SOURCE = """
#include <stdio.h>
__attribute__((noinline)) static int hidden(int n) { asm volatile(""); return n * 3; }
__attribute__((noinline)) static int hideaway(int n) { asm volatile(""); return n * 5; }
int main(void) {
    int n, sum = 0;
    while (scanf("%d", &n) == 1) {
        for (int i = 0; i < n; i++) sum += hidden(i) + (i % 2 ? hideaway(i) : 0);
        printf("%d\\n", sum);
        fflush(stdout);
    }
    return 0;
}
"""


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    made = Index(load({}, data=tmp_path / "data"))
    made.start()
    yield made
    made.close()


def stripped(tmp_path: Path, *flags: str) -> Path:
    """Its debug file lies beside it by link."""
    made = compile_c(tmp_path, SOURCE, "app", "-O1", *flags)
    subprocess.run(["objcopy", "--only-keep-debug", made, tmp_path / "app.debug"], check=True)
    subprocess.run(["strip", made], check=True)
    subprocess.run(["objcopy", f"--add-gnu-debuglink={tmp_path}/app.debug", made], check=True)
    return made


@pytest.fixture
def program(tmp_path: Path) -> Path:
    return stripped(tmp_path)


def names(path: Path) -> set[str]:
    symbols = read_symbols(open_image(path.read_bytes()))
    assert symbols is not None
    pairs = zip(symbols.name_at.tolist(), symbols.name_len.tolist(), strict=True)
    return {symbols.names[at : at + length].decode() for at, length in pairs}


def test_what_a_script_names_is_laid_at_the_binarys_path(index: Index, program: Path, tmp_path: Path) -> None:
    directory = tmp_path / "names"
    found = symbol_directory.lay(f'uprobe:"{program}":hidden {{ }}', index, directory)
    assert found == directory
    place = directory / program.relative_to("/")
    assert names(place) == {"hidden"}
    for script in (f'uprobe:"{program}":hid* {{ }}', f'uretprobe:"{program}":hid* {{ }}'):
        assert symbol_directory.lay(script, index, directory)
        assert names(place) == {"hidden", "hideaway"}
    both = f'uprobe:"{program}":hidden, uprobe:"{program}":hideaway {{ }}'
    assert symbol_directory.lay(both, index, directory)
    assert {"hidden", "hideaway"} <= names(place)


def test_an_instruction_inside_of_a_function_has_a_name(index: Index, program: Path, tmp_path: Path) -> None:
    directory = tmp_path / "names"
    binary = index.binary_at(str(program))
    (hidden,) = index.functions(binary.id, Ask(q="hidden")).items
    second = index.code(binary.id, hidden.key)[1]
    mark = f"hidden.at.{second.address - (hidden.address or 0):x}"
    assert symbol_directory.lay(f'uprobe:"{program}":{mark} {{ }}', index, directory)
    assert names(directory / program.relative_to("/")) == {mark}
    # Inside of an instruction there is nothing.
    assert symbol_directory.lay(f'uprobe:"{program}":hidden.at.fff {{ }}', index, directory / "no") is None


def test_nothing_is_laid_where_nothing_is_lacking(index: Index, program: Path, tmp_path: Path) -> None:
    directory = tmp_path / "names"
    for script in (
        'uprobe:"/usr/lib/x86_64-linux-gnu/libc.so.6":malloc { }',
        f'uprobe:"{program}":nothing_of_that_name {{ }}',
        'uprobe:"/nowhere":f { }',
        "interval:s:1 { }",
        f'uprobe:"{program}":0x1140 {{ }}',
    ):
        assert symbol_directory.lay(script, index, directory) is None
    assert not directory.exists()


@pytest.mark.skipif(shutil.which("bpftrace") is None or os.geteuid() != 0, reason="needs bpftrace and root")
@pytest.mark.parametrize("pattern", ["hidden", "hid*"])
# Without a build-id the debug file is told by the checksum of its link; fixed: addresses are no offsets.
@pytest.mark.parametrize(
    "flags",
    [(), ("-Wl,--build-id=none",), ("-Wl,--build-id=none", "-no-pie")],
    ids=["build-id", "none", "fixed"],
)
def test_every_call_is_counted_by_name(
    index: Index, tmp_path: Path, flags: tuple[str, ...], pattern: str
) -> None:
    program = stripped(tmp_path, *flags)
    before = program.read_bytes()
    settings: Settings = load({}, data=tmp_path / "data")
    binary = index.binary_at(str(program))
    assert (binary.build_id is None, binary.debug.kind) == (bool(flags), "separate")
    (hidden,) = index.functions(binary.id, Ask(q="hidden")).items
    verdict = function_verdict(hidden, binary, Bpftrace(settings).capabilities())
    assert verdict.attachable, verdict.reasons
    assert verdict.probe == f'uprobe:"{program}":hidden'

    async def trace() -> tuple[Session, dict[str | None, int]]:
        sessions = Sessions(settings, Bpftrace(settings), index)
        await sessions.start()
        try:
            request = ScriptRequest(
                recipe="count", probes=(f'uprobe:"{program}":{pattern}',), pid=None, duration=30
            )
            session = await sessions.create(request, "test")
            while session.state == "starting":
                await sessions.changed(session.id, session.last, 0.2)
                session = sessions.get(session.id)
            assert session.state == "running", session
            ran = await asyncio.to_thread(
                subprocess.run, [program], input="40\n", capture_output=True, text=True, check=True
            )
            assert ran.stdout.strip()
            await sessions.stop(session.id)
            ended = await sessions.wait(session.id, 20)
            events = [json.loads(line) for line in sessions.read(session.id, 1, 10_000)]
            return ended, {row.key: int(row.value) for row in maps(events)["@calls"].rows}
        finally:
            await sessions.close()

    ended, counted = asyncio.run(trace())
    assert ended.state == "ended", ended
    expected = {"hidden": 40} if pattern == "hidden" else {"hidden": 40, "hideaway": 20}
    assert counted == expected
    assert (ended.expected_probes, ended.attached_probes) == (len(expected), len(expected))
    assert program.read_bytes() == before
