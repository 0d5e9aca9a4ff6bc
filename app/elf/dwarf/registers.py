"""DWARF's register numbers to names, and the registers that calls pass values in, by architecture.

A number without a name is ``regN``; an architecture that is not known here has only such names.
Sources: System V x86-64 psABI, figure 3.36; DWARF for the Arm 64-bit Architecture, section 4.1; System V i386
psABI, table 2.14; DWARF for the Arm Architecture, section 4.1.
"""

from __future__ import annotations

from functools import lru_cache

_X86_64 = ["rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp", *(f"r{i}" for i in range(8, 16)), "rip"]
_I386 = ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "eip", "eflags"]


@lru_cache
def register_names(machine: str) -> dict[int, str]:
    if machine == "x86_64":
        names = dict(enumerate(_X86_64))
        names |= {17 + i: f"xmm{i}" for i in range(16)} | {33 + i: f"st{i}" for i in range(8)}
        names |= {41 + i: f"mm{i}" for i in range(8)} | {67 + i: f"xmm{16 + i}" for i in range(16)}
        names |= dict(zip(range(49, 56), ("rflags", "es", "cs", "ss", "ds", "fs", "gs"), strict=True))
        return names | {58: "fs.base", 59: "gs.base"} | {118 + i: f"k{i}" for i in range(8)}
    if machine == "aarch64":
        names = {i: f"x{i}" for i in range(31)} | {31: "sp", 32: "pc"}
        return names | {64 + i: f"v{i}" for i in range(32)} | {48 + i: f"p{i}" for i in range(16)}
    if machine == "i386":
        names = dict(enumerate(_I386)) | {11 + i: f"st{i}" for i in range(8)}
        return names | {21 + i: f"xmm{i}" for i in range(8)} | {29 + i: f"mm{i}" for i in range(8)}
    if machine == "arm":
        names = {i: f"r{i}" for i in range(13)} | {13: "sp", 14: "lr", 15: "pc"}
        return names | {64 + i: f"s{i}" for i in range(32)} | {256 + i: f"d{i}" for i in range(32)}
    return {}


def register_name(machine: str, number: int) -> str:
    return register_names(machine).get(number, f"reg{number}")


STACK_POINTER = {"x86_64": "rsp", "aarch64": "sp", "i386": "esp", "arm": "sp"}
# What the canonical frame address is above the stack pointer at the first instruction of a function.
CFA_AT_ENTRY = {"x86_64": 8, "aarch64": 0, "i386": 4, "arm": 0}
