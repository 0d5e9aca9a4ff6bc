"""What function and variable DIEs and what they go back to say together, by pyelftools."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from app.elf.dwarf import columns
from app.elf.dwarf.slow.types import VOID, Types
from app.elf.dwarf.slow.units import Die, Unit, Units, flag, number, text

_ASSEMBLER, _GO = 0x8001, 0x16
_PACK = "DW_TAG_GNU_formal_parameter_pack"
_FLAGS = {
    "external": columns.EXTERNAL,
    "artificial": columns.ARTIFICIAL,
    "noreturn": columns.NORETURN,
    "main_subprogram": columns.MAIN,
    "prototyped": columns.PROTOTYPED,
}
_LONGEST_CHAIN = 8


@dataclass
class Param:
    name: str
    type: str
    flags: int


@dataclass
class Function:
    name: str = ""
    linkage: str = ""
    scope: str = ""
    file: str = ""
    line: int = 0
    low: int = 0
    size: int = 0
    flags: int = 0
    returns: str = ""
    unit: int = 0
    die: int = 0
    sites: int = 0
    ranges: list[tuple[int, int]] = field(default_factory=list)
    params: list[Param] = field(default_factory=list)

    @property
    def said(self) -> tuple[Any, ...]:
        return (self.name, self.linkage, self.scope, self.file, self.line)


@dataclass
class Site:
    origin: Die | None
    host: Function
    parent: int | None
    call_file: str
    call_line: int
    call_column: int
    ranges: list[tuple[int, int]]
    function: Function | None = None


@dataclass
class Variable:
    name: str
    linkage: str
    scope: str
    file: str
    line: int
    type: str
    address: int
    size: int
    flags: int
    unit: int
    die: int


class Places(Protocol):
    """What the facts of a DIE are read by."""

    units: Units
    type_texts: Types

    def unit_number(self, die: Die) -> int: ...


def chain(units: Units, die: Die) -> tuple[list[Die], bool]:
    """The DIE and what it goes back to; whether that is all."""
    found = [die]
    while len(found) < _LONGEST_CHAIN:
        name = "abstract_origin" if "DW_AT_abstract_origin" in found[-1].attributes else "specification"
        if f"DW_AT_{name}" not in found[-1].attributes:
            return found, True
        target = units.follow(found[-1], name)
        if target is None or target.tag not in ("DW_TAG_subprogram", "DW_TAG_variable", "DW_TAG_member"):
            return found, False
        found.append(target)
    return found, True


def first(found: list[Die], name: str) -> Die | None:
    return next((die for die in found if f"DW_AT_{name}" in die.attributes), None)


def say(place: Places, found: list[Die], row: Function) -> None:
    """Name, place and flags: each from the first DIE that has it."""
    units = place.units
    row.name = next((name for die in found if (name := text(die, "name"))), "")
    row.linkage = next(
        (name for die in found if (name := text(die, "linkage_name") or text(die, "MIPS_linkage_name"))), ""
    )
    row.scope = units.scope(found[-1])
    filed, lined = first(found, "decl_file"), first(found, "decl_line")
    row.file = units.file(filed.cu, number(filed, "decl_file") or 0) if filed is not None else ""
    row.line = number(lined, "decl_line") or 0
    row.unit = place.unit_number(found[0])
    for die in found:
        for name, bit in _FLAGS.items():
            row.flags |= bit if flag(die, name) else 0
        row.flags |= columns.MEMBER if "DW_AT_object_pointer" in die.attributes else 0
        row.flags |= columns.VIRTUAL if number(die, "virtuality") else 0


def _inline(found: list[Die]) -> int:
    return next((value for die in found if (value := number(die, "inline"))), 0)


def complete(place: Places, row: Function, die: Die) -> None:
    found, whole = chain(place.units, die)
    say(place, found, row)
    inline = _inline(found)
    row.flags |= columns.DECLARED_INLINE if inline in (2, 3) else 0
    row.flags |= columns.INLINED if inline in (1, 3) else 0
    results = _settle_params(place, row, found)
    unsaid = not whole or place.units.language(die.cu) == _ASSEMBLER
    if not row.params and not results and unsaid:
        row.flags |= columns.PARAMETERS_UNKNOWN
    typed = first(found, "type")
    if typed is not None:
        returns = place.type_texts.of(typed, die.cu)
        row.returns = returns.text if returns is not None and returns != VOID else ""
        row.flags |= columns.RETURN_UNKNOWN if returns is None else 0
    elif unsaid:
        row.flags |= columns.RETURN_UNKNOWN
    if results:
        known = [result for result in results if result is not None]
        row.flags = row.flags & ~columns.RETURN_UNKNOWN | (
            columns.RETURN_UNKNOWN if len(known) < len(results) else 0
        )
        row.returns = (
            "" if len(known) < len(results) else known[0] if len(known) == 1 else f"({', '.join(known)})"
        )


def _params_of(units: Units, die: Die) -> list[Die]:
    found: list[Die] = []
    for child in units.children(die):
        if child.tag in ("DW_TAG_formal_parameter", "DW_TAG_unspecified_parameters"):
            found.append(child)
        elif child.tag == _PACK:
            found += _params_of(units, child)
    return found


def _settle_params(place: Places, row: Function, found: list[Die]) -> list[str | None]:
    """Adds the parameters; Go's results, which stand among them, are the answer."""
    units, results = place.units, []
    own = _params_of(units, found[0])
    base: list[Die] = []
    for link, die in enumerate(found[:-1]):
        if "DW_AT_abstract_origin" not in die.attributes:
            break
        base = _params_of(units, found[link + 1])
        if base:
            break
    origins = {}
    for param in own:
        origin = units.follow(param, "abstract_origin")
        if origin is not None:
            origins[id(origin.cu), origin.offset] = param
    listed: list[tuple[Die, Die | None]] = [(param, None) for param in own]
    if base:
        listed = []
        for param in base:
            mine = origins.get((id(param.cu), param.offset))
            if mine is None and own and flag(param, "artificial"):
                continue
            listed.append((param, mine))
        dots = any(param.tag == "DW_TAG_unspecified_parameters" for param in base)
        for param in own:
            if param.tag == "DW_TAG_unspecified_parameters":
                listed += [] if dots else [(param, None)]
            elif "DW_AT_abstract_origin" not in param.attributes:
                listed.append((param, None))
    for param, mine in listed:
        if param.tag == "DW_TAG_unspecified_parameters":
            row.flags |= columns.UNSPECIFIED
            row.params.append(Param("...", "", columns.PARAM_ELLIPSIS))
            continue
        made, result = _param(place, param, found[0].cu)
        if mine is not None and "DW_AT_const_value" in mine.attributes:
            made.flags |= columns.PARAM_CONST
        if result:
            results.append(None if made.flags & columns.PARAM_UNKNOWN else made.type)
        else:
            row.params.append(made)
    return results


def _param(place: Places, die: Die, asked: Unit) -> tuple[Param, bool]:
    found = [die]
    while len(found) < _LONGEST_CHAIN and not (
        first(found, "name") is not None and first(found, "type") is not None
    ):
        target = place.units.follow(found[-1], "abstract_origin")
        if target is None or target.tag != "DW_TAG_formal_parameter":
            break
        found.append(target)
    typed = first(found, "type")
    known = place.type_texts.of(typed, asked) if typed is not None else None
    flags = columns.PARAM_UNKNOWN if known is None else 0
    for each in found:
        flags |= columns.PARAM_ARTIFICIAL if flag(each, "artificial") else 0
        flags |= columns.PARAM_CONST if "DW_AT_const_value" in each.attributes else 0
    go = place.units.language(asked) == _GO
    result = go and any(flag(each, "variable_parameter") for each in found)
    name = next((name for each in found if (name := text(each, "name"))), "")
    return Param(name, known.text if known is not None else "", flags), result
