"""Places of variables against llvm-dwarfdump, and expressions and lists written byte by byte."""

from __future__ import annotations

import re
import struct
import subprocess
from pathlib import Path

import pytest

from app.elf.dwarf.debug import open_debug
from app.elf.dwarf.dies import At, Class
from app.elf.dwarf.locations import Place, PlaceRange, Setting, location_list, place, place_at
from app.elf.dwarf.registers import register_name
from app.elf.image import open_image
from tests.elf.dwarf.inlined import program

X86 = Setting("x86_64", frame_base=b"\x9c")
_ENTRY = re.compile(r"\[(0x[0-9a-f]+), (0x[0-9a-f]+)\): (.*?)\)?$")


def expected(text: str) -> tuple[str, str | None, tuple[int, ...], bool, int | None] | None:
    """Kind, register, offsets, at entry, value of the simple expressions that llvm-dwarfdump writes."""
    if found := re.fullmatch(r"DW_OP_reg\d+ (\w+)", text):
        return "register", found[1].lower(), (), False, None
    if found := re.fullmatch(r"DW_OP_breg\d+ (\w+)([+-]\d+)", text):
        return "memory", found[1].lower(), (int(found[2]),), False, None
    if found := re.fullmatch(r"DW_OP_breg\d+ (\w+)([+-]\d+), DW_OP_stack_value", text):
        return "value", found[1].lower(), (int(found[2]),), False, None
    if found := re.fullmatch(r"DW_OP_(?:GNU_)?entry_value\(DW_OP_reg\d+ (\w+)\), DW_OP_stack_value", text):
        return "value", found[1].lower(), (0,), True, None
    if found := re.fullmatch(r"DW_OP_lit(\d+), DW_OP_stack_value", text):
        return "constant", None, (), False, int(found[1])
    if found := re.fullmatch(r"DW_OP_const\d?[us] ([+-]?0x[0-9a-f]+|[+-]?\d+), DW_OP_stack_value", text):
        return "constant", None, (), False, int(found[1], 0)
    return None


def dumped(path: Path) -> dict[int, list[tuple[int, int, str]]]:
    """The location lists of all DIEs by the offset of the DIE."""
    text = subprocess.run(
        ["llvm-dwarfdump", "--debug-info", str(path)], capture_output=True, text=True, check=True
    ).stdout
    found: dict[int, list[tuple[int, int, str]]] = {}
    die = 0
    inside = False
    for line in text.splitlines():
        if head := re.match(r"(0x[0-9a-f]{8}): +DW_TAG", line):
            die = int(head[1], 16)
        if "DW_AT_" in line:
            inside = ("DW_AT_location" in line and "loclist" in line) or "DW_AT_location\t(0x" in line
        elif inside and (entry := re.search(r"\[(0x[0-9a-f]+), +(0x[0-9a-f]+)\): (.*)", line)):
            expression = entry[3][:-1] if entry[3].count(")") > entry[3].count("(") else entry[3]
            found.setdefault(die, []).append((int(entry[1], 16), int(entry[2], 16), expression))
    return found


@pytest.mark.parametrize(
    "made",
    [
        ("gcc", "-O2", "-gdwarf-5"),
        ("gcc", "-O2", "-gdwarf-4"),
        ("g++", "-O2", "-gdwarf-5"),
        ("clang", "-O2", "-gdwarf-5"),
        ("clang++", "-O2", "-gdwarf-4"),
    ],
    ids=" ".join,
)
def test_lists_are_those_of_llvm_dwarfdump(made: tuple[str, ...]) -> None:
    path = program(*made)
    debug = open_debug(open_image(path.read_bytes()))
    lists = simple = 0
    for key, entries in dumped(path).items():
        die = debug.dies.die(key)
        assert die is not None
        assert die.kind(At.location) == Class.LOCATION_LIST
        mine = debug.places(die, None)
        assert [(one.low, one.high) for one in mine] == [(low, high) for low, high, _ in entries]
        lists += 1
        for one, (_, _, text) in zip(mine, entries, strict=True):
            wanted = expected(text)
            if wanted is not None:
                simple += 1
                found = one.place
                assert (found.kind, found.register, found.offsets, found.at_entry, found.value) == wanted, (
                    text
                )
    assert lists > 15
    assert simple > 20


