"""Sections, symbols, libraries and DWARF's languages of a file to what it was written in and what it runs.

Each rule goes by what a compiler or runtime leaves in every file it makes; where none fits, None, never a
guess by the file's name. Source of the numbers of languages: DWARF 5, table 7.17, and what came after.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import compress
from typing import Literal, NamedTuple

from app.elf.dwarf.languages import language_name
from app.elf.image import Image
from app.elf.model import SymbolColumns
from app.elf.symbols.rows import native_marks

Runtime = Literal["compiled", "interpreter", "jit"]
# Functions that an interpreter or a JIT compiler defines itself; a program that embeds one only needs them.
_RUNTIMES: tuple[tuple[bytes, Runtime, str], ...] = (
    (b"_PyEval_EvalFrameDefault", "interpreter", "python"),
    (b"PyEval_EvalFrameEx", "interpreter", "python"),
    (b"Py_BytesMain", "interpreter", "python"),
    (b"pypy_main_startup", "jit", "python"),
    (b"rl_bash_command", "interpreter", "bash"),
    (b"execute_shell_function", "interpreter", "bash"),
    (b"rb_vm_exec", "interpreter", "ruby"),
    (b"ruby_run_node", "interpreter", "ruby"),
    (b"zend_execute_scripts", "interpreter", "php"),
    (b"Perl_runops_standard", "interpreter", "perl"),
    (b"luaJIT_setmode", "jit", "lua"),
    (b"lua_pcallk", "interpreter", "lua"),
    (b"Tcl_EvalEx", "interpreter", "tcl"),
    (b"Rf_initEmbeddedR", "interpreter", "r"),
    (b"JNI_CreateJavaVM", "jit", "java"),
    (b"_ZN2v87Isolate3NewERKNS0_12CreateParamsE", "jit", "javascript"),
    (b"_ZN2v87Isolate10InitializeEPS0_RKNS0_12CreateParamsE", "jit", "javascript"),
    (b"JSEvaluateScript", "jit", "javascript"),
    (b"coreclr_initialize", "jit", "dotnet"),
    (b"DotNetRuntimeInfo", "jit", "dotnet"),
    (b"mono_jit_init", "jit", "dotnet"),
)
# Libraries of interpreters: a program that needs one, and has hardly any code of its own, only starts it.
_STARTED: tuple[tuple[str, Runtime, str], ...] = (
    ("libpython", "interpreter", "python"),
    ("libruby", "interpreter", "ruby"),
    ("libphp", "interpreter", "php"),
    ("libperl", "interpreter", "perl"),
    ("libluajit", "jit", "lua"),
    ("liblua", "interpreter", "lua"),
    ("libtcl", "interpreter", "tcl"),
    ("libR.so", "interpreter", "r"),
    ("libjli", "jit", "java"),
    ("libjvm", "jit", "java"),
    ("libnode", "jit", "javascript"),
    ("libcoreclr", "jit", "dotnet"),
    ("libhostfxr", "jit", "dotnet"),
)
_PT_INTERP, _SHF_EXECINSTR = 3, 4
_LAUNCHER = 32 << 10  # bytes of code
_SECTIONS = (
    ("go", (".gopclntab", ".data.rel.ro.gopclntab", ".note.go.buildid", ".go.buildinfo")),
    ("swift", ("swift5_types", "swift5_typeref", ".swift1_autolink_entries")),
    ("pascal", ("fpc.resources", ".fpc.resources", "fpc.reshandles")),
    ("rust", (".rustc",)),
)
_SYMBOLS = (
    ("d", b"_Dmain"),
    ("nim", b"NimMainModule"),
    ("nim", b"NimMain"),
    ("haskell", b"ZCMain_main_closure"),
    ("ocaml", b"caml_startup__code_begin"),
    ("ada", b"adainit"),
    ("fortran", b"MAIN__"),
)
_LIBRARIES = (
    ("d", ("libphobos2", "libgphobos", "libdruntime", "libgdruntime")),
    ("haskell", ("libHS",)),
    ("swift", ("libswiftCore.so",)),
    ("ada", ("libgnat-",)),
    ("fortran", ("libgfortran.so", "libflang")),
)
_WANTED = tuple(name for name, _, _ in _RUNTIMES) + tuple(name for _, name in _SYMBOLS)
# Most files need none of these, which is seen in one look.
_ANY_LIBRARY = tuple(library for _, libraries in _LIBRARIES for library in libraries)
_ANY_STARTED = tuple(prefix for prefix, _, _ in _STARTED)
_CPP_LIBRARIES = ("libstdc++.so", "libc++.so")
_RUST_LIBRARY = b"/rustc/"


class Marks(NamedTuple):
    """What the names of symbols tell."""

    defined: frozenset[bytes]  # of the names that are marks
    rust: int  # names that Rust mangled, of some
    cpp: int


def name_marks(symbols: SymbolColumns | None) -> Marks:
    """By the native core; without it by numpy, which the tests hold the core against."""
    if symbols is None or not len(symbols.names):
        return Marks(frozenset(), 0, 0)
    found = native_marks(symbols, _WANTED)
    if found is None:
        from app.elf.symbols.numpy_marks import defined, mangled

        return Marks(frozenset(defined(symbols, _WANTED)), *mangled(symbols))
    there, rust, cpp = found
    return Marks(frozenset(compress(_WANTED, there)), rust, cpp)


def language(
    image: Image,
    marks: Marks,
    needed: tuple[str, ...],
    comment: tuple[str, ...],
    units: Mapping[int, int] | None = None,
) -> str | None:
    """By the strongest mark; None where the file does not tell. ``units`` counts those of each DW_LANG."""
    names = image.headers.places.keys()
    for found, known in _SECTIONS:
        if not names.isdisjoint(known):
            return found
    said = of_units(units or {})
    if said is not None:
        return said
    if marks.rust > marks.cpp or any("rustc" in entry for entry in comment):
        return "rust"
    for found, name in _SYMBOLS if marks.defined else ():
        if name in marks.defined:
            return found
    for found, libraries in _LIBRARIES if _starts(needed, _ANY_LIBRARY) else ():
        if _starts(needed, libraries):
            return found
    if marks.cpp or _starts(needed, _CPP_LIBRARIES):
        return "c++"
    if _tells_of_rust(image, needed):
        return "rust"
    if any("GCC" in entry or "clang" in entry for entry in comment):
        return "c"
    return None


def of_units(units: Mapping[int, int]) -> str | None:
    """The language of most compilation units, assembly aside; of two as many, the one that is not C."""
    counts: dict[str, int] = {}
    for number, count in units.items():
        name = language_name(number)
        if name is not None and name != "assembler":
            counts[name] = counts.get(name, 0) + count
    return max(sorted(counts), key=lambda name: (counts[name], name != "c"), default=None)


def runtime(image: Image, marks: Marks, needed: tuple[str, ...]) -> tuple[Runtime, str | None]:
    """Which kind of language it executes, and which; (compiled, None) for a program like most."""
    for name, kind, what in _RUNTIMES if marks.defined else ():
        if name in marks.defined:
            return kind, what
    if _starts(needed, _ANY_STARTED) and _is_launcher(image):
        for prefix, kind, what in _STARTED:
            if _starts(needed, prefix):
                return kind, what
    return "compiled", None


def _starts(needed: Iterable[str], prefixes: str | tuple[str, ...]) -> bool:
    for library in needed:  # noqa: SIM110 - a generator takes twice as long
        if library.startswith(prefixes):
            return True
    return False


def _is_launcher(image: Image) -> bool:
    """A program, not a library, with hardly any code."""
    if not any(row.type == _PT_INTERP for row in image.headers.program_rows):
        return False
    code = sum(row.size for row in image.headers.section_rows if row.flags & _SHF_EXECINSTR)
    return 0 < code <= _LAUNCHER


def _tells_of_rust(image: Image, needed: Iterable[str]) -> bool:
    """The paths of Rust's own library, which its panics name, in a file stripped of all else.

    Only where the unwinder is needed, as by every Rust program that is not static.
    """
    index = image.headers.places.get(".rodata")
    if index is None or not _starts(needed, "libgcc_s.so"):
        return False
    raw = bytes(image.bytes_of(index))
    at = raw.find(_RUST_LIBRARY)
    while at >= 0:
        if raw[at + 47 : at + 56] == b"/library/":
            return True
        at = raw.find(_RUST_LIBRARY, at + 1)
    return False
