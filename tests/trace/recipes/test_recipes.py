"""Each recipe's text where that is not plain: keys, versions, what it refuses. The cases run them."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from app.errors import AppError, BadInput, TracingUnavailable
from app.host.machine import machine
from app.trace import policy
from app.trace.bpftrace import Capabilities
from app.trace.model import RECIPES, ScriptRequest
from app.trace.recipes import RECIPES as MAKERS
from app.trace.script import generate
from tests.trace.catalogues import Fake, binary, function, usdt

PATH = "/srv/server"
# The package has the function of this name.
OFFCPU = sys.modules["app.trace.recipes.offcpu"]
OLD = Capabilities(True, "/usr/bin/bpftrace", (0, 17, 0), "bpftrace v0.17.0", True, None, "", False, False)
NEW = replace(OLD, version=(0, 23, 2), multi=True, dry_run=True)


@pytest.fixture
def index() -> Fake:
    return Fake(
        binary(PATH),
        [
            function("work", (("a", "int"), ("s", "const char *"), ("t", "const char *")), returns="int"),
            function("rest", (("n", "long"),), key="2000", address=0x2000),
            function("none", (), key="3000", address=0x3000),
        ],
        [usdt("demo", "hit", (4, True), (8, False))],
    )


def script(index: Fake, recipe: str, *names: str, able: Capabilities = OLD, **options: object) -> str:
    probes = tuple(name if ":" in name else f"uprobe:{PATH}:{name}" for name in names)
    text = generate(ScriptRequest(recipe, probes, options=dict(options)), able, index).text
    assert policy.check(text, free=False) == ()
    return text


def test_every_recipe_of_the_model_is_made() -> None:
    assert tuple(MAKERS) == RECIPES


def test_a_heatmap_has_finer_buckets_where_the_version_has_them(index: Fake) -> None:
    assert " / 1000, 3);" in script(index, "heatmap", "work", able=NEW)
    assert " / 1000);" in script(index, "heatmap", "work")
    assert " / 1000);" in script(index, "latency", "work", able=NEW)


def test_a_latency_by_what_a_call_began_with(index: Fake) -> None:
    number = script(index, "latency", "work", by="arg:a")
    assert '@by[tid, reg("sp")] = (int32)arg0;' in number
    assert '@us[@by[tid, reg("sp") - 8]] = hist' in number
    assert 'delete(@by[tid, reg("sp") - 8]);' in number
    assert "clear(@by);" in number
    both = script(index, "latency", "work", "rest", by="arg:0")
    assert '@us[@by[tid, reg("sp") - 8], "work\\x00\\x00\\x00"]' in both
    assert '@us[tid, "rest\\x00\\x00\\x00"]' in script(index, "latency", "work", "rest", by="thread")
    assert "@us[pid, comm]" in script(index, "latency", "work", by="process")
    for wrong in ("arg:zz", "arg:9"):
        with pytest.raises(BadInput) as caught:
            script(index, "latency", "work", by=wrong)
        assert caught.value.code == "bad_by"
    with pytest.raises(BadInput, match="one function alone"):
        script(index, "latency", "work", "rest", by="arg:s")


def test_calls_that_a_filter_leaves_out_count_for_the_depth(index: Fake) -> None:
    text = script(index, "latency", "work", able=NEW, where="a > 3")
    assert "@depth[tid]++; if ((int32)arg0 > 3) { @start[tid, @depth[tid]] = nsecs; }" in text
    assert "/@depth[tid] > 0/ {\n  if (@start[tid, @depth[tid]]) {" in text
    assert text.count("@depth[tid]--;") == 1
    old = script(index, "latency", "work", where="a > 3")
    assert '/(int32)arg0 > 3/ { @start[tid, reg("sp")] = nsecs; }' in old


def test_keys_of_top_have_one_text_last(index: Fake) -> None:
    assert "@top[(int32)arg0, str(arg1)] = count();" in script(index, "top", "work")
    assert "@top[str(arg1)]" in script(index, "top", "work", arguments="s")
    assert "@top[(int32)arg0, str(arg2)]" in script(index, "top", "work", arguments=["t", "a"])
    assert "@top[(int32)arg0, str(arg1)]" in script(index, "top", f"usdt:{PATH}:demo:hit", strings=[1])
    several = script(index, "top", "work", "rest")
    assert "@top_work[" in several
    assert "print(@top_work); print(@top_rest);" in several
    for names, options, sentence in (
        (("work",), {"arguments": "s, t"}, "two texts"),
        (("work",), {"arguments": "zz"}, "cannot read 'zz'"),
        (("none",), {}, "No argument of none"),
    ):
        with pytest.raises(BadInput, match=sentence):
            script(index, "top", *names, able=OLD, **options)


def test_slow_calls_keep_their_arguments_apart(index: Fake) -> None:
    text = script(index, "slower", "work", "rest", milliseconds=2.5)
    assert "// Calls of 2.5 ms and more." in text
    assert "if ($ns >= 2500000) {" in text
    assert '@arg0_1[tid, reg("sp")] = str(arg1);' in text
    assert '@arg1_0[tid, reg("sp")] = (int64)arg0;' in text
    assert "@n = count();" in text
    for map in ("@start", "@arg0_0", "@arg0_1", "@arg1_0"):
        assert f"clear({map});" in text
    assert '"work(a=%d) took' in script(index, "slower", "work", arguments="a")


def test_a_stack_has_its_caller_where_the_unwinder_misses_it(index: Fake) -> None:
    caller = '@stacks[pid, *(uint64 *)reg("sp"), ustack(perf, 5)]'
    assert caller in script(index, "stacks", "work", frames=5)
    without = "@stacks[pid, ustack(perf, 127)]"
    assert without in script(index, "stacks", "work", able=NEW)
    # One type of key for all.
    assert script(index, "stacks", "work", f"usdt:{PATH}:demo:hit").count(without) == 2
    assert without in script(index, "stacks", f"uretprobe:{PATH}:work")
    index.binary = replace(index.binary, machine="aarch64")
    assert without in script(index, "stacks", "work")


def test_a_profile_is_of_processes() -> None:
    made = generate(ScriptRequest("profile", pid=os.getpid(), options={"sample": 2}), OLD, None)
    assert made.text.startswith(f"profile:hz:99 /pid == {os.getpid()} && (uint64)@seen++ % 2 == 0/")
    assert made.expected_probes == 0
    for request, sentence in (
        (ScriptRequest("profile"), "of which process"),
        (ScriptRequest("profile", ("uprobe:/bin/sh:main",), options={"comm": "sh"}), "not probes"),
        (ScriptRequest("profile", options={"comm": "sh", "where": "a > 1"}), "no arguments in a profile"),
    ):
        with pytest.raises(BadInput, match=sentence):
            generate(request, OLD, None)


def test_time_off_the_cpu(index: Fake, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    switch = tmp_path / "events/sched/sched_switch"
    switch.mkdir(parents=True)
    (switch / "format").write_text("")
    here = replace(machine(), tracefs=str(tmp_path), host_pid_namespace=True)
    monkeypatch.setattr(OFFCPU, "machine", lambda: here)
    text = script(index, "offcpu", "work", "rest", stacks=True)
    assert "$next = (uint64)args->next_pid;" in text
    assert "@offcpu_us[@in[$next]] = hist($us);" in text
    assert "@stacks[@owner[$next], @stack[$next]] = sum($us);" in text
    assert "args.next_pid" in script(index, "offcpu", "work", able=NEW)
    request = ScriptRequest("offcpu", (f"uprobe:{PATH}:work",))
    assert generate(request, OLD, index).expected_probes == 3
    with pytest.raises(BadInput, match="threads, not single calls"):
        script(index, "offcpu", "work", sample=2)
    monkeypatch.setattr(OFFCPU, "machine", lambda: replace(here, host_pid_namespace=False))
    with pytest.raises(BadInput) as caught:
        script(index, "offcpu", "work", able=NEW)
    assert "--pid=host" in caught.value.hint
    monkeypatch.setattr(OFFCPU, "machine", lambda: replace(here, tracefs=str(tmp_path / "none")))
    with pytest.raises(TracingUnavailable, match="sched_switch"):
        script(index, "offcpu", "work")


def test_arguments_on_the_stack_in_the_words_of_the_version(index: Fake) -> None:
    where = {"kind": "stack", "registers": [], "offset": 16, "pointer": False}
    index.all_functions[0] = replace(index.all_functions[0], sources=("symtab", "dwarf"))
    index.known_readings["1000"] = {
        "parameters": [{"name": "g", "where": where, "bpftrace": "sarg1"}],
        "parameter_shapes": [{"kind": "integer", "size": 4, "signed": True}],
        "returns": "void",
    }
    assert "(int32)sarg1" in script(index, "log", "work")
    assert '(int32)(*(uint64 *)(reg("sp") + 16))' in script(index, "log", "work", able=NEW)


def test_a_tree_begins_with_its_first_function(index: Fake) -> None:
    text = script(index, "tree", "work", "rest", where="a == 1")
    assert "&& (@level[tid] > 0 || ((int32)arg0 == 1))/" in text
    assert text.count("BEGIN {") == text.count("END {") == 1
    kept = script(index, "tree", "work", milliseconds=1)
    assert "if ($depth == 1 && $ns >= 1000000) {" in kept
    assert "clear(@what);" in kept
    assert script(index, "tree", "work", "rest", milliseconds=1).count("while (") == 1
    index.all_functions += [function(f"f{at}", key=f"f{at}", address=0x9000 + at) for at in range(200)]
    with pytest.raises(BadInput, match="so many functions"):
        script(index, "tree", "f*")


@pytest.mark.parametrize("recipe", ["latency", "heatmap", "slower", "offcpu", "tree"])
def test_what_marks_one_moment_has_no_time(index: Fake, recipe: str) -> None:
    with pytest.raises(AppError) as caught:
        script(index, recipe, f"usdt:{PATH}:demo:hit")
    assert "one moment" in caught.value.message


def test_a_condition_pairs_a_log_with_its_returns(index: Fake) -> None:
    text = script(index, "log", "work", where="a == 1")
    assert '@start[tid, reg("sp")] = nsecs;\n  @n = count(); printf("-> work(' in text
    assert '/@start[tid, reg("sp") - 8] && comm != "bpftrace"' in text
    with pytest.raises(BadInput, match="no arguments at the return"):
        script(index, "log", f"uretprobe:{PATH}:work", where="a == 1")