@pytest.mark.parametrize(
    ("expression", "kind", "text"),
    [
        (b"\x55", "register", "rdi"),
        (b"\x90\x11", "register", "xmm0"),
        (b"\x75\x10", "memory", "[rdi+16]"),
        (b"\x91\x70", "memory", "[cfa-16]"),
        (b"\x92\x06\x78", "memory", "[rbp-8]"),
        (b"\x03" + struct.pack("<Q", 0x4010), "memory", "[0x4010]"),
        (b"\x91\x70\x06\x23\x08", "memory", "[*(cfa-16)+8]"),
        (b"\x75\x00\x9f", "value", "rdi"),
        (b"\x75\x04\x9f", "value", "rdi+4"),
        (b"\xa3\x01\x55\x9f", "value", "entry(rdi)"),
        (b"\xf3\x01\x54\x9f", "value", "entry(rsi)"),
        (b"\x35\x9f", "constant", "5"),
        (b"\x09\xff\x9f", "constant", "-1"),
        (b"\x11\x7f\x9f", "constant", "-1"),
        (b"\x9e\x04\x2a\0\0\0", "constant", "42"),
        (b"\x55\x93\x08\x54\x93\x08", "pieces", "rdi (64 bits), rsi (64 bits)"),
        (b"\x93\x04\x55\x93\x04", "pieces", "not available (32 bits), rdi (32 bits)"),
        (b"", "unavailable", "not available"),
        (b"\x0e" + struct.pack("<Q", 16) + b"\xe0", "thread", "thread block + 0x10"),
        (b"\x75\x00\x74\x00\x22\x9f", "value", "(rdi + rsi)"),
        (b"\x75\x00\x33\x1c\x9f", "value", "rdi-3"),
        (b"\x75\x00\x31\x24\x9f", "value", "(rdi << 1)"),
        (b"\x75\x00\x12\x1e\x9f", "value", "(rdi * rdi)"),
        (b"\x75\x00\x1f\x9f", "value", "-(rdi)"),
        (b"\xf2\0\0\0\0\x00", "unavailable", "a pointer to a value that is not in memory"),
        (b"\x22", "unknown", "not known: the expression takes more from its stack than lies there"),
        (b"\xee", "unknown", "not known: the operation 0xee is not known here"),
        (b"\x03\x01", "unknown", "not known: the expression ends inside an operation"),
        (b"\xa1\x07", "unknown", "not known: its address lies in a table that is not at hand"),
    ],
)
def test_expressions(expression: bytes, kind: str, text: str) -> None:
    found = place(expression, X86)
    assert (found.kind, found.text) == (kind, text)


def test_a_place_is_data() -> None:
    found = place(b"\x91\x70\x06\x23\x08", X86)
    assert (found.register, found.offsets) == ("cfa", (-16, 8))
    assert place(b"\x03" + struct.pack("<Q", 7), X86).offsets == (7,)
    entry = place(b"\xa3\x01\x55\x23\x04\x9f", X86)
    assert (entry.register, entry.offsets, entry.at_entry) == ("rdi", (4,), True)
    assert place(b"\x75\x00\x74\x00\x22", X86) == Place("memory", "[(rdi + rsi)]")


def test_a_frame_base_may_be_a_register_or_missing() -> None:
    assert place(b"\x91\x10", Setting("x86_64", frame_base=b"\x56")).text == "[rbp+16]"
    assert place(b"\x91\x10", Setting("aarch64", frame_base=b"\x6f")).text == "[sp+16]"
    assert place(b"\x91\x10", Setting("x86_64")).kind == "unknown"


