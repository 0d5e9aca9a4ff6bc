"""Each recipe's text: what it counts, filters and refuses, and that the bpftrace here compiles it."""

from __future__ import annotations

import asyncio
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from app import config
from app.errors import AppError, BadInput, NotFound
from app.trace import policy
from app.trace.bpftrace import Bpftrace, Capabilities
from app.trace.model import ScriptRequest
from app.trace.script import generate
from tests.support.programs import compile_c
from tests.trace.catalogues import Fake, binary, function, usdt

NEEDS_BPFTRACE = pytest.mark.skipif(
    shutil.which("bpftrace") is None or os.geteuid() != 0, reason="needs bpftrace and root"
)
ABLE = Capabilities(True, "/usr/bin/bpftrace", (0, 17, 0), "bpftrace v0.17.0", True, None, "", False, False)
SOURCE = """
#include <sys/sdt.h>
int work(int a, const char *s) { DTRACE_PROBE3(demo, hit, a, s, (char)a); return a * 2; }
double half(double d, unsigned char c) { return d / c; }
int main(void) { return work(1, "x") + (int)half(1, 2); }
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_c(tmp_path_factory.mktemp("a b"), SOURCE, "demo")


@pytest.fixture
def index(program: Path) -> Fake:
    return Fake(
        binary(str(program)),
        [
            function("work", (("a", "int"), ("s", "const char *")), returns="int"),
            function(
                "half", (("d", "double"), ("c", "unsigned char")), returns="double", key="2000", address=8192
            ),
            function("main", (), returns="int", key="3000", address=0x3000),
        ],
        [usdt("demo", "hit", (4, True), (8, False), (1, True))],
    )


def ask(program: Path, recipe: str, *names: str, **more: object) -> ScriptRequest:
    kinds = {"usdt", "uretprobe"}
    probes = tuple(
        f'{name.split(":", 1)[0]}:"{program}":{name.split(":", 1)[1]}'
        if name.split(":", 1)[0] in kinds
        else f'uprobe:"{program}":{name}'
        for name in names
    )
    return ScriptRequest(recipe, probes, **more)  # type: ignore[arg-type]


def test_count_counts_each_function_under_its_name(program: Path, index: Fake) -> None:
    made = generate(ask(program, "count", "work", "half"), ABLE, index)
    assert made.text == (
        f'uprobe:"{program}":work {{ @calls["work"] = count(); }}\n'
        f'uprobe:"{program}":half {{ @calls["half"] = count(); }}\n'
        "interval:ms:500 { print(@calls); }\n"
    )
    assert (made.warnings, made.expected_probes) == ((), 2)


def test_few_functions_of_a_wildcard_have_each_their_name(program: Path, index: Fake) -> None:
    made = generate(ask(program, "count", "*"), ABLE, index)
    assert made.text.startswith(f'uprobe:"{program}":half {{ @calls["half"] = count(); }}\nuprobe:')
    assert (made.expected_probes, made.warnings) == (3, ())
    mixed = generate(ask(program, "count", "w*", "work", "main"), ABLE, index)
    assert mixed.text.count("count()") == 2
    assert (mixed.expected_probes, mixed.warnings) == (2, ())
    back = generate(ask(program, "count", "uretprobe:w*"), ABLE, index)
    assert back.text.startswith(f'uretprobe:"{program}":work {{ @calls["work"]')
    assert back.expected_probes == 1


def test_many_functions_of_a_wildcard_stay_one(program: Path, index: Fake) -> None:
    index.all_functions += [function(f"f{at}", key=f"f{at}", address=0x9000 + at) for at in range(200)]
    made = generate(ask(program, "count", "f*", "main"), ABLE, index)
    assert f'uprobe:"{program}":f* {{ @calls[probe] = count(); }}' in made.text
    assert made.expected_probes == 201
    assert "-> %s(" in generate(ask(program, "log", "f*"), ABLE, index).text
    assert '@name[tid, reg("sp")] = probe;' in generate(ask(program, "latency", "f*"), ABLE, index).text


def test_log_reads_parameters_by_their_types(program: Path, index: Fake) -> None:
    made = generate(ask(program, "log", "work"), ABLE, index)
    assert '-> work(a=%d, s=%s)  [%s %d]\\n", (int32)arg0, str(arg1), comm, pid)' in made.text
    assert '<- work = %d  [%s %d]\\n", (int32)retval, comm, pid)' in made.text
    assert f'/comm != "bpftrace" && pid != {os.getpid()}/' in made.text
    assert made.expected_probes == 2
    half = generate(ask(program, "log", "half"), ABLE, index).text
    assert '-> half(d=?, c=%u)  [%s %d]\\n", (uint8)arg0, comm, pid)' in half
    assert '"<- half  [%s %d]\\n", comm, pid)' in half
    alone = generate(ask(program, "log", "work", options={"returns": False}), ABLE, index)
    assert "uretprobe" not in alone.text


def test_log_reads_usdt_arguments_by_size_and_sign(program: Path, index: Fake) -> None:
    made = generate(ask(program, "log", "usdt:demo:hit", options={"strings": [1]}), ABLE, index)
    assert "-> demo:hit(%d, %s, %d)" in made.text
    assert "(int32)arg0, str(arg1), (int8)arg2, comm, pid" in made.text


def test_latency_pairs_calls_by_thread_and_stack(program: Path, index: Fake) -> None:
    made = generate(ask(program, "latency", "work"), ABLE, index)
    assert '@start[tid, reg("sp")] = nsecs' in made.text
    assert '  @us = hist((nsecs - @start[tid, reg("sp") - 8]) / 1000);' in made.text
    assert 'delete(@start[tid, reg("sp") - 8]);' in made.text
    assert made.expected_probes == 2
    new = generate(ask(program, "latency", "work"), replace(ABLE, version=(0, 23, 2)), index)
    assert "{ @depth[tid]++; @start[tid, @depth[tid]] = nsecs; }" in new.text
    assert "delete(@start, (tid, @depth[tid])); @depth[tid]--;" in new.text
    two = generate(ask(program, "latency", "work", "main"), ABLE, index)
    assert '@us["work\\x00\\x00\\x00"] = hist' in two.text
    two = generate(ask(program, "latency", "work", "main"), replace(ABLE, version=(0, 23, 2)), index)
    assert '@us["work"] = hist' in two.text
    both = generate(ask(program, "latency", "work", "uretprobe:work"), ABLE, index)
    assert both.text == made.text


def test_a_pid_is_a_filter_in_each_probe(program: Path, index: Fake) -> None:
    for recipe in ("count", "log", "latency"):
        made = generate(ask(program, recipe, "work", pid=os.getpid()), ABLE, index)
        places = [line for line in made.text.splitlines() if line.startswith(("uprobe", "uretprobe"))]
        assert places
        assert all(f"pid == {os.getpid()}" in line for line in places)
        assert "comm !=" not in made.text
    with pytest.raises(NotFound):
        generate(ask(program, "count", "work", pid=2**22), ABLE, index)


def test_a_pid_that_the_kernel_knows_otherwise_is_refused(
    program: Path, index: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.host.machine import machine
    from app.trace import filters

    inner = replace(machine(), host_pid_namespace=False)
    monkeypatch.setattr(filters, "machine", lambda: inner)
    with pytest.raises(BadInput) as caught:
        generate(ask(program, "count", "work", pid=os.getpid()), ABLE, index)
    assert "--pid=host" in caught.value.hint
    assert generate(ask(program, "count", "work", pid=os.getpid()), replace(ABLE, version=(0, 22, 0)), index)


def test_what_the_index_does_not_know_is_warned_of(program: Path, index: Fake) -> None:
    assert generate(ask(program, "count", "nothing"), ABLE, index).warnings == (
        f"{program} has no function nothing.",
    )
    assert "matches zz*" in generate(ask(program, "count", "zz*"), ABLE, index).warnings[0]
    assert "demo:miss" in generate(ask(program, "count", "usdt:demo:miss"), ABLE, index).warnings[0]
    index.all_functions.append(function("fast", type="IFUNC", key="7000"))
    assert "chosen at run time" in generate(ask(program, "count", "fast"), ABLE, index).warnings[0]
    made = generate(ScriptRequest("count", ("uprobe:/bin/other:f",)), ABLE, index)
    assert made.warnings == ("There is no /bin/other.",)
    assert generate(ask(program, "count", "work"), ABLE, None).expected_probes == 1


def test_go_programs_get_no_return_probes(program: Path, index: Fake) -> None:
    index.binary = replace(index.binary, language="go")
    for request in (
        ask(program, "latency", "work"),
        ask(program, "count", "uretprobe:work"),
        ScriptRequest(script=f'uretprobe:"{program}":work {{ @ = count(); }}'),
    ):
        with pytest.raises(BadInput, match="can crash the program"):
            generate(request, ABLE, index)
    made = generate(ask(program, "log", "work"), ABLE, index)
    assert "uretprobe" not in made.text
    assert "left out" in made.warnings[0]
    assert 'reg("ax")' in made.text


def test_a_call_is_counted_once_whatever_its_names(program: Path, index: Fake) -> None:
    index.all_functions.append(function("w_real", aliases=("w_alias",), key="4000", address=0x4000))
    made = generate(ask(program, "count", "w*"), ABLE, index)
    assert made.text.startswith(
        f'uprobe:"{program}":w_real {{ @calls["w_real"] = count(); }}\nuprobe:"{program}":work {{'
    )
    assert made.expected_probes == 2


def test_functions_without_a_size_are_left_out(program: Path, index: Fake) -> None:
    index.all_functions.append(function("_init", size=0, key="6000", address=0x6000))
    made = generate(ask(program, "count", "*"), ABLE, index)
    assert ":_init" not in made.text
    assert made.expected_probes == 3
    index.all_functions += [function(f"f{at}", key=f"f{at}", address=0x9000 + at) for at in range(200)]
    many = generate(ask(program, "count", "*"), ABLE, index)
    assert ":_init" not in many.text
    assert many.expected_probes == 203
    assert "has no size" in generate(ask(program, "count", "_init"), ABLE, index).warnings[0]


def test_returns_that_would_harm_are_left_out_or_refused(program: Path, index: Fake) -> None:
    index.all_functions.append(function("_start", key="5000", address=0x5000))
    made = generate(ask(program, "latency", "*"), ABLE, index)
    assert ":_start" not in made.text
    assert made.expected_probes == 6
    assert "_start" in made.warnings[0]
    logged = generate(ask(program, "log", "*"), ABLE, index)
    assert f'uprobe:"{program}":_start ' in logged.text
    assert f'uretprobe:"{program}":_start ' not in logged.text
    assert logged.expected_probes == 7
    index.all_functions += [function(f"f{at}", key=f"f{at}", address=0x9000 + at) for at in range(200)]
    many = generate(ask(program, "latency", "*"), ABLE, index)
    assert f'uretprobe:"{program}":f0,\n' in many.text
    assert ":_start" not in many.text
    assert many.expected_probes == 406
    for asked in (
        ask(program, "count", "uretprobe:_start"),
        ask(program, "latency", "_start"),
        ScriptRequest(script=f'uretprobe:"{program}":_setjmp {{ @ = count(); }}'),
    ):
        for catalogue in (index, None):
            with pytest.raises(BadInput, match="cannot be traced"):
                generate(asked, ABLE, catalogue)


def test_returns_that_exceptions_pass_are_logged_on_demand_alone(program: Path, index: Fake) -> None:
    index.binary = replace(index.binary, language="c++")
    made = generate(ask(program, "log", "work"), ABLE, index)
    assert "uretprobe" not in made.text
    assert "exception" in made.warnings[0]
    wanted = generate(ask(program, "log", "work", options={"returns": True}), ABLE, index)
    assert "uretprobe" in wanted.text
    for found in (wanted, generate(ask(program, "latency", "work"), ABLE, index)):
        assert "aborts the program" in found.warnings[0]


@pytest.mark.parametrize(
    "asked",
    [
        ScriptRequest("nonsense", ("uprobe:/bin/bash:main",)),
        ScriptRequest("count"),
        ScriptRequest("custom"),
        ScriptRequest("count", ("kprobe:vfs_read",)),
        ScriptRequest("latency", ("usdt:/bin/p:a:b",)),
        ScriptRequest("count", ("uprobe:/bin/bash:main",), script="BEGIN { exit(); }"),
        ScriptRequest("log", ("uprobe:/bin/bash:main",), options={"strings": "all"}),
    ],
)
def test_requests_that_make_no_sense_are_refused(asked: ScriptRequest) -> None:
    with pytest.raises(AppError) as caught:
        generate(asked, ABLE, None)
    assert caught.value.hint


def test_own_scripts_stay_as_they_are_and_are_counted(program: Path, index: Fake) -> None:
    text = f'uprobe:"{program}":work, uprobe:"{program}":* /pid == 1/ {{ @ = count(); }}\nEND {{ exit(); }}'
    made = generate(ScriptRequest(script=text), ABLE, index)
    assert (made.text, made.expected_probes, made.warnings) == (text, 4, ())
    assert (
        generate(ScriptRequest(script="kprobe:vfs_* { @ = count(); }"), ABLE, index).expected_probes is None
    )
    assert generate(ScriptRequest(script="BEGIN { exit(); }"), ABLE, index).expected_probes == 0
    warned = generate(ScriptRequest(script="BEGIN { exit(); }", pid=os.getpid()), ABLE, index)
    assert f"/pid == {os.getpid()}/" in warned.warnings[0]
    skeleton = generate(ask(program, "custom", "work"), ABLE, index)
    assert skeleton.text.startswith(f'uprobe:"{program}":work {{')


@NEEDS_BPFTRACE
def test_what_is_generated_compiles_and_keeps_to_the_policy(program: Path, index: Fake) -> None:
    index.all_functions += [function(f"f{at}", key=f"f{at}", address=0x9000 + at) for at in range(200)]
    bpftrace = Bpftrace(config.load({}))
    able = bpftrace.capabilities()
    requests = [
        ask(program, recipe, *names, pid=pid)
        for recipe in ("count", "log", "latency", "custom")
        for names, pid in ((("work", "half"), None), (("w*", "main"), os.getpid()))
    ]
    requests += [ask(program, recipe, "usdt:demo:hit") for recipe in ("count", "log", "custom")]
    requests += [ask(program, "count", "usdt:*:h*", "uretprobe:work", "uretprobe:w*")]
    requests += [
        ask(program, recipe, "f*", "main", pid=os.getpid()) for recipe in ("count", "log", "latency")
    ]
    requests += [ScriptRequest("log", (f'uprobe:"{program}":work',), options={"strings": [0]})]

    async def run() -> None:
        for request in requests:
            for catalogue in (index, None) if request.recipe == "log" else (index,):
                made = generate(request, able, catalogue)
                assert policy.check(made.text, free=False) == ()
                found = await bpftrace.check(made.text)
                assert [entry for entry in found if entry.severity == "error"] == [], made.text

    asyncio.run(run())
