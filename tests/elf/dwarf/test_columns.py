from __future__ import annotations

import os
import random
import re
import shutil
import struct
import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.elf.dwarf import columns as dwarf
from app.elf.image import open_image
from app.elf.problem import Problem
from tests.support import dwarfdump
from tests.support.dwarf_rows import rows, signatures
from tests.support.dwarf_writer import Die, Written
from tests.support.elfwriter import Section, write_elf
from tests.support.sources import C_SIGNATURES, C_SOURCE, CPP_SIGNATURES, CPP_SOURCE

Build = Callable[..., Path]
needs_core = pytest.mark.skipif(dwarf._dwarf is None, reason="no compiler was at hand for the core")
BUILDS = [
    *[("c", "gcc", f"-gdwarf-{version}", f"-O{level}") for version in (2, 3, 4, 5) for level in (0, 2)],
    *[
        ("cc", "g++", f"-gdwarf-{version}", f"-O{level}")
        for version, level in ((2, 2), (3, 0), (4, 2), (5, 0), (5, 2))
    ],
    ("c", "gcc", "-gdwarf64", "-O2"),
    ("c", "gcc", "-flto", "-O2"),
    ("cc", "g++", "-flto", "-O2"),
    ("cc", "g++", "-gdwarf-4", "-O2", "-fdebug-types-section"),
    ("cc", "g++", "-gdwarf-5", "-O0", "-fdebug-types-section"),
    ("c", "clang", "-O2"),
    ("c", "clang", "-gdwarf-4", "-O0"),
    ("cc", "clang++", "-O1"),
    ("c", "gcc", "-O2", "-c"),
]


