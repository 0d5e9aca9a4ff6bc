"""What a file is and has, against readelf and zlib."""

from __future__ import annotations

import subprocess
import zlib
from pathlib import Path

import pytest

from app.elf.identity import Identity, identity
from app.elf.image import open_image
from tests.support.programs import compile_c


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_c(tmp_path_factory.mktemp("identity"), "int main(void) { return 0; }", "prog")


def of(path: Path, crc: bool = False) -> Identity:
    return identity(open_image(path.read_bytes()), crc)


def test_a_program_its_stripped_form_and_its_debug_file(program: Path, tmp_path: Path) -> None:
    stripped, debug = tmp_path / "stripped", tmp_path / "debug"
    subprocess.run(["strip", "-o", stripped, program], check=True)
    subprocess.run(["objcopy", "--only-keep-debug", program, debug], check=True)
    whole = of(program)
    assert whole.has == {"dwarf": True, "lines": True, "symtab": True, "dynsym": True}
    assert of(stripped).has == {"dwarf": False, "lines": False, "symtab": False, "dynsym": True}
    # It keeps the header of .dynsym, without its bytes.
    assert of(debug).has == {"dwarf": True, "lines": True, "symtab": True, "dynsym": False}
    told = subprocess.run(["readelf", "-n", program], capture_output=True, text=True, check=True).stdout
    assert f"Build ID: {whole.build_id}\n" in told
    assert whole.build_id == of(stripped).build_id == of(debug).build_id
    assert whole.layout == of(stripped).layout == of(debug).layout


def test_the_checksum_is_asked_for(program: Path) -> None:
    assert of(program).crc is None
    assert of(program, crc=True).crc == zlib.crc32(program.read_bytes())


@pytest.mark.parametrize("data", [b"", b"\x7fEL", b"text", b"\x7fELF\x02\x01" + bytes(10)])
def test_what_is_no_elf_file_says_so(data: bytes) -> None:
    found = identity(open_image(data), True)
    assert found.problem
    assert found.build_id is None
    assert not any(found.has.values())


def test_a_debug_section_beyond_the_end_is_not_there(program: Path) -> None:
    found = identity(open_image(program.read_bytes()[:0x400]))
    assert not found.has["dwarf"]
