"""Registers by name, against the tables of pyelftools and the rules of the psABIs."""

from __future__ import annotations

import pytest
from elftools.dwarf import descriptions

from app.elf.usdt.registers import register


@pytest.mark.parametrize(
    ("machine", "names"),
    [
        ("x86_64", descriptions._REG_NAMES_x64[:33]),
        ("i386", descriptions._REG_NAMES_x86[:8]),
        ("aarch64", descriptions._REG_NAMES_AArch64[:32]),
    ],
)
def test_numbers_are_those_of_dwarf(machine: str, names: list[str]) -> None:
    for number, name in enumerate(names):
        found = register(name, machine)
        assert found is not None, name
        assert found.number == number, name


@pytest.mark.parametrize(
    ("machine", "name", "number", "size", "shift"),
    [
        ("x86_64", "al", 0, 1, 0),
        ("x86_64", "ah", 0, 1, 8),
        ("x86_64", "ax", 0, 2, 0),
        ("x86_64", "eax", 0, 4, 0),
        ("x86_64", "dil", 5, 1, 0),
        ("x86_64", "r10d", 10, 4, 0),
        ("x86_64", "r15b", 15, 1, 0),
        ("x86_64", "xmm7", 24, 16, 0),
        ("x86_64", "ymm15", 32, 32, 0),
        ("x86_64", "st(1)", 34, 10, 0),
        ("i386", "bl", 3, 1, 0),
        ("i386", "xmm0", 21, 16, 0),
        ("aarch64", "w0", 0, 4, 0),
        ("aarch64", "sp", 31, 8, 0),
        ("aarch64", "d3", 67, 8, 0),
        ("aarch64", "q31", 95, 16, 0),
        ("aarch64", "wzr", None, 4, 0),
        ("arm", "fp", 11, 4, 0),
        ("arm", "r12", 12, 4, 0),
        ("ppc64", "r31", 31, 8, 0),
        ("ppc64", "f1", 33, 8, 0),
        ("s390x", "r15", 15, 8, 0),
        ("s390x", "f2", 17, 8, 0),
        ("s390x", "f1", 20, 8, 0),
        ("riscv", "a0", 10, 8, 0),
        ("riscv", "s11", 27, 8, 0),
        ("riscv", "x31", 31, 8, 0),
    ],
)
def test_each_name_reads_its_bytes(
    machine: str, name: str, number: int | None, size: int, shift: int
) -> None:
    found = register(name, machine)
    assert found is not None
    assert (found.name, found.number, found.size, found.shift) == (name, number, size, shift)


@pytest.mark.parametrize(
    ("machine", "name"),
    [
        ("x86_64", "r16"),
        ("x86_64", "w0"),
        ("x86_64", ""),
        ("i386", "rax"),
        ("i386", "r8"),
        ("aarch64", "x31"),
        ("aarch64", "d32"),
        ("arm", "r16"),
        ("ppc64", "r32"),
        ("s390x", "r16"),
        ("riscv", "a8"),
        ("mips", "a0"),
    ],
)
def test_what_is_no_register(machine: str, name: str) -> None:
    assert register(name, machine) is None
