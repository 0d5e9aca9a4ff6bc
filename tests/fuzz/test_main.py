"""What ``make fuzz`` says in the end, without its hour."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.fuzz import __main__ as fuzzing
from tests.fuzz.build import ROOT


@pytest.mark.parametrize(
    ("executions", "kept", "code"),
    [(7, [], 0), (7, ["crash-1"], 1), (0, [], 1)],
    ids=["clean", "crash", "did not run"],
)
def test_its_exit_code(
    executions: int,
    kept: list[str],
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fuzz(target: str, *_: object) -> fuzzing.Result:
        # Targets run side by side, and each reads the dictionary.
        assert (tmp_path / "words").read_text()
        found = [ROOT / name for name in kept] if target == "lines" else []
        return fuzzing.Result(target, executions if target == "lines" else 5, 1, found)

    monkeypatch.setattr(sys, "argv", ["fuzz", "--seconds", "1", "dwarf", "lines"])
    monkeypatch.setattr(fuzzing, "WORK", ROOT / "build")
    monkeypatch.setattr(fuzzing, "WORDS", tmp_path / "words")
    monkeypatch.setattr(fuzzing, "build_fuzzer", lambda target, *_: tmp_path / target)
    monkeypatch.setattr(fuzzing, "seed_inputs", lambda _: {"dwarf": {}, "lines": {}})
    monkeypatch.setattr(fuzzing, "fuzz", fuzz)
    assert fuzzing.main() == code
    told = capsys.readouterr().out
    assert "dwarf: 5 executions" in told
    assert ("It did not run; see build/lines.log" in told) == (executions == 0)
