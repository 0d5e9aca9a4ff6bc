"""Stacks named from the index, on a real kernel: frame by frame as addr2line says, of ended targets too."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from app.config import load
from app.index.service import Index
from app.trace.bpftrace import Bpftrace
from app.trace.decode import Decoded, decode
from app.trace.model import ScriptRequest, Session
from app.trace.session import Sessions
from app.trace.stacks import StackFrame, split
from app.trace.symbolise import Symboliser
from tests.support.programs import compile_c

pytestmark = pytest.mark.skipif(
    shutil.which("bpftrace") is None or os.geteuid() != 0, reason="needs bpftrace and root"
)
# What has no linkage name, such as a static function, addr2line 2.40 calls by its host's: there is none here.
# Works for as many ms as a line of its input says, and tells how often work() was called.
SOURCE = """
#include <cstdio>
#include <cstdlib>
#include <ctime>
namespace shop {
volatile unsigned sink;
template <typename T> inline __attribute__((always_inline)) T mixed(T a, T b)
{
    for (int i = 0; i < 50; i++)
        a = (a ^ (b << 3)) * 31u + (a >> 2);
    return a;
}
inline __attribute__((always_inline)) unsigned twice(unsigned n)
{
    return mixed(n, n + 1u) +
           mixed(n + 2u, n);
}
__attribute__((noinline)) void keep(unsigned n)
{
    sink = n;
}
__attribute__((noinline)) unsigned work(unsigned n)
{
    unsigned sum = n;
    for (unsigned i = 0; i < 200; i++)
        sum += twice(sum + i);
    keep(sum); // who calls nothing has no frame of its own
    return sum;
}
inline __attribute__((always_inline)) unsigned rounds(unsigned n)
{
    unsigned sum = work(n);
    return sum + 1;
}
struct Till {
    __attribute__((noinline)) unsigned serve(unsigned n)
    {
        unsigned sum = rounds(n);
        sink = sum;
        return sum + n;
    }
};
inline __attribute__((always_inline)) double now()
{
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}
}
int main()
{
    char line[64];
    shop::Till till;
    while (fgets(line, sizeof line, stdin)) {
        unsigned calls = 0;
        double end = shop::now() + atoi(line);
        do {
            till.serve(calls++);
        } while (shop::now() < end);
        printf("%u\\n", calls);
        fflush(stdout);
    }
    return 0;
}
"""
WORK = "_ZN4shop4workEj"
FLAGS = ("-O2", "-g", "-fno-omit-frame-pointer", "-fno-optimize-sibling-calls", "-Wl,--build-id")


@dataclass(frozen=True)
class Build:
    """A stripped program, its debug file beside it by link, and the same with everything for addr2line."""

    stripped: Path
    whole: Path


def built(folder: Path, *flags: str) -> Build:
    folder.mkdir(exist_ok=True)
    away = folder / "away"
    away.mkdir()
    (away / "till.cpp").write_text(SOURCE)
    whole, debug, stripped = away / "whole", folder / "till.debug", folder / "till"
    subprocess.run(["g++", *FLAGS, *flags, "-o", whole, away / "till.cpp"], check=True)
    subprocess.run(["objcopy", "--only-keep-debug", whole, debug], check=True)
    subprocess.run(["strip", "-o", stripped, whole], check=True)
    subprocess.run(["objcopy", f"--add-gnu-debuglink={debug}", stripped], check=True)
    return Build(stripped, whole)


class Target:
    def __init__(self, *command: str | Path) -> None:
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    @property
    def pid(self) -> int:
        return self.process.pid

    def work(self, ms: int) -> int:
        """Lets it work; how often work() was called."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{ms}\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def end(self) -> None:
        self.process.communicate(timeout=20)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    made = Index(load({}, data=tmp_path / "data"))
    made.start()
    yield made
    made.close()


Start = Callable[..., Target]


