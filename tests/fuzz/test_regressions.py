"""What fuzzing once found, and the fuzzers' first inputs, through the core under the sanitizers of gcc."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.fuzz.build import REGRESSIONS, SOURCES, build_replay
from tests.fuzz.containers import seed_inputs


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bytes]]:
    return seed_inputs(tmp_path_factory.mktemp("seeds"))


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the programs share."""
    return tmp_path_factory.mktemp("objects")


@pytest.mark.parametrize("target", SOURCES)
def test_kept_and_first_inputs(
    tmp_path: Path, objects: Path, inputs: dict[str, dict[str, bytes]], target: str
) -> None:
    program = build_replay(target, tmp_path, objects)
    files = sorted((REGRESSIONS / target).glob("*"))
    for name, data in inputs[target].items():
        files.append(tmp_path / name)
        files[-1].write_bytes(data)
    done = subprocess.run(
        [program, *files],
        capture_output=True,
        text=True,
        errors="replace",
        # What took long, and was repaired, takes a blink.
        timeout=150,
        env={**os.environ, "ASAN_OPTIONS": "allocator_may_return_null=1"},
    )
    assert done.returncode == 0, done.stdout[-200:] + done.stderr[:4000]
