"""USDT probes of whole files: against readelf, against bpftrace, and of every class and byte order."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from app.elf.model import UsdtArgument
from app.elf.reader import read_facts
from app.elf.usdt.notes import decode_arguments, restored, stored
from app.elf.usdt.operands import Operand
from tests.elf.corpus import elf_files
from tests.support import sections, stapsdt
from tests.support.programs import compile_c

SOURCE = """
#include <sys/sdt.h>
#include <stdint.h>
#ifdef SEMAPHORE
unsigned short demo_begin_semaphore __attribute__((section(".probes")));
#endif
void work(int64_t a, uint8_t b, char *text, double d) {
    DTRACE_PROBE3(demo, begin, a, b, text);
    DTRACE_PROBE(demo, nothing);
    DTRACE_PROBE1(demo, begin_other, d);
}
int main(void) { work(-5, 200, "hello", 1.5); return 0; }
"""
# Probes whose operands GCC writes as registers of each width, constants, memory with an index, symbols.
FORMS = """
#include <sys/sdt.h>
static int table[8] = {0, 10, 20, -30, 40, 50, 60, 70};
static long counter = 123456789012;
short small = -7;
__attribute__((noinline)) int forms(long a, int b, unsigned char c, short d, int *list, long at) {
    DTRACE_PROBE4(demo, widths, a, b, c, d);
    DTRACE_PROBE4(demo, constants, 42, -5, 1UL << 33, (char)'x');
    DTRACE_PROBE3(demo, indexed, list[at], list[at + 1], list[2]);
    DTRACE_PROBE3(demo, symbols, counter, table[3], small);
    DTRACE_PROBE2(demo, addresses, table, &counter);
    return table[at] + list[at];
}
int main(int argc, char **argv) {
    counter += argc - 1;
    int list[5] = {1, 2, -3, 4, argc};
    return forms(-1234567890123, -77, 200, -300, list, argc + 1) == 1;
}
"""
VALUES = {
    "widths": [-1234567890123, -77, 200, -300],
    "constants": [42, -5, 1 << 33, ord("x")],
    "indexed": [-3, 4, -3],
    "symbols": [123456789012, -30, -7],
}
PROGRAMS = (
    "/usr/lib/postgresql/*/bin/postgres",
    "/usr/lib/x86_64-linux-gnu/libruby-*.so.*",
    "/usr/bin/php[0-9]*.[0-9]*",
    "/usr/bin/python3.[0-9]*",
    "/usr/lib/x86_64-linux-gnu/libstdc++.so.6",
    "/usr/lib/jvm/*/lib/server/libjvm.so",
)
NEEDS_BPFTRACE = pytest.mark.skipif(
    shutil.which("bpftrace") is None or os.geteuid() != 0, reason="needs bpftrace and root"
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("-4@%edi", [(4, True, False, "%edi", "int32_t")]),
        (
            "8@%rsi 1@-17(%rbp)",
            [(8, False, False, "%rsi", "uint64_t"), (1, False, False, "-17(%rbp)", "uint8_t")],
        ),
        ("4@nr_pages(%rip)", [(4, False, False, "nr_pages(%rip)", "uint32_t")]),
        (
            "-8@8(%rax,%rbx,4) -4@$-7",
            [(8, True, False, "8(%rax,%rbx,4)", "int64_t"), (4, True, False, "$-7", "int32_t")],
        ),
        ("8f@%xmm0", [(8, True, True, "%xmm0", "double")]),
        ("-4@[sp, 16] 8@x0", [(4, True, False, "[sp, 16]", "int32_t"), (8, False, False, "x0", "uint64_t")]),
        ("%rdi %rsi", [(8, False, False, "%rdi", "uint64_t"), (8, False, False, "%rsi", "uint64_t")]),
        ("3@%eax", [(3, False, False, "%eax", "unknown")]),
    ],
)
def test_arguments(text: str, expected: list[tuple[int, bool, bool, str, str]]) -> None:
    found = decode_arguments(text, 64, "x86_64")
    assert [(a.size, a.signed, a.float, a.operand, a.type) for a in found] == expected
    assert [a.index for a in found] == list(range(len(expected)))


@pytest.mark.parametrize("semaphore", [False, True])
def test_a_program_of_our_own(tmp_path: Path, semaphore: bool) -> None:
    flags = ["-DSEMAPHORE", "-D_SDT_HAS_SEMAPHORES"] if semaphore else []
    source = SOURCE
    if semaphore:
        source = source.replace(
            "#endif", "unsigned short demo_nothing_semaphore, demo_begin_other_semaphore;\n#endif"
        )
    program = compile_c(tmp_path, source, "prog", "-O0", *flags)
    facts = read_facts(program.read_bytes())
    probes = {probe.name: probe for probe in facts.usdt}
    assert {probe.provider for probe in facts.usdt} == {"demo"}
    assert sorted(probes) == ["begin", "begin_other", "nothing"]
    (site,) = probes["begin"].sites
    assert site.function == "work"
    assert [(a.size, a.signed) for a in site.arguments] == [(8, True), (1, False), (8, False)]
    assert bool(site.semaphore) == semaphore
    assert site.offset is not None
    assert program.read_bytes()[site.offset] in {0x90, 0x1F}  # the nop that the note stands at
    assert probes["nothing"].sites[0].arguments == ()


@pytest.mark.parametrize("machine", sorted(sections.MACHINES))
@pytest.mark.parametrize("endian", ["little", "big"])
@pytest.mark.parametrize("bits", [32, 64])
def test_notes_of_every_class_and_byte_order(tmp_path: Path, machine: str, endian: str, bits: int) -> None:
    notes = b"".join(
        stapsdt.note(arguments, "demo", name, address, 0x2000, semaphore, bits, endian)
        for name, address, semaphore, arguments in (
            ("first", 0x1000, 0, "-4@5"),
            ("second", 0x1010, 0x3000, "8@5 2@6"),
            ("first", 0x1020, 0, ""),
        )
    )
    path = tmp_path / "notes"
    path.write_bytes(stapsdt.elf(notes, machine, bits, endian, base=0x2000))
    facts = read_facts(path.read_bytes())
    assert facts.state == "ok"
    assert _ours(path) == _of_readelf(path)
    assert [(probe.name, len(probe.sites)) for probe in facts.usdt] == [("first", 2), ("second", 1)]
    assert facts.usdt[1].sites[0].semaphore == 0x3000
    assert [argument.size for argument in facts.usdt[1].sites[0].arguments] == [8, 2]


def test_a_prelinked_file_moves_its_probes(tmp_path: Path) -> None:
    raw = stapsdt.elf(stapsdt.note("", address=0x1000, base=0x2000, semaphore=0x3000), base=0x42000)
    (site,) = read_facts(raw).usdt[0].sites
    assert (site.address, site.semaphore) == (0x41000, 0x43000)


def test_real_programs_as_readelf_shows_them() -> None:
    """Those of the list that this machine has, and whatever of the corpus has probes."""
    files = [path for pattern in PROGRAMS for path in sorted(Path("/").glob(pattern[1:]))]
    seen = 0
    for path in dict.fromkeys(path.resolve() for path in (*files, *elf_files(300))):
        data = path.read_bytes()
        if b"stapsdt\0" not in data:
            continue
        facts = read_facts(data)
        assert _ours(path) == _of_readelf(path), path
        for probe in facts.usdt:
            for site in probe.sites:
                assert all(each.parsed.kind != "unknown" for each in site.arguments), site
                assert restored(stored(probe)["sites"][probe.sites.index(site)], "x86_64") == site
                seen += 1
    assert seen > 60


@pytest.mark.parametrize("level", ["-O0", "-O1", "-O2", "-O3", "-Os"])
def test_operands_that_the_compiler_writes(tmp_path: Path, level: str) -> None:
    program = compile_c(tmp_path, FORMS, "forms", level, "-fno-pie", "-no-pie")
    facts = read_facts(program.read_bytes())
    arguments = [each for probe in facts.usdt for site in probe.sites for each in site.arguments]
    assert len(arguments) == 16
    assert all(each.parsed.kind != "unknown" for each in arguments)
    assert all(site.function == "forms" for probe in facts.usdt for site in probe.sites)


@pytest.mark.skipif(shutil.which("aarch64-linux-gnu-gcc") is None, reason="needs gcc-aarch64-linux-gnu")
@pytest.mark.parametrize("level", ["-O0", "-O2", "-O3"])
def test_operands_of_aarch64(tmp_path: Path, level: str) -> None:
    # The header has no code of an architecture, and the cross compiler does not look where it lies.
    (tmp_path / "sys").mkdir()
    for name in ("sdt.h", "sdt-config.h"):
        for header in Path("/usr/include").glob(f"**/sys/{name}"):
            shutil.copy(header, tmp_path / "sys")
    found = compile_c(
        tmp_path, FORMS, "forms.o", level, "-c", f"-I{tmp_path}", compiler="aarch64-linux-gnu-gcc"
    )
    assert _ours(found) == _of_readelf(found)
    probes = {probe.name: probe.sites[0].arguments for probe in read_facts(found.read_bytes()).usdt}
    assert [each.reading for each in probes["constants"][:2]] == ["the constant 42", "the constant -5"]
    kinds = {each.parsed.kind for arguments in probes.values() for each in arguments}
    assert kinds == {"register", "constant", "memory"}


@NEEDS_BPFTRACE
@pytest.mark.parametrize("level", ["-O0", "-O2"])
def test_operands_read_what_bpftrace_reads(tmp_path: Path, level: str) -> None:
    """Known values: as the program was given them, by bpftrace's argN, and by the operand as we parsed it.

    bpftrace's argN takes no part where the operand has a symbol: 0.17 reads it at a wrong address.
    """
    program = compile_c(tmp_path, FORMS, "forms", level, "-fno-pie", "-no-pie")
    facts = read_facts(program.read_bytes())
    addresses = {}
    for line in _run("nm", str(program)).splitlines():
        address, _, name = line.split()[-3:] if len(line.split()) == 3 else ("", "", "")
        addresses[name] = address
    script = ""
    expected = {}
    for probe in facts.usdt:
        if probe.name in VALUES:
            (site,) = probe.sites
            plain = [each for each in site.arguments if each.parsed.symbol is None]
            terms = [_number(each, _cast(each, f"arg{each.index}")) for each in plain]
            terms += [_number(each, _expression(each, addresses)) for each in site.arguments]
            format = " ".join("%ld" for _ in terms)
            script += f'usdt:{program}:demo:{probe.name} {{ printf("{probe.name} {format}\\n", '
            script += ", ".join(terms) + "); }\n"
            values = VALUES[probe.name]
            expected[probe.name] = [values[each.index] for each in plain] + values
    printed = _run("bpftrace", "-e", script, "-c", str(program))
    found = {
        line.split()[0]: [int(number) for number in line.split()[1:]]
        for line in printed.splitlines()
        if line.split()[:1] and line.split()[0] in VALUES
    }
    assert found == expected, script


def _kind(argument: UsdtArgument) -> str:
    return f"{'int' if argument.signed else 'uint'}{argument.size * 8}"


def _cast(argument: UsdtArgument, text: str) -> str:
    return f"({_kind(argument)}){text}"


def _number(argument: UsdtArgument, text: str) -> str:
    """bpftrace extends an unsigned byte as if it were signed."""
    if argument.signed or argument.size == 8:
        return f"(int64){text}"
    return f"({text} & {(1 << 8 * argument.size) - 1:#x})"


def _expression(argument: UsdtArgument, addresses: dict[str, str]) -> str:
    """The operand in bpftrace's language, out of its parsed form."""
    operand: Operand = argument.parsed
    if operand.kind == "constant":
        return str(operand.value)
    if operand.kind == "register":
        assert operand.register is not None
        return _cast(argument, f'reg("{_whole(operand.register.number)}")')
    terms = [str(operand.displacement)]
    if operand.symbol is not None:
        terms.append(f"0x{addresses[operand.symbol]}")
    elif operand.base is not None:
        terms.append(f'reg("{_whole(operand.base.number)}")')
    if operand.index is not None:
        terms.append(f'reg("{_whole(operand.index.number)}") * {operand.scale}')
    return f"*({_kind(argument)} *)({' + '.join(terms)})"


def _whole(number: int | None) -> str:
    assert number is not None
    return ("ax", "dx", "cx", "bx", "si", "di", "bp", "sp", *(f"r{index}" for index in range(8, 16)))[number]


def _ours(path: Path) -> list[tuple[str, str, int, int, str]]:
    facts = read_facts(path.read_bytes())
    return sorted(
        (probe.provider, probe.name, site.address, site.semaphore, site.raw_arguments)
        for probe in facts.usdt
        for site in probe.sites
    )


_NOTE = re.compile(
    r"Provider: (.*)\n\s+Name: (.*)\n"
    r"\s+Location: (0x[0-9a-f]+), Base: 0x[0-9a-f]+, Semaphore: (0x[0-9a-f]+)\n\s+Arguments: (.*)"
)


def _of_readelf(path: Path) -> list[tuple[str, str, int, int, str]]:
    printed = _run("readelf", "-W", "-n", str(path))
    return sorted((a, b, int(c, 16), int(d, 16), e) for a, b, c, d, e in _NOTE.findall(printed))


def _run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
