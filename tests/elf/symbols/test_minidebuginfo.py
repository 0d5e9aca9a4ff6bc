"""MiniDebugInfo, made with the tools and steps that Fedora's packages are made with."""

from __future__ import annotations

import lzma
import os
import subprocess
from pathlib import Path

import pytest

from app.elf import spell
from app.elf.model import TABLES, Facts
from app.elf.reader import read_facts
from app.elf.symbols import minidebuginfo
from tests.support.programs import compile_c

SOURCE = """
#include <stdio.h>
static int hidden = 3;
static __attribute__((noinline)) int first(int x) { return x * hidden; }
static __attribute__((noinline)) int second(int x) { return first(x) + 1; }
int shown(int x) { return second(x); }
int main(int argc, char **argv) { printf("%d\\n", shown(argc)); return 0; }
"""


def _run(*command: str | Path) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _names(printed: str, kinds: str) -> set[str]:
    return {line.split()[0] for line in printed.splitlines() if line.split()[1] in kinds}


def _with_minidebuginfo(tmp: Path, program: Path) -> tuple[Path, Path]:
    """The stripped program with its section, and the ELF file that the section holds."""
    shown = _names(_run("nm", "-D", "--format=posix", "--defined-only", program), "TtDdBbVvWwRruiABCGSN")
    kept = _names(_run("nm", "--format=posix", "--defined-only", program), "TtD") - shown
    (tmp / "keep").write_text("\n".join(sorted(kept)) + "\n")
    mini, bare = tmp / "mini", tmp / "bare"
    _run("objcopy", "--only-keep-debug", program, tmp / "debug")
    keep = f"--keep-symbols={tmp / 'keep'}"
    _run("objcopy", "-S", "--remove-section", ".comment", keep, tmp / "debug", mini)
    _run("strip", "--strip-all", "-R", ".comment", "-o", bare, program)
    return _holding(tmp, bare, lzma.compress(mini.read_bytes())), mini


def _holding(tmp: Path, bare: Path, section: bytes) -> Path:
    (tmp / "section").write_bytes(section)
    out = tmp / "holding"
    _run("objcopy", "--add-section", f".gnu_debugdata={tmp / 'section'}", bare, out)
    return out


def _of_ours(facts: Facts) -> list[tuple[int, int, str, str, str, str, str]]:
    symbols = facts.symbols
    assert symbols is not None
    found = []
    for row in range(symbols.rows):
        if TABLES[symbols.table[row]] == "gnu_debugdata":
            at, length = int(symbols.name_at[row]), int(symbols.name_len[row])
            found.append(
                (
                    int(symbols.address[row]),
                    int(symbols.size[row]),
                    spell.symbol_type(int(symbols.type[row])),
                    spell.symbol_bind(int(symbols.bind[row])),
                    spell.symbol_visibility(int(symbols.visibility[row])),
                    spell.section_of(int(symbols.section_index[row]), facts.sections),
                    symbols.names[at : at + length].decode(),
                )
            )
    return found


def _of_readelf(path: Path) -> list[tuple[int, int, str, str, str, str, str]]:
    sections = {
        line.split("]")[0].strip(" ["): line.split("]")[1].split()[0]
        for line in _run("readelf", "-SW", path).splitlines()
        if line.strip().startswith("[") and not line.strip().startswith(("[ 0]", "[Nr]"))
    }
    found = []
    for line in _run("readelf", "-Ws", path).splitlines():
        cells = line.split()
        if len(cells) == 8 and cells[0].rstrip(":").isdecimal() and cells[0] != "0:":
            section = sections.get(cells[6], cells[6])
            row = (int(cells[1], 16), int(cells[2]), cells[3], cells[4], cells[5], section, cells[7])
            found.append(row)
    return found


def test_symbols_are_those_of_readelf(tmp_path: Path) -> None:
    program = compile_c(tmp_path, SOURCE, "prog", "-O1")
    whole, mini = _with_minidebuginfo(tmp_path, program)
    facts = read_facts(whole.read_bytes())
    assert facts.state == "ok"
    assert facts.stripped
    found = _of_ours(facts)
    assert found == _of_readelf(mini)
    assert {"first", "second", "shown", "main"} <= {row[-1] for row in found}
    assert "hidden" not in {row[-1] for row in found}
    assert facts.symbols is not None
    assert {TABLES[number] for number in facts.symbols.table.tolist()} == {"dynsym", "gnu_debugdata"}


def test_a_large_program(tmp_path: Path) -> None:
    """Two thousand functions of each linkage, weak, hidden and aliased ones among them."""
    kinds = ("static", "", "__attribute__((weak))", '__attribute__((visibility("hidden")))')
    lines = [f"{kinds[n % 4]} int work_{n}(int x) {{ return x + {n}; }}" for n in range(2000)]
    lines += [f'int other_{n}(int x) __attribute__((alias("work_{n}")));' for n in range(1, 2000, 80)]
    lines.append("int (*volatile table[])(int) = {" + ", ".join(f"work_{n}" for n in range(2000)) + "};")
    made = compile_c(tmp_path, "\n".join([*lines, "int main(void) { return table[3](1); }"]))
    whole, mini = _with_minidebuginfo(tmp_path, made)
    found = _of_ours(read_facts(whole.read_bytes()))
    assert found == _of_readelf(mini)
    assert len(found) > 1500


@pytest.mark.parametrize(
    "section",
    [
        b"no xz",
        lzma.compress(b""),
        lzma.compress(b"no ELF file"),
        lzma.compress(os.urandom(5000))[:2000],
        lzma.compress(b"\x7fELF\x01\x02\x01" + bytes(200)),
    ],
)
def test_what_holds_no_symbols_is_said(tmp_path: Path, section: bytes) -> None:
    bare = compile_c(tmp_path, SOURCE)
    _run("strip", bare)
    facts = read_facts(_holding(tmp_path, bare, section).read_bytes())
    assert "gnu_debugdata" in {problem.code for problem in facts.problems}
    assert facts.state == "partial"
    assert facts.symbols is not None


def test_a_bomb_meets_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minidebuginfo, "MOST_BYTES", 4 << 20)
    bare = compile_c(tmp_path, SOURCE)
    _run("strip", bare)
    facts = read_facts(_holding(tmp_path, bare, lzma.compress(bytes(5 << 20))).read_bytes())
    assert [problem.code for problem in facts.problems] == ["gnu_debugdata_limit"]
    wide = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 1 << 29}]
    facts = read_facts(_holding(tmp_path, bare, lzma.compress(b"x", filters=wide)).read_bytes())
    assert [problem.code for problem in facts.problems] == ["gnu_debugdata_limit"]
    assert facts.state == "partial"
    assert facts.symbols is not None
