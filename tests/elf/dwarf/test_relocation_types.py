"""Every type of relocation that debug sections use, one at a time, by machine, against what the ABI says."""

from __future__ import annotations

import re
import struct
import subprocess
from pathlib import Path

import pytest

from app.elf.dwarf.sections import debug_sections
from app.elf.image import open_image

SOURCE = (
    "static int twice(int a) { return a + a; } int table[4]; int main(void) { return twice(table[1]); }\n"
)
MACHINES = ["x86_64", "s390x", "powerpc64", "aarch64", "i386", "riscv64", "arm"]


def dumped(path: Path, section: str) -> bytes:
    """The section's bytes, relocated by readelf."""
    shown = subprocess.run(
        ["readelf", "-R", section, path], check=True, capture_output=True, text=True
    ).stdout
    return b"".join(
        bytes.fromhex(match[1].replace(" ", ""))
        for match in re.finditer(r"^  0x[0-9a-f]+ (.{35})", shown, re.M)
    )


@pytest.mark.parametrize("machine", MACHINES)
def test_relocated_sections_are_those_of_readelf(machine: str, tmp_path: Path) -> None:
    (tmp_path / "prog.c").write_text(SOURCE)
    target = f"--target={machine}-linux-gnu" + ("eabi" if machine == "arm" else "")
    for version in ("-gdwarf-4", "-gdwarf-5"):
        subprocess.run(
            ["clang", target, "-g", version, "-c", "-o", "prog.o", "prog.c"], check=True, cwd=tmp_path
        )
        image = open_image((tmp_path / "prog.o").read_bytes())
        found = debug_sections(image)
        assert image.problems == []
        for name in (".debug_info", ".debug_line"):
            assert bytes(found[name]) == dumped(tmp_path / "prog.o", name)


def test_what_lies_outside_is_told(tmp_path: Path) -> None:
    (tmp_path / "prog.c").write_text(SOURCE)
    subprocess.run(["gcc", "-g", "-c", "-o", "prog.o", "prog.c"], check=True, cwd=tmp_path)
    data = bytearray((tmp_path / "prog.o").read_bytes())
    table = open_image(bytes(data)).by_name(".rela.debug_info")
    assert table is not None
    for change in (
        struct.pack("<Q", 1 << 60),
        struct.pack("<QII", 0, 10, 99_999),
        struct.pack("<QII", 0, 200, 1),
    ):
        changed = bytearray(data)
        changed[table.offset : table.offset + len(change)] = change
        image = open_image(bytes(changed))
        assert ".debug_info" in debug_sections(image)
        assert [problem.code for problem in image.problems] == ["debug_relocations"]
