"""What the writers write, as readelf and llvm-dwarfdump understand it: sound unless told to lie."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from tests.support.bytewriter import Endian
from tests.support.dwarfwriter import NEXT, Die, Dwarf, Form, Locations, Ranges, Strings, Unit
from tests.support.elfwriter import (
    EM_386,
    EM_MIPS,
    EM_S390,
    EM_X86_64,
    ET_REL,
    PT_LOAD,
    SHN_UNDEF,
    SHT_NOTE,
    Relocation,
    Section,
    Segment,
    Symbol,
    build_id,
    compressed,
    relocations,
    usdt,
    write_elf,
)
from tests.support.linewriter import LineProgram, Row
from tests.support.packagewriter import package

MACHINES: dict[tuple[int, Endian], int] = {
    (64, "little"): EM_X86_64,
    (64, "big"): EM_S390,
    (32, "little"): EM_386,
    (32, "big"): EM_MIPS,
}


def output(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, env={"LC_ALL": "C", "PATH": "/usr/bin"})
    assert done.stderr == ""
    return done.stdout


def dump(tmp: Path, sections: Sequence[Section], *options: str) -> str:
    file = tmp / "file"
    file.write_bytes(write_elf(sections))
    return output("llvm-dwarfdump", *options, file)


@pytest.mark.parametrize(("bits", "endian"), MACHINES)
def test_an_elf_file(tmp_path: Path, bits: int, endian: Endian) -> None:
    file = tmp_path / "file"
    file.write_bytes(
        write_elf(
            [
                Section(".text", bytes(64), flags=6, address=0x1000),
                build_id(b"\xab\xcd", endian),
                Section(
                    ".note.stapsdt", usdt("p", "n", "4@%edi", 0x1010, bits=bits, endian=endian), SHT_NOTE
                ),
                compressed(Section(".debug_str", b"abc\0" * 99), "zlib", bits=bits, endian=endian),
            ],
            symbols=[Symbol("work", 0x1000, 16)],
            dynamic_symbols=[Symbol("work", 0x1000, version="@@V1"), Symbol("puts", 0, 0, 2, 1, 0, 0, "@G")],
            segments=[Segment(PT_LOAD, 0, 0, 0x1000, 0x1000)],
            bits=bits,
            endian=endian,
            machine=MACHINES[bits, endian],
        )
    )
    assert "FUNC    GLOBAL DEFAULT    1 work" in output("readelf", "-Ws", file)
    notes = output("readelf", "-Wn", file)
    assert "Build ID: abcd" in notes
    assert "Arguments: 4@%edi" in notes
    versions = output("readelf", "-WV", file)
    assert "Index: 2  Cnt: 1  Name: V1" in versions
    assert "Name: G  Flags: none  Version: 3" in versions
    assert "ZLIB, " in output("readelf", "-Wt", file)


def test_relocations(tmp_path: Path) -> None:
    sections = [
        Section(".debug_info", bytes(16)),
        relocations(".debug_info", 1, [Relocation(8, 1, 1, 5)]),
    ]
    file = tmp_path / "file.o"
    file.write_bytes(write_elf(sections, symbols=[Symbol("work", section=SHN_UNDEF)], type=ET_REL))
    assert "R_X86_64_64 " in output("readelf", "-Wr", file)


def tree(version: int) -> Die:
    """One of everything that the version has."""
    integer = Die("base_type", name="int", byte_size=Form("data1", 4), encoding=Form("data1", 5))
    size = Form("udata" if version > 3 else "addr", 0x10 if version > 3 else 0x1010)
    work = Die(
        "subprogram",
        Die("formal_parameter", name=Form("strp", "x"), type=integer, location=b"\x91\x00"),
        name="work",
        type=Form("ref_udata", integer),
        external=True,
        low_pc=Form("addr", 0x1000),
        high_pc=size,
        sibling=Form("ref4", NEXT),
    )
    more = []
    if version == 5:
        entries = [("base_address", 0x3000), ("offset_pair", 0, 4), ("startx_length", 0x5000, 4)]
        places = [("start_length", 0x3000, 4, b"\x50"), ("default_location", b"\x51")]
        more += [
            Die(
                "subprogram",
                name=Form("strx1", "indexed"),
                low_pc=Form("addrx", 0x2000),
                high_pc=Form("udata", 5),
            ),
            Die("subprogram", name=Form("strx", "parts"), ranges=Form("rnglistx", Ranges(entries))),
            Die("variable", name=Form("strx3", "v"), location=Form("loclistx", Locations(places))),
            Die("variable", name=Form("line_strp", "c"), const_value=Form("implicit_const", -5)),
        ]
    else:
        more += [
            Die("subprogram", name="parts", ranges=Ranges([(None, 0x3000), (0, 4), (8, 12)])),
            Die("variable", name="v", location=Locations([(0, 4, b"\x50")])),
        ]
    lines = LineProgram(
        [Row(0x1000, 3), Row(0x1004, 4, column=2), Row(0x1010, end=True)],
        version=version,
    )
    return Die(
        "compile_unit",
        integer,
        work,
        *more,
        name="a.c",
        comp_dir="/src",
        language=Form("data2", 12),
        stmt_list=lines,
        low_pc=Form("addr", 0),
    )


@pytest.mark.parametrize("endian", ["little", "big"])
@pytest.mark.parametrize("address_size", [4, 8])
@pytest.mark.parametrize(("version", "offset_size"), [(2, 4), (3, 4), (3, 8), (4, 4), (4, 8), (5, 4), (5, 8)])
def test_units(tmp_path: Path, version: int, offset_size: int, address_size: int, endian: Endian) -> None:
    root = tree(version)
    lines = next(form.value for name, form in root.attributes if name == "stmt_list")
    lines.offset_size, lines.address_size = offset_size, address_size
    other = Die(
        "compile_unit", Die("variable", name="w", type=Form("ref_addr", root.children[0])), name="b.c"
    )
    unit = partial(Unit, version=version, offset_size=offset_size, address_size=address_size)
    dwarf = Dwarf(unit(root), unit(other), endian=endian)
    file = tmp_path / "file"
    bits = 8 * address_size
    file.write_bytes(write_elf(dwarf.sections(), bits=bits, endian=endian, machine=MACHINES[bits, endian]))
    assert "No errors." in output("llvm-dwarfdump", "--verify", file)
    found = output("llvm-dwarfdump", "--debug-info", "--debug-line", file)
    for text in ('"work"', '"parts"', "0x0000000000003004" if bits == 64 else "0x00003004", "a.c", "b.c"):
        assert text in found
    if version == 5:
        assert ("(-5)" in found) and ('"indexed"' in found)


@pytest.mark.parametrize("version", [4, 5])
def test_type_units(tmp_path: Path, version: int) -> None:
    struct = Die("structure_type", name="S", byte_size=Form("data1", 1))
    types = Unit(Die("type_unit", struct), version, "type", identity=0xABCDEF, type=struct)
    user = Unit(Die("compile_unit", Die("variable", name="v", type=Form("ref_sig8", types))), version)
    text = dump(tmp_path, Dwarf(user, types).sections(), "--debug-info", "--debug-types")
    assert "type_signature = 0x0000000000abcdef" in text
    assert "DW_AT_type\t(0x0000000000abcdef" in text


def test_an_alternate_file(tmp_path: Path) -> None:
    integer = Die("base_type", name="int", byte_size=Form("data1", 4))
    alternate = Dwarf(Unit(Die("partial_unit", integer), 4))
    name = Form("GNU_strp_alt", "far")
    user = Die("compile_unit", Die("variable", name=name, type=Form("GNU_ref_alt", integer)))
    text = dump(tmp_path, Dwarf(Unit(user, 4), alternate=alternate).sections(), "--debug-info")
    assert "DW_AT_type\t(<alt 0xc>" in text
    assert b"far\0" in alternate.data()[".debug_str"]


@pytest.mark.parametrize("version", [4, 5])
def test_a_package_of_split_units(tmp_path: Path, version: int) -> None:
    strings = Strings()
    files = []
    for number in (0x1111, 0x2222 << 32 | 0x1111):
        name = Form("strx1" if version == 5 else "GNU_str_index", f"work{number & 3}")
        low = Form("addrx" if version == 5 else "GNU_addr_index", 0x1000)
        work = Die("subprogram", name=name, low_pc=low, high_pc=Form("data1", 4))
        extra = [] if version == 5 else [("GNU_dwo_id", Form("data8", number))]
        root = Die("compile_unit", work, name="a.c", extra=extra)
        unit = Unit(root, version, "split_compile", identity=number, addresses=[0x1000])
        files.append(Dwarf(unit, split=True, strings=strings))
    text = dump(tmp_path, package(files, 5 if version == 5 else 2), "--debug-cu-index", "--debug-info")
    assert "version = 5, units = 2" in text if version == 5 else "version = 2, units = 2" in text
    assert "0x0000222200001111" in text
    assert text.count('"work1"') == 2
