"""Frame addresses against the tables that pyelftools decodes, for thousands of instructions of real files."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from elftools.dwarf.callframe import FDE
from elftools.elf.elffile import ELFFile

from app.elf.dwarf.frame_rules import FrameRules
from app.elf.image import open_image
from tests.support.programs import compile_c


@pytest.mark.parametrize(
    "pattern",
    ["/bin/bash", "/usr/lib/x86_64-linux-gnu/libstdc++.so.6", "/usr/aarch64-linux-gnu/lib/libc.so.6"],
)
def test_frames_of_real_files(pattern: str) -> None:
    path = Path(pattern)
    if not path.exists():
        pytest.skip(f"{path} is not installed")
    ours = FrameRules(open_image(path.read_bytes()))
    chance = random.Random(1)
    rows = 0
    with path.open("rb") as file:
        entries = [e for e in ELFFile(file).get_dwarf_info().EH_CFI_entries() if isinstance(e, FDE)]
        for entry in chance.sample(entries, 400):
            try:
                table = entry.get_decoded().table
            except ValueError:
                continue  # pyelftools does not know the signing of return addresses
            for row in table:
                said = row["cfa"]
                expected = None if said.expr else (said.reg, said.offset)
                assert ours.cfa(row["pc"]) == expected, hex(row["pc"])
                rows += 1
    assert rows > 1500
    assert ours.cfa(0) is None
    assert ours.cfa(1 << 60) is None


def test_broken_tables_raise_nothing(tmp_path: Path) -> None:
    source = "int g(int); int f(int x) { return g(x) + g(x + 1); } int g(int x) { return x; }"
    program = compile_c(tmp_path, source + "int main(void) { return f(1); }", "prog", "-O2", "-fno-inline")
    data = program.read_bytes()
    image = open_image(data)
    places = [image.by_name(name) for name in (".eh_frame", ".eh_frame_hdr", ".text")]
    tables, header, code = ((place.offset, place.size) for place in places if place is not None)
    assert FrameRules(image).cfa(code[0] + 1) is not None
    chance = random.Random(2)
    for _ in range(2000):
        changed = bytearray(data)
        for start, size in (tables, header):
            changed[start + chance.randrange(size)] = chance.randrange(256)
        rules = FrameRules(open_image(bytes(changed)))
        rules.cfa(code[0] + chance.randrange(code[1]))
