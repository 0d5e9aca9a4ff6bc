"""A register's name in an assembler to what it is: DWARF's number, how many bytes the name reads, which bits.

A name that the architecture has not gives None. Sources: the DWARF register mappings of the processor
supplements: AMD64 figure 3.36, Intel386 table 2.14, AArch64 (aadwarf64) 4.1, Arm (aadwarf32) 4.1,
64-bit PowerPC ELF v2 2.4, s390x 1.5.1, RISC-V.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple


class Register(NamedTuple):
    name: str  # as the assembler has it, without %
    number: int | None  # DWARF's number of the whole register; None for one that has none
    size: int  # bytes that this name reads
    shift: int = 0  # bits below those that it reads: 8 for ah


_X86_64 = ("rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp")
_I386 = ("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi")
_RISCV = (
    ["zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1"]
    + [f"a{index}" for index in range(8)]
    + [f"s{index}" for index in range(2, 12)]
    + ["t3", "t4", "t5", "t6"]
)
_ARM = {"sl": 10, "fp": 11, "ip": 12, "sp": 13, "lr": 14, "pc": 15}
_VECTORS = {"xmm": 16, "ymm": 32, "zmm": 64}
_A64_SIZES = {"w": 4, "x": 8, "b": 1, "h": 2, "s": 4, "d": 8, "q": 16, "v": 16}
_NUMBERED = re.compile(r"([a-z]+)(\d{1,2})([a-z]?)")


def _x86(general: tuple[str, ...], bits: int, vector: int, stack: int) -> dict[str, Register]:
    """All names of the registers whose whole ones are ``general``, in the order of DWARF's numbers."""
    found: dict[str, Register] = {}

    def add(name: str, number: int | None, size: int, shift: int = 0) -> None:
        found[name] = Register(name, number, size, shift)

    for number, whole in enumerate(general):
        short = whole[1:]
        if bits == 64:
            add(whole, number, 8)
        add(f"e{short}", number, 4)
        add(short, number, 2)
        if short[1] == "x":
            add(f"{short[0]}l", number, 1)
            add(f"{short[0]}h", number, 1, 8)
        else:
            add(f"{short}l", number, 1)
    add("rip" if bits == 64 else "eip", 16 if bits == 64 else 8, bits // 8)
    if bits == 64:
        for number in range(8, 16):
            for suffix, size in (("", 8), ("d", 4), ("w", 2), ("b", 1)):
                add(f"r{number}{suffix}", number, size)
        add("eip", 16, 4)
    for name, size in _VECTORS.items():
        for index in range(16 if bits == 64 else 8):
            add(f"{name}{index}", vector + index, size)
    for index in range(8):
        add(f"st({index})", stack + index, 10)
        add(f"mm{index}", stack + 8 + index if bits == 64 else 29 + index, 8)
    add("st", stack, 10)
    for segment in ("es", "cs", "ss", "ds", "fs", "gs"):
        add(segment, None, 2)
    return found


_X86_NAMES = {"x86_64": _x86(_X86_64, 64, 17, 33), "i386": _x86(_I386, 32, 21, 11)}
_A64_NAMES = {
    "sp": Register("sp", 31, 8),
    "wsp": Register("wsp", 31, 4),
    "xzr": Register("xzr", None, 8),
    "wzr": Register("wzr", None, 4),
    "fp": Register("fp", 29, 8),
    "lr": Register("lr", 30, 8),
}


@lru_cache(maxsize=512)
def register(name: str, machine: str) -> Register | None:
    """The register that ``name`` (without %) means on ``machine``, as ``spell.machine`` names it."""
    name = name.lower()
    if machine in _X86_NAMES:
        return _X86_NAMES[machine].get(name)
    match = _NUMBERED.fullmatch(name)
    letters, index = (match.group(1), int(match.group(2))) if match and not match.group(3) else (name, -1)
    if machine == "aarch64":
        return _aarch64(name, letters, index)
    if machine == "arm":
        return _arm(name, letters, index)
    if machine == "riscv":
        return _riscv(name, letters, index)
    if machine in {"ppc", "ppc64"} and 0 <= index < 32 and letters in {"r", "f"}:
        size = 8 if machine == "ppc64" or letters == "f" else 4
        return Register(name, index + (32 if letters == "f" else 0), size)
    if machine in {"s390", "s390x"} and 0 <= index < 16:
        if letters == "r":
            return Register(name, index, 8 if machine == "s390x" else 4)
        if letters == "f":
            # f0 f2 f4 f6 f1 f3 f5 f7 f8 f10 ...: the even ones of each eight first.
            return Register(name, 16 + index // 8 * 8 + index % 8 // 2 + index % 2 * 4, 8)
    return None


def _aarch64(name: str, letters: str, index: int) -> Register | None:
    if name in _A64_NAMES:
        return _A64_NAMES[name]
    if letters in {"w", "x"} and 0 <= index < 31:
        return Register(name, index, _A64_SIZES[letters])
    if letters in _A64_SIZES and letters not in {"w", "x"} and 0 <= index < 32:
        return Register(name, 64 + index, _A64_SIZES[letters])
    return None


def _arm(name: str, letters: str, index: int) -> Register | None:
    if name in _ARM:
        return Register(name, _ARM[name], 4)
    if letters == "r" and 0 <= index < 16:
        return Register(name, index, 4)
    if letters == "d" and 0 <= index < 32:
        return Register(name, 256 + index, 8)
    if letters == "s" and 0 <= index < 32:
        return Register(name, 64 + index, 4)
    return None


def _riscv(name: str, letters: str, index: int) -> Register | None:
    if name in _RISCV:
        return Register(name, _RISCV.index(name), 8)
    if name == "fp":
        return Register(name, 8, 8)
    if letters in {"x", "f"} and 0 <= index < 32:
        return Register(name, index + (32 if letters == "f" else 0), 8)
    return None