GO_SOURCE = """
package main

import "fmt"

type Till struct{ sum int }

func (till *Till) Add(names []string, rate float64) (count int, err error) {
	till.sum += len(names)
	return till.sum, fmt.Errorf("%v", rate)
}

func main() {
	fmt.Println((&Till{}).Add([]string{"a"}, 1.5))
}
"""


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Compiles one of the sources, each way once."""
    top = tmp_path_factory.mktemp("dwarf")
    made: dict[tuple[str, ...], Path] = {}

    def compile_once(suffix: str, compiler: str, *flags: str, source: str | None = None) -> Path:
        key = (suffix, compiler, *flags, source or "")
        if key not in made:
            place = top / str(len(made))
            place.mkdir()
            text = place / f"prog.{suffix}"
            text.write_text(source or (C_SOURCE if suffix == "c" else CPP_SOURCE))
            command = [compiler, "-g", *flags, "-w", "-o", "prog", text.name]
            subprocess.run(command, check=True, capture_output=True, cwd=place)
            made[key] = place / "prog"
        return made[key]

    return compile_once


def read(
    path: Path, threads: int = 1, alt: Path | None = None, split: tuple[Path, ...] = ()
) -> dwarf.DwarfColumns:
    other = open_image(alt.read_bytes()) if alt else None
    return dwarf.read_dwarf(
        open_image(path.read_bytes()), threads, other, [open_image(part.read_bytes()) for part in split]
    )


def read_slowly(path: Path, monkeypatch: pytest.MonkeyPatch, alt: Path | None = None) -> dwarf.DwarfColumns:
    with monkeypatch.context() as patched:
        patched.setattr(dwarf, "_dwarf", None)
        return read(path, alt=alt)


def assert_same(fast: dwarf.DwarfColumns, slow: dwarf.DwarfColumns) -> None:
    left, right = rows(fast), rows(slow)
    for kind in left:
        assert left[kind] == right[kind], kind
    assert fast.problems == slow.problems == ()


@needs_core
@pytest.mark.parametrize("how", BUILDS, ids=" ".join)
def test_the_core_reads_what_pyelftools_reads(
    how: tuple[str, ...], build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = build(*how)
    fast = read(path)
    assert len(fast.fn_name) > 4
    assert_same(fast, read_slowly(path, monkeypatch))


@needs_core
@pytest.mark.parametrize("machine", ["s390x", "powerpc64", "aarch64", "i386", "riscv64", "arm", "armeb"])
def test_objects_of_other_machines(machine: str, build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    target = f"--target={machine}-linux-gnu" + ("eabi" if machine.startswith("arm") else "")
    for version in ("-gdwarf-4", "-gdwarf-5"):
        path = build("c", "clang", target, version, "-O1", "-c")
        fast = read(path)
        assert_same(fast, read_slowly(path, monkeypatch))
        assert_shown(fast, dwarfdump.functions(dwarfdump.entries(path)))


def ours(
    columns: dwarf.DwarfColumns, spelled: Callable[[str], str] = dwarfdump.plain
) -> list[dwarfdump.Shown]:
    """The functions with one range, as dwarfdump.functions() has them."""
    found = []
    for row in rows(columns)["fn"]:
        if not row["flags"] & dwarf.ADDRESS or row["flags"] & dwarf.COLD:
            continue
        params = tuple(
            (name, spelled(kind)) for flags, name, kind in row["params"] if not flags & dwarf.PARAM_ELLIPSIS
        )
        found.append(
            dwarfdump.Shown(
                row["low"],
                row["name"],
                row["linkage"],
                row["line"],
                bool(row["flags"] & dwarf.EXTERNAL),
                params,
            )
        )
    return found


def assert_shown(columns: dwarf.DwarfColumns, shown: list[dwarfdump.Shown]) -> None:
    """The same functions; GCC lists a clone's parameters in another order than the function's own.

    llvm-dwarfdump before 15 writes nothing for what restrict stands before.
    """
    found = ours(columns)
    for each in (
        lambda row: (row.low, row.name, row.linkage, row.line, row.external),
        lambda row: (row.low, Counter(name for name, _ in row.params)),
    ):
        assert sorted(map(each, found), key=str) == sorted(map(each, shown), key=str)
    types = {(row.low, name): kind for row in found for name, kind in row.params}
    assert [
        (hex(row.low), name, kind, types[row.low, name])
        for row in shown
        for name, kind in row.params
        if name and kind and kind != types[row.low, name]
    ] == []


@needs_core
@pytest.mark.parametrize("how", [how for how in BUILDS if "-c" not in how], ids=" ".join)
def test_functions_and_variables_are_those_of_llvm_dwarfdump(how: tuple[str, ...], build: Build) -> None:
    path = build(*how)
    fast = read(path)
    shown = dwarfdump.entries(path)
    assert_shown(fast, dwarfdump.functions(shown))
    if how[1].startswith("clang") and "-gdwarf-4" not in how:
        return  # it prints an index for the address
    placed = [
        (row["address"], row["name"], row["line"])
        for row in rows(fast)["var"]
        if row["flags"] & (dwarf.VAR_ADDRESS | dwarf.VAR_TLS) == dwarf.VAR_ADDRESS
    ]
    assert Counter(placed) == Counter(row[:3] for row in dwarfdump.variables(shown))


@needs_core
def test_libraries_as_distributed() -> None:
    """Libraries of glibc: up to some hundred units each, made smaller by dwz, compressed."""
    files = [
        path for path in Path("/usr/lib/debug/.build-id").glob("*/*.debug") if path.stat().st_size < 1_000_000
    ]
    if not files:
        pytest.skip("libc6-dbg is not installed")
    seen = 0
    for path in sorted(files, key=lambda path: path.stat().st_size)[-8:]:
        fast = read(path)
        assert fast.problems == ()
        shown = dwarfdump.functions(dwarfdump.entries(path))
        assert_shown(fast, shown)
        seen += len(shown)
    assert seen > 1000


def bare(kind: str) -> str:
    """A type without the signs that languages write before it, and llvm-dwarfdump behind it as in C.

    A Box of Rust is a pointer with a name, which llvm-dwarfdump leaves out; one of a trait is a struct.
    """
    kind = re.sub(r"\balloc::boxed::Box<([^(].*), [\w:]+>$", r"\1", kind)
    kind = re.sub(r"\bfn\(|\bunsafe\.Pointer\b", "void", kind)
    return re.sub(r"[*&()\[\];\d]|\b(?:mut|const) ?|\s", "", dwarfdump.plain(kind))


def assert_shown_but_for_signs(path: Path, least: int) -> None:
    """The same functions, parameters and types; what the linker dropped lies at 0."""
    shown = [row for row in dwarfdump.functions(dwarfdump.entries(path)) if row.low]
    assert len(shown) > least

    def bared(row: dwarfdump.Shown) -> dwarfdump.Shown:
        return replace(row, params=tuple((name, bare(kind)) for name, kind in row.params))

    assert Counter(ours(read(path), bare)) == Counter(map(bared, shown))


@needs_core
def test_a_go_program_with_its_runtime(tmp_path: Path) -> None:
    if not shutil.which("go"):
        pytest.skip("go is not installed")
    (tmp_path / "prog.go").write_text(GO_SOURCE)
    environment = {**os.environ, "GO111MODULE": "off", "GOFLAGS": ""}
    for flags in ("-ldflags=-compressdwarf=false", "-ldflags=-compressdwarf=true"):
        command = ["go", "build", flags, "-o", "prog", "prog.go"]
        subprocess.run(command, check=True, capture_output=True, cwd=tmp_path, env=environment)
        assert_shown_but_for_signs(tmp_path / "prog", 1000)


@needs_core
@pytest.mark.parametrize("level", ["0", "2"])
def test_a_rust_program_with_what_it_uses(level: str, tmp_path: Path) -> None:
    if not shutil.which("rustc"):
        pytest.skip("rustc is not installed")
    source = Path(__file__).parents[2] / "runtime/programs/greet.rs"
    command = ["rustc", "-g", "-C", f"opt-level={level}", "-o", "prog", str(source)]
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
    assert_shown_but_for_signs(tmp_path / "prog", 300)


@needs_core
@pytest.mark.parametrize("level", ["-O0", "-O2"])
def test_types_are_written_as_gdb_writes_them(level: str, build: Build) -> None:
    found = signatures(read(build("c", "gcc", level)))
    assert {name: found[name] for name in C_SIGNATURES if name in found} == {
        name: text for name, text in C_SIGNATURES.items() if name in found
    }
    assert len(found.keys() & C_SIGNATURES.keys()) > 7
    found = signatures(read(build("cc", "g++", level)))
    assert {name: found[name] for name in CPP_SIGNATURES if name in found} == {
        name: text for name, text in CPP_SIGNATURES.items() if name in found
    }
    assert level == "-O2" or found.keys() >= CPP_SIGNATURES.keys()


@needs_core
@pytest.mark.parametrize("version", ["-gdwarf-4", "-gdwarf-5"])
def test_split_parts_give_what_one_file_gives(version: str, build: Build) -> None:
    whole = read(build("c", "gcc", version, "-O2"))
    path = build("c", "gcc", version, "-O2", "-gsplit-dwarf")
    (part,) = path.parent.glob("*.dwo")
    ((directory, name, identity),) = dwarf.split_names(open_image(path.read_bytes()))
    assert (directory, name) == (str(path.parent), part.name)
    assert identity != 0
    split = read(path, split=(part,))
    assert split.problems == ()
    for kind in ("fn", "var", "site"):
        left, right = rows(whole)[kind], rows(split)[kind]
        for row in left + right:
            row.pop("die", None)
            if row.get("flags", 0) & dwarf.VAR_TLS and kind == "var":
                del row["address"]  # GCC puts addresses for offsets into .debug_addr
            for file in ("file", "call_file"):
                row[file] = Path(row.get(file, "")).name
        assert left == right
    assert all(die & dwarf.IN_SPLIT for die in split.fn_die.tolist())
    package = path.parent / "prog.dwp"
    tool = shutil.which("llvm-dwp") if version == "-gdwarf-5" else shutil.which("dwp")
    if tool:
        subprocess.run(
            [tool, "-o", str(package), str(part)], check=True, capture_output=True, cwd=path.parent
        )
        assert rows(read(path, split=(package,))) == rows(split)
    alone = read(path)
    assert [problem.code for problem in alone.problems] == ["dwarf_split"]
    assert len(alone.fn_name) == 0


@needs_core
def test_what_dwz_moved_elsewhere_is_found_there(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = {}
    for name, level in (("one", "-O2"), ("two", "-O1")):
        plain[name] = read(build("cc", "g++", "-gdwarf-4", level))
        shutil.copy(build("cc", "g++", "-gdwarf-4", level), tmp_path / name)
    subprocess.run(["dwz", "-m", "common", "one", "two"], check=True, capture_output=True, cwd=tmp_path)
    for name in plain:
        path = tmp_path / name
        found = read(path, alt=tmp_path / "common")
        assert_same(found, read_slowly(path, monkeypatch, alt=tmp_path / "common"))
        moved = signatures(found)
        assert {key: text for key, text in signatures(plain[name]).items() if key in moved} == moved
        left, right = rows(plain[name]), rows(found)
        for row in left["fn"] + right["fn"]:
            # What was inlined nowhere is not looked for in a file that many share.
            row["seen"] = bool(row["sites"] or row["flags"] & dwarf.ADDRESS)
        for row in left["var"] + right["var"]:
            row["seen"] = bool(row["flags"] & dwarf.VAR_ADDRESS)
        for kind, keys in (
            ("fn", ("low", "name", "linkage", "line", "file", "sites")),
            ("var", ("address", "name", "type", "size")),
        ):
            assert Counter(tuple(row[key] for key in keys) for row in left[kind] if row["seen"]) == Counter(
                tuple(row[key] for key in keys) for row in right[kind] if row["seen"]
            )
        alone = read(path)
        assert "dwarf_alternate" in [problem.code for problem in alone.problems]
        assert "dwarf_alternate" in [problem.code for problem in read_slowly(path, monkeypatch).problems]
        unknown = [row for row in rows(alone)["fn"] if row["flags"] & dwarf.RETURN_UNKNOWN]
        assert unknown
        assert all(row["return"] == "" for row in unknown)


@needs_core
def test_threads_do_not_change_the_columns(build: Build) -> None:
    started = dwarf.start_threads(3)
    assert started == 3
    path = build("cc", "g++", "-gdwarf-5", "-O0", "-fdebug-types-section")
    one, four = read(path), read(path, threads=4)
    for name in dwarf.DTYPES:
        assert np.array_equal(getattr(one, name), getattr(four, name)), name


RUST_SOURCE = """
mod m {
    pub enum E { A(u32), B }
    type Vector = Vec<Option<u8>>;
    #[inline(never)]
    pub fn f(s: &str, v: &mut Vector, a: [i32; 4], e: E, t: (u8, char)) -> Result<u8, String> {
        v.push(None);
        if let E::A(n) = e { Ok(n as u8 + s.len() as u8 + a[0] as u8 + t.0) } else { Err(s.into()) }
    }
}
fn main() {
    let e = if std::env::args().count() > 1 { m::E::A(1) } else { m::E::B };
    let _ = m::f("x", &mut vec![], [1; 4], e, (1, 'c'));
}
"""


@needs_core
def test_rust_as_it_is_named(tmp_path: Path) -> None:
    if not shutil.which("rustc"):
        pytest.skip("rustc is not installed")
    (tmp_path / "prog.rs").write_text(RUST_SOURCE)
    subprocess.run(["rustc", "-g", "-o", "prog", "prog.rs"], check=True, capture_output=True, cwd=tmp_path)
    found = signatures(read(tmp_path / "prog"))["prog::m::f"]
    vector = "alloc::vec::Vec<core::option::Option<u8>, alloc::alloc::Global>"
    assert found == (
        f"core::result::Result<u8, alloc::string::String> (&str s, &mut {vector} v, [i32; 4] a, "
        "prog::m::E e, (u8, char) t)"
    )


@needs_core
def test_mutated_files_end_as_columns(build: Build) -> None:
    """The columns of anything fit each other: what the index builds on needs no checks."""
    choose = random.Random(7)
    for how in (
        ("c", "gcc", "-gdwarf-2", "-O2"),
        ("c", "gcc", "-gdwarf-5", "-O2"),
        ("cc", "g++", "-gdwarf-4", "-O2", "-fdebug-types-section"),
    ):
        whole = build(*how).read_bytes()
        image = open_image(whole)
        places = [section for section in image.sections if section.name.startswith(".debug_")]
        for _ in range(120):
            data = bytearray(whole)
            for _ in range(choose.randint(1, 10)):
                section = choose.choice(places)
                data[section.offset + choose.randrange(section.size)] = choose.choice(
                    (0, 1, 0x7F, 0x80, 0xFF, choose.randrange(256))
                )
            check(dwarf.read_dwarf(open_image(bytes(data))))


def check(columns: dwarf.DwarfColumns) -> None:
    texts, functions, ranges = len(columns.string_at) - 1, len(columns.fn_name), len(columns.range_low)
    limits = {"unit": len(columns.unit_offset), "function": functions, "host": functions}
    for name in dwarf.DTYPES:
        array = np.asarray(getattr(columns, name))
        if name.endswith("_at"):
            last = {"string_at": len(columns.string_blob), "fn_param_at": len(columns.param_name)}.get(
                name, ranges
            )
            assert np.all(np.diff(array.astype(np.int64)) >= 0)
            assert int(array[-1]) <= last
        elif name.endswith(
            ("_name", "_linkage", "_scope", "_file", "_return", "_dir", "_producer")
        ) or name in ("param_type", "var_type"):
            assert not len(array) or int(array.max()) < texts
        elif name.split("_")[1] in limits and name not in ("unit_unit",):
            assert not len(array) or int(array.max()) < limits[name.split("_")[1]]
    assert np.all(np.asarray(columns.site_parent) < np.arange(len(columns.site_parent)))
    rows(columns)


TAG = {
    "array": 1,
    "class": 2,
    "enum": 4,
    "param": 5,
    "pointer": 0x0F,
    "unit": 0x11,
    "struct": 0x13,
    "function_type": 0x15,
    "typedef": 0x16,
    "inlined": 0x1D,
    "base": 0x24,
    "const": 0x26,
    "function": 0x2E,
    "block": 0x0B,
    "variable": 0x34,
    "namespace": 0x39,
    "dots": 0x18,
}
NAME, TYPE, LOW, HIGH, LANGUAGE, ORIGIN, SPECIFICATION, SIBLING, LOCATION, INLINE, LINE = (
    0x03,
    0x49,
    0x11,
    0x12,
    0x13,
    0x31,
    0x47,
    0x01,
    0x02,
    0x20,
    0x3B,
)
VARIABLE_PARAMETER, SIGNATURE, DECLARATION = 0x4B, 0x69, 0x3C


def function(
    name: str, low: int, *attributes: tuple[int, str, object], children: list[Die] | None = None
) -> Die:
    code = [(NAME, "text", name), (LOW, "addr", low), (HIGH, "data4", 16)]
    return Die(TAG["function"], [*code, *attributes], children or [])


def parameter(kind: Die | int, form: str = "ref4") -> Die:
    return Die(TAG["param"], [(NAME, "text", "p"), (TYPE, form, kind)])


def written(*dies: Die, language: int = 0x0C, big: bool = False, zero: bool = False) -> dwarf.DwarfColumns:
    made = Written(big)
    made.unit(Die(TAG["unit"], [(LANGUAGE, "data2", language)], list(dies)))
    return core(made.sections(), big, zero)


def core(sections: dict[str, bytes], big: bool = False, zero: bool = False) -> dwarf.DwarfColumns:
    assert dwarf._dwarf is not None
    read = dwarf._dwarf.read(sections, big=big, zero_is_used=zero, threads=1, alt=None, split=[])
    assert read is not None
    columns, problems = read
    arrays = {
        name: np.frombuffer(memoryview(columns[name]), dtype).data for name, dtype in dwarf.DTYPES.items()
    }
    return dwarf.DwarfColumns(**arrays, problems=tuple(Problem(code, text) for code, text in problems))


def only(columns: dwarf.DwarfColumns) -> dict[str, object]:
    (row,) = rows(columns)["fn"]
    return row


INT = Die(TAG["base"], [(NAME, "text", "int"), (0x0B, "data1", 4)])


@needs_core
@pytest.mark.parametrize("big", [False, True])
def test_a_qualifier_is_written_once(big: bool) -> None:
    inner = Die(TAG["const"], [(TYPE, "ref4", INT)])
    outer = Die(TAG["const"], [(TYPE, "ref4", inner)])
    row = only(written(INT, inner, outer, function("f", 0x1000, children=[parameter(outer)]), big=big))
    assert row["params"] == [(0, "p", "const int")]


@needs_core
def test_what_cannot_be_followed_is_unknown() -> None:
    loop = Die(TAG["pointer"])
    loop.attributes.append((TYPE, "ref4", loop))
    nowhere, pointer = Die(TAG["pointer"], [(TYPE, "ref4", 0xFFFF)]), Die(TAG["pointer"], [])
    signed = Die(TAG["pointer"], [(TYPE, "sig8", 0x1234)])
    dies = [parameter(loop), parameter(nowhere), parameter(signed), parameter(pointer), parameter(1, "alt")]
    columns = written(
        loop, nowhere, signed, pointer, function("f", 0x1000, (TYPE, "ref4", nowhere), children=dies)
    )
    row = only(columns)
    unknown = (dwarf.PARAM_UNKNOWN, "p", "")
    assert row["params"] == [unknown, unknown, unknown, (0, "p", "void *"), unknown]
    assert row["return"] == ""
    assert int(str(row["flags"])) & dwarf.RETURN_UNKNOWN
    assert {problem.code for problem in columns.problems} == {"dwarf_reference", "dwarf_alternate"}


def test_without_the_core_what_cannot_be_followed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Written(False)
    for nowhere in (0xFFFF, 0x1_0000):
        code = function("f", 0x1000, (TYPE, "ref4", nowhere))
        made.unit(Die(TAG["unit"], [(LANGUAGE, "data2", 0x0C)], [code]))
    sections = [Section(name, data) for name, data in made.sections().items()]
    monkeypatch.setattr(dwarf, "_dwarf", None)
    columns = dwarf.read_dwarf(open_image(write_elf(sections)), 1, None, [])
    assert [row["return"] for row in rows(columns)["fn"]] == ["", ""]
    (problem,) = columns.problems
    assert problem.code == "dwarf_reference"
    assert problem.text.startswith("2 units refer to entries that are not there")


@needs_core
def test_origins_that_go_round_end() -> None:
    first, second = Die(TAG["function"]), Die(TAG["function"])
    first.attributes += [(LOW, "addr", 0x1000), (HIGH, "data4", 1), (ORIGIN, "ref4", second)]
    second.attributes += [(NAME, "text", "f"), (ORIGIN, "ref4", first)]
    assert only(written(first, second))["name"] == "f"


@needs_core
def test_a_function_type_that_holds_itself_is_unknown() -> None:
    kind = Die(TAG["function_type"])
    kind.children.append(Die(TAG["param"], [(TYPE, "ref4", kind)]))
    assert only(written(kind, function("f", 1, children=[parameter(kind)])))["params"] == [(2, "p", "")]


@needs_core
def test_texts_do_not_explode() -> None:
    """Function types of function types, each twice the text of the one before."""
    kinds = [Die(TAG["function_type"], [], [Die(TAG["param"], [(TYPE, "ref4", INT)])])]
    for _ in range(60):
        kinds.append(
            Die(TAG["function_type"], [], [Die(TAG["param"], [(TYPE, "ref4", kinds[-1])]) for _ in range(2)])
        )
    columns = written(INT, *kinds, function("f", 1, children=[parameter(kind) for kind in kinds]))
    assert len(columns.string_blob) < 1 << 20
    assert only(columns)["params"][-1] == (2, "p", "")  # type: ignore[index]


@needs_core
def test_rows_are_no_more_than_the_file_has_entries() -> None:
    """Functions that all go back to one with very many parameters."""
    abstract = Die(
        TAG["function"], [(NAME, "text", "f"), (INLINE, "data1", 1)], [parameter(INT) for _ in range(3000)]
    )
    copies = [
        Die(TAG["function"], [(LOW, "addr", 0x1000 + at), (HIGH, "data4", 1), (ORIGIN, "ref4", abstract)])
        for at in range(3000)
    ]
    columns = written(INT, abstract, *copies)
    assert len(columns.fn_name) == 3000
    assert len(columns.param_name) < 1_000_000
    assert [problem.code for problem in columns.problems] == ["dwarf_limit"]
    assert int(columns.fn_flags[-1]) & dwarf.PARAMETERS_UNKNOWN


@needs_core
def test_siblings_that_lead_back_are_not_followed() -> None:
    kind = Die(TAG["function_type"], [(SIBLING, "ref4", 1)], [parameter(INT)])
    assert only(written(INT, kind, function("f", 1)))["name"] == "f"


@needs_core
def test_nesting_without_end_is_a_limit() -> None:
    top = inner = Die(TAG["namespace"], [(NAME, "text", "n")])
    for _ in range(66_000):
        inner.children.append(Die(TAG["namespace"], [(NAME, "text", "n")]))
        inner = inner.children[0]
    inner.children.append(INT)
    columns = written(top, language=0x04)
    assert "dwarf_depth" in [problem.code for problem in columns.problems]
    made = Written()
    block = deepest = Die(TAG["block"])
    for _ in range(20_000):
        deepest.children.append(Die(TAG["block"]))
        deepest = deepest.children[0]
    deepest.children.append(INT)
    made.unit(
        Die(TAG["unit"], [(LANGUAGE, "data2", 0x04)], [function("f", 1, children=[block]), function("g", 2)])
    )
    assert [row["name"] for row in rows(core(made.sections()))["fn"]] == ["f", "g"]


@needs_core
def test_what_the_linker_dropped_is_left_out() -> None:
    dies = [function("gone", 0), function("also", 2**64 - 1), function("here", 0x1000)]
    assert [row["name"] for row in rows(written(*dies))["fn"]] == ["here"]
    assert [row["name"] for row in rows(written(*dies, zero=True))["fn"]] == ["gone", "here"]


@needs_core
def test_results_of_go_are_no_parameters() -> None:
    dies = [parameter(INT)] + [
        Die(TAG["param"], [(NAME, "text", "r"), (TYPE, "ref4", INT), (VARIABLE_PARAMETER, "flag", 1)])
        for _ in range(2)
    ]
    row = only(written(INT, function("main.f", 1, children=dies), language=0x16))
    assert (row["params"], row["return"]) == ([(0, "p", "int")], "(int, int)")


@needs_core
def test_functions_that_exist_only_inline_are_one_row() -> None:
    made = Written()
    for unit in range(3):
        abstract = Die(TAG["function"], [(NAME, "text", "small"), (LINE, "data1", 3), (INLINE, "data1", 1)])
        site = Die(
            TAG["inlined"],
            [(ORIGIN, "ref4", abstract), (LOW, "addr", 0x1004 + unit * 64), (HIGH, "data1", 4)],
        )
        host = function("host", 0x1000 + unit * 64, children=[site])
        made.unit(Die(TAG["unit"], [(LANGUAGE, "data2", 0x0C)], [abstract, host]))
    columns = core(made.sections())
    found = [(row["name"], row["sites"], bool(row["flags"] & dwarf.ADDRESS)) for row in rows(columns)["fn"]]
    assert found == [("small", 3, False), ("host", 0, True), ("host", 0, True), ("host", 0, True)]
    assert [(row["function"], row["host"], row["ranges"]) for row in rows(columns)["site"]] == [
        (0, 1, [(0x1004, 0x1008)]),
        (0, 2, [(0x1044, 0x1048)]),
        (0, 3, [(0x1084, 0x1088)]),
    ]


@needs_core
def test_thread_local_variables_have_an_offset() -> None:
    def variable(name: str, code: bytes) -> Die:
        return Die(
            TAG["variable"], [(NAME, "text", name), (TYPE, "ref4", INT), (LOCATION, "expression", code)]
        )

    address = b"\x03" + struct.pack("<Q", 0x2000)
    columns = written(
        INT,
        variable("plain", address),
        variable("moved", address + b"\x23\x10"),
        variable("tls", b"\x0e" + struct.pack("<Q", 24) + b"\xe0"),
        variable("computed", address + b"\x06"),
    )
    found = {row["name"]: (row["address"], row["flags"]) for row in rows(columns)["var"]}
    assert found == {"plain": (0x2000, 2), "moved": (0x2010, 2), "tls": (24, 6), "computed": (0, 0)}


@needs_core
def test_broken_units_are_told() -> None:
    made = Written()
    made.unit(Die(TAG["unit"], [(LANGUAGE, "data2", 0x0C)], [function("f", 1)]))
    good = made.sections()
    for change, code in (
        ({".debug_abbrev": b""}, "dwarf_abbreviations"),
        ({".debug_info": good[".debug_info"][:-4]}, "dwarf_truncated"),
        ({".debug_info": good[".debug_info"][:4] + b"\x09" + good[".debug_info"][5:]}, "dwarf_version"),
        ({".debug_info": good[".debug_info"] + b"\x01"}, "dwarf_truncated"),
    ):
        assert code in [problem.code for problem in core(good | change).problems]
