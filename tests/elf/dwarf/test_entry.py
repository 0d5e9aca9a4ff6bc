"""Where parameters are at entry, against the values that a debugger finds there."""

from __future__ import annotations

import subprocess
from dataclasses import asdict
from pathlib import Path

import pytest

from app.elf.dwarf.abi import LOST
from app.elf.dwarf.debug import Debug, open_debug
from app.elf.dwarf.dies import At, Die, Tag
from app.elf.dwarf.entry import (
    Parameter,
    entry_address,
    parameter_dies,
    parameters_at_entry,
    register_expression,
)
from app.elf.go.abi import Go, uses_registers
from app.elf.image import open_image
from tests.elf.dwarf.calls import sources, values_at

COMPILERS = [
    (compiler, flags)
    for compiler in ("gcc", "clang", "g++", "clang++")
    for flags in (("-O0",), ("-O2",), ("-O1", "-gdwarf-4"))
]


def functions(debug: Debug) -> dict[str, Die]:
    """The concrete functions of a file by their names."""
    found = {}
    for entry in debug.units:
        scopes = debug.scopes(entry)
        for scope, parent in enumerate(scopes.parent):
            die = debug.dies.die(int(scopes.key[scope])) if parent < 0 else None
            if die is not None and die.tag == Tag.subprogram:
                found[scopes.names[scope]] = die
    return found


def compiled(directory: Path, text: str, compiler: str, *flags: str) -> Debug:
    source = directory / ("one.cpp" if compiler.endswith("++") else "one.c")
    source.write_text(text)
    out = directory / "one"
    subprocess.run([compiler, "-g", "-w", "-o", str(out), str(source), *flags], check=True)
    return open_debug(open_image(out.read_bytes()))


@pytest.mark.parametrize(("compiler", "flags"), COMPILERS, ids=str)
def test_values_are_where_they_are_said_to_be(tmp_path: Path, compiler: str, flags: tuple[str, ...]) -> None:
    cpp = compiler.endswith("++")
    suffix = ".cpp" if cpp else ".c"
    for name, text in zip("fm", sources(cpp, 5 if cpp else 11, 40), strict=True):
        (tmp_path / f"{name}{suffix}").write_text(text)
    program = tmp_path / "program"
    units = [str(tmp_path / f"{name}{suffix}") for name in "fm"]
    subprocess.run([compiler, "-g", "-w", "-no-pie", "-o", str(program), *units, *flags], check=True)
    debug = open_debug(open_image(program.read_bytes()))
    plan: dict[str, list[dict[str, object]]] = {}
    parameters: dict[str, Parameter] = {}
    count = 0
    for name, die in functions(debug).items():
        if not name[1:].isdigit():
            continue
        for parameter in parameters_at_entry(debug, die, name):
            count += 1
            variable = f"v{name[1:]}_{parameter.name[1:]}"
            if parameter.where.kind in ("register", "stack", "memory"):
                parameters[variable] = parameter
                where = {**asdict(parameter.where), "variable": variable, "size": parameter.size}
                plan.setdefault(hex(entry_address(die) or 0), []).append(where)
    found = [entry for entries in values_at(program, plan).values() for entry in entries]
    assert {variable for variable, _, _ in found} == set(parameters)
    wrong = []
    for variable, wanted, got in found:
        # A long double has ten bytes, and six that nobody sets.
        length = 20 if parameters[variable].type in ("LongDouble", "long double") else len(wanted)
        if wanted[:length] != got[:length]:
            wrong.append((variable, parameters[variable], wanted, got))
    assert wrong == []
    # clang 14 leaves unused objects that are passed by reference out of DWARF at -O0.
    assert len(found) >= count * (0.8 if compiler == "clang++" else 0.98)


C = """
struct big { long a, b, c; };
typedef struct { int x; float y; } pair;
struct big make(int n, pair p, double d) { struct big b = {n, p.x, d}; return b; }
static __attribute__((noinline)) int hidden(int unused, int used) { return used * 3; }
int many(int a, int b, int c, int d, int e, int f, int g, char h) { return a + g + h; }
int main(int argc, char **argv)
{ pair p = {argc, 1}; return make(argc, p, 2).a + hidden(argc, argc + 1) + many(1, 2, 3, 4, 5, 6, 7, 8); }
"""


def test_expressions_for_bpftrace(tmp_path: Path) -> None:
    found = functions(debug := compiled(tmp_path, C, "gcc", "-O0"))
    n, p, d = parameters_at_entry(debug, found["make"], "make")
    # The hidden pointer to the result takes the first register.
    assert (n.bpftrace, n.source, n.type) == ("arg1", "abi", "int")
    assert (p.bpftrace, p.where.registers, p.type) == ("arg2", ("rdx",), "pair")
    assert (d.bpftrace, d.where.registers) == (None, ("xmm0",))
    assert d.reason == "bpftrace cannot read xmm0."
    many = parameters_at_entry(debug, found["many"], "many")
    assert [one.bpftrace for one in many] == [*(f"arg{i}" for i in range(6)), "sarg0", "sarg1"]
    assert [one.where.offset for one in many[6:]] == [8, 16]


