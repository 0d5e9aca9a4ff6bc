"""Parameters and USDT arguments to values, by the names of their types and the calling convention.

What debug information says of their places is in readings.py, which goes first.

Integers and pointers alone lie in the registers that bpftrace calls arg0, arg1, ...; floating point ones do
not count among them, and after one passed by value in memory nothing can be said of the rest.
Sources: System V ABI AMD64 section 3.2.3, AAPCS64 section 6.8, Go's abi-internal.md.
"""

from __future__ import annotations

import re

from app.elf.model import UsdtSite
from app.index.model import Function, Parameter
from app.trace.values import REST, Value

MOST = 6
_REGISTERS = {"x86_64": 6, "aarch64": 8, "riscv": 8, "ppc64": 8, "s390x": 5}
_GO_REGISTERS = {"x86_64": ("ax", "bx", "cx", "di", "si", "r8", "r9", "r10", "r11")}
_UNKNOWN = 4  # registers shown where the parameters are not known

_SIGNED = {
    8: {"signed char", "char", "int8_t", "i8", "int8"},
    16: {"short", "short int", "int16_t", "i16", "int16"},
    32: {"int", "int32_t", "i32", "int32", "pid_t", "rune", "wchar_t"},
    64: {
        "long", "long int", "long long", "long long int", "int64_t", "ssize_t", "ptrdiff_t", "intptr_t",
        "off_t", "time_t", "i64", "isize", "int64",
    },
}  # fmt: skip
_UNSIGNED = {
    8: {"unsigned char", "uint8_t", "u8", "uint8", "byte", "bool", "_Bool"},
    16: {"unsigned short", "short unsigned int", "uint16_t", "u16", "uint16"},
    32: {"unsigned int", "unsigned", "uint32_t", "u32", "uint32", "uid_t", "gid_t", "mode_t"},
    64: {
        "unsigned long", "long unsigned int", "unsigned long long", "long long unsigned int", "uint64_t",
        "size_t", "u64", "usize", "uint64", "uint",
    },
}  # fmt: skip
_CASTS = {name: f"int{bits}" for bits, names in _SIGNED.items() for name in names}
_CASTS |= {name: f"uint{bits}" for bits, names in _UNSIGNED.items() for name in names}
_FLOATS = frozenset({"float", "double", "f32", "f64", "float32", "float64"})
_QUALIFIERS = re.compile(r"\b(?:const|volatile|restrict|register)\b")
_TEXT = re.compile(r"(?:signed |unsigned )?char ?\*(?: ?(?:restrict|const))*")
_FORMATS = {"int8": "%d", "int16": "%d", "int32": "%d", "int64": "%ld", "uint64": "%lu"}


def of_function(function: Function | None, machine: str, language: str | None) -> list[Value]:
    """One value a parameter; where they are not known, the first registers in hex."""
    if language == "go":
        return _of_go(function, machine)
    registers = _REGISTERS.get(machine, 0)
    if function is None or function.parameters is None:
        return [Value("", "0x%lx", f"arg{index}") for index in range(min(registers, _UNKNOWN))]
    found: list[Value] = []
    at = 0
    for parameter in function.parameters[:MOST]:
        kind = _plain(parameter.type)
        if kind in _FLOATS:
            found.append(Value(parameter.name, "?"))
            continue
        if at >= registers or not _in_register(kind):
            found.append(Value("", REST))
            break
        found.append(_read(parameter.name, kind, f"arg{at}"))
        at += 1
    if len(function.parameters) > MOST and found[-1].format != REST:
        found.append(Value("", REST))
    return found


def of_usdt(site: UsdtSite | None, strings: frozenset[int]) -> list[Value]:
    """One value an argument of a USDT site; those whose index is in ``strings`` are read as text."""
    if site is None:
        return []
    found = []
    for argument in site.arguments[:MOST]:
        name, place = argument.name or "", f"arg{argument.index}"
        if argument.float:
            found.append(Value(name, "?"))
        elif argument.index in strings or _TEXT.fullmatch(_plain(argument.type)):
            found.append(_read(name, "char *", place))
        elif argument.size == 8 and not argument.signed:
            found.append(Value(name, "0x%lx", place))
        else:
            cast = f"{'int' if argument.signed else 'uint'}{8 * argument.size}"
            found.append(Value(name, _FORMATS.get(cast, "%u"), f"({cast}){place}"))
    return found


def returned(function: Function | None) -> Value | None:
    """The value for retval; None for a function that returns nothing or no integer."""
    if function is None or function.returns is None:
        return Value("", "0x%lx", "retval")
    kind = _plain(function.returns)
    if kind in _FLOATS or kind in {"void", "()", "!"} or not _in_register(kind):
        return None
    return _read("", kind, "retval")


def _of_go(function: Function | None, machine: str) -> list[Value]:
    registers = list(_GO_REGISTERS.get(machine, ()))
    if function is None or function.parameters is None:
        return [Value("", "0x%lx", f'reg("{name}")') for name in registers[:_UNKNOWN]]
    found: list[Value] = []
    for parameter in function.parameters[:MOST]:
        taken = _go_value(parameter, registers)
        if taken is None:
            found.append(Value("", REST))
            break
        found.append(taken)
    return found


def _go_value(parameter: Parameter, registers: list[str]) -> Value | None:
    kind = _plain(parameter.type)
    if kind == "string":
        if len(registers) < 2:
            return None
        at, size = registers.pop(0), registers.pop(0)
        return Value(parameter.name, "%s", f'str(reg("{at}"), reg("{size}"))')
    # Go's int and uint have 64 bits.
    cast = "int64" if kind == "int" else _CASTS.get(kind)
    if not registers or (cast is None and not kind.endswith("*") and not kind.startswith("*")):
        return None
    register = f'reg("{registers.pop(0)}")'
    if cast is None:
        return Value(parameter.name, "0x%lx", register)
    return Value(parameter.name, _FORMATS.get(cast, "%u"), f"({cast}){register}")


def _read(name: str, kind: str, place: str) -> Value:
    if _TEXT.fullmatch(kind):
        return Value(name, "%s", f"str({place})", ("0x%lx", place))
    cast = _CASTS.get(kind)
    if cast is None:
        return Value(name, "0x%lx", place)
    return Value(name, _FORMATS.get(cast, "%u"), f"({cast}){place}")


def _in_register(kind: str) -> bool:
    """Whether a value of this type takes one integer register; a structure might not."""
    if kind in _CASTS or kind.endswith(("*", "&")) or kind.startswith(("enum ", "*", "&")):
        return True
    # A name on its own may be a typedef of anything; most are integers or pointers.
    return not kind.startswith(("struct ", "union ", "class ", "long double", "__int128")) and "<" not in kind


def _plain(type: str) -> str:
    return " ".join(_QUALIFIERS.sub("", type).split())
