"""One operand of a USDT argument, as its assembler writes it, to data and to a sentence.

AT&T syntax on x86 (``-20(%rbp,%rax,4)``, ``$-5``, ``%fs:x@tpoff``), brackets on AArch64 and Arm
(``[x1, w2, sxtw 2]``), ``displacement(register)`` on PowerPC, s390x and RISC-V. What is none of these has the
kind ``unknown``; no operand is guessed. Sources: GNU as manual, chapters of the architectures; print_operand
of GCC's back ends for the constraints of sys/sdt.h (``nor``; ``nZr`` on PowerPC, ``g`` on Arm).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal, NamedTuple

from app.elf.usdt.registers import Register, register

_LONGEST = 512
_X86 = {"x86_64", "i386"}
_BRACKETS = {"aarch64", "arm"}
_TERM = re.compile(r"\s*([+-]?)\s*(?:(0[xX][0-9a-fA-F]+|\d+)|(?:#?:([a-z0-9_]+):)?([A-Za-z_.$][\w.$]*))")
_MODIFIER = re.compile(r"(?:@[A-Za-z]+)+")
_SHIFT = re.compile(r"(lsl|sxtw|uxtw|sxtx|uxtx)(?:\s*#?(\d))?")
_THREAD_LOCAL = {"tpoff", "ntpoff", "dtpoff", "gottpoff", "indntpoff"}


class Operand(NamedTuple):
    """Where an argument's value is. Of a memory operand the address is
    segment + symbol + displacement + base + index * scale, each where it is there."""

    kind: Literal["register", "constant", "memory", "unknown"]
    register: Register | None = None
    value: int | None = None  # of a constant; with ``symbol``: added to its address
    base: Register | None = None
    index: Register | None = None  # type: ignore[assignment]
    scale: int = 1
    extend: str | None = None  # sxtw or uxtw: the index has 32 bits
    displacement: int = 0
    symbol: str | None = None
    modifier: str | None = None  # of the symbol: tpoff, gotpcrel, lo12
    segment: str | None = None


UNKNOWN = Operand("unknown")


@lru_cache(maxsize=4096)
def parse_operand(text: str, machine: str) -> Operand:
    """``text`` as the assembler of ``machine`` reads it."""
    text = text.strip()
    if not text or len(text) > _LONGEST:
        return UNKNOWN
    if machine in _X86:
        return _x86(text, machine)
    if machine in _BRACKETS:
        return _brackets(text, machine)
    if machine in {"ppc", "ppc64", "s390", "s390x", "riscv"}:
        return _parenthesised(text, machine)
    return UNKNOWN


def _expression(text: str) -> tuple[int, str | None, str | None] | None:
    """A sum of numbers with at most one symbol: (number, symbol, modifier)."""
    number, symbol, modifier, at = 0, None, None, 0
    text = text.strip()
    while at < len(text):
        match = _TERM.match(text, at)
        if match is None or (at and not match.group(1)):
            return None
        sign, digits, before, name = match.groups()
        at = match.end()
        if digits is not None:
            base = 16 if digits[:2] in {"0x", "0X"} else 8 if digits[0] == "0" else 10
            try:
                number += int(sign + digits, base)
            except ValueError:
                return None
        elif symbol is None and sign != "-":
            symbol, modifier = name, before
            behind = _MODIFIER.match(text, at)
            if behind is not None:
                modifier, at = behind.group().lstrip("@").lower(), behind.end()
        else:
            return None
    return (number, symbol, modifier) if text else None


def _x86(text: str, machine: str) -> Operand:
    text = text.removeprefix("*")
    segment = None
    if text[:1] == "%" and text[3:4] == ":":
        segment, text = text[1:3], text[4:].strip()
        if segment not in {"cs", "ds", "es", "fs", "gs", "ss"}:
            return UNKNOWN
    if text[:1] == "%":
        named = register(text[1:].replace(" ", ""), machine)
        return Operand("register", register=named) if named and segment is None else UNKNOWN
    if text[:1] == "$":
        found = _expression(text[1:])
        if found is None or segment is not None:
            return UNKNOWN
        return Operand("constant", value=found[0], symbol=found[1], modifier=found[2])
    parts: list[str] = []
    if text[-1:] == ")":
        text, _, inner = text[:-1].rpartition("(")
        parts = [part.strip() for part in inner.split(",")]
    found = _expression(text) if text.strip() else (0, None, None)
    if found is None or len(parts) > 3 or (not parts and not text):
        return UNKNOWN
    registers = [_x86_register(part, machine) for part in parts[:2]]
    scale = parts[2] if len(parts) == 3 and parts[2] else "1"
    if "bad" in registers or scale not in {"1", "2", "4", "8"}:
        return UNKNOWN
    base, index = ([*registers, None, None])[:2]
    assert not isinstance(base, str)
    assert not isinstance(index, str)
    return Operand(
        "memory",
        base=base,
        index=index,
        scale=int(scale),
        displacement=found[0],
        symbol=found[1],
        modifier=found[2],
        segment=segment,
    )


def _x86_register(part: str, machine: str) -> Register | Literal["bad"] | None:
    if not part:
        return None
    return (register(part[1:], machine) if part[0] == "%" else None) or "bad"


def _brackets(text: str, machine: str) -> Operand:
    """``x0``, ``#5`` or ``5``, ``[x0, 8]``, ``[x0, x1, lsl 3]``, a symbol."""
    if text[0] == "[":
        inner, closed, rest = text[1:].partition("]")
        if not closed or rest not in {"", "!"}:
            return UNKNOWN
        return _address([part.strip() for part in inner.split(",")], machine)
    named = register(text, machine)
    if named is not None:
        return Operand("register", register=named)
    found = _expression(text.removeprefix("#"))
    if found is None:
        return UNKNOWN
    if found[1] is None or text[0] == "#":
        return Operand("constant", value=found[0], symbol=found[1], modifier=found[2])
    return Operand("memory", displacement=found[0], symbol=found[1], modifier=found[2])


