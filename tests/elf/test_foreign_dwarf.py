"""DWARF of other machines, byte orders and sizes, out of relocatable files, beside llvm-dwarfdump's."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from app.elf.dwarf import read_dwarf
from app.elf.image import open_image
from tests.elf import dwarfdump
from tests.elf.corpus import TARGETS, foreign_object
from tests.elf.dwarf_rows import Rows, rows

FLAGS = {
    "2": ("-gdwarf-2",),
    "3": ("-gdwarf-3",),
    "4": ("-gdwarf-4",),
    "5": ("-gdwarf-5",),
    "plain": ("-gdwarf-5", "-O0"),
    "zlib": ("-gdwarf-5", "-gz"),
    "wide": ("-gdwarf-5", "-gdwarf64"),
}


def ours(path: Path) -> Rows:
    found = read_dwarf(open_image(path.read_bytes()))
    arrays = {field.name: getattr(found, field.name) for field in fields(found)}
    return rows(arrays, [problem.text for problem in found.problems], "")


@pytest.mark.parametrize("how", FLAGS)
@pytest.mark.parametrize("target", TARGETS)
def test_functions_and_variables(tmp_path: Path, target: str, how: str) -> None:
    if how == "wide" and TARGETS[target][1] == 32:
        pytest.skip("clang writes 64-bit DWARF for 64-bit machines alone")
    path = foreign_object(tmp_path, target, *FLAGS[how])
    found = ours(path)
    assert found.problems == ()
    assert sorted(
        (row.name, row.linkage, row.low, row.size, row.line, row.returns or "", row.parameters)
        for row in found.functions
        if "address" in row.flags
    ) == dwarfdump.functions(path)
    assert sorted(
        (row.name, row.linkage, row.line, row.type or "") for row in found.variables if "address" in row.flags
    ) == dwarfdump.variables(path)
    assert {row.name for row in found.functions} >= {"total", "half"}
