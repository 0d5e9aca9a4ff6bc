"""Where each parameter of a function is when its first instruction is about to run.

DWARF is asked first, at the entry address. What it says is taken where it is true there: a stack slot of the
function's own frame is filled only by the prologue (all of -O0 is like this), so the value is still where the
calling convention put it. Where DWARF is silent the convention answers, too, unless what DWARF says of the
other parameters shows that this function does not follow it (copies that gcc made: .constprop, .isra, .part).
Registers are named as in DWARF for the architecture; ``bpftrace`` is an expression for what lies there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from app.elf.dwarf.abi import LOST, X86, Arm64, Slot, returns_in_memory
from app.elf.dwarf.debug import Debug
from app.elf.dwarf.declarators import LANGUAGE_GO, is_cpp, size_of, tight_text
from app.elf.dwarf.dies import At, Die, Tag
from app.elf.dwarf.locations import CFA, Place, place_at
from app.elf.dwarf.registers import CFA_AT_ENTRY, STACK_POINTER
from app.elf.go.abi import Go, uses_registers
from app.elf.symbols.names import demangle

LANGUAGE_RUST = 0x1C
_VARIABLE_PARAMETER = 0x4B  # DW_AT: in Go, a result
_NO_CALL = 3  # DW_CC_nocall: not by the convention
_CLONES = (".constprop.", ".isra.", ".part.", ".cold")
_CLANG = re.compile(r"clang version (\d+)")
_UNUSED = "The function does not use it; callers in the same unit may leave it unset."
_BEHIND = Slot("unknown", reason="where an earlier parameter goes is not known", lost=True)
_POINTERS_AND_SCALARS_ONLY = "the calling convention of Rust is not fixed for this type"


@dataclass(frozen=True, slots=True)
class Where:
    """register: the value is in ``registers``, one after the other. stack: it is at ``offset`` from the stack
    pointer. memory: at ``offset`` from the one of ``registers``. constant: ``value``, everywhere.
    """

    kind: Literal["register", "stack", "memory", "constant", "none", "unknown"]
    registers: tuple[str, ...] = ()
    offset: int | None = None
    value: int | None = None
    pointer: bool = False  # what lies on the stack is the address of the value


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    type: str
    size: int | None
    artificial: bool
    where: Where
    source: Literal["dwarf", "abi"] | None
    bpftrace: str | None
    reason: str | None = None  # why there is no expression, or what to know of it


def parameters_at_entry(debug: Debug, function: Die, symbol: str | None = None) -> tuple[Parameter, ...]:
    """The parameters of a concrete function, in order; ``symbol`` is the name at its address, if any."""
    entry = entry_address(function)
    dies = parameter_dies(function)
    slots = _convention(debug, function, dies)
    said = [_said(debug, function, die, entry) for die in dies]
    reason = _broken(function, dies, symbol, slots, said)
    return tuple(
        _parameter(debug.machine, function, die, found, slot, reason)
        for die, found, slot in zip(dies, said, slots, strict=True)
    )


def entry_address(function: Die) -> int | None:
    """Where the function starts: the first of its ranges."""
    return function.ranges[0][0] if function.ranges else function.number(At.low_pc)


def parameter_dies(function: Die) -> list[Die]:
    """The parameters of a function in the order of its declaration; Go's results are none.

    gcc lists those of a copy that have a place before those that have none, and may leave some out.
    """
    found: list[Die] = []
    for die in function.origins():
        here = [child for child in die.children if child.tag == Tag.formal_parameter]
        concrete = {origin.key: child for child in found for origin in child.origins()}
        ordered = [concrete.get(child.key, child) for child in here]
        keys = {child.key for child in ordered}
        found = ordered + [child for child in found if child.key not in keys]
        if found and At.specification in die.attributes:
            # The declaration's parameters are others, of the same number.
            break
    return [child for child in found if not child.flag(_VARIABLE_PARAMETER)]


def _convention(debug: Debug, function: Die, dies: Sequence[Die]) -> list[Slot]:
    """Where the calling convention has each parameter."""
    unit = function.unit
    types = [die.inherited_type() for die in dies]
    if unit.language == LANGUAGE_GO:
        registers = uses_registers(debug.machine, unit.producer)
        if registers is None or debug.machine not in STACK_POINTER:
            return [Slot("unknown", reason="the version of the Go compiler is not known")] * len(dies)
        return _in_order(Go(debug.machine, registers), types)
    result = function.inherited_type()[0]
    hidden = returns_in_memory(debug.machine, result)
    if debug.machine == "x86_64":
        clang = _CLANG.search(unit.producer)
        convention: X86 | Arm64 = X86(hidden, clang is not None and int(clang[1]) < 18)
    elif debug.machine == "aarch64":
        convention = Arm64(hidden)
    else:
        text = f"the calling convention of {debug.machine} is not known here"
        return [Slot("unknown", reason=text)] * len(dies)
    if unit.language == LANGUAGE_RUST:
        return _rust(convention, types)
    return _in_order(convention, types)


def _in_order(convention: X86 | Arm64 | Go, types: Sequence[tuple[Die | None, bool]]) -> list[Slot]:
    """Where each goes; behind one whose size is not known, nothing is known."""
    slots: list[Slot] = []
    for die, known in types:
        if slots and slots[-1].lost:
            slots.append(_BEHIND)
        else:
            slots.append(convention.place(die) if known else LOST)
    return slots


def _rust(convention: X86 | Arm64, types: Sequence[tuple[Die | None, bool]]) -> list[Slot]:
    """Scalars and pairs of them go as in C; what stands behind anything else is not known."""
    slots: list[Slot] = []
    lost = False
    for die, known in types:
        size = size_of(die)
        lost = lost or not known or size is None or (size > 8 and die is not None and not _is_pair(die))
        slots.append(Slot("unknown", reason=_POINTERS_AND_SCALARS_ONLY) if lost else convention.place(die))
    return slots


def _is_pair(die: Die) -> bool:
    """A slice or text: a pointer and a length."""
    return die.tag == Tag.structure_type and (die.name or "").startswith(("&", "*const [", "*mut ["))


def _said(debug: Debug, function: Die, die: Die, entry: int | None) -> Place | None:
    """What DWARF says of the entry; None where it says nothing that holds there."""
    value = die.value(At.const_value)
    if isinstance(value, int):
        return Place("constant", str(value), value=value)
    if entry is None or At.location not in die.attributes:
        return None
    found = place_at(debug.places(die, function), entry)
    return found if found is not None and found.kind not in ("unavailable", "unknown") else None


def _at_entry(machine: str, function: Die, found: Place) -> Where | None:
    """A place of DWARF as it is at the first instruction; None for slots that are not filled yet."""
    if found.kind == "constant":
        return Where("constant", value=found.value if isinstance(found.value, int) else None)
    if found.kind == "register" and found.register:
        return Where("register", (found.register,))
    if found.kind == "value" and found.register and found.offsets == (0,):
        return Where("register", (found.register,))
    if found.kind == "pieces":
        registers = [_at_entry(machine, function, piece) for piece in found.pieces]
        names = [part.registers[0] for part in registers if part is not None and part.kind == "register"]
        return Where("register", tuple(names)) if len(names) == len(found.pieces) else None
    if found.kind == "memory" and found.register and len(found.offsets) == 1:
        return _memory_at_entry(machine, function, found.register, found.offsets[0])
    return None


def _memory_at_entry(machine: str, function: Die, register: str, offset: int) -> Where | None:
    if register == CFA:
        # Arguments of the caller lie above the frame; below it is the function's own.
        return Where("stack", offset=offset + CFA_AT_ENTRY.get(machine, 0)) if offset >= 0 else None
    if register in ("rbp", "x29"):
        # The frame pointer is still the caller's: it will be 16 bytes below the frame's address.
        return Where("stack", offset=offset - 16 + CFA_AT_ENTRY.get(machine, 0)) if offset >= 16 else None
    if register == STACK_POINTER.get(machine):
        return None
    return Where("memory", (register,), offset)


def _by_convention(machine: str, function: Die, slot: Slot) -> Where:
    if slot.kind == "nothing":
        return Where("none")
    if slot.kind == "registers":
        if slot.reference:
            return Where("memory", slot.registers, 0)
        return Where("register", slot.registers)
    if slot.kind == "stack" and slot.offset is not None:
        above = CFA_AT_ENTRY.get(machine, 0)
        if function.unit.language == LANGUAGE_GO:
            above = 8
        return Where("stack", offset=slot.offset + above, pointer=slot.reference)
    return Where("unknown")


def _broken(
    function: Die,
    dies: Sequence[Die],
    symbol: str | None,
    slots: Sequence[Slot],
    said: Sequence[Place | None],
) -> str | None:
    """Why the convention may not be trusted for this function; None where nothing speaks against it."""
    if symbol is not None and any(clone in symbol for clone in _CLONES):
        return "the compiler made this copy of the function with parameters of its own"
    named = _named_parameters(function.linkage_name) if is_cpp(function) else None
    if named is not None and named != sum(not die.inherited(At.artificial) for die in dies):
        # clang 14 leaves some out at -O0.
        return "DWARF lacks some of the function's parameters"
    if function.inherited(At.calling_convention) == _NO_CALL:
        return "the function does not follow the calling convention"
    for slot, found in zip(slots, said, strict=True):
        if found is None or found.kind not in ("register", "constant"):
            continue
        other = (
            slot.kind == "registers" and found.register is not None and found.register not in slot.registers
        )
        if other or found.kind == "constant":
            return "other parameters show that the function does not follow the calling convention"
    return None


def _named_parameters(linkage_name: str | None) -> int | None:
    """How many parameters a C++ linkage name has; None for other names, and where any number may follow."""
    if linkage_name is None or not linkage_name.startswith("_Z"):
        return None
    text = demangle(linkage_name)
    end = text.rfind(")")
    if end < 0 or text[:end].endswith("..."):
        return None
    depth, commas = 0, 0
    for at in range(end, -1, -1):
        letter = text[at]
        depth += (letter in ")>]}") - (letter in "(<[{")
        if letter == "," and depth == 1:
            commas += 1
        if depth == 0:
            return commas + 1 if text[at + 1 : end].strip() else 0
    return None


def _parameter(
    machine: str, function: Die, die: Die, found: Place | None, slot: Slot, broken: str | None
) -> Parameter:
    kind, known = die.inherited_type()
    base = Parameter(
        die.inherited_name() or "",
        tight_text(kind, known),
        size_of(kind),
        bool(die.inherited(At.artificial)),
        Where("unknown"),
        None,
        None,
    )
    where = _at_entry(machine, die, found) if found is not None else None
    if where is not None and where.kind == "register" and slot.kind == "unknown":
        where = where if len(where.registers) * 8 >= (base.size or 0) else None
    if where is not None:
        return _with_expression(machine, replace(base, where=where, source="dwarf"), die)
    if found is None and broken is None and not function.inherited(At.external):
        broken = "the compiler may have removed this parameter of a function that only its own unit calls"
    if broken is not None:
        return replace(
            base, reason=broken[0].upper() + broken[1:] + ", and DWARF does not say where this one is."
        )
    where = _by_convention(machine, die, slot)
    if where.kind in ("unknown", "none"):
        text = slot.reason or "nothing says where it is"
        return replace(base, where=where, reason=text[0].upper() + text[1:] + ".")
    answer = _with_expression(machine, replace(base, where=where, source="abi"), die)
    if found is None and answer.reason is None:
        return replace(answer, reason=_UNUSED)
    return answer


def _with_expression(machine: str, parameter: Parameter, die: Die) -> Parameter:
    where = parameter.where
    go = die.unit.language == LANGUAGE_GO
    if where.kind == "constant":
        return replace(parameter, bpftrace=str(where.value), reason="The compiler knows its value.")
    if where.kind == "stack":
        return _on_stack(machine, parameter)
    names = [register_expression(machine, name, go) for name in where.registers]
    if None in names or not names:
        floating = f"bpftrace cannot read {', '.join(where.registers)}."
        return replace(parameter, reason=floating)
    first = names[0]
    if where.kind == "memory":
        text = f"{first} + {where.offset}" if where.offset else first
        return replace(parameter, bpftrace=text, reason="This is the address of the value.")
    if len(names) == 1:
        return replace(parameter, bpftrace=first)
    if go and parameter.type == "string":
        return replace(parameter, bpftrace=f"str({names[0]}, {names[1]})")
    parts = ", ".join(name for name in names if name is not None)
    return replace(parameter, reason=f"It takes several registers: {parts}.")


def _on_stack(machine: str, parameter: Parameter) -> Parameter:
    offset = parameter.where.offset or 0
    size = 8 if parameter.where.pointer else parameter.size or 8
    address = f'reg("sp") + {offset}' if offset else 'reg("sp")'
    if size > 8:
        return replace(parameter, bpftrace=address, reason="This is the address of the value.")
    reason = "This is the address of the value." if parameter.where.pointer else None
    if machine == "x86_64" and offset >= 8 and offset % 8 == 0:
        return replace(parameter, bpftrace=f"sarg{offset // 8 - 1}", reason=reason)
    bits = {1: 8, 2: 16, 4: 32}.get(size, 64)
    return replace(parameter, bpftrace=f"*(uint{bits} *)({address})", reason=reason)


_X86_ARGUMENTS = ("rdi", "rsi", "rdx", "rcx", "r8", "r9")


def register_expression(machine: str, name: str, plain: bool = False) -> str | None:
    """A register in bpftrace's words; None for those that it cannot read. ``plain``: never as argN."""
    if machine == "x86_64":
        if name in _X86_ARGUMENTS and not plain:
            return f"arg{_X86_ARGUMENTS.index(name)}"
        if name.startswith("r") and len(name) <= 3:
            return f'reg("{name if name[1:].isdigit() else name[1:]}")'
    if machine == "aarch64" and name.startswith("x") and name[1:].isdigit():
        number = int(name[1:])
        return f"arg{number}" if number < 8 and not plain else f'reg("r{number}")'
    return None
