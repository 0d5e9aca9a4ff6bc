"""Sections, symbols and libraries of a file to what it was written in and what it runs.

Each rule goes by what a compiler or runtime leaves in every file it makes; where none fits, None, never a
guess by the file's name.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from app.elf.model import SymbolColumns
from app.elf.symbols import defined_names

Runtime = Literal["compiled", "interpreter", "jit"]
# Functions that an interpreter or a JIT compiler defines itself; a program that embeds one only needs them.
_RUNTIMES: tuple[tuple[bytes, Runtime, str], ...] = (
    (b"_PyEval_EvalFrameDefault", "interpreter", "python"),
    (b"PyEval_EvalFrameEx", "interpreter", "python"),
    (b"Py_BytesMain", "interpreter", "python"),
    (b"rl_bash_command", "interpreter", "bash"),
    (b"execute_shell_function", "interpreter", "bash"),
    (b"rb_vm_exec", "interpreter", "ruby"),
    (b"ruby_run_node", "interpreter", "ruby"),
    (b"zend_execute_scripts", "interpreter", "php"),
    (b"Perl_runops_standard", "interpreter", "perl"),
    (b"lua_pcallk", "interpreter", "lua"),
    (b"JNI_CreateJavaVM", "jit", "java"),
    (b"_ZN2v87Isolate3NewERKNS0_12CreateParamsE", "jit", "javascript"),
    (b"_ZN2v87Isolate10InitializeEPS0_RKNS0_12CreateParamsE", "jit", "javascript"),
    (b"coreclr_initialize", "jit", "dotnet"),
)
_RUNTIME_NAMES = tuple(name for name, _, _ in _RUNTIMES)
_D_MAIN = b"_Dmain"
_GO_SECTIONS = (".gopclntab", ".note.go.buildid", ".go.buildinfo")
_CPP_LIBRARIES = ("libstdc++.so", "libc++.so")
_FORTRAN_LIBRARIES = ("libgfortran.so", "libflang")


def language(
    sections: Collection[str],
    symbols: SymbolColumns | None,
    needed: tuple[str, ...],
    comment: tuple[str, ...],
) -> str | None:
    """c, c++, go, rust, d or fortran, by the strongest mark; None where the file does not tell."""
    if any(name in sections for name in _GO_SECTIONS):
        return "go"
    blob = symbols.names if symbols is not None else b""
    if any("rustc" in entry for entry in comment) or _has_rust(blob):
        return "rust"
    if symbols is not None and defined_names(symbols, (_D_MAIN,)):
        return "d"
    if any(library.startswith(_FORTRAN_LIBRARIES) for library in needed):
        return "fortran"
    if b"\0_Z" in blob or any(library.startswith(_CPP_LIBRARIES) for library in needed):
        return "c++"
    if any("GCC" in entry or "clang" in entry for entry in comment):
        return "c"
    return None


def _has_rust(names: bytes) -> bool:
    # The short text first, because it is found, or not found, several times faster.
    return b"rust_" in names and (b"rust_begin_unwind" in names or b"rust_eh_personality" in names)


def runtime(symbols: SymbolColumns | None) -> tuple[Runtime, str | None]:
    """Which kind of language it executes, and which; (compiled, None) for a program like most."""
    if symbols is not None:
        found = defined_names(symbols, _RUNTIME_NAMES)
        for name, kind, what in _RUNTIMES:
            if name in found:
                return kind, what
    return "compiled", None
