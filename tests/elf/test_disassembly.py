"""Instructions against objdump, and what is no instruction."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from app.elf.arrays import SymbolArrays, file_offsets
from app.elf.disassembly import disassemble
from app.elf.reader import read_facts
from tests.support.programs import compile_c

SOURCE = """
int inner(int x) { return x * 3; }
int outer(int n) { int s = 0; for (int i = 0; i < n; i++) s += inner(i); return s; }
int main(void) { return outer(5) & 1; }
"""


def test_a_function_as_objdump_reads_it(tmp_path: Path) -> None:
    program = compile_c(tmp_path, SOURCE, "prog", "-O0")
    facts = read_facts(program.read_bytes())
    assert facts.symbols is not None
    columns = SymbolArrays.of(facts.symbols)
    assert facts.header is not None
    at = facts.symbols.names.index(b"\0outer\0") + 1
    (row,) = ((columns.name_at == at) & (columns.size > 0)).nonzero()[0].tolist()
    address, size = int(columns.address[row]), int(columns.size[row])
    section = facts.sections[int(columns.section_index[row])]
    start = address - section.address + section.offset
    code = program.read_bytes()[start : start + size]
    mine = disassemble(code, address, facts.header.machine, facts.header.endian, facts.header.bits)
    text = subprocess.run(
        ["objdump", "-d", "-M", "intel", "--disassemble=outer", str(program)], capture_output=True, text=True
    ).stdout
    theirs = re.findall(r"^ +([0-9a-f]+):\t([0-9a-f ]+?) *\t(\S+)", text, re.MULTILINE)
    assert [(i.address, i.bytes, i.mnemonic) for i in mine] == [
        (int(a, 16), raw.replace(" ", ""), word) for a, raw, word in theirs
    ]
    calls = [i for i in mine if i.mnemonic in {"call", "bl"}]
    assert len(calls) == 1
    inner = facts.symbols.names.index(b"\0inner\0") + 1
    assert calls[0].target == int(columns.address[columns.name_at == inner][0])


def test_bytes_that_are_no_instruction_are_shown_and_passed_over() -> None:
    found = disassemble(b"\x90\x06\xc3", 0x1000, "x86_64", "little", 64)
    assert [(i.address, i.mnemonic) for i in found] == [(0x1000, "nop"), (0x1001, ".byte"), (0x1002, "ret")]


def test_limits_and_unknown_architectures() -> None:
    assert len(disassemble(b"\x90" * 100, 0, "x86_64", "little", 64, limit=7)) == 7
    assert len(disassemble(b"\x06" * 100, 0, "x86_64", "little", 64, limit=7)) == 7
    assert disassemble(b"\x90", 0, "em-9999", "little", 64) == ()
    (nop,) = disassemble(b"\xd5\x03\x20\x1f"[::-1], 0, "aarch64", "little", 64)
    assert nop.mnemonic == "nop"


def test_file_offsets_by_segments() -> None:
    import numpy as np

    loads = [(0x1000, 0x100, 0x0), (0x3000, 0x10, 0x200)]
    addresses = np.array([0xFFF, 0x1000, 0x10FF, 0x1100, 0x3005, 2**64 - 1], np.uint64)
    assert file_offsets(loads, addresses).tolist() == [-1, 0, 0xFF, -1, 0x205, -1]
