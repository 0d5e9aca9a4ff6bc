"""Languages and runtimes: of the real programs of this machine, and a program for each mark."""

from __future__ import annotations

import lzma
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

from app.elf.image import open_image
from app.elf.reader import read_facts
from app.elf.traits import language, name_marks, of_units
from tests.support.programs import compile_c

ROOT = Path(__file__).parents[1]
MAIN = "int main(void) { return 0; }\n"


@pytest.mark.parametrize(
    ("pattern", "runtime", "of"),
    [
        ("/usr/bin/python3.[0-9]*[0-9]", "interpreter", "python"),
        ("/bin/bash", "interpreter", "bash"),
        ("/usr/bin/perl", "interpreter", "perl"),
        ("/usr/bin/ruby[0-9].[0-9]", "interpreter", "ruby"),
        ("/usr/lib/x86_64-linux-gnu/libruby-[0-9].[0-9].so.[0-9].[0-9]", "interpreter", "ruby"),
        ("/usr/bin/php[0-9].[0-9]", "interpreter", "php"),
        ("/usr/bin/lua[0-9].[0-9]", "interpreter", "lua"),
        ("/usr/bin/tclsh[0-9].[0-9]", "interpreter", "tcl"),
        ("/usr/bin/node", "jit", "javascript"),
        ("/usr/lib/jvm/*/bin/java", "jit", "java"),
        ("/usr/lib/jvm/*/lib/server/libjvm.so", "jit", "java"),
        ("/usr/bin/gdb", "compiled", None),
        ("/usr/bin/vim.*", "compiled", None),
        ("/usr/lib/postgresql/*/bin/postgres", "compiled", None),
        ("/usr/lib/x86_64-linux-gnu/libc.so.6", "compiled", None),
    ],
)
def test_the_programs_of_this_machine(pattern: str, runtime: str, of: str | None) -> None:
    for path in Path("/").glob(pattern[1:]):
        facts = read_facts(path.read_bytes())
        assert (facts.runtime, facts.interpreter_of) == (runtime, of), path


@pytest.mark.parametrize(
    ("module", "expected"), [("pydantic_core._pydantic_core", "rust"), ("httptools.parser.parser", "c")]
)
def test_modules_that_are_always_here(module: str, expected: str) -> None:
    spec = find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    assert read_facts(Path(spec.origin).read_bytes()).language == expected


def test_go_and_cpp() -> None:
    assert read_facts(lzma.decompress((ROOT / "binaries/go/stripped.xz").read_bytes())).language == "go"
    (plus,) = Path("/usr/lib").glob("*-linux-gnu/libstdc++.so.6")
    assert read_facts(plus.read_bytes()).language == "c++"


@pytest.mark.parametrize(
    ("symbol", "expected"),
    [
        ("work", "c"),
        ("_Z4workv", "c++"),
        ("_ZN4core3fmt5write17h0123456789abcdefE", "rust"),
        ("_RNvCs1234_7mycrate3foo", "rust"),
        ("_Dmain", "d"),
        ("NimMain", "nim"),
        ("ZCMain_main_closure", "haskell"),
        ("caml_startup__code_begin", "ocaml"),
        ("adainit", "ada"),
        ("MAIN__", "fortran"),
    ],
)
@pytest.mark.parametrize("needed_only", [False, True])
def test_a_language_by_a_symbol(tmp_path: Path, symbol: str, expected: str, needed_only: bool) -> None:
    """Mangled names tell also where they are only called; a mark must be defined."""
    kind = f'extern int work(void) __asm__("{symbol}");\n'
    source = kind + ("int use(void) { return work(); }" if needed_only else "int work(void) { return 1; }")
    facts = read_facts(compile_c(tmp_path, source, "lib.so", "-shared", "-fPIC").read_bytes())
    mangled = symbol.startswith(("_Z", "_R"))
    assert facts.language == (expected if mangled or not needed_only else "c")


