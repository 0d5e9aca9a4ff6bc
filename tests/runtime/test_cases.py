"""Runs the cases on the real kernel: what a script tells is what the program says that it called."""

from __future__ import annotations

import asyncio
import json
import operator
import os
import re
import shlex
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from app import config
from app.errors import AppError
from app.host.cgroups import hierarchy
from app.host.machine import machine
from app.index.service import Index
from app.trace.bpftrace import Bpftrace
from app.trace.catalogue import function_named
from app.trace.model import ScriptRequest, Session, Verdict
from app.trace.script import generate
from app.trace.session import Sessions
from app.trace.stacks import UNKNOWN, StackFrame, split
from app.trace.verdict import function_verdict, usdt_verdict
from app.views.table import MapView, maps
from tests.runtime.cases import Case, read_cases
from tests.runtime.programs import SOURCES, Builder
from tests.trace.conftest import no_bpftrace_stays  # noqa: F401 - used by every test here

pytestmark = pytest.mark.skipif(
    shutil.which("bpftrace") is None or os.geteuid() != 0, reason="needs bpftrace and root"
)
CASES = read_cases(Path(__file__).parent)
SECONDS = 30.0
_COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "=": operator.eq}


@dataclass
class Machinery:
    """Sessions and index that all cases share, in a loop of their own."""

    runner: asyncio.Runner
    index: Index
    bpftrace: Bpftrace
    sessions: Sessions
    builder: Builder


@pytest.fixture(scope="module")
def machinery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machinery]:
    top = tmp_path_factory.mktemp("cases")
    (top / "bin").mkdir()
    top.chmod(0o755)
    settings = replace(config.load({}), data=top / "data", free_disk=0)
    bpftrace = Bpftrace(settings)
    index = Index(settings)
    index.start(serving=False)
    with asyncio.Runner() as runner:
        sessions = Sessions(settings, bpftrace, index)
        runner.run(sessions.start())
        try:
            yield Machinery(runner, index, bpftrace, sessions, Builder(top / "bin"))
        finally:
            runner.run(sessions.close())
            index.close()


@dataclass(frozen=True)
class Outcome:
    """What came of a case: the session and its events, or why it was refused."""

    session: Session | None
    events: list[dict[str, Any]]
    reported: dict[str, int]
    refused: str
    tried: str = ""  # what bpftrace says when it is given the script that was refused
    functions: dict[int, str] = field(default_factory=dict)  # by address, of a program at a fixed place

    @property
    def maps(self) -> dict[str, MapView]:
        return maps(event for event in self.events if event["type"] in {"map", "hist", "stats"})

    @property
    def lines(self) -> list[str]:
        return [str(event["data"]) for event in self.events if event["type"] == "printf"]


@pytest.mark.parametrize("case", CASES, ids=[f"{each.place}: {each.name}" for each in CASES])
def test_case(case: Case, machinery: Machinery) -> None:
    _need_version(case, machinery)
    _need_kernel(case)
    path = machinery.builder.path(case.program)
    if case.function:
        return _verdict(case, path, machinery)
    outcome = machinery.runner.run(_run(case, path, machinery))
    if not any(each.split()[0] in {"refused", "ends"} for each in case.expected):
        assert outcome.refused == ""
        assert outcome.session is not None
        assert outcome.session.state == "ended", (outcome.session.reason, outcome.session.script)
    for expectation in case.expected:
        _check(expectation, outcome)


def _need_version(case: Case, machinery: Machinery) -> None:
    match = re.fullmatch(r"([<>]=?)(\d+)\.(\d+)", case.version)
    if match is None:
        return
    able = machinery.bpftrace.capabilities()
    if not _COMPARE[match[1]](able.version or (0, 0, 0), (int(match[2]), int(match[3]), 0)):
        pytest.skip(f"for bpftrace {case.version}")


def _need_kernel(case: Case) -> None:
    tracefs = machine().tracefs
    if case.recipe == "offcpu" and not Path(tracefs or "/", "events/sched/sched_switch").exists():
        pytest.skip("tracefs has no sched_switch")
    if "CGROUP" in case.options.get("cgroup", "") and (hierarchy() is None or _own_group() is None):
        pytest.skip("there are no control groups of version 2")


def _own_group() -> str | None:
    """The control group of version 2 that this process, and so what it starts, is in."""
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    return next((line.removeprefix("0::") for line in lines if line.startswith("0::")), None)


