"""The parameters and local variables of a function that have a place at one of its addresses.

Looks into the lexical blocks and inlined copies whose ranges hold the address, as ``perf probe -V`` does.
What DWARF gives no place there is listed with the kind ``unavailable``, so that a reader sees that it exists.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass

from app.elf.dwarf.debug import Debug
from app.elf.dwarf.declarators import size_of, tight_text
from app.elf.dwarf.dies import At, Die, Tag
from app.elf.dwarf.locations import Place, place_at

_DEEPEST = 256


@dataclass(frozen=True, slots=True)
class Variable:
    name: str
    type: str
    size: int | None
    parameter: bool
    inlined: str | None  # the inlined function that it belongs to
    place: Place
    line: int | None


def variables_at(
    debug: Debug, function: Die, address: int, sizes: Container[int | None] | None = None
) -> tuple[Variable, ...]:
    """In the order of their DIEs; those of no name are left out, and those of other ``sizes``."""
    return tuple(
        _variable(debug, function, die, address, inlined)
        for die, inlined in variable_dies(function, address)
        if sizes is None or size_of(die.inherited_type()[0]) in sizes
    )


def variable_dies(function: Die, address: int) -> Iterator[tuple[Die, str | None]]:
    """Their DIEs in the same order, each with the inlined function that it belongs to."""
    return _inside(function, address, None, 0)


def _inside(block: Die, address: int, inlined: str | None, depth: int) -> Iterator[tuple[Die, str | None]]:
    for child in block.children:
        if child.tag in (Tag.formal_parameter, Tag.variable):
            if child.inherited_name() and not child.flag(At.declaration):
                yield child, inlined
        elif child.tag in (Tag.lexical_block, Tag.inlined_subroutine) and depth < _DEEPEST:
            if not any(low <= address < high for low, high in child.ranges):
                continue
            inner = child.inherited_name() if child.tag == Tag.inlined_subroutine else inlined
            yield from _inside(child, address, inner, depth + 1)


def _variable(debug: Debug, function: Die, die: Die, address: int, inlined: str | None) -> Variable:
    kind, known = die.inherited_type()
    value = die.value(At.const_value)
    place: Place | None
    if isinstance(value, int):
        place = Place("constant", str(value), value=value)
    else:
        place = place_at(debug.places(die, function), address)
    return Variable(
        die.inherited_name() or "",
        tight_text(kind, known),
        size_of(kind),
        die.tag == Tag.formal_parameter,
        inlined,
        place or Place("unavailable", "not available"),
        die.inherited_number(At.decl_line),
    )
