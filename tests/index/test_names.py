"""Names in a file: what was written some lines at a time is what lies in memory."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.elf.search import scan
from app.elf.search.scan import Lines
from app.index import names
from app.index.names import Part, lines_from
from tests.support.columns import Columns


def columns_of(shown: list[str]) -> Columns:
    """Those of a binary with functions of these names, each third of which it spells in another way."""
    other = range(0, len(shown), 3)
    lines = lines_from([*shown, *(f"_Z{shown[at]}v" for at in other)])
    return Columns(replace(lines, further=np.array(other, np.uint32)))


def part_of(*binaries: list[str]) -> Part:
    columns: list[Any] = [columns_of(shown) for shown in binaries]
    sources = [(str(at), lambda each=each: each) for at, each in enumerate(columns)]
    part = Part.of(sources)
    assert part is not None
    return part


def some_names(count: int, seed: int) -> list[str]:
    dice = random.Random(seed)
    words = ["std::", "Map", "map", "_alloc", "<int>", "(char*)", "get", "x", "Reader"]
    return sorted({"".join(dice.choices(words, k=dice.randrange(1, 8))) for _ in range(count)})


@pytest.mark.parametrize("count", [0, 1, 4095, 4096, 4097, 20_000])
def test_a_file_has_what_memory_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(names, "_LINES_AT_ONCE", scan.RESTART)
    binaries = [[f"name_{at:05}" for at in range(count)], some_names(count // 2, 1), some_names(9, 2)]
    part = part_of(*binaries)
    part.save(tmp_path / "by pieces")
    whole = {name: part[name].tobytes() for name in names._ARRAYS}
    # Its text lies in memory now.
    part.save(tmp_path / "whole")
    assert (tmp_path / "by pieces").read_bytes() == (tmp_path / "whole").read_bytes()
    loaded = Part.load(tmp_path / "whole")
    assert loaded is not None
    assert {name: loaded[name].tobytes() for name in names._ARRAYS} == whole
    assert loaded.places == part.places
    every = np.arange(loaded.lines.count, dtype=np.uint32)
    assert scan.gather(loaded.lines, every).tobytes() == loaded["text"].tobytes()
    shown = loaded["text"].tobytes().decode().splitlines()
    assert set(shown[: loaded.lines.names]) == {name for each in binaries for name in each}


def test_lines_of_a_file_are_those_of_names_and_then_of_spellings(tmp_path: Path) -> None:
    part_of(["b", "a", "c"]).save(tmp_path / "names")
    part = Part.load(tmp_path / "names")
    assert part is not None
    lines = Lines(part["text"], part["line_at"], part["further"])
    assert [lines.line(at) for at in range(lines.count)] == [b"a", b"b", b"c", b"_Zbv"]
    assert part["further"].tolist() == [1]


def test_a_file_that_cannot_be_written_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "names"
    part_of(["a"]).save(path)
    before = path.read_bytes()

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match="space"):
        part_of(["a", "b"]).save(path)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["names"]
