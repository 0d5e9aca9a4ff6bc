"""``doctor`` on this machine, as a person runs it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from app.__main__ import main

CAN_TRACE = os.geteuid() == 0 and shutil.which("bpftrace") is not None


@pytest.fixture(autouse=True)
def data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PROBESCOPE_DATA", str(tmp_path))


def test_every_check_is_an_object(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["doctor", "--json"])
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"root", "bpftrace", "tracefs", "pid_namespace", "data", "disk"} <= {
        each["name"] for each in found
    }
    for each in found:
        assert set(each) == {"name", "ok", "text", "mend", "needed"}
        assert each["ok"] is (each["mend"] == "")
    assert code == int(any(each["needed"] and not each["ok"] for each in found))


@pytest.mark.skipif(not CAN_TRACE, reason="asks for root and bpftrace")
def test_the_proof_is_one_more_check(capsys: pytest.CaptureFixture[str]) -> None:
    main(["doctor", "--prove"])
    assert capsys.readouterr().out.splitlines()[-1].startswith("ok     prove ")


def test_what_is_lacking_costs_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PROBESCOPE_BPFTRACE", "no-such-bpftrace")
    assert main(["doctor"]) == 1
    lines = capsys.readouterr().out.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("lacks  bpftrace"))
    assert lines[at + 1].lstrip().startswith("-> ")
