"""Line programs against llvm-dwarfdump, and programs written byte by byte."""

from __future__ import annotations

import re
import struct
import subprocess
from pathlib import Path

import pytest

from app.elf.dwarf.debug import open_debug
from app.elf.dwarf.dies import Unit
from app.elf.dwarf.lines import END, IS_STMT, LineTable, line_table
from app.elf.dwarf.slow.dies import SlowSource
from app.elf.image import open_image
from tests.elf.dwarf.inlined import program

core = pytest.importorskip("app.elf._dwarf")
Row = tuple[int, int, int, int, bool, bool]
MADE = [
    ("gcc", "-O2", "-gdwarf-5"),
    ("gcc", "-O2", "-gdwarf-4"),
    ("gcc", "-O2", "-gdwarf-3"),
    ("gcc", "-O1", "-gdwarf-2", "-gstrict-dwarf"),
    ("gcc", "-O2", "-gdwarf-5", "-gdwarf64"),
    ("g++", "-O2", "-gdwarf-5", "-ffunction-sections"),
    ("clang", "-O2", "-gdwarf-5"),
    ("clang++", "-O2", "-gdwarf-4"),
]


def rows_of(table: LineTable) -> list[Row]:
    columns = (table.address, table.file, table.line, table.column, table.flags)
    return [
        (address, file, line, column, bool(flags & IS_STMT), bool(flags & END))
        for address, file, line, column, flags in zip(*(part.tolist() for part in columns), strict=True)
    ]


def dumped(path: Path) -> list[list[list[Row]]]:
    """For each program its sequences, as llvm-dwarfdump has them."""
    text = subprocess.run(
        ["llvm-dwarfdump", "--debug-line", str(path)], capture_output=True, text=True, check=True
    ).stdout
    programs: list[list[list[Row]]] = []
    for line in text.splitlines():
        if line.startswith("debug_line["):
            programs.append([[]])
        found = re.match(r"(0x[0-9a-f]{16}) +(\d+) +(\d+) +(\d+) +\d+ +\d+ +(.*)", line)
        if found:
            address, number, column, file = int(found[1], 16), int(found[2]), int(found[3]), int(found[4])
            end = "end_sequence" in found[5]
            programs[-1][-1].append((address, file, number, column, "is_stmt" in found[5], end))
            if end:
                programs[-1].append([])
    return [[sequence for sequence in sequences if sequence] for sequences in programs]


@pytest.mark.parametrize("made", MADE, ids=" ".join)
def test_rows_are_those_of_llvm_dwarfdump(made: tuple[str, ...]) -> None:
    path = program(*made)
    debug = open_debug(open_image(path.read_bytes()))
    theirs = dumped(path)
    assert len(theirs) == len(debug.units)
    for entry, sequences in zip(debug.units, theirs, strict=True):
        kept = [sequence for sequence in sequences if sequence[0][0] < sequence[-1][0]]
        expected = [row for sequence in sorted(kept, key=lambda rows: rows[0][0]) for row in sequence]
        table = debug.lines(entry.unit)
        assert table.state == 0
        assert rows_of(table) == expected


# pyelftools 0.32 does not read DWARF 5 of 64 bits.
@pytest.mark.parametrize("made", [made for made in MADE if "-gdwarf64" not in made], ids=" ".join)
def test_without_the_core_the_rows_are_the_same(made: tuple[str, ...]) -> None:
    path = program(*made)
    debug = open_debug(open_image(path.read_bytes()))
    slow = SlowSource(path.read_bytes())
    for entry, other in zip(debug.units, slow.units(), strict=True):
        fast, table = debug.lines(entry.unit), slow.lines(other.unit)
        assert [row[:4] for row in rows_of(fast)] == [row[:4] for row in rows_of(table)]
        assert fast.files == table.files


def handle(big: bool = False, **sections: bytes) -> object:
    named = {f".debug_{name}": content for name, content in sections.items()}
    return core.open_details(named, None, [], big, False)


def read(line: bytes, big: bool = False, comp_dir: str = "/top", **sections: bytes) -> LineTable:
    return line_table(core.line_rows(handle(big, line=line, **sections), 0, 0, comp_dir, False))


def header(
    program: bytes,
    version: int = 4,
    big: bool = False,
    wide: bool = False,
    min_length: int = 1,
    max_ops: int = 1,
    line_range: int = 14,
    tables: bytes = b"inc\0\0a.c\0\1\0\0/b.c\0\0\0\0\0",
) -> bytes:
    """A program with its header: line base -5, opcode base 13."""
    order = ">" if big else "<"
    offset = "Q" if wide else "I"
    fields = struct.pack("BBBbBB", min_length, max_ops, 1, -5, line_range, 13)
    if version < 4:
        fields = fields[:1] + fields[2:]
    rest = fields + bytes([0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1]) + tables
    sizes = struct.pack("BB", 8, 0) if version >= 5 else b""
    body = struct.pack(order + "H", version) + sizes + struct.pack(order + offset, len(rest)) + rest + program
    length = struct.pack(order + "I", 0xFFFFFFFF) + struct.pack(order + "Q", len(body)) if wide else b""
    return (length or struct.pack(order + "I", len(body))) + body


def set_address(address: int, big: bool = False) -> bytes:
    return b"\0\x09\x02" + struct.pack(">Q" if big else "<Q", address)