@pytest.mark.parametrize(
    ("symbol", "runtime", "of"),
    [
        ("_PyEval_EvalFrameDefault", "interpreter", "python"),
        ("luaJIT_setmode", "jit", "lua"),
        ("lua_pcallk", "interpreter", "lua"),
        ("JNI_CreateJavaVM", "jit", "java"),
        ("coreclr_initialize", "jit", "dotnet"),
        ("mono_jit_init", "jit", "dotnet"),
        ("Py_BytesMain2", "compiled", None),
    ],
)
def test_a_runtime_defines_what_others_need(
    tmp_path: Path, symbol: str, runtime: str, of: str | None
) -> None:
    defining = compile_c(tmp_path, f"int {symbol}(void) {{ return 1; }}", "lib.so", "-shared", "-fPIC")
    facts = read_facts(defining.read_bytes())
    assert (facts.runtime, facts.interpreter_of) == (runtime, of)
    source = f"int {symbol}(void); int use(void) {{ return {symbol}(); }}"
    needing = read_facts(compile_c(tmp_path, source, "use.so", "-shared", "-fPIC").read_bytes())
    assert (needing.runtime, needing.interpreter_of) == ("compiled", None)


def test_a_launcher_is_the_interpreter_and_a_program_with_code_is_not(tmp_path: Path) -> None:
    compile_c(tmp_path, "int ruby_start(void) { return 1; }", "libruby-3.9.so", "-shared", "-fPIC")
    source = "int ruby_start(void); int main(void) { return ruby_start(); }\n"
    flags = (f"-L{tmp_path}", "-l:libruby-3.9.so")
    thin = read_facts(compile_c(tmp_path, source, "thin", *flags).read_bytes())
    assert (thin.runtime, thin.interpreter_of) == ("interpreter", "ruby")
    much = source + '__asm__(".text\\n.skip 40000\\n");\n'
    thick = read_facts(compile_c(tmp_path, much, "thick", *flags).read_bytes())
    assert (thick.runtime, thick.interpreter_of) == ("compiled", None)
    module = source.replace("main", "init")
    shared = read_facts(compile_c(tmp_path, module, "ext.so", "-shared", "-fPIC", *flags).read_bytes())
    assert shared.interpreter_of is None


def test_rust_that_is_stripped_of_all_else(tmp_path: Path) -> None:
    path = f"/rustc/{'0123456789' * 4}/library/core/src/panicking.rs"
    source = f'const char *text = "{path}";\n{MAIN}'
    flags = ("-Wl,--no-as-needed", "-lgcc_s")
    program = compile_c(tmp_path, source, "prog", *flags)
    subprocess.run(["strip", "-R", ".comment", program], check=True)
    assert read_facts(program.read_bytes()).language == "rust"
    other = compile_c(
        tmp_path, source.replace("library", "libraro"), "other", "-Wl,--no-as-needed", "-lgcc_s"
    )
    subprocess.run(["strip", "-R", ".comment", other], check=True)
    assert read_facts(other.read_bytes()).language is None


def test_the_languages_of_dwarf(tmp_path: Path) -> None:
    assert of_units({}) is None
    assert of_units({0x8001: 9}) is None
    assert of_units({0x1D: 3, 0x8001: 9}) == "c"
    assert of_units({0x1D: 3, 0x21: 2, 0x2C: 1}) == "c"
    assert of_units({0x1D: 3, 0x04: 1, 0x21: 1}) == "c"
    assert of_units({0x1D: 3, 0x04: 2, 0x21: 1}) == "c++"
    assert of_units({0x1D: 3, 0x04: 3}) == "c++"
    assert of_units({0x1C: 40, 0x1D: 7}) == "rust"
    assert of_units({0x27: 1}) == "zig"
    image = open_image(compile_c(tmp_path, MAIN).read_bytes())
    assert language(image, name_marks(None), (), (), {0x27: 1}) == "zig"
    assert language(image, name_marks(None), (), ("GCC: (Debian) 12",), {}) == "c"