def _probe(text: str, path: Path, machinery: Machinery) -> str:
    """A probe of a case, with the program's path and the line of a mark put in."""
    kind, _, rest = text.rpartition(":") if text.startswith("return:") else ("", "", text)
    if text.startswith("@"):
        return _judged(text[1:], path, machinery).probe or text
    if text.startswith("usdt:"):
        return f'usdt:"{path}":{text[5:]}'
    if text.startswith("line:"):
        file, mark = text[5:].split(":", 1)
        lines = (SOURCES / file).read_text().splitlines()
        number = next(at for at, line in enumerate(lines, 1) if mark.strip('"') in line)
        return f'line:"{path}":{file}:{number}'
    return f'{"uretprobe" if kind else "uprobe"}:"{path}":{rest}'


async def _run(case: Case, path: Path, machinery: Machinery) -> Outcome:
    pipe = subprocess.PIPE
    target = subprocess.Popen([path], stdin=pipe, stdout=pipe, text=True)  # noqa: ASYNC220
    reported: dict[str, int] = {}
    try:
        words = {"PID": str(target.pid), "CGROUP": _own_group() or ""}
        options = {
            name: re.sub("PID|CGROUP", lambda match: words[match[0]], value)
            for name, value in case.options.items()
        }
        request = ScriptRequest(
            case.recipe or "custom",
            tuple(_probe(text, path, machinery) for text in case.probes),
            target.pid if case.pid else None,
            SECONDS,
            case.script.replace("PROGRAM", str(path)) or None,
            options=dict(options),
        )
        try:
            session = await machinery.sessions.create(request, "cases")
        except AppError as error:
            tried = any(each.startswith("tried ") for each in case.expected)
            said = await _tried(request, machinery) if tried else ""
            return Outcome(None, [], {}, f"{error.message} {error.hint}", said)
        for _ in range(1200):
            session = machinery.sessions.get(session.id)
            if session.state != "starting":
                break
            await asyncio.sleep(0.025)
        if session.state == "running":
            asked = "".join(f"{name} {times}\n" for name, times in case.run.items())
            done, _ = await asyncio.to_thread(target.communicate, asked, SECONDS)
            reported = {name: int(count) for name, count in (line.split() for line in done.splitlines())}
            await machinery.sessions.stop(session.id)
        session = await machinery.sessions.wait(session.id, SECONDS)
    finally:
        target.kill()
        target.communicate()
    events = [json.loads(line) for line in machinery.sessions.read(session.id, 1, 1_000_000)]
    await machinery.sessions.delete(session.id)
    return Outcome(session, events, reported, "", functions=_located(events, path, machinery))


async def _tried(request: ScriptRequest, machinery: Machinery) -> str:
    """What bpftrace says to a script that was refused; it must not attach it."""
    able = machinery.bpftrace.capabilities()
    made = generate(request, able, machinery.index)
    child = await machinery.bpftrace.spawn(made.text)
    async for _ in child.batches():
        child.send(signal.SIGTERM)  # in case that it does
    assert await child.wait() > 0, made.text
    return child.stderr


def _located(events: list[dict[str, Any]], path: Path, machinery: Machinery) -> dict[int, str]:
    """The functions at the addresses in stacks; each is asked for, and for the call before it."""
    numbers: set[int] = set()
    for view in maps(event for event in events if event["type"] == "map").values():
        for row in view.rows if view.name == "@stacks" else ():
            head, frames = split(row.key or "")
            numbers |= {frame.address for frame in frames if frame.address is not None}
            numbers |= {int(part) for part in head.split(",")[1:] if part.strip().isdigit()}
    asked = sorted({number - step for number in numbers for step in (0, 1)})
    if not asked:
        return {}
    binary = machinery.index.binary_at(str(path))
    places = machinery.index.answers.locate(binary.id, asked)
    return {each["address"]: each["function"] or "?" for each in places}


def _check(expectation: str, outcome: Outcome) -> None:
    """One ``expect`` line."""
    word, _, rest = expectation.partition(" ")
    if word == "map":
        _check_map(rest, outcome)
    elif word == "hist":
        name, _, wanted = rest.partition(" ")
        _check_histogram(name, int(wanted), outcome)
    elif word == "line":
        wanted, _, text = rest.partition(" ")
        found = [line for line in outcome.lines if text in line]
        assert _counts(len(found), wanted), (
            text,
            outcome.lines[:20],
            outcome.session and outcome.session.script,
        )
    elif word == "stack":
        wanted, _, frames = rest.partition(" ")
        _check_stack(wanted, frames.split(), outcome)
    elif word == "warns":
        assert outcome.session is not None
        assert any(rest in each for each in outcome.session.warnings), outcome.session.warnings
    elif word == "refused":
        assert rest in outcome.refused, (outcome.refused, outcome.session and outcome.session.script)
    elif word == "tried":
        assert rest in outcome.tried, outcome.tried
    elif word == "script":
        assert outcome.session is not None
        assert rest in outcome.session.script, outcome.session.script
    elif word == "ends":
        assert outcome.session is not None
        assert outcome.session.code == rest, (outcome.session.code, outcome.session.reason)
    elif word == "attached":
        assert outcome.session is not None
        assert outcome.session.attached_probes == int(rest)
    else:
        raise AssertionError(f"{word} is nothing that can be expected")


