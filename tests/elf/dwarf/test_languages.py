"""Numbers of languages against the names that pyelftools' table of DWARF has for them."""

from __future__ import annotations

import pytest
from elftools.dwarf import constants

from app.elf.dwarf.languages import language_name

CODES = {name: number for name, number in vars(constants).items() if name.startswith("DW_LANG_")}


def test_there_are_codes() -> None:
    assert len(CODES) > 20


@pytest.mark.parametrize("name", sorted(CODES))
def test_a_known_number_has_its_own_name(name: str) -> None:
    found = language_name(CODES[name])
    word = name.removeprefix("DW_LANG_").upper()
    if found is None or found == "assembler":
        return
    starts = {"c++": ("C_PLUS", "CPLUS"), "objective-c": ("OBJC",), "objective-c++": ("OBJC_PLUS",)}
    assert word.startswith(starts.get(found, (found.upper(),))), (name, found)
    if found == "c":
        assert "PLUS" not in word


@pytest.mark.parametrize(
    ("number", "name"),
    [(0x1D, "c"), (0x21, "c++"), (0x1A, "c++"), (0x2B, "c++"), (0x22, "fortran"),
     (0x1C, "rust"), (0x16, "go"), (0x8001, "assembler"), (0x20, None), (0, None)],
)  # fmt: skip
def test_numbers_that_compilers_write(number: int, name: str | None) -> None:
    assert language_name(number) == name
