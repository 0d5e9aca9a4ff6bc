"""What debug information says of a place to values: each argument or variable by where it is and its type.

A reading is what ``Index.reading`` gives: parameters at the entry, variables at an instruction, the shape of
each. What lies in no register that bpftrace reads, or nowhere, has no expression. Text is read where it lies:
a page that the program never touched reads as nothing. Source: bpftrace(8) on ``reg``, ``str`` and casts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from app.elf.dwarf.entry import register_expression
from app.trace.declarations import Declarations, sayable
from app.trace.values import Value

Shape = dict[str, Any]
Reading = dict[str, Any]
# Members of a struct that are shown when nobody asks for certain ones.
FIRST_MEMBERS = 3
_CFA = "cfa"
_SCALARS = frozenset({"integer", "bool", "enum", "text", "chars"})


def at_entry(reading: Reading, machine: str, declared: Declarations, members: Sequence[str]) -> list[Value]:
    """The parameters of a function when its first instruction is about to run."""
    found: list[Value] = []
    for parameter, shape in zip(reading["parameters"], reading["parameter_shapes"], strict=False):
        name = parameter["name"]
        found += _parameter(name, parameter, shape, machine, declared, _asked(name, members))
    return found


def at_instruction(
    reading: Reading, machine: str, declared: Declarations, members: Sequence[str], inlined: str | None = None
) -> list[Value]:
    """The variables that have a place there; ``inlined``: only the parameters of that inlined function."""
    found: list[Value] = []
    frame = reading.get("frame")
    for variable, shape in zip(reading["variables"], reading["variable_shapes"], strict=False):
        if inlined is not None and not (variable.get("inlined") == inlined and variable.get("parameter")):
            continue
        name = variable["name"]
        place = _place(variable["place"], machine, frame)
        if place is None:
            found.append(Value(name, "?"))
            continue
        expression, address = place
        asked = _asked(name, members)
        if address:
            found += _in_memory(name, expression, shape, declared, asked)
        else:
            found += _scalar(name, expression, shape, declared, asked)
    return found


def returned(reading: Reading, machine: str, declared: Declarations) -> Value | None:
    """What ``retval`` is; None for a function that returns nothing, or nothing that can be read."""
    shape = reading.get("returns_shape") or {}
    if reading.get("returns") in (None, "void", "()", "!"):
        return None
    if shape.get("kind") == "slice" and machine == "x86_64":
        return Value("", "%s", 'str(retval, reg("dx"))')
    if shape.get("kind") in _SCALARS - {"chars"} | {"pointer"}:
        return _one("", "retval", shape, declared)
    return None


def _asked(name: str, members: Sequence[str]) -> list[list[str]]:
    """The paths below ``name`` that were asked for."""
    paths = [re.split(r"->|\.", each) for each in members]
    return [path[1:] for path in paths if path[0] == name and len(path) > 1]


def _parameter(
    name: str,
    parameter: dict[str, Any],
    shape: Shape,
    machine: str,
    declared: Declarations,
    asked: list[list[str]],
) -> Iterator[Value]:
    where, expression = parameter["where"], parameter["bpftrace"]
    registers = [register_expression(machine, each) for each in where["registers"]]
    if where["kind"] == "register" and len(registers) > 1:
        if None not in registers:
            yield from _in_registers(name, [each or "" for each in registers], shape, expression, declared)
            return
        yield Value(name, "?")
        return
    if expression is None:
        yield Value(name, "?")
    elif (
        where["kind"] == "memory"
        or where["pointer"]
        or (where["kind"] == "stack" and (shape.get("size") or 8) > 8)
    ):
        yield from _in_memory(name, expression, shape, declared, asked)
    else:
        yield from _scalar(name, expression, shape, declared, asked)


def _in_registers(
    name: str, registers: list[str], shape: Shape, known: str | None, declared: Declarations
) -> Iterator[Value]:
    """A value that takes several registers: text with its length, or a small struct."""
    if shape["kind"] == "slice":
        yield Value(name, "%s", known or f"str({registers[0]}, {registers[1]})", ("0x%lx", registers[0]))
        return
    found = []
    for member in shape.get("members", ()):
        part, offset = member["shape"], int(member["offset"])
        if part["kind"] not in _SCALARS - {"chars"} | {"pointer"} or offset // 8 >= len(registers):
            continue
        shift = 8 * (offset % 8)
        register = registers[offset // 8]
        expression = f"({register} >> {shift})" if shift else register
        found.append(_one(f"{name}.{member['name']}", expression, part, declared, name))
    yield from found[: 2 * FIRST_MEMBERS] or [Value(name, "?")]


def _scalar(
    name: str, expression: str, shape: Shape, declared: Declarations, asked: list[list[str]]
) -> Iterator[Value]:
    """A value that is ``expression`` itself; of a pointer also what it leads to."""
    kind = shape["kind"]
    if kind == "string" and shape["pointer"]:
        yield _string(name, expression)
    elif kind == "struct" and shape["members"] and (shape["size"] or 0) <= 8:
        yield from _in_registers(name, [expression], shape, None, declared)
    elif kind in ("struct", "other", "chars", "slice", "string", "float"):
        yield Value(name, "?")
    else:
        yield _one(name, expression, shape, declared)
        to = shape.get("to")
        if to is not None and to["members"]:
            yield from _members(name, f"{name}->", expression, to, declared, asked)


def _in_memory(
    name: str, address: str, shape: Shape, declared: Declarations, asked: list[list[str]]
) -> Iterator[Value]:
    """A value that lies at ``address``."""
    kind, size = shape["kind"], shape.get("size")
    if kind == "string":
        yield _string(name, f"*(uint64 *)({address})" if shape["pointer"] else address)
    elif kind == "slice":
        pointer = f"*(uint64 *)({address})"
        yield Value(name, "%s", f"str({pointer}, *(uint64 *)({address} + 8))", ("0x%lx", pointer))
    elif kind == "chars":
        yield Value(name, "%s", f"str({address})", ("0x%lx", address))
    elif kind == "struct" and shape["members"]:
        yield from _members(name, f"{name}.", address, shape, declared, asked)
    elif kind in ("struct", "other", "float") or size not in (1, 2, 4, 8):
        yield Value(name, "?")
    else:
        yield from _scalar(name, f"*(uint{8 * size} *)({address})", shape, declared, asked)


def _members(
    name: str, prefix: str, address: str, shape: Shape, declared: Declarations, asked: list[list[str]]
) -> Iterator[Value]:
    paths = (
        asked
        or [
            [member["name"]]
            for member in shape["members"]
            if member["shape"]["kind"] in _SCALARS and sayable(member["name"])
        ][:FIRST_MEMBERS]
    )
    for path in paths:
        yield from _member(name, prefix, address, shape, declared, path)


def _member(
    name: str, prefix: str, address: str, shape: Shape, declared: Declarations, path: list[str]
) -> Iterator[Value]:
    """The value at the end of a path of members, through structs and pointers to them."""
    label, access, part = prefix, "", shape
    base, offset = address, 0  # what the last pointer was, and how far behind it the value lies
    pruned = _pruned(shape, path)
    whole = f"(({declared.use(pruned)} *){_bracketed(address)})->" if pruned["members"] else ""
    for at, step in enumerate(path):
        member = next((each for each in part.get("members", ()) if each["name"] == step), None)
        if member is None or not sayable(step):
            yield Value(f"{prefix}{'.'.join(path)}", "?", parent=name)
            return
        part, offset = member["shape"], offset + int(member["offset"])
        label, access = label + step, access + step
        if at + 1 < len(path):
            sign = "->" if part["kind"] == "pointer" else "."
            if part["kind"] == "pointer":
                base, offset, part = whole + access, 0, part.get("to") or part
            label, access = label + sign, access + sign
    if part["kind"] in ("string", "slice"):
        found = _in_memory(label, _plus(base, offset), part, declared, [])
        yield from (replace(value, parent=name) for value in found)
    elif part["kind"] in _SCALARS | {"pointer"}:
        yield _one(label, whole + access, part, declared, name)
    else:
        yield Value(label, "?", parent=name)


def _pruned(shape: Shape, path: list[str]) -> Shape:
    """The shape with pointers to structs only where the path goes through them."""
    members = []
    for member in shape["members"]:
        part = member["shape"]
        through = len(path) > 1 and member["name"] == path[0]
        if part["kind"] == "pointer" and part.get("to"):
            part = {**part, "to": _pruned(part["to"], path[1:]) if through else None}
        elif part["kind"] == "struct":
            part = _pruned(part, path[1:] if through else [])
        members.append({**member, "shape": part})
    return {**shape, "members": members}


def _one(
    name: str, expression: str, shape: Shape, declared: Declarations, parent: str | None = None
) -> Value:
    """One scalar, cast to its size and sign."""
    kind, size = shape["kind"], shape.get("size")
    if kind == "text":
        return Value(name, "%s", f"str({expression})", ("0x%lx", expression), parent)
    if kind == "chars":
        return Value(name, "%s", expression, ("?", ""), parent)
    if kind == "enum":
        return _enum(name, expression, shape, parent, declared)
    if kind in ("integer", "bool") and size in (1, 2, 4, 8):
        return Value(name, *_cast(expression, size, bool(shape.get("signed"))), parent=parent)
    if kind == "pointer":
        return Value(name, "0x%lx", expression, parent=parent)
    return Value(name, "?", parent=parent)


def _enum(name: str, expression: str, shape: Shape, parent: str | None, declared: Declarations) -> Value:
    format, number = _cast(expression, shape["size"], shape["signed"])
    if not shape["values"]:
        return Value(name, format, number, parent=parent)
    text = f"{declared.enum(shape)}[{number}]"
    return Value(name, "%s", text, (format, number), parent, named=True)


def _cast(expression: str, size: int, signed: bool) -> tuple[str, str]:
    formats = {(8, True): "%ld", (8, False): "%lu"}
    format = formats.get((size, signed), "%d" if signed else "%u")
    return format, f"({'int' if signed else 'uint'}{8 * size}){_bracketed(expression)}"


def _string(name: str, address: str) -> Value:
    pointer = f"*(uint64 *){_bracketed(address)}"
    text = f"str({pointer}, *(uint64 *)({address} + 8))"
    return Value(name, "%s", text, ("0x%lx", pointer))


def _bracketed(expression: str) -> str:
    return expression if re.fullmatch(r'\w+|reg\("\w+"\)|\([^()]*\)', expression) else f"({expression})"


def _place(place: dict[str, Any], machine: str, frame: dict[str, Any] | None) -> tuple[str, bool] | None:
    """(expression, whether it is the value's address) of a place of DWARF; None where it cannot be said."""
    kind, value = place["kind"], place.get("value")
    if place.get("at_entry"):
        return None
    if kind == "constant" and isinstance(value, int):
        return str(value), False
    register, offsets = place.get("register"), list(place.get("offsets", ()))
    if kind == "register" and register:
        expression = register_expression(machine, register, plain=True)
        return None if expression is None else (expression, False)
    if kind not in ("memory", "value") or not offsets or register is None:
        return None
    if register == _CFA:
        if frame is None:
            return None
        register, offsets[0] = frame["register"], offsets[0] + frame["offset"]
    base = register_expression(machine, register, plain=True)
    if base is None:
        return None
    expression = _plus(base, offsets[0])
    for offset in offsets[1:]:
        expression = _plus(f"*(uint64 *)({expression})", offset)
    return expression, kind == "memory"


def _plus(expression: str, offset: int) -> str:
    if offset and not re.fullmatch(r'\w+|reg\("\w+"\)', expression):
        expression = _bracketed(expression)
    return expression if not offset else f"{expression} {'-' if offset < 0 else '+'} {abs(offset)}"