def _counts(count: int, wanted: str) -> bool:
    return count >= int(wanted[:-1]) if wanted.endswith("+") else count == int(wanted)


def _check_map(text: str, outcome: Outcome) -> None:
    """``@name KEY=VALUE …``: all of it; ``@name reported``: as the program said."""
    name, *parts = shlex.split(text)
    view = outcome.maps.get(name)
    found = {} if view is None else {(row.key or "").replace("\x00", ""): row.value for row in view.rows}
    if parts == ["reported"]:
        wanted: dict[str, Any] = dict(outcome.reported)
    else:
        wanted = {}
        for part in parts:
            key, _, value = part.rpartition("=")
            wanted[key] = int(value)
    if any(key.startswith("~") for key in wanted):
        # A part of a key; those that match add up.
        for key, value in wanted.items():
            assert sum(count for each, count in found.items() if key[1:] in each) == value, (key, found)
        return
    assert found == wanted, (found, wanted, outcome.session and outcome.session.script)


def _check_histogram(name: str, wanted: int, outcome: Outcome) -> None:
    """``@name`` or ``@name[part of the key]``: how much is in it, in all."""
    map_name, _, part = name.rstrip("]").partition("[")
    view = outcome.maps.get(map_name)
    rows = [] if view is None else [row for row in view.rows if part in (row.key or "")]
    total = sum(bucket["count"] for row in rows for bucket in row.value)
    assert total == wanted, (rows, outcome.session and outcome.session.script)


def _check_stack(wanted: str, names: list[str], outcome: Outcome) -> None:
    """How many stacks have these frames in this order, the innermost first."""
    view = outcome.maps.get("@stacks")
    found: Counter[bool] = Counter()
    for row in view.rows if view is not None else []:
        frames = iter(_frames(row.key or "", outcome))
        found[all(any(frame == name for frame in frames) for name in names)] += int(row.value)
    assert _counts(found[True], wanted), (view, outcome.session and outcome.session.script)


def _frames(key: str, outcome: Outcome) -> list[str]:
    """The functions of a stack; those that bpftrace could not name by their addresses in the program."""
    head, frames = split(key)
    _, _, caller = head.partition(",")
    stack = list(frames)
    if caller.strip():
        stack.insert(1, StackFrame(UNKNOWN, int(caller)))
    names = []
    for frame in stack:
        named = "[unknown]" not in (frame.name, frame.module) and not frame.name.startswith("0x")
        address = -1 if frame.address is None else frame.address - (0 if frame is stack[0] else 1)
        names.append(frame.name if named else outcome.functions.get(address, "?"))
    return names


def _judged(name: str, path: Path, machinery: Machinery) -> Verdict:
    """The verdict of a function, or of ``usdt:PROVIDER:NAME``."""
    index, able = machinery.index, machinery.bpftrace.capabilities()
    binary = index.binary_at(str(path))
    if name.startswith("usdt:"):
        _, provider, probe = name.split(":")
        return usdt_verdict(index.usdt_probe(binary.id, provider, probe), binary, able)
    function = function_named(index, binary.id, name)
    assert function is not None, name
    return function_verdict(function, binary, able)


def _verdict(case: Case, path: Path, machinery: Machinery) -> None:
    """The verdict of a function, and that trying it proves it: a refused one gives no hit."""
    verdict = _judged(case.function, path, machinery)
    reasons = {reason.code for reason in verdict.reasons}
    back = {reason.code for reason in verdict.return_probe.reasons}
    for expectation in case.expected:
        word, _, rest = expectation.partition(" ")
        if word == "verdict":
            wanted, _, code = rest.partition(" ")
            assert verdict.attachable == (wanted == "yes"), verdict
            assert not code or code in reasons, verdict
        elif word == "return":
            wanted, _, code = rest.partition(" ")
            assert verdict.return_probe.attachable == (wanted == "yes"), verdict
            assert not code or code in back, verdict
    tried = replace(case, function="", recipe=case.recipe or "count", probes=case.probes or (case.function,))
    outcome = machinery.runner.run(_run(tried, path, machinery))
    for expectation in case.expected:
        if expectation.split()[0] not in {"verdict", "return"}:
            _check(expectation, outcome)