def _address(parts: list[str], machine: str) -> Operand:
    base = register(parts[0], machine)
    if base is None or len(parts) > 3:
        return UNKNOWN
    if len(parts) == 1:
        return Operand("memory", base=base)
    index = register(parts[1], machine)
    if index is None:
        found = _expression(parts[1].removeprefix("#"))
        if found is None or len(parts) > 2:
            return UNKNOWN
        return Operand("memory", base=base, displacement=found[0], symbol=found[1], modifier=found[2])
    scale, extend = 1, None
    if len(parts) == 3:
        match = _SHIFT.fullmatch(parts[2].lower())
        if match is None:
            return UNKNOWN
        scale = 1 << int(match.group(2) or 0)
        extend = match.group(1) if match.group(1) in {"sxtw", "uxtw"} else None
    return Operand("memory", base=base, index=index, scale=scale, extend=extend)


_PPC_CONSTANT = re.compile(r"i(-?\d+)")
_PPC_INDEXED = re.compile(r"(?:%?r)?(\d{1,2}),\s*(?:%?r)?(\d{1,2})")


def _parenthesised(text: str, machine: str) -> Operand:
    """``%r3``, ``5``, ``160(%r15)``; on PowerPC registers are numbers, and constants begin with i."""
    power = machine in {"ppc", "ppc64"}

    def named(part: str) -> Register | None:
        part = part.strip().removeprefix("%")
        return register(f"r{part}" if power and part.isdecimal() else part, machine)

    if power:
        constant, indexed = _PPC_CONSTANT.fullmatch(text), _PPC_INDEXED.fullmatch(text)
        if constant is not None:
            return Operand("constant", value=int(constant.group(1)))
        if indexed is not None:
            base, index = (named(part) for part in indexed.groups())
            return Operand("memory", base=base, index=index) if base and index else UNKNOWN
    whole = named(text)
    if whole is not None:
        return Operand("register", register=whole)
    parts: list[str] = []
    if text[-1] == ")":
        text, _, inner = text[:-1].rpartition("(")
        parts = inner.split(",")
    found = _expression(text) if text.strip() else (0, None, None)
    registers = [named(part) for part in parts]
    if found is None or None in registers or len(parts) > 2:
        return UNKNOWN
    if not parts:
        if found[1] is None:
            return Operand("constant", value=found[0])
        return Operand("memory", displacement=found[0], symbol=found[1], modifier=found[2])
    # s390x writes the index before the base.
    index, base = registers if len(registers) == 2 else (None, registers[0])
    return Operand(
        "memory", base=base, index=index, displacement=found[0], symbol=found[1], modifier=found[2]
    )


def reading(operand: Operand, size: int, signed: bool, floating: bool) -> str:
    """What the operand says, for a person: ``the 4 bytes at rbp-20, signed``."""
    kind = ", floating point" if floating else ", signed" if signed else ""
    if operand.kind == "register" and operand.register is not None:
        named = operand.register
        if size < named.size:
            part = "byte" if size == 1 else f"{size} bytes"
            return f"the low {part} of register {named.name}{kind}"
        return f"register {named.name}{kind}"
    if operand.kind == "constant" and operand.value is not None:
        if operand.symbol is not None:
            return f"the address of {operand.symbol}{_signed(operand.value)}"
        value = operand.value if signed or not 0 < size <= 16 else operand.value % (1 << 8 * size)
        return f"the constant {value}"
    if operand.kind != "memory":
        return "an operand that is not known"
    part = "byte" if size == 1 else f"{size} bytes"
    if operand.modifier in _THREAD_LOCAL:
        return f"the {part} of the thread-local {operand.symbol}{_signed(operand.displacement)}{kind}"
    where = _where(operand)
    if operand.segment is not None:
        where = f"{operand.segment}:{where}"
    return f"the {part} at {where}{kind}"


def _where(operand: Operand) -> str:
    """``rbp+rax*4-20``; a symbol relative to the place of the code is the symbol."""
    terms: list[str] = []
    if operand.symbol is not None:
        slot = (operand.modifier or "").startswith("got")
        terms.append(f"the GOT entry of {operand.symbol}" if slot else operand.symbol)
    if operand.base is not None and not (operand.symbol and _only_reaches(operand)):
        terms.append(operand.base.name)
    if operand.index is not None:
        scaled = "" if operand.scale == 1 else f"*{operand.scale}"
        terms.append(f"{operand.index.name}{scaled}")
    text = "+".join(terms)
    return f"{text}{_signed(operand.displacement)}" if text else f"{operand.displacement:#x}"


def _only_reaches(operand: Operand) -> bool:
    """Whether the base is but the assembler's way to the symbol, and no part of the address."""
    assert operand.base is not None
    return operand.base.name in {"rip", "eip"} or operand.modifier in {"lo12", "l", "toc@l"}


def _signed(number: int) -> str:
    return f"{number:+d}" if number else ""
