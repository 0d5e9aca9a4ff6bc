"""The file of columns: what is written is read, and whatever a broken reader could write is refused."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from app.elf.reader import read_facts
from app.index.column_file import ARRAYS, write_columns
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
    for row in range(0, len(facts.symbols), 97):
        at, length = int(facts.symbols.name_at[row]), int(facts.symbols.name_len[row])
        assert columns.name(int(columns["name_id"][row])) == facts.symbols.names[at : at + length]
    assert columns.meta["build_id"] == facts.build_id
    with pytest.raises(ValueError, match="read-only"):
        columns["address"][0] = 1


def test_a_file_without_symbols(tmp_path: Path) -> None:
    columns = opened(columns_of(tmp_path / "c", b"\x7fELF" + b"\x02\x01\x01" + b"\0" * 57))
    assert columns.meta["counts"] == {"symbols": 0, "functions": 0, "variables": 0, "usdt": 0, "types": 0}


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
