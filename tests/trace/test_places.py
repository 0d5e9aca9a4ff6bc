"""Inline sites and source lines to targets, and the names of instructions inside of functions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from app.elf.disassembly import Instruction
from app.errors import BadInput, NotFound
from app.index.model import Function
from app.index.sites import AddressRange, InlineSite
from app.trace.marks import mark, marked
from app.trace.places import inline_targets, line_targets, parse_line
from app.trace.quoting import parse_probe
from app.trace.targets import resolve, unmapped
from tests.trace.catalogues import Fake, binary, function

PATH = "/opt/prog"


class Coded(Fake):
    """Every function has instructions of four bytes."""

    def code(self, id: str, key: str) -> tuple[Instruction, ...]:
        start = self.function(id, key).address or 0
        return tuple(Instruction(start + 4 * at, "", "nop", "", None) for at in range(8))

    def function(self, id: str, key: str) -> Function:
        if key.startswith("0x"):
            for item in self.all_functions:
                if item.address is not None and item.address <= int(key, 16) < item.address + item.size:
                    return item
        return super().function(id, key)


def site(address: int | None, holder: str) -> InlineSite:
    ranges = (AddressRange(address, 4),) if address is not None else ()
    return InlineSite(address, ranges, holder, "1000", "a.c", 3, 1, None)


@pytest.fixture
def index() -> Coded:
    return Coded(
        binary(PATH),
        [
            function("holder"),
            function("square", (("n", "int"),), key="inline-9", address=None, inlined=True, inline_sites=3),
        ],
        sites={"inline-9": (site(0x1008, "holder"), site(0x1009, "holder"), site(None, "holder"))},
        lines={("a.c", 7): [0x1000, 0x1004, 0x9000]},
    )


def test_a_line_is_written_with_its_binary() -> None:
    line = parse_line('line:"/a b/prog":src/main.c:42')
    assert line is not None
    assert (line.path, line.file, line.line, line.label) == ("/a b/prog", "src/main.c", 42, "main.c:42")
    assert parse_line("line:/prog:C:/x.c:1") == parse_line('line:"/prog":C:/x.c:1')
    assert parse_line("uprobe:/prog:line:3") is None
    for wrong in ("line:/prog:main.c", "line::main.c:3", "line:prog:main.c:3", 'line:"/a:b":main.c:3'):
        with pytest.raises(BadInput):
            parse_line(wrong)


def test_the_places_of_a_line_are_instructions(index: Coded) -> None:
    warnings: list[str] = []
    line = parse_line(f"line:{PATH}:a.c:7")
    assert line is not None
    found = line_targets(line, index, warnings)
    assert [target.places for target in found] == [
        f'uprobe:"{PATH}":holder', f'uprobe:"{PATH}":holder.at.4'
    ]  # fmt: skip
    # At a function's start its parameters are not yet where its variables will be.
    assert [(target.title, target.at) for target in found] == [("a.c:7", None), ("a.c:7", 0x1004)]
    assert warnings == ["The code at 0x9000 belongs to no function; it is left out."]
    with pytest.raises(NotFound):
        line_targets(replace(line, line=8), index, warnings)
    with pytest.raises(BadInput):
        line_targets(line, None, warnings)


def test_the_copies_of_an_inlined_function(index: Coded) -> None:
    warnings: list[str] = []
    target = resolve(parse_probe(f"uprobe:{PATH}:square"), index, warnings)
    assert "exists only where it was inlined, in 3 places" in warnings.pop()
    (found,) = inline_targets(target, index, warnings)
    assert (found.title, found.at, found.inlined) == ("square [inlined in holder]", 0x1008, "square")
    assert warnings == ["No instruction is known to begin at 0x1009; it is left out."]
    index.binary = replace(index.binary, build_id=None)
    warnings.clear()
    target = resolve(parse_probe(f"uprobe:{PATH}:square"), index, [])
    assert inline_targets(target, index, warnings) == []
    assert "has no build-id" in warnings[0]


def test_a_mark_is_an_instruction_of_its_function(index: Coded) -> None:
    holder = index.all_functions[0]
    assert mark(holder, 0x1000) == "holder"
    assert mark(holder, 0x101C) == "holder.at.1c"
    assert mark(holder, 0xFFF) is None
    assert marked(index, "b1", "holder.at.1c") == 0x101C
    for name in ("holder", "holder.at.3", "holder.at.", "other.at.4", "square.at.4", "holder.at.fffffff"):
        assert marked(index, "b1", name) is None
    target = resolve(parse_probe(f"uprobe:{PATH}:holder.at.8"), index, [])
    assert (target.at, target.expected) == (0x1008, 1)


def test_copies_that_a_compiler_made_may_take_the_calls(index: Coded) -> None:
    index.all_functions.append(function("f", key="4", address=0x4000, clones=("f.constprop.0",)))
    warnings: list[str] = []
    resolve(parse_probe(f"uprobe:{PATH}:f"), index, warnings)
    assert "The compiler made f.constprop.0 of f, which may take its calls; trace f* to see all." in warnings


def test_a_process_that_does_not_run_the_file(index: Coded, tmp_path: Path) -> None:
    import os

    own = resolve(parse_probe(f"uprobe:{Path('/proc/self/exe').resolve()}:main"), None, [])
    assert unmapped(os.getpid(), [own]) == []
    other = tmp_path / "other"
    other.write_bytes(b"not mapped")
    (sentence,) = unmapped(os.getpid(), [resolve(parse_probe(f"uprobe:{other}:main"), None, [])])
    assert f"does not map {other}" in sentence
    assert unmapped(os.getpid(), [resolve(parse_probe("uprobe:/no/such:main"), None, [])]) == []


def test_what_another_file_defines_is_said(index: Coded) -> None:
    from app.index.model import Symbol

    index.all_symbols.append(
        Symbol("puts", "puts", None, 0, 0, "FUNC", "GLOBAL", "DEFAULT", "UND", "dynsym", None)
    )
    index.binary = replace(index.binary, needed=("libc.so.6",))
    warnings: list[str] = []
    resolve(parse_probe(f"uprobe:{PATH}:puts"), index, warnings)
    assert warnings == [
        f"{PATH} does not define puts, but uses it; trace it in the library that has it (libc.so.6)."
    ]
    index.all_symbols[0] = replace(index.all_symbols[0], address=0x1030)
    warnings.clear()
    resolve(parse_probe(f"uprobe:{PATH}:puts"), index, warnings)
    assert "through a stub of the linker (PLT)" in warnings[0]
