"""Facts of compiled files, and of files that are wrong: each ends with a state and a sentence."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest

from app.elf.image import Headers, SectionHeader
from app.elf.reader import read_facts
from tests.elf.corpus import elf_files
from tests.support.programs import compile_c

SOURCE = "int shared = 7; int work(int x) { return x + shared; } int main(void) { return work(1); }"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty"),
        (b"#!/bin/sh\n", "not_elf"),
        (b"\x7fELF", "bad_ident"),
        (b"\x7fELF\x02\x01\x01" + b"\0" * 9, "truncated"),
        (b"\x7fELF\x09\x01\x01" + b"\0" * 60, "bad_ident"),
    ],
)
def test_what_is_no_elf_file(data: bytes, code: str) -> None:
    facts = read_facts(data)
    assert facts.state == "malformed"
    assert [problem.code for problem in facts.problems] == [code]
    assert facts.problems[0].text.endswith(".")


def test_a_program_with_and_without_symbols(tmp_path: Path) -> None:
    program = compile_c(tmp_path, SOURCE, "prog", "-g")
    whole = read_facts(program.read_bytes())
    assert (whole.state, whole.stripped, whole.dwarf, whole.lines) == ("ok", False, True, True)
    assert whole.language == "c"
    assert whole.runtime == "compiled"
    assert any(name.startswith("libc.so") for name in whole.needed)
    assert whole.interpreter is not None
    bare, debug = tmp_path / "bare", tmp_path / "prog.debug"
    subprocess.run(["objcopy", "--only-keep-debug", program, debug], check=True)
    subprocess.run(["strip", "-o", bare, program], check=True)
    subprocess.run(["objcopy", f"--add-gnu-debuglink={debug}", bare], check=True)
    stripped, separate = read_facts(bare.read_bytes()), read_facts(debug.read_bytes())
    assert (stripped.stripped, stripped.dwarf, stripped.debug_only) == (True, False, False)
    assert stripped.debug_link is not None
    assert stripped.debug_link[0] == "prog.debug"
    assert (separate.stripped, separate.dwarf, separate.debug_only) == (False, True, True)
    assert whole.build_id == stripped.build_id == separate.build_id


def test_an_architecture_that_nobody_knows(tmp_path: Path) -> None:
    data = bytearray(compile_c(tmp_path, SOURCE).read_bytes())
    data[18:20] = b"\x34\x12"
    facts = read_facts(bytes(data))
    assert facts.header is not None
    assert facts.header.machine == "em-4660"
    assert facts.symbols is not None


def test_truncated_anywhere_it_says_so(tmp_path: Path) -> None:
    data = compile_c(tmp_path, SOURCE).read_bytes()
    for end in range(0, len(data) - 1, 97):
        facts = read_facts(data[:end])
        assert facts.state in {"partial", "malformed"}, end
        assert facts.problems
        assert all(problem.text.endswith(".") for problem in facts.problems)


def test_mutated_files_never_raise(tmp_path: Path) -> None:
    """Bytes changed at random, half of them in the headers, in small real files of many kinds."""
    chance = random.Random(1)
    files = [path.read_bytes() for path in elf_files(60) if path.stat().st_size < 200_000][:12]
    files.append(compile_c(tmp_path, SOURCE, "prog", "-g").read_bytes())
    for turn in range(1500):
        data = bytearray(files[turn % len(files)])
        headers = int.from_bytes(data[40:48], "little")
        for _ in range(chance.randint(1, 12)):
            place = chance.choice(
                [chance.randrange(64), headers + chance.randrange(2000), chance.randrange(len(data))]
            )
            if place < len(data):
                data[place] = chance.choice([0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)])
        facts = read_facts(bytes(data))
        assert facts.state in {"ok", "partial", "malformed", "limit"}
        assert (facts.state == "ok") == (not facts.problems)


def test_sections_that_share_a_long_name_share_its_text() -> None:
    """A table of a million of them fits into a file of 64 MB, and their texts into no memory."""
    rows = tuple(SectionHeader(name, 1, 0, 0, 0, 0, 0, 0, 1, 0) for name in (1, 1, 7, 1, 99))
    names = Headers(section_rows=rows, strings=b"\0.texts.data\0").names
    assert names == (".texts.data", ".texts.data", ".data", ".texts.data", "")
    assert names[0] is names[1] is names[3]


def test_the_interpreters_of_this_machine() -> None:
    bash = read_facts(Path("/bin/bash").read_bytes())
    assert (bash.runtime, bash.interpreter_of) == ("interpreter", "bash")
    libc = read_facts(next(Path("/usr/lib").glob("*-linux-gnu/libc.so.6")).read_bytes())
    assert (libc.runtime, libc.interpreter_of) == ("compiled", None)
    assert libc.soname == "libc.so.6"
    plus = read_facts(next(Path("/usr/lib").glob("*-linux-gnu/libstdc++.so.6")).read_bytes())
    assert plus.language == "c++"
