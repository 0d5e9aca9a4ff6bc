"""The file of columns: what is written is read, and whatever a broken reader could write is refused."""

from __future__ import annotations

import json
import mmap
import os
import random
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.elf.reader import read_facts
from app.index import column_file, contents
from app.index.column_file import ARRAYS, META_ROOM, Buffer, Written, write_arrays, write_columns
from app.index.columns import BadColumns, Columns, open_columns
from app.index.items import Items, check
from app.index.tables import tables


def columns_of(path: Path, data: bytes) -> Path:
    with path.open("wb") as file:
        write_columns(file.fileno(), *tables(read_facts(data)))
    return path


def opened(path: Path) -> Columns:
    with path.open("rb") as file:
        return open_columns(file.fileno())


def test_what_is_written_is_read(tmp_path: Path) -> None:
    data = Path("/bin/bash").read_bytes()
    facts = read_facts(data)
    columns = opened(columns_of(tmp_path / "c", data))
    assert facts.symbols is not None
    assert np.array_equal(columns["address"], facts.symbols.address)
    assert np.array_equal(columns["size"], facts.symbols.size)
    for row in range(0, facts.symbols.rows, 97):
        at, length = int(facts.symbols.name_at[row]), int(facts.symbols.name_len[row])
        assert columns.name(int(columns["name_id"][row])) == facts.symbols.names[at : at + length]
    assert columns.meta["build_id"] == facts.build_id
    with pytest.raises(ValueError, match="read-only"):
        columns["address"][0] = 1


def test_it_is_the_same_file_however_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = Path("/bin/bash").read_bytes()
    at_once = columns_of(tmp_path / "once", data).read_bytes()
    monkeypatch.setattr(column_file, "_COPIED", 0)
    assert columns_of(tmp_path / "pieces", data).read_bytes() == at_once
    whole = os.pwritev

    def some(descriptor: int, parts: Sequence[Buffer], offset: int) -> int:
        """As a disk that takes little at a time, and ends inside a number."""
        return whole(descriptor, [b"".join(parts)[:10_007]], offset)

    monkeypatch.setattr(os, "pwritev", some)
    assert columns_of(tmp_path / "some", data).read_bytes() == at_once
    monkeypatch.setattr(column_file, "_MOST_BUFFERS", 3)
    assert columns_of(tmp_path / "few", data).read_bytes() == at_once


def test_no_more_is_written_at_once_than_small_pages_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, sizes = os.pwritev, []

    def counted(descriptor: int, parts: Sequence[Buffer], offset: int) -> int:
        sizes.append(sum(memoryview(part).nbytes for part in parts))
        return whole(descriptor, parts, offset)

    monkeypatch.setattr(os, "pwritev", counted)
    blob = os.urandom(3_000_001)
    with (tmp_path / "large").open("wb") as file:
        write_columns(file.fileno(), {"text": blob, "string_blob": blob[:7]}, {})
    assert max(sizes) == 512 << 10
    assert len(sizes) == 6
    assert blob in (tmp_path / "large").read_bytes()


def test_numbers_of_another_order_are_turned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = Path("/bin/true").read_bytes()
    expected = columns_of(tmp_path / "c", data).read_bytes()
    arrays, meta = tables(read_facts(data))
    turned = {
        name: np.frombuffer(given, f"u{column_file.size_of(name)}").byteswap().tobytes()
        for name, given in arrays.items()
    }
    monkeypatch.setattr(column_file, "_AS_IT_IS", False)
    with (tmp_path / "turned").open("wb") as file:
        write_columns(file.fileno(), turned, meta)
    assert (tmp_path / "turned").read_bytes() == expected


def test_a_file_without_symbols(tmp_path: Path) -> None:
    columns = opened(columns_of(tmp_path / "c", b"\x7fELF" + b"\x02\x01\x01" + b"\0" * 57))
    assert columns.meta["counts"] == {"symbols": 0, "functions": 0, "variables": 0, "usdt": 0, "types": 0}


@pytest.mark.parametrize("texts", [0, 1, META_ROOM])
def test_arrays_that_are_written_first(texts: int, tmp_path: Path) -> None:
    """All is as without; a meta that is longer than the room before them has them written anew."""
    arrays, meta = tables(read_facts(Path("/bin/bash").read_bytes()))
    meta["comment"] = ["x" * texts]
    early = {name: array for number, (name, array) in enumerate(arrays.items()) if number % 3}
    base = mmap.ALLOCATIONGRANULARITY
    with (tmp_path / "c").open("w+b") as file:
        written = write_arrays(file.fileno(), early, base)
        size = write_columns(file.fileno(), arrays, meta, base, written)
        found = open_columns(file.fileno(), base, size)
        assert os.fstat(file.fileno()).st_size == base + size
    with (tmp_path / "d").open("w+b") as file:
        plain = open_columns(file.fileno(), 0, write_columns(file.fileno(), arrays, meta))
    assert found.meta == plain.meta == json.loads(json.dumps(meta))
    for name in ARRAYS:
        assert np.array_equal(found[name], plain[name])
    assert size == plain.size if texts == META_ROOM else size > META_ROOM


def test_a_large_file_writes_while_it_makes_its_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "a.c"
    source.write_text(
        "struct s { int x; } kept; int f(struct s *p) { return p->x; } int main(void) { return 0; }"
    )
    subprocess.run(["gcc", "-g", "-o", tmp_path / "prog", source], check=True)
    data = (tmp_path / "prog").read_bytes()
    contents.start_threads(2)
    first: list[Written | None] = []

    def noted(*given: Any) -> int:
        first.append(given[-1])
        return write_columns(*given)

    monkeypatch.setattr("app.index.contents.write_columns", noted)
    found = []
    for most in (1 << 30, 0):
        monkeypatch.setattr(contents, "_MANY_ELEMENTS", most)
        with (tmp_path / f"{most}").open("w+b") as file:
            meta, size = contents.columns(file.fileno(), 0, data, contents.Further(), 2)
            opened_there = open_columns(file.fileno(), 0, size)
        found.append((meta, {name: opened_there[name].tobytes() for name in ARRAYS}))
    assert first[0] is None
    assert first[1] is not None
    assert found[0] == found[1]


def test_mutated_columns_are_refused_or_harmless(tmp_path: Path) -> None:
    path = columns_of(tmp_path / "c", Path("/bin/true").read_bytes())
    whole = path.read_bytes()
    chance = random.Random(2)
    refused = 0
    for _ in range(600):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        path.write_bytes(data if chance.random() < 0.8 else data[: chance.randrange(len(data))])
        try:
            columns = opened(path)
            check(columns)
            for name in ARRAYS:
                columns[name]
        except BadColumns:
            refused += 1
            continue
        columns.names_of(range(columns.count("name")))
        columns.displays(range(columns.count("name")))
        for kind, make in (("function", Items.functions), ("variable", Items.variables)):
            made = make(Items(columns), np.arange(columns.count(kind)))
            assert len(made.items()) == made.json().count("\n")
    assert refused > 100