@pytest.fixture
def start() -> Iterator[Start]:
    targets: list[Target] = []

    def started(*command: str | Path) -> Target:
        targets.append(Target(*command))
        return targets[-1]

    yield started
    for target in targets:
        if target.process.returncode is None:
            target.process.kill()
            target.end()


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    return built(tmp_path_factory.mktemp("till") / "pie")


def expected(build: Build, address: int) -> list[tuple[str, str]]:
    """(name, file:line) of each frame at an address of the file, as addr2line has it."""
    command = ["addr2line", "-i", "-f", "-C", "-e", str(build.whole), hex(address)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    places = [line.partition(" (discriminator")[0] for line in lines[1::2]]
    return list(zip(lines[::2], places, strict=True))


def own(frames: tuple[StackFrame, ...], path: Path) -> list[tuple[int, int, list[StackFrame]]]:
    """(number in the stack, address, frames there) of the frames in a file."""
    groups = [(address, list(each)) for address, each in groupby(frames, lambda frame: frame.address)]
    return [
        (number, address, each)
        for number, (address, each) in enumerate(groups)
        if address is not None and each[0].module == str(path)
    ]


def compare(build: Build, base: int, frames: tuple[StackFrame, ...], path: Path | None = None) -> list[str]:
    """Each frame of the program against addr2line; their names."""
    names = []
    for number, address, each in own(frames, path or build.stripped):
        at = address - base - (1 if number else 0)
        assert [(frame.name, frame.source) for frame in each] == expected(build, at), frames
        assert [frame.inlined for frame in each] == [True] * (len(each) - 1) + [False]
        names += [frame.name for frame in each]
    return names


def base_of(pid: int, path: Path) -> int:
    """Where the file begins in memory, once it is there."""
    for _ in range(200):
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            if line.endswith(str(path)):
                return int(line.split("-")[0], 16)
        time.sleep(0.02)
    raise AssertionError(path)


async def traced(
    index: Index, data: Path, script: str, pid: int | None, act: Callable[[], Any]
) -> tuple[Session, list[dict[str, Any]]]:
    settings = load({}, data=data)
    sessions = Sessions(settings, Bpftrace(settings), index)
    await sessions.start()
    try:
        request = ScriptRequest(recipe="custom", pid=pid, duration=60, script=script)
        session = await sessions.create(request, "test")
        while session.state == "starting":
            await sessions.changed(session.id, session.last, 0.2)
            session = sessions.get(session.id)
        assert session.state == "running", session
        await asyncio.to_thread(act)
        await sessions.stop(session.id)
        ended = await sessions.wait(session.id, 40)
        assert ended.state == "ended", ended
        return ended, [json.loads(line) for line in sessions.read(session.id, 1, 100_000)]
    finally:
        await sessions.close()


def last(events: list[dict[str, Any]], name: str = "@stacks") -> dict[str, int]:
    maps = [event["data"][name] for event in events if event["type"] == "map" and name in event["data"]]
    found: dict[str, int] = maps[-1]
    return found


def profile(pid: int, key: str = "pid, ustack(perf)") -> str:
    return f"profile:hz:99 /pid == {pid}/ {{ @stacks[{key}] = count(); }}\n"


LIVE = "interval:ms:200 { print(@stacks); }\n"


@pytest.mark.parametrize("flags", [(), ("-no-pie",)], ids=["pie", "fixed"])
def test_a_profile_of_a_stripped_program(
    index: Index, tmp_path: Path, start: Start, flags: tuple[str, ...]
) -> None:
    made = built(tmp_path / "made", *flags)
    target = start(made.stripped)
    base = 0 if flags else base_of(target.pid, made.stripped)
    _, events = asyncio.run(
        traced(index, tmp_path / "data", profile(target.pid) + LIVE, target.pid, lambda: target.work(1500))
    )
    target.end()
    stacks = [split(key) for key in last(events)]
    assert {head for head, _ in stacks} == {str(target.pid)}
    names = [compare(made, base, frames) for _, frames in stacks]
    assert any(
        {
            "unsigned int shop::mixed<unsigned int>(unsigned int, unsigned int)",
            "shop::twice(unsigned int)",
            "shop::work(unsigned int)",
            "shop::rounds(unsigned int)",
            "shop::Till::serve(unsigned int)",
            "main",
        }
        <= set(each)
        for each in names
    ), names


def test_a_stack_at_a_function_after_the_targets_exit(
    index: Index, tmp_path: Path, start: Start, build: Build
) -> None:
    target = start(build.stripped)
    base = base_of(target.pid, build.stripped)
    calls: list[int] = []

    def act() -> None:
        calls.append(target.work(300))
        target.end()

    probe = f'uprobe:"{build.stripped}":{WORK} /pid == {target.pid}/'
    script = f"{probe} {{ @stacks[pid, ustack(perf)] = count(); }}\n"
    # Nothing is printed but at the end, when there is nobody left to ask.
    ended, events = asyncio.run(traced(index, tmp_path / "data", script, target.pid, act))
    assert not ended.warnings
    counted = last(events)
    assert sum(counted.values()) == calls[0]
    ((_, frames),) = [split(key) for key in counted]
    names = compare(build, base, frames)
    # What called it is in the walk of newer kernels alone.
    assert (names[0], names[-1]) == ("shop::work(unsigned int)", "main")
    assert (frames[0].offset, frames[0].inlined) == (0, False)
    (kept,) = (tmp_path / "data/sessions" / ended.id / "maps").glob(f"{target.pid}-*.json")
    regions = json.loads(kept.read_text())["regions"]
    assert str(build.stripped) in {region["path"] for region in regions}


def test_the_direct_caller_takes_its_place(index: Index, tmp_path: Path, start: Start, build: Build) -> None:
    target = start(build.stripped)
    base = base_of(target.pid, build.stripped)
    script = (
        f'uprobe:"{build.stripped}":{WORK} /pid == {target.pid}/ '
        '{ @stacks[pid, *(uint64 *)reg("sp"), ustack(perf)] = count(); }\n'
    )

    async def raw() -> list[Decoded]:
        settings = load({}, data=tmp_path / "data")
        from app.trace import symbol_directory

        symbols = symbol_directory.lay(script, index, tmp_path / "names")
        child = await Bpftrace(settings).spawn(script, symbols)
        await asyncio.wait_for(child.attached.wait(), 20)
        calls.append(await asyncio.to_thread(target.work, 200))
        await child.end()
        lines = [line async for batch in child.batches() for line in batch]
        await child.wait()
        return [event for line in lines if (event := decode(line)) is not None]

    calls: list[int] = []
    events = asyncio.run(raw())
    symboliser = Symboliser(index, tmp_path / "maps", script, "stacks", [target.pid])
    try:
        named = symboliser.name([(0, event) for event in events], 30)
    finally:
        symboliser.close()
        target.end()
    (counted,) = [event.data["@stacks"] for _, event in named if event.type == "map"]
    assert sum(counted.values()) == calls[0]
    ((head, frames),) = [split(key) for key in counted]
    assert head == str(target.pid)
    assert compare(build, base, frames) == [
        "shop::work(unsigned int)",
        "shop::rounds(unsigned int)",
        "shop::Till::serve(unsigned int)",
        "main",
    ]


def test_a_program_that_was_removed(index: Index, tmp_path: Path, start: Start) -> None:
    made = built(tmp_path / "made")
    target = start(made.stripped)
    base = base_of(target.pid, made.stripped)
    made.stripped.unlink()
    # Another file at its path must not be taken for it.
    shutil.copy("/bin/true", made.stripped)

    def act() -> None:
        target.work(600)
        target.end()

    _, events = asyncio.run(traced(index, tmp_path / "data", profile(target.pid), target.pid, act))
    stacks = [split(key)[1] for key in last(events)]
    assert any("main" in compare(made, base, frames) for frames in stacks), stacks


def test_a_program_in_namespaces_of_its_own(index: Index, tmp_path: Path, start: Start) -> None:
    """Its file is on a file system that only it sees, and its pid another one inside."""
    made = built(tmp_path / "made")
    place = tmp_path / "inside"
    place.mkdir()
    inner = place / "till"
    shell = (
        f"mount -t tmpfs none {place} && cp {made.stripped} {made.stripped}.debug {place}/ && exec {inner}"
    )
    target = start("unshare", "--mount", "--pid", "--fork", "sh", "-c", shell)
    target.work(1)
    (pid,) = [
        int(line) for line in Path(f"/proc/{target.pid}/task/{target.pid}/children").read_text().split()
    ]
    base = base_of(pid, inner)
    assert not inner.exists()

    def act() -> None:
        target.work(600)
        target.end()

    _, events = asyncio.run(traced(index, tmp_path / "data", profile(pid), pid, act))
    stacks = [split(key)[1] for key in last(events)]
    assert any("main" in compare(made, base, frames, inner) for frames in stacks), stacks


def test_a_target_that_becomes_another_program_and_ends_soon(
    index: Index, tmp_path: Path, start: Start, build: Build
) -> None:
    target = start("sh", "-c", f"read line; exec {build.stripped}")

    def act() -> None:
        target.process.communicate("go\n150\n", timeout=20)

    probe = f'uprobe:"{build.stripped}":{WORK}'
    script = f"{probe} /pid == {target.pid}/ {{ @stacks[ustack(perf)] = count(); }}\n"
    ended, events = asyncio.run(traced(index, tmp_path / "data", script, target.pid, act))
    ((head, frames),) = [split(key) for key in last(events)]
    assert (head, frames[0].name, frames[0].offset) == ("", "shop::work(unsigned int)", 0)
    looks = [
        json.loads(path.read_text()) for path in (tmp_path / "data/sessions" / ended.id / "maps").iterdir()
    ]
    (base,) = {
        int(region["start"], 16) - int(region["offset"], 16)
        for look in looks
        for region in look["regions"]
        if region["path"] == str(build.stripped)
    }
    assert compare(build, base, frames)[-1] == "main"


# push rbp; mov rbp, rsp; mov ecx, 100000000; dec ecx; jnz; pop rbp; ret
JIT = """
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
int main(void)
{
    static const unsigned char code[] = {0x55, 0x48, 0x89, 0xe5, 0xb9, 0x00, 0xe1, 0xf5, 0x05,
                                         0xff, 0xc9, 0x75, 0xfc, 0x5d, 0xc3};
    void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char path[64], line[64];
    memcpy(at, code, sizeof code);
    snprintf(path, sizeof path, "/tmp/perf-%d.map", getpid());
    FILE *file = fopen(path, "w");
    fprintf(file, "%lx %zx LazyCompile:*busy app.js:3\\n", (unsigned long)at, sizeof code);
    fclose(file);
    while (fgets(line, sizeof line, stdin)) {
        for (int i = 0; i < 20; i++)
            ((void (*)(void))at)();
        puts("20");
        fflush(stdout);
    }
    unlink(path);
    return 0;
}
"""


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="its code is x86-64's")
def test_code_of_a_jit_compiler(index: Index, tmp_path: Path, start: Start) -> None:
    program = compile_c(tmp_path, JIT, "jit", "-fno-omit-frame-pointer")
    target = start(program)

    def act() -> None:
        target.work(0)
        target.end()

    _, events = asyncio.run(traced(index, tmp_path / "data", profile(target.pid), target.pid, act))
    stacks = [split(key)[1] for key in last(events)]
    assert any(
        [frame.name for frame in frames[:2]] == ["LazyCompile:*busy app.js:3", "main"]
        and frames[1].source is not None
        for frames in stacks
    ), stacks
