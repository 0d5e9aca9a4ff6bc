"""Operands of USDT arguments: each form that the compilers write for sys/sdt.h, a case a form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.elf.usdt.notes import decode_arguments
from app.elf.usdt.operands import UNKNOWN, parse_operand

MACHINES = ("x86_64", "i386", "aarch64", "arm", "ppc64", "s390x", "riscv")


@pytest.mark.parametrize(
    ("machine", "argument", "kind", "phrase"),
    [
        ("x86_64", "1@%al", "register", "register al"),
        ("x86_64", "1@%ah", "register", "register ah"),
        ("x86_64", "-2@%ax", "register", "register ax, signed"),
        ("x86_64", "-4@%r10d", "register", "register r10d, signed"),
        ("x86_64", "8@%rax", "register", "register rax"),
        ("x86_64", "4@%rax", "register", "the low 4 bytes of register rax"),
        ("x86_64", "1@%esi", "register", "the low byte of register esi"),
        ("x86_64", "8f@%xmm0", "register", "the low 8 bytes of register xmm0, floating point"),
        ("x86_64", "10f@%st(1)", "register", "register st(1), floating point"),
        ("x86_64", "-4@$-5", "constant", "the constant -5"),
        ("x86_64", "4@$-1", "constant", "the constant 4294967295"),
        ("x86_64", "8@$0x2a", "constant", "the constant 42"),
        ("x86_64", "8@$counter", "constant", "the address of counter"),
        ("x86_64", "8@$table+16", "constant", "the address of table+16"),
        ("x86_64", "8@(%rax)", "memory", "the 8 bytes at rax"),
        ("x86_64", "1@-17(%rbp)", "memory", "the byte at rbp-17"),
        ("x86_64", "-4@-0x14(%rbp)", "memory", "the 4 bytes at rbp-20, signed"),
        ("x86_64", "-4@-20(%rbp,%rax,4)", "memory", "the 4 bytes at rbp+rax*4-20, signed"),
        ("x86_64", "8@(%rax,%rbx)", "memory", "the 8 bytes at rax+rbx"),
        ("x86_64", "8@(,%rax,8)", "memory", "the 8 bytes at rax*8"),
        ("x86_64", "8@table(,%rdi,8)", "memory", "the 8 bytes at table+rdi*8"),
        ("x86_64", "8@sym+8(%rip)", "memory", "the 8 bytes at sym+8"),
        ("x86_64", "8@8+sym(%rip)", "memory", "the 8 bytes at sym+8"),
        ("x86_64", "-4@counter(%rip)", "memory", "the 4 bytes at counter, signed"),
        ("x86_64", "8@name@GOTPCREL(%rip)", "memory", "the 8 bytes at the GOT entry of name"),
        ("x86_64", "4@%fs:mine@tpoff", "memory", "the 4 bytes of the thread-local mine"),
        ("x86_64", "4@%fs:mine@tpoff+4", "memory", "the 4 bytes of the thread-local mine+4"),
        ("x86_64", "8@%fs:(%rax)", "memory", "the 8 bytes at fs:rax"),
        ("x86_64", "8@%gs:40", "memory", "the 8 bytes at gs:0x28"),
        ("x86_64", "4@counter", "memory", "the 4 bytes at counter"),
        ("x86_64", "4@_ZL3map.0(%rip)", "memory", "the 4 bytes at _ZL3map.0"),
        ("x86_64", "-4@+4+8-12(%rsp)", "memory", "the 4 bytes at rsp, signed"),
        ("i386", "-4@8(%ebp)", "memory", "the 4 bytes at ebp+8, signed"),
        ("i386", "2@%ax", "register", "register ax"),
        ("aarch64", "8@x0", "register", "register x0"),
        ("aarch64", "-4@w0", "register", "register w0, signed"),
        ("aarch64", "4@x0", "register", "the low 4 bytes of register x0"),
        ("aarch64", "8@sp", "register", "register sp"),
        ("aarch64", "8f@d0", "register", "register d0, floating point"),
        ("aarch64", "-4@5", "constant", "the constant 5"),
        ("aarch64", "-4@#-5", "constant", "the constant -5"),
        ("aarch64", "8@[x0]", "memory", "the 8 bytes at x0"),
        ("aarch64", "-4@[sp, 16]", "memory", "the 4 bytes at sp+16, signed"),
        ("aarch64", "-4@[x29, #-12]", "memory", "the 4 bytes at x29-12, signed"),
        ("aarch64", "8@[x1, x2]", "memory", "the 8 bytes at x1+x2"),
        ("aarch64", "8@[x1, x2, lsl 3]", "memory", "the 8 bytes at x1+x2*8"),
        ("aarch64", "4@[x1, w2, sxtw 2]", "memory", "the 4 bytes at x1+w2*4"),
        ("aarch64", "4@[x1, w2, uxtw]", "memory", "the 4 bytes at x1+w2"),
        ("aarch64", "4@[x0, #:lo12:counter]", "memory", "the 4 bytes at counter"),
        ("arm", "4@r0", "register", "register r0"),
        ("arm", "-4@#5", "constant", "the constant 5"),
        ("arm", "4@[fp, #-16]", "memory", "the 4 bytes at fp-16"),
        ("arm", "4@[r1, r2, lsl #2]", "memory", "the 4 bytes at r1+r2*4"),
        ("ppc64", "8@3", "register", "register r3"),
        ("ppc64", "8@%r31", "register", "register r31"),
        ("ppc64", "-4@i-5", "constant", "the constant -5"),
        ("ppc64", "4@8(9)", "memory", "the 4 bytes at r9+8"),
        ("ppc64", "4@9,10", "memory", "the 4 bytes at r9+r10"),
        ("s390x", "8@%r2", "register", "register r2"),
        ("s390x", "-4@5", "constant", "the constant 5"),
        ("s390x", "8@160(%r15)", "memory", "the 8 bytes at r15+160"),
        ("s390x", "8@0(%r1,%r2)", "memory", "the 8 bytes at r2+r1"),
        ("riscv", "8@a0", "register", "register a0"),
        ("riscv", "-4@-20(s0)", "memory", "the 4 bytes at s0-20, signed"),
        ("riscv", "-4@-7", "constant", "the constant -7"),
    ],
)
def test_every_form(machine: str, argument: str, kind: str, phrase: str) -> None:
    (found,) = decode_arguments(argument, 64, machine)
    assert found.operand == argument.partition("@")[2]
    assert (found.parsed.kind, found.reading) == (kind, phrase)


def test_the_parts_of_an_address() -> None:
    found = parse_operand("-20(%rbp,%rax,4)", "x86_64")
    assert found.base is not None
    assert found.index is not None
    parts = (found.base.number, found.index.number, found.scale, found.displacement)
    assert parts == (6, 0, 4, -20)
    found = parse_operand("sym+8(%rip)", "x86_64")
    assert (found.symbol, found.displacement) == ("sym", 8)
    found = parse_operand("[x1, w2, sxtw 2]", "aarch64")
    assert found.index is not None
    assert (found.index.name, found.scale, found.extend) == ("w2", 4, "sxtw")
    found = parse_operand("%fs:x@tpoff", "x86_64")
    assert (found.segment, found.symbol, found.modifier) == ("fs", "x", "tpoff")
    found = parse_operand("$-5", "x86_64")
    assert (found.kind, found.value) == ("constant", -5)


@pytest.mark.parametrize(
    ("machine", "operand"),
    [
        ("x86_64", "%nothing"),
        ("x86_64", "$"),
        ("x86_64", ""),
        ("x86_64", "16(%rax,%rbx,3)"),
        ("x86_64", "16(%rax"),
        ("x86_64", "16(%rax,%rbx,4,1)"),
        ("x86_64", "a-b(%rip)"),
        ("x86_64", "%xs:8"),
        ("x86_64", "x" * 2000),
        ("x86_64", "$08"),
        ("aarch64", "[x0"),
        ("aarch64", "[x1, x2, ror 3]"),
        ("aarch64", "[y0, 1]"),
        ("ppc64", "8(99)"),
        ("sparc64", "%o0"),
    ],
)
def test_what_is_no_operand_is_said_to_be_unknown(machine: str, operand: str) -> None:
    assert parse_operand(operand, machine) == UNKNOWN


@given(st.text("%$()[],+-*@:#.0123456789abcdefilorpstwx \n", max_size=40), st.sampled_from(MACHINES))
def test_no_text_raises(text: str, machine: str) -> None:
    for found in decode_arguments(text, 64, machine):
        assert found.reading