def test_what_dwarf_says_is_taken_before_the_convention(tmp_path: Path) -> None:
    found = functions(debug := compiled(tmp_path, C, "gcc", "-O2"))
    assert [one.source for one in parameters_at_entry(debug, found["make"], "make")] == ["dwarf"] * 3


def test_parameters_of_clones_are_not_guessed(tmp_path: Path) -> None:
    found = functions(debug := compiled(tmp_path, C, "gcc", "-O2"))
    unused, used = parameters_at_entry(debug, found["hidden"], "hidden.isra.0")
    assert (unused.name, used.name) == ("unused", "used")
    assert (unused.where.kind, unused.bpftrace) == ("unknown", None)
    assert unused.reason is not None
    assert "DWARF does not say" in unused.reason


def test_parameters_keep_the_order_of_the_declaration(tmp_path: Path) -> None:
    found = functions(compiled(tmp_path, C, "gcc", "-O2"))
    names = {name: [one.inherited_name() for one in parameter_dies(die)] for name, die in found.items()}
    assert names["hidden"] == ["unused", "used"]
    assert names["many"] == list("abcdefgh")


CPP = """
#include <string>
struct Holder {
    std::string text;
    int n;
    int increase(int by) const { return n + by; }
    static int create(int a) { return a; }
};
struct Abstract {
    virtual ~Abstract() {}
    virtual long run(Holder h, long x) { return h.n + x; }
};
std::string join(const std::string &a, Holder h, bool twice) { return a + (twice ? h.text : ""); }
int main(int argc, char **)
{
    Holder h{"x", argc};
    Abstract a;
    return h.increase(1) + a.run(h, 2) + Holder::create(3) + join("a", h, true).size();
}
"""


@pytest.mark.parametrize("compiler", ["g++", "clang++"])
def test_this_hidden_results_and_invisible_references(tmp_path: Path, compiler: str) -> None:
    found = functions(debug := compiled(tmp_path, CPP, compiler, "-O0"))
    this, by = parameters_at_entry(debug, found["increase"])
    assert (this.name, this.artificial, this.bpftrace) == ("this", True, "arg0")
    assert this.type in ("const Holder * const", "const Holder *")
    assert (by.bpftrace, by.artificial) == ("arg1", False)
    (a,) = parameters_at_entry(debug, found["create"])
    assert a.bpftrace == "arg0"
    this, h, x = parameters_at_entry(debug, found["run"])
    assert [one.bpftrace for one in (this, h, x)] == ["arg0", "arg1", "arg2"]
    assert h.where.kind == "memory"
    assert h.reason == "This is the address of the value."
    text, h, twice = parameters_at_entry(debug, found["join"])
    assert [one.bpftrace for one in (text, h, twice)] == ["arg1", "arg2", "arg3"]


def test_aarch64_agrees_with_what_clang_writes(tmp_path: Path) -> None:
    for cpp, seed in ((False, 3), (True, 4)):
        text = (
            sources(cpp, seed, 40)[0]
            .replace("#include <string.h>", "")
            .replace("memset(", "__builtin_memset(")
        )
        source = tmp_path / ("f.cpp" if cpp else "f.c")
        source.write_text(text.replace("long double l;", "double l;"))
        out = tmp_path / "f.o"
        compiler = "clang++" if cpp else "clang"
        command = [
            compiler,
            "--target=aarch64-linux-gnu",
            "-g",
            "-O2",
            "-w",
            "-c",
            str(source),
            "-o",
            str(out),
        ]
        subprocess.run(command, check=True)
        debug = open_debug(open_image(out.read_bytes()))
        assert debug.machine == "aarch64"
        compared = wrong = 0
        for name, die in functions(debug).items():
            for parameter in parameters_at_entry(debug, die, name):
                compared += parameter.source == "dwarf"
                wrong += "do not follow" in (parameter.reason or "") or "does not follow" in (
                    parameter.reason or ""
                )
        assert compared > 50
        assert wrong == 0


def test_registers_in_the_words_of_bpftrace() -> None:
    assert register_expression("x86_64", "rdi") == "arg0"
    assert register_expression("x86_64", "rdi", plain=True) == 'reg("di")'
    assert register_expression("x86_64", "r10") == 'reg("r10")'
    assert register_expression("x86_64", "rbx") == 'reg("bx")'
    assert register_expression("x86_64", "xmm0") is None
    assert register_expression("aarch64", "x3") == "arg3"
    assert register_expression("aarch64", "x12") == 'reg("r12")'
    assert register_expression("aarch64", "v0") is None
    assert register_expression("riscv", "reg10") is None


def test_go_takes_registers_since_1_17() -> None:
    assert uses_registers("x86_64", "Go cmd/compile go1.19.8; regabi") is True
    assert uses_registers("x86_64", "Go cmd/compile go1.16.2") is False
    assert uses_registers("aarch64", "Go cmd/compile go1.17") is False
    assert uses_registers("x86_64", "gccgo") is None
    assert Go("x86_64", True).place(None) == LOST


def test_a_parameter_has_its_declared_line(tmp_path: Path) -> None:
    found = functions(compiled(tmp_path, C, "gcc", "-O0"))
    assert [one.inherited(At.decl_line) for one in parameter_dies(found["make"])] == [4, 4, 4]
