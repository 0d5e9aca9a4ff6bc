"""Keys with their names: nothing lost, nothing that is no stack touched, whatever the names and numbers."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import AppError
from app.host.model import Process
from app.host.perf_maps import PerfMap
from app.host.regions import Snapshot
from app.trace import stack_processes, symbolise
from app.trace.decode import Decoded
from app.trace.stacks import StackFrame, split
from app.trace.symbolise import Symboliser, pids_are_ours
from tests.trace.stack_doubles import BASE, Known, Names, looked, region

SCRIPT = "u:/opt/app:f { @s[pid, ustack(perf)] = count(); @other[str(arg0)] = count(); }"
NAMES: Known = {
    0x401010: [("mix", "/s/a.c", 3), ("work", "/s/a.c", 9)],
    0x40101F: [("rounds", "/s/a.c", 20), ("main", "/s/a.c", 30)],
    0x401100: [("f", "/s/f.c", 1)],
    0x40112F: [("caller", "/s/f.c", 50)],
    0x401300: [("evil\n\t0 name (/x)", "/s/\x1b[31m.c", 1)],
}


@contextmanager
def symboliser(
    tmp_path: Path, script: str = SCRIPT, recipe: str = "custom", index: Names | None = None, **more: Any
) -> Iterator[Symboliser]:
    made = Symboliser(index or Names(names=NAMES), tmp_path / "maps", script, recipe, (), **more)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(autouse=True, scope="module")
def processes() -> Iterator[None]:
    """Process 7 has /opt/app at BASE; 8 has code of a JIT compiler; there are no others."""

    def snapshot(pid: int) -> Snapshot:
        if pid not in {7, 8}:
            raise AppError("gone")
        return looked(pid, *([region()] if pid == 7 else []))

    def named(who: Process) -> PerfMap | None:
        if who.pid != 8:
            return None
        descriptor = os.memfd_create("names", os.MFD_CLOEXEC)
        os.write(descriptor, b"7f0000001000 40 LazyCompile:~f app.js:3\n7f0000001000 20 young\n")
        return PerfMap(descriptor)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stack_processes, "snapshot", snapshot)
        patch.setattr(stack_processes, "read_stat", lambda pid: None)
        patch.setattr(stack_processes, "perf_map", named)
        yield


def stack(*frames: str) -> str:
    return "\n" + "".join(f"\t{frame}\n" for frame in frames)


def at(offset: int, name: str = "[unknown]", module: str = "[unknown]") -> str:
    return f"{BASE + offset:x} {name} ({module})"


def named(made: Symboliser, data: dict[str, Any], kind: str = "map") -> dict[str, Any]:
    ((t, event),) = made.name([(5, Decoded(kind, data, None))], 20)
    assert t == 5
    assert event.type == kind
    found: dict[str, Any] = event.data
    return found


def only(found: dict[str, Any]) -> tuple[str, tuple[StackFrame, ...]]:
    (key,) = found["@s"]
    return split(key)


def test_frames_become_their_inlined_calls_and_functions(tmp_path: Path) -> None:
    with symboliser(tmp_path) as made:
        key = "7," + stack(at(0x10), at(0x20), at(0x900, "known+4", "/opt/app"), "7ffd10 [unknown] ([vdso])")
        head, frames = only(named(made, {"@s": {key: 3}}))
    address = BASE + 0x10
    assert head == "7"
    assert frames == (
        StackFrame("mix", address, None, "/opt/app", True, "/s/a.c:3"),
        StackFrame("work", address, 0x10, "/opt/app", False, "/s/a.c:9"),
        # A return address: what is before it counts, and is shown as what it is.
        StackFrame("rounds", BASE + 0x20, None, "/opt/app", True, "/s/a.c:20"),
        StackFrame("main", BASE + 0x20, 0x20, "/opt/app", False, "/s/a.c:30"),
        # What the index does not know stays bpftrace's.
        StackFrame("known", BASE + 0x900, 4, "/opt/app"),
        StackFrame("[unknown]", 0x7FFD10, None, "[vdso]"),
    )


def test_what_has_no_stack_is_as_it_was(tmp_path: Path) -> None:
    with symboliser(tmp_path) as made:
        text = {"a text\n\t55 like a stack": 1}
        assert named(made, {"@other": text}) == {"@other": text}
        assert named(made, {"@s": 4}) == {"@s": 4}
        assert named(made, {"@s": {"7": 4}}) == {"@s": {"7": 4}}
        raw = {"@s": {"7," + stack(at(0x10)): 1}}
        assert named(made, raw, "printf") == raw
        event = Decoded("printf", "7,\n\t55 text", None)
        assert made.name([(0, event)], 0) == [(0, event)]


def test_a_process_that_was_gone_keeps_what_bpftrace_said(tmp_path: Path) -> None:
    with symboliser(tmp_path) as made:
        data = {"@s": {"9," + stack(at(0x10)): 1, "x," + stack(at(0x10)): 2}}
        assert named(made, data) == data
        assert made.warnings() == []


def test_a_stack_of_names_alone_is_as_it_was(tmp_path: Path) -> None:
    """As bpftrace 0.17 prints ``ustack``: nothing can be told from a name."""
    script = "u:/opt/app:f { @s[pid, ustack] = count(); }"
    with symboliser(tmp_path, script) as made:
        data = {"@s": {"7,\n        work+0\n        main+12\n": 1}}
        assert named(made, data) == data
        found = named(made, {"@s": {f"7,\n        work+0\n        {BASE + 0x20:#x}\n": 1}})
    assert [frame.name for frame in only(found)[1]] == ["work", "rounds", "main"]


def test_the_direct_caller_of_the_recipe_stacks(tmp_path: Path) -> None:
    caller = BASE + 0x130
    script = 'u:/opt/app:f { @s[pid, *(uint64 *)reg("sp"), ustack(perf)] = count(); }'
    with symboliser(tmp_path, script, "stacks") as made:
        at_entry, inside = stack(at(0x100), at(0x20)), stack(at(0x10), at(0x20))
        found = named(made, {"@s": {f"7,{caller},{at_entry}": 2, f"7,{caller},{inside}": 3}})
        # A newer kernel has it already.
        walked = stack(at(0x100), at(0x130), at(0x20))
        (key,) = named(made, {"@s": {f"7,{caller},{walked}": 1}})["@s"]
        assert [frame.name for frame in split(key)[1]] == ["f", "caller", "rounds", "main"]
    (first, second) = [split(key) for key in found["@s"]]
    assert first[0] == second[0] == "7"
    assert [frame.name for frame in first[1]] == ["f", "caller", "rounds", "main"]
    assert (first[1][1].address, first[1][1].source) == (caller, "/s/f.c:50")
    assert [frame.name for frame in second[1]] == ["mix", "work", "rounds", "main"]
    assert list(found["@s"].values()) == [2, 3]


def test_keys_that_would_be_the_same_stay_apart(tmp_path: Path) -> None:
    script = 'u:/opt/app:f { @s[pid, *(uint64 *)reg("sp"), ustack(perf)] = count(); }'
    with symboliser(tmp_path, script, "stacks") as made:
        inside = stack(at(0x10), at(0x20))
        data = {"@s": {f"7,{BASE + 0x130},{inside}": 3, f"7,{BASE + 0x140},{inside}": 4}}
        found = named(made, data)
        assert sorted(found["@s"].values()) == [3, 4]
        # Each has its name again, in whatever order they come.
        turned = {"@s": dict(reversed(data["@s"].items()))}
        assert named(made, turned)["@s"] == found["@s"]


def test_code_of_a_jit_compiler(tmp_path: Path) -> None:
    with symboliser(tmp_path) as made:
        key = "8," + stack("7f0000001010 [unknown] ([unknown])", "7f0000001031 [unknown] ([unknown])")
        _, frames = only(named(made, {"@s": {key: 1}}))
    assert [(frame.name, frame.offset, frame.module) for frame in frames] == [
        ("young", 0x10, "[jit]"),
        ("[unknown]", None, "[unknown]"),
    ]


def test_a_name_of_several_lines_stays_on_one(tmp_path: Path) -> None:
    with symboliser(tmp_path) as made:
        head, frames = only(named(made, {"@s": {"7," + stack(at(0x300)): 1}}))
    assert head == "7"
    assert len(frames) == 1
    assert frames[0].name.startswith("evil\\x0a\\x09")
    assert "\x1b" not in frames[0].text()


def test_names_that_are_late_come_with_the_next_print(tmp_path: Path) -> None:
    index = Names(names=NAMES, slow=threading.Event())
    data = {"@s": {"7," + stack(at(0x10)): 1}}
    with symboliser(tmp_path, index=index) as made:
        began = time.monotonic()
        ((_, event),) = made.name([(0, Decoded("map", data, None))], 0.05)
        assert time.monotonic() - began < 5
        assert [frame.name for frame in only(event.data)[1]] == ["[unknown]"]
        assert index.slow is not None
        index.slow.set()
        assert [frame.name for frame in only(named(made, data))[1]] == ["mix", "work"]


def test_a_session_waits_so_long_in_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(symbolise, "WAIT_SECONDS", 0.2)
    index = Names(names=NAMES, slow=threading.Event())
    with symboliser(tmp_path, index=index) as made:
        began = time.monotonic()
        for _ in range(20):
            made.name([(0, Decoded("map", {"@s": {"7," + stack(at(0x10)): 1}}, None))])
        assert time.monotonic() - began < 3
        assert index.slow is not None
        index.slow.set()


def test_what_is_kept_has_a_ceiling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(symbolise, "MOST_KEY_BYTES", 2000)
    with symboliser(tmp_path) as made:
        keys = {"7," + stack(at(0x10), at(0x900 + number)): number for number in range(200)}
        for _ in range(2):
            found = named(made, {"@s": keys})["@s"]
            assert list(found.values()) == list(range(200))
            assert all(split(key)[1][0].name == "mix" for key in found)


def test_pids_of_another_namespace_are_not_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = {"@s": {"7," + stack(at(0x10)): 1}}
    with symboliser(tmp_path, ours=False) as made:
        assert named(made, data) == data
        assert not made.watch()
        (warning,) = made.warnings()
        assert "--pid=host" in warning
    from dataclasses import replace

    from app.host.machine import machine

    inside = replace(machine(), host_pid_namespace=False)
    monkeypatch.setattr(symbolise, "machine", lambda: inside)
    assert [pids_are_ours(version) for version in ((0, 21, 9), (0, 22, 0))] == [False, True]


LINES = st.one_of(
    st.builds(at, st.integers(0, 0x2000), st.text(max_size=5).filter(str.isprintable)),
    st.text(alphabet="0123456789abcdef x+()[]/\t,", max_size=30),
)


@settings(deadline=None, max_examples=60)
@given(
    keys=st.dictionaries(
        st.builds(
            lambda head, lines: f"{head},{stack(*lines)}",
            st.sampled_from(["7", "8", "7,93824992235824", "-1", "99999999999999999999999", "a,7"]),
            st.lists(LINES, max_size=4),
        ),
        st.integers(),
        max_size=5,
    ),
    recipe=st.sampled_from(["stacks", "custom"]),
)
def test_no_value_is_lost_and_nothing_is_refused(
    tmp_path_factory: pytest.TempPathFactory, keys: dict[str, int], recipe: str
) -> None:
    with symboliser(tmp_path_factory.mktemp("any"), recipe=recipe) as made:
        for _ in range(2):
            assert sorted(named(made, {"@s": keys})["@s"].values()) == sorted(keys.values())
