"""What makes a file the debug file of a binary, and what does not."""

from __future__ import annotations

from typing import Any

import pytest

from app.debuginfo.matching import Wanted, judged

LAYOUT = ((".text", 0x1000, 80),)
ALL = {"dwarf": True, "lines": True, "symtab": True, "dynsym": False}


def identity(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"build_id": "aa11", "machine": "x86_64", "bits": 64, "has": ALL}
    return found | {"layout": [list(LAYOUT[0])], "crc": None, "problem": None} | changes


@pytest.mark.parametrize(
    ("wanted", "there", "state", "word"),
    [
        (Wanted("aa11", "x86_64", None), identity(), "matched", "build-id is the same"),
        (Wanted("aa11", "x86_64", None), identity(build_id="bb22"), "mismatched", "bb22"),
        (Wanted("aa11", "x86_64", None), identity(build_id=None), "mismatched", "no build-id"),
        (Wanted("aa11", "x86_64", None), identity(machine="aarch64"), "mismatched", "another machine"),
        (Wanted("aa11", "x86_64", None), identity(problem="It is empty."), "mismatched", "empty"),
        (Wanted("aa11", "x86_64", ("a", 7)), identity(build_id="bb22", crc=7), "mismatched", "another build"),
        (Wanted(None, "x86_64", ("a", 7)), identity(build_id=None, crc=7), "matched", "checksum"),
        (Wanted(None, "x86_64", ("a", 7)), identity(build_id=None, crc=8), "mismatched", "00000008"),
        (Wanted(None, "x86_64", None, LAYOUT), identity(build_id=None), "partial", "Probably"),
        (Wanted(None, "x86_64", None), identity(build_id=None), "mismatched", "Neither"),
    ],
)
def test_states(wanted: Wanted, there: dict[str, Any], state: str, word: str) -> None:
    found = judged(wanted, "build-id", "/a", there)
    assert found.state == state
    assert word in found.why


def test_one_that_fits_and_has_nothing_is_partial() -> None:
    nothing = dict.fromkeys(ALL, False)
    found = judged(Wanted("aa11", "x86_64", None), "build-id", "/a", identity(has=nothing))
    assert (found.state, found.quality) == ("partial", 0)


def test_dwarf_is_better_than_symbols() -> None:
    wanted = Wanted("aa11", "x86_64", None)
    symbols = judged(wanted, "build-id", "/a", identity(has={**ALL, "dwarf": False, "lines": False}))
    dwarf = judged(wanted, "build-id", "/a", identity(has={**ALL, "symtab": False}))
    assert dwarf.quality > symbols.quality > 0
