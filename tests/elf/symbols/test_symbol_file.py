"""Files of names, as readelf reads them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from app.elf.image import ProgramHeader, open_image
from app.elf.notes import build_id, notes
from app.elf.symbols.rows import read_symbols
from app.elf.symbols.symbol_file import Kind, Named, symbol_file

SEGMENTS = (
    ProgramHeader(6, 4, 0x40, 0x40, 0x40, 0x100, 0x100, 8),
    ProgramHeader(1, 4, 0, 0, 0, 0x800, 0x800, 0x1000),
    ProgramHeader(1, 5, 0x800, 0x1800, 0x1800, 0x300, 0x340, 0x1000),
)


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("endian", ["little", "big"])
def test_names_segments_and_build_id(tmp_path: Path, bits: int, endian: str) -> None:
    functions = [Named(b"work", 0x1810, 20), Named("größe".encode(), 0x1900, 7)]
    data = symbol_file(Kind(bits, endian, 3, 62, bytes.fromhex("0a1b2c")), SEGMENTS, functions)
    image = open_image(data)
    assert not image.problems
    assert build_id(list(notes(image))) == "0a1b2c"
    # The segments that are loaded, with the binary's own offsets.
    assert image.headers.program_rows == SEGMENTS[1:]
    symbols = read_symbols(image)
    assert symbols is not None
    assert symbols.address.tolist() == [0x1810, 0x1900]
    assert symbols.size.tolist() == [20, 7]
    path = tmp_path / "names"
    path.write_bytes(data)
    told = subprocess.run(["readelf", "-nsSW", path], capture_output=True, check=True)
    assert b"Build ID: 0a1b2c" in told.stdout
    assert b"work" in told.stdout
    assert not told.stderr


def test_no_functions_and_no_segments_are_an_elf_file_too() -> None:
    image = open_image(symbol_file(Kind(64, "little", 2, 62, b"\1"), (), ()))
    assert not image.problems
    assert [section.name for section in image.sections][1:] == [
        ".text",
        ".symtab",
        ".strtab",
        ".note.gnu.build-id",
        ".shstrtab",
    ]


def test_one_without_a_build_id(tmp_path: Path) -> None:
    data = symbol_file(Kind(64, "little", 3, 62, b""), SEGMENTS, [Named(b"work", 0x1810, 20)])
    image = open_image(data)
    assert not image.problems
    assert build_id(list(notes(image))) is None
    (tmp_path / "names").write_bytes(data)
    told = subprocess.run(["readelf", "-nsSW", tmp_path / "names"], capture_output=True, check=True)
    assert b"work" in told.stdout
    assert not told.stderr
