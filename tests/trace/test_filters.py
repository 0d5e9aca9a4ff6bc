"""Filters to conditions; what they refuse is said with the way on."""

from __future__ import annotations

import os
import threading

import pytest

from app.errors import BadInput, NotFound
from app.host import cgroups
from app.trace import filters
from app.trace.filters import Filter, filter_of
from app.trace.model import ScriptRequest
from app.trace.options import Options, Where
from app.trace.values import Value

HERE = os.getpid()
OLD = (0, 17, 0)
VALUES = [Value("size", "%d", "(int32)arg0"), Value("name", "%s", "str(arg1)", ("0x%lx", "arg1"))]


def made(options: Options, prints: bool = False, pid: int | None = None, **more: object) -> tuple[str, ...]:
    request = ScriptRequest("log", pid=pid, **more)  # type: ignore[arg-type]
    return filter_of(request, options, OLD, prints).process


def test_conditions_of_the_process() -> None:
    assert made(Options(), pid=HERE) == (f"pid == {HERE}",)
    assert made(Options(pids=(HERE, 1)), pid=HERE) == (f"(pid == {HERE} || pid == 1)",)
    assert made(Options(comm='a"b\\')) == ('comm == "a\\"b\\\\"',)
    assert made(Options(tid=threading.get_native_id())) == (f"tid == {threading.get_native_id()}",)
    assert made(Options(comm="x"), besides=(3, 4)) == ('comm == "x"', "pid != 3", "pid != 4")


def test_who_prints_does_not_trace_itself() -> None:
    assert made(Options(), prints=True) == ('comm != "bpftrace"', f"pid != {HERE}")
    assert made(Options(), prints=True, pid=HERE) == (f"pid == {HERE}",)
    assert made(Options(tid=HERE), prints=True) == (f"tid == {HERE}",)


def test_what_is_gone_is_refused() -> None:
    for options in (Options(pids=(1 << 22,)), Options(tid=1 << 22)):
        with pytest.raises(NotFound):
            made(options)


def test_a_control_group_is_asked_by_its_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "directory", lambda path: f"/sys/fs/cgroup{path}")
    assert made(Options(cgroup="/a b")) == ('cgroup == cgroupid("/sys/fs/cgroup/a b")',)
    monkeypatch.setattr(cgroups, "is_empty", lambda path: True)
    assert "itself" in (filters.cgroup_warning(Options(cgroup="/a")) or "")
    assert filters.cgroup_warning(Options()) is None


@pytest.mark.parametrize(
    ("where", "condition"),
    [
        (Where("size", ">", 3), "(int32)arg0 > 3"),
        (Where("0", "==", -1), "(int32)arg0 == -1"),
        (Where("name", "==", "a"), 'strncmp(str(arg1), "a", 2) == 0'),
        (Where("name", "!=", "a"), 'strncmp(str(arg1), "a", 2) != 0'),
        (Where("name", "starts", "ab"), 'strncmp(str(arg1), "ab", 2) == 0'),
        (Where("name", "==", 0), "arg1 == 0"),
    ],
)
def test_a_condition_on_an_argument(where: Where, condition: str) -> None:
    found = Filter(("pid == 1",), where, 4)
    assert found.hits(VALUES, "f") == f" /pid == 1 && {condition} && (uint64)@seen++ % 4 == 0/"
    assert found.picks
    assert found.kept == ("@seen",)


@pytest.mark.parametrize("where", [Where("other", "==", 1), Where("7", "==", 1), Where("size", "==", "text")])
def test_a_condition_on_what_is_not_there(where: Where) -> None:
    with pytest.raises(BadInput) as caught:
        Filter(where=where).hits(VALUES, "f")
    assert caught.value.code == "bad_where"
    with pytest.raises(BadInput, match=r"cannot read|compares"):
        Filter(where=where).hits([], "f")


def test_nothing_to_filter_is_no_predicate() -> None:
    assert Filter().hits(VALUES, "f") == ""
    assert not Filter().picks