def test_expressions_that_call_themselves_or_never_end_are_unknown() -> None:
    def call(offset: int) -> bytes:
        return b"\x98\x00\x00"

    assert place(b"\x98\x00\x00", Setting("x86_64", call=call)).kind == "unknown"
    assert place(b"\x96" * 2000, X86).kind == "unknown"
    nested = b"\x55"
    for _ in range(20):
        nested = b"\xa3" + bytes([len(nested)]) + nested
    assert place(nested, X86).kind == "unknown"


def test_registers_by_architecture() -> None:
    assert [register_name("x86_64", number) for number in (0, 7, 16, 17, 67, 200)] == [
        "rax",
        "rsp",
        "rip",
        "xmm0",
        "xmm16",
        "reg200",
    ]
    assert [register_name("aarch64", number) for number in (0, 31, 64, 95)] == ["x0", "sp", "v0", "v31"]
    assert register_name("riscv", 10) == "reg10"


def test_kinds_of_entries_in_dwarf_5() -> None:
    word = struct.Struct("<Q").pack
    section = b"".join(
        (
            b"\x06" + word(0x1000),  # base address
            b"\x04\x01\x05\x01\x55",  # offset pair
            b"\x09\x01\x02",  # view pair
            b"\x07" + word(0x2000) + word(0x2010) + b"\x01\x54",  # start, end
            b"\x08" + word(0x3000) + b"\x20\x01\x51",  # start, length
            b"\x03\x01\x10\x01\x52",  # startx, length
            b"\x02\x00\x01\x00",  # startx, endx: nowhere
            b"\x05\x01\x50",  # default
            b"\x00",
        )
    )
    setting = Setting("x86_64", address_at=lambda index: 0x4000 + index * 16)
    found = location_list(section, 0, setting)
    assert [(one.low, one.high, one.place.text) for one in found] == [
        (0x1001, 0x1005, "rdi"),
        (0x2000, 0x2010, "rsi"),
        (0x3000, 0x3020, "rdx"),
        (0x4010, 0x4020, "rcx"),
        (0x4000, 0x4010, "not available"),
        (None, None, "rax"),
    ]
    assert [getattr(place_at(found, address), "text", None) for address in (0x1001, 0x1005, 0x4000)] == [
        "rdi",
        "rax",
        "not available",
    ]


def test_pairs_of_dwarf_4_and_of_its_split_parts() -> None:
    pair = struct.Struct("<QQ").pack
    section = b"".join(
        (
            pair(1, 5) + b"\x01\x00\x55",
            pair(2**64 - 1, 0x5000),
            pair(0, 4) + b"\x01\x00\x54",
            pair(0, 0),
        )
    )
    found = location_list(section, 0, Setting("x86_64", version=4, base=0x100))
    assert [(one.low, one.high, one.place.text) for one in found] == [
        (0x101, 0x105, "rdi"),
        (0x5000, 0x5004, "rsi"),
    ]
    split = b"\x03\x01" + struct.pack("<I", 8) + b"\x01\x00\x55" + b"\x00"
    setting = Setting("x86_64", version=4, split=True, address_at=lambda index: 0x4000 + index)
    assert [(one.low, one.high) for one in location_list(split, 0, setting)] == [(0x4001, 0x4009)]


def test_lists_that_are_cut_give_what_is_whole() -> None:
    section = b"\x07" + struct.pack("<QQ", 1, 2) + b"\x01\x55" + b"\x07\x01"
    assert [one.place.text for one in location_list(section, 0, X86)] == ["rdi"]
    assert location_list(section, 1000, X86) == ()
    assert location_list(b"\x63", 0, X86) == ()
    assert place_at((), 5) is None
    assert place_at((PlaceRange(1, 2, b"\x55", X86),), 2) is None
