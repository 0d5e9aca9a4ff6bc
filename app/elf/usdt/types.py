"""USDT sites and the variables alive at each to arguments with a type and a name.

sys/sdt.h keeps of an argument only its size and sign. Where the debug information puts a variable of that
size just where the operand reads, the argument is most likely that variable: a cast reads the same place.
Two variables of different types in one place tell nothing, and the type by size and sign stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from app.elf.model import UsdtArgument, UsdtProbe, UsdtSite
from app.elf.usdt.operands import Operand


@dataclass(frozen=True, slots=True)
class Local:
    """A parameter, local or global variable, and where its value is at one address.

    ``register`` is DWARF's number: of the register that holds the value, or of the one that a memory
    operand's ``offset`` counts from (what counts from the frame's base must be said by such a register).
    A variable at a fixed address has ``register`` None.
    """

    name: str
    type: str
    size: int
    kind: Literal["register", "memory", "constant"]
    register: int | None = None
    offset: int = 0  # of memory; the value of a constant


Lookup = Callable[[int, set[int]], Sequence[Local]]


def refine(probes: Iterable[UsdtProbe], lookup: Lookup) -> tuple[UsdtProbe, ...]:
    """The probes with what ``lookup`` tells of the variables of given sizes alive at an address.

    The innermost scope first.
    """
    return tuple(
        probe._replace(
            sites=tuple(
                site._replace(arguments=_refined(site.arguments, lookup(site.address, _sizes(site))))
                if site.arguments
                else site
                for site in probe.sites
            )
        )
        for probe in probes
    )


def _sizes(site: UsdtSite) -> set[int]:
    return {argument.size for argument in site.arguments}


def _refined(arguments: Sequence[UsdtArgument], found: Sequence[Local]) -> tuple[UsdtArgument, ...]:
    return tuple(_typed(argument, found) for argument in arguments)


def _typed(argument: UsdtArgument, found: Sequence[Local]) -> UsdtArgument:
    fitting = [local for local in found if local.size == argument.size and _same(argument.parsed, local)]
    if not fitting or len({local.type for local in fitting}) > 1:
        return argument
    return argument._replace(type=fitting[0].type, name=fitting[0].name)


def _same(operand: Operand, local: Local) -> bool:
    if operand.kind == "register" and operand.register is not None:
        whole = operand.register.number is not None and operand.register.shift == 0
        return whole and local.kind == "register" and local.register == operand.register.number
    if operand.kind != "memory" or local.kind != "memory" or operand.index or operand.segment:
        return False
    if operand.symbol is not None:
        fixed = local.register is None and operand.modifier in {None, "lo12"}
        return fixed and operand.displacement == 0 and local.name == operand.symbol
    if operand.base is None or operand.base.number is None:
        return False
    return local.register == operand.base.number and local.offset == operand.displacement
