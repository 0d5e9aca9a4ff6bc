"""The machine, and the checks that say what it lacks."""

from __future__ import annotations

import json
import os
import platform
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.config import load
from app.elf import native
from app.host.doctor import checks, prove
from app.host.machine import Machine, kernel_version, lockdown_state, machine
from app.host.tools import run

BPFTRACE: dict[str, Any] = {"version": (0, 17, 0), "path": "/usr/bin/bpftrace", "problem": None, "hint": ""}


@pytest.fixture
def here() -> Machine:
    return machine()


@pytest.fixture(autouse=True)
def whole_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "missing", lambda: ())


def failing(machine: Machine, capabilities: dict[str, Any] = BPFTRACE) -> dict[str, str]:
    return {check.name: check.mend for check in checks(machine, capabilities) if not check.ok}


def test_this_machine(here: Machine) -> None:
    assert here.kernel == platform.release()
    assert here.root is (os.geteuid() == 0)
    assert here.memory > 1 << 26
    assert here.booted > 0
    assert json.loads(json.dumps(here.as_dict()))["arch"] == platform.machine()


def perfect(here: Machine) -> Machine:
    return replace(
        here,
        root=True,
        uid=0,
        kernel="6.1.0-13-amd64",
        capabilities=("sys_admin", "sys_ptrace", "sys_resource"),
        btf=True,
        tracefs="/sys/kernel/tracing",
        debugfs=True,
        uprobes=True,
        host_pid_namespace=True,
        lockdown=None,
        container=False,
        seccomp=False,
    )


@pytest.mark.parametrize(
    ("change", "name", "mend"),
    [
        ({"root": False, "uid": 1000}, "root", "sudo"),
        ({"capabilities": ("sys_ptrace",)}, "capabilities", "--cap-add BPF"),
        ({"capabilities": ("bpf", "perfmon")}, "capabilities", "SYS_PTRACE"),
        ({"uprobes": False}, "uprobes", "CONFIG_UPROBE_EVENTS"),
        ({"tracefs": None}, "tracefs", "mount -t tracefs none /sys/kernel/tracing"),
        ({"tracefs": None, "container": True}, "tracefs", "-v /sys/kernel/tracing"),
        ({"debugfs": False}, "debugfs", "mount -t debugfs"),
        ({"debugfs": False, "container": True}, "debugfs", "-v /sys/kernel/debug"),
        ({"seccomp": True}, "seccomp", "seccomp=unconfined"),
        ({"btf": False}, "btf", "CONFIG_DEBUG_INFO_BTF"),
        ({"kernel": "5.10.0", "memlock": 65536, "capabilities": ("bpf", "perfmon", "sys_ptrace")},
         "memlock", "ulimit"),
        ({"host_pid_namespace": False}, "pid_namespace", "--pid=host"),
        ({"lockdown": "integrity"}, "lockdown", "Secure Boot"),
    ],
)  # fmt: skip
def test_each_lack_is_named_alone_with_its_mend(
    here: Machine, change: dict[str, object], name: str, mend: str
) -> None:
    whole = perfect(here)
    assert failing(whole) == {}
    lacks = failing(replace(whole, **change))  # type: ignore[arg-type]
    assert list(lacks) == [name]
    assert mend in lacks[name]


def test_bpftrace_missing_or_old(here: Machine) -> None:
    lacking = {"version": None, "path": None, "problem": "No bpftrace.", "hint": "apt-get install bpftrace"}
    assert failing(perfect(here), lacking) == {"bpftrace": "apt-get install bpftrace"}
    assert list(failing(perfect(here), {**BPFTRACE, "version": (0, 9, 4)})) == ["bpftrace"]
    assert failing(perfect(here), {**BPFTRACE, "version": [0, 27, 1]}) == {}


def test_newer_bpftrace_does_without_debugfs(here: Machine) -> None:
    assert failing(replace(perfect(here), debugfs=False), {**BPFTRACE, "version": (0, 18, 0)}) == {}


def test_a_core_that_was_not_compiled(here: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "missing", lambda: ("dwarf",))
    assert "python3-dev" in failing(perfect(here))["core"]
    check = next(check for check in checks(perfect(here), BPFTRACE) if check.name == "core")
    assert not check.needed
    assert "dwarf" in check.text


def test_the_data_directory(here: Machine, tmp_path: Path) -> None:
    def names(data: Path, **settings: object) -> list[str]:
        found = checks(perfect(here), BPFTRACE, load({}, data=data, **settings))
        return [check.name for check in found if not check.ok]

    assert names(tmp_path / "not" / "yet") == []
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    assert names(in_the_way / "data") == ["data"]
    assert names(tmp_path, free_disk=1 << 60) == ["disk"]


def test_spellings() -> None:
    assert lockdown_state("none [integrity] confidentiality\n") == "integrity"
    assert lockdown_state("") is None
    assert kernel_version("6.18-rc1") == (6, 18)
    assert kernel_version("odd") == (0, 0)


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("bpftrace"), reason="asks for root and bpftrace")
def test_the_proof_fires() -> None:
    check = prove("bpftrace")
    assert check.ok, check.text


@pytest.mark.parametrize("broken", ["/bin/false", "/no/such/bpftrace"])
def test_the_proof_fails_with_a_sentence(broken: str) -> None:
    check = prove(broken)
    assert not check.ok
    assert check.text
    assert check.mend


def test_tools_never_raise(tmp_path: Path) -> None:
    assert run(["/bin/echo", "$HOME;x"], 10).stdout == "$HOME;x\n"
    assert run(["/bin/sleep", "60"], 0.1).code is None
    assert "not found" in run(["/no/such"], 1).stderr
    assert run([str(tmp_path)], 1).code is None
    assert run(["sh", "-c", "echo no >&2; exit 3"], 10) == run(["sh", "-c", "echo no >&2; exit 3"], 10)
