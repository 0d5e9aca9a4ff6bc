"""DWARF of other machines, byte orders and sizes, out of relocatable files, beside llvm-dwarfdump's."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.elf.dwarf.columns import read_dwarf
from app.elf.image import open_image
from tests.elf.corpus import TARGETS, foreign_object
from tests.elf.dwarf.dwarf_rows import Rows, rows
from tests.support.dwarfdump import Entry, chain, entries, text

FLAGS = {
    "2": ("-gdwarf-2",),
    "3": ("-gdwarf-3",),
    "4": ("-gdwarf-4",),
    "5": ("-gdwarf-5",),
    "plain": ("-gdwarf-5", "-O0"),
    "zlib": ("-gdwarf-5", "-gz"),
    "wide": ("-gdwarf-5", "-gdwarf64"),
}
# clang writes 64-bit DWARF for 64-bit machines alone.
CASES = [(target, how) for target in TARGETS for how in FLAGS if how != "wide" or TARGETS[target][1] == 64]


def ours(path: Path) -> Rows:
    found = read_dwarf(open_image(path.read_bytes()))
    arrays = found._asdict()
    return rows(arrays, [problem.text for problem in found.problems], "")


class Dumped:
    """The same as llvm-dwarfdump prints it."""

    def __init__(self, path: Path) -> None:
        self.entries = entries(path)

    def said(self, entry: Entry, *names: str) -> str:
        links = [link.attributes for link in chain(self.entries, entry)]
        return next((told[name] for name in names for told in links if name in told), "")

    def names(self, entry: Entry) -> tuple[str, str]:
        return text(self.said(entry, "name")), text(self.said(entry, "linkage_name", "MIPS_linkage_name"))

    def type(self, entry: Entry) -> str:
        return text(self.said(entry, "type").partition(" ")[2])

    def line(self, entry: Entry) -> int:
        return int(self.said(entry, "decl_line") or 0)

    def parameters(self, entry: Entry) -> tuple[tuple[str, str], ...]:
        return tuple(
            ("...", "") if child.tag == "unspecified_parameters" else (self.names(child)[0], self.type(child))
            for child in entry.children
            if child.tag in ("formal_parameter", "unspecified_parameters")
        )

    def functions(self) -> list[tuple[object, ...]]:
        found: list[tuple[object, ...]] = []
        for entry in self.entries.values():
            if entry.tag == "subprogram" and "low_pc" in entry.attributes:
                low, high = (int(entry.attributes[name], 16) for name in ("low_pc", "high_pc"))
                place = low, high - low, self.line(entry)
                found.append((*self.names(entry), *place, self.type(entry), self.parameters(entry)))
        return sorted(found)

    def variables(self) -> list[tuple[object, ...]]:
        places = ("DW_OP_addr", "DW_OP_const")
        return sorted(
            (*self.names(entry), self.line(entry), self.type(entry))
            for entry in self.entries.values()
            if entry.tag == "variable" and entry.attributes.get("location", "").startswith(places)
        )


@pytest.mark.parametrize(("target", "how"), CASES)
def test_functions_and_variables(tmp_path: Path, target: str, how: str) -> None:
    path = foreign_object(tmp_path, target, *FLAGS[how])
    found, dumped = ours(path), Dumped(path)
    assert found.problems == ()
    assert (
        sorted(
            (row.name, row.linkage, row.low, row.size, row.line, row.returns or "", row.parameters)
            for row in found.functions
            if "address" in row.flags
        )
        == dumped.functions()
    )
    assert (
        sorted(
            (row.name, row.linkage, row.line, row.type or "")
            for row in found.variables
            if "address" in row.flags
        )
        == dumped.variables()
    )
    assert {row.name for row in found.functions} >= {"total", "half"}