END_SEQUENCE = b"\0\1\1"


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("version", [2, 3, 4])
def test_orders_and_widths(version: int, wide: bool, big: bool) -> None:
    # Special opcode 13 + 5 + 14: one address on, no line on. Then a line and a column, a copy, and the end.
    steps = bytes([32]) + b"\3\4" + b"\5\7" + b"\1" + b"\2\x10" + END_SEQUENCE
    table = read(header(set_address(0x1000, big) + steps, version, big, wide), big)
    assert table.state == 0
    assert rows_of(table) == [
        (0x1001, 1, 1, 0, True, False),
        (0x1001, 1, 5, 7, True, False),
        (0x1011, 1, 5, 7, True, True),
    ]
    assert table.files == ("", "/top/inc/a.c", "/b.c")


def test_operations_of_a_long_instruction_word() -> None:
    # Three operations a bundle of 16 bytes: advance by 4 is one bundle and one operation.
    steps = b"\1" + b"\2\4" + b"\1" + b"\2\2" + END_SEQUENCE
    table = read(header(set_address(0x100) + steps, min_length=16, max_ops=3))
    assert table.address.tolist() == [0x100, 0x110, 0x120]


def test_fixed_advance_and_constant_advance() -> None:
    steps = b"\1" + b"\x09\x00\x02" + b"\1" + b"\x08" + b"\1" + b"\2\1" + END_SEQUENCE
    table = read(header(set_address(0) + steps, min_length=4))
    # (255 - 13) / 14 = 17 instructions of 4 bytes.
    assert table.address.tolist() == [0, 0x200, 0x200 + 68, 0x200 + 72]


def entries(*fields: bytes) -> bytes:
    return b"".join(fields)


def test_directories_and_files_of_dwarf_5() -> None:
    texts = b"/top\0main.c\0sub\0"
    directories = b"\1\1\x1f" + b"\2" + struct.pack("<II", 0, 12)
    md5 = bytes(range(16))
    files = (
        b"\3\1\x1f\2\x0b\5\x1e"
        + b"\2"
        + entries(struct.pack("<I", 5), b"\0", md5, struct.pack("<I", 5), b"\1", md5)
    )
    steps = set_address(0x10) + b"\1\2\1" + END_SEQUENCE
    table = read(header(steps, 5, tables=directories + files), line_str=texts)
    assert table.files == ("/top/main.c", "/top/sub/main.c")
    assert table.path(1) == "/top/sub/main.c"
    assert table.path(2) is None


def test_sequences_are_put_in_order_and_overlaps_belong_to_the_first() -> None:
    def sequence(address: int, line: int, size: int) -> bytes:
        return set_address(address) + bytes([3, line - 1, 1, 2, size]) + END_SEQUENCE

    table = read(header(sequence(0x50, 2, 8) + sequence(0x10, 3, 8) + sequence(0x14, 4, 8)))
    assert [(row[0], row[2]) for row in rows_of(table)] == [
        (0x10, 3),
        (0x18, 3),
        (0x18, 4),
        (0x1C, 4),
        (0x50, 2),
        (0x58, 2),
    ]
    import numpy as np

    found = table.rows_at(np.array([0xF, 0x10, 0x17, 0x18, 0x1C, 0x50, 0x58], np.uint64))
    assert [int(table.line[row]) if row >= 0 else None for row in found] == [None, 3, 3, 4, None, 2, None]


def test_rows_out_of_order_are_sorted_and_the_end_stays() -> None:
    steps = set_address(0x20) + b"\1" + set_address(0x10) + b"\3\1\1" + set_address(0x30) + END_SEQUENCE
    table = read(header(steps))
    assert [(row[0], row[2]) for row in rows_of(table)] == [(0x10, 2), (0x20, 1), (0x30, 2)]


@pytest.mark.parametrize(
    ("line", "state"),
    [
        (b"", 2),
        (header(b"")[:12], 2),
        (header(set_address(0) + b"\1\2\1" + END_SEQUENCE, 6), 3),
        (header(set_address(0) + bytes([32]) + END_SEQUENCE, line_range=0), 4),
        (header(set_address(0) + b"\1\2\1"), 2),
        (header(set_address(0) + b"\1\2\x80"), 2),
        (header(b"", 5, tables=b"\1\1\x7f\1"), 4),
        (header(b"", 5, tables=b"\0\xff\xff\xff\xff\x0f"), 4),
        (header(b"", 5, tables=b"\1\1\x0a\xff\xff\x7f"), 4),
    ],
)
def test_hostile_programs_end_with_their_state(line: bytes, state: int) -> None:
    table = read(line)
    assert table.state == state
    assert len(table.address) == 0


def test_an_unknown_opcode_is_passed_over_by_its_length() -> None:
    # Opcode 12 (set_isa) takes one number; an unknown extended one its length.
    steps = set_address(0x10) + b"\x0c\x05" + b"\0\3\x80ab" + b"\1\2\1" + END_SEQUENCE
    assert read(header(steps)).address.tolist() == [0x10, 0x11]


def test_every_truncation_and_flip_ends() -> None:
    whole = header(set_address(0x1000) + bytes([32, 40, 90]) + b"\2\x10" + END_SEQUENCE, 4)
    for cut in range(len(whole)):
        read(whole[:cut])
    for at in range(len(whole)):
        for value in (0, 0x7F, 0x80, 0xFF):
            read(whole[:at] + bytes([value]) + whole[at + 1 :])


def test_a_unit_without_a_program_has_no_rows() -> None:
    debug = open_debug(open_image(program("gcc", "-O2", "-gdwarf-5").read_bytes()))
    unit: Unit = debug.units[0].unit
    assert debug.source.lines(unit, only_files=True).files == debug.lines(unit).files
    beyond = core.line_rows(handle(line=b"\0" * 8), 0, 1 << 40, "", False)
    assert line_table(beyond).state == 2
