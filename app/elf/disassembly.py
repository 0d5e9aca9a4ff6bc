"""The bytes of one function to instructions, by capstone.

Bytes that are no instruction appear as ``.byte``, and the reading goes on behind them. An architecture that
capstone does not know gives nothing. Source of the modes: capstone's capstone.h.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import capstone

_ARCHITECTURES: dict[str, tuple[int, int]] = {
    "x86_64": (capstone.CS_ARCH_X86, capstone.CS_MODE_64),
    "i386": (capstone.CS_ARCH_X86, capstone.CS_MODE_32),
    "aarch64": (capstone.CS_ARCH_ARM64, capstone.CS_MODE_ARM),
    "arm": (capstone.CS_ARCH_ARM, capstone.CS_MODE_ARM),
    "ppc": (capstone.CS_ARCH_PPC, capstone.CS_MODE_32),
    "ppc64": (capstone.CS_ARCH_PPC, capstone.CS_MODE_64),
    "s390x": (capstone.CS_ARCH_SYSZ, 0),
    "riscv": (capstone.CS_ARCH_RISCV, capstone.CS_MODE_RISCV64 | capstone.CS_MODE_RISCVC),
    "mips": (capstone.CS_ARCH_MIPS, capstone.CS_MODE_MIPS64),
    "sparc64": (capstone.CS_ARCH_SPARC, capstone.CS_MODE_V9),
}
_STEP = {"x86_64": 1, "i386": 1, "s390x": 2, "riscv": 2}
# A jump or call whose whole operand, or last one, is an address.
_BRANCH = re.compile(r"(?:j|call|loop|b|cb|tb|jal)[a-z.]*")
_TARGET = re.compile(r"(?:^|, )#?(0x[0-9a-f]+|[0-9]+)$")


@dataclass(frozen=True, slots=True)
class Instruction:
    address: int
    bytes: str  # hex
    mnemonic: str
    operands: str
    target: int | None  # of a direct jump or call


def _engine(machine: str, endian: str, bits: int) -> capstone.Cs | None:
    if machine not in _ARCHITECTURES:
        return None
    architecture, mode = _ARCHITECTURES[machine]
    if machine == "riscv" and bits == 32:
        mode = capstone.CS_MODE_RISCV32 | capstone.CS_MODE_RISCVC
    if machine == "mips" and bits == 32:
        mode = capstone.CS_MODE_MIPS32
    if endian == "big" and machine != "sparc64":
        mode |= capstone.CS_MODE_BIG_ENDIAN
    try:
        engine = capstone.Cs(architecture, mode)
    except capstone.CsError:
        return None
    if machine in {"x86_64", "i386"}:
        engine.syntax = capstone.CS_OPT_SYNTAX_INTEL
    return engine


def disassemble(
    code: bytes, address: int, machine: str, endian: str, bits: int, limit: int = 4096
) -> tuple[Instruction, ...]:
    """At most ``limit`` instructions of ``code``, whose first byte lies at ``address``."""
    engine = _engine(machine, endian, bits)
    if engine is None:
        return ()
    return tuple(_walk(engine, code, address, _STEP.get(machine, 4), limit))


def _walk(engine: capstone.Cs, code: bytes, address: int, step: int, limit: int) -> Iterator[Instruction]:
    at = count = 0
    while at < len(code) and count < limit:
        for start, size, mnemonic, operands in engine.disasm_lite(code[at:], address + at, limit - count):
            raw = code[start - address : start - address + size]
            yield Instruction(start, raw.hex(), mnemonic, operands, _target(mnemonic, operands))
            at = start - address + size
            count += 1
        if at < len(code) and count < limit:
            raw = code[at : at + step]
            shown = ", ".join(f"{byte:#04x}" for byte in raw)
            yield Instruction(address + at, raw.hex(), ".byte", shown, None)
            at += len(raw)
            count += 1


def _target(mnemonic: str, operands: str) -> int | None:
    if not _BRANCH.fullmatch(mnemonic):
        return None
    match = _TARGET.search(operands)
    return int(match.group(1), 0) if match else None
