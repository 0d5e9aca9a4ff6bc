"""Arguments of USDT notes: the operand forms that compilers write, and notes of real programs."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.elf.reader import read_facts
from app.elf.usdt import decode_arguments
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
    found = decode_arguments(text, 64)
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
