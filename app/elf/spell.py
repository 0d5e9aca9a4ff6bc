"""Numbers of an ELF file to the words that readelf prints for them.

A number without a word is spelled as readelf spells it, in hex or decimal, never left out.
Source: glibc's elf.h; readelf.c of binutils 2.40 for what has no name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from app.elf.words import MACHINE_SECTION_TYPES, SECTION_TYPES, SEGMENT_TYPES

if TYPE_CHECKING:
    from app.elf.model import Section

_TYPES = {0: "NONE", 1: "REL", 2: "EXEC", 3: "DYN", 4: "CORE"}
_MACHINES = {
    2: "sparc",
    3: "i386",
    4: "m68k",
    8: "mips",
    20: "ppc",
    21: "ppc64",
    22: "s390x",
    40: "arm",
    42: "sh",
    43: "sparc64",
    50: "ia64",
    62: "x86_64",
    183: "aarch64",
    243: "riscv",
    247: "bpf",
    258: "loongarch",
}
_SYMBOL_TYPES = {
    0: "NOTYPE",
    1: "OBJECT",
    2: "FUNC",
    3: "SECTION",
    4: "FILE",
    5: "COMMON",
    6: "TLS",
    10: "IFUNC",
}
_SYMBOL_BINDS = {0: "LOCAL", 1: "GLOBAL", 2: "WEAK", 10: "UNIQUE"}
_VISIBILITIES = ("DEFAULT", "INTERNAL", "HIDDEN", "PROTECTED")
# 0xfffe is no number of the gABI's: ours for a function of a file that has no section headers.
_SPECIAL_SECTIONS = {0: "UND", 0xFFF1: "ABS", 0xFFF2: "COM", 0xFFFE: "none"}
_SECTION_FLAGS = {1 << bit: letter for bit, letter in enumerate("WAX MSILOGTC") if letter != " "}
_SECTION_FLAGS[0x80000000] = "E"
_GNU_ABIS, _MBIND_ABIS = (3, 9), (0, 3, 9)  # System V 0, Linux 3, FreeBSD 9
_RETAIN, _MBIND = 0x00200000, 0x01000000
_OS_MASK, _PROCESSOR_MASK = 0x0FF00000, 0xF0000000
_SEGMENT_FLAGS = ((4, "R"), (2, "W"), (1, "E"))
_X86_64, _ARM, _PPC, _MIPS, _RISCV = 62, 40, 20, 8, 243
_MACHINE_SEGMENTS = {(_ARM, 0x70000001): "EXIDX", (_MIPS, 0x70000000): "REGINFO"}
_MACHINE_SEGMENTS |= {(_MIPS, 0x70000001): "RTPROC", (_MIPS, 0x70000002): "OPTIONS"}
_MACHINE_SEGMENTS |= {(_MIPS, 0x70000003): "ABIFLAGS", (_RISCV, 0x70000003): "RISCV_ATTRIBUTES"}
_MACHINE_FLAGS = {(_X86_64, 0x10000000): "l", (_ARM, 0x20000000): "y", (_PPC, 0x10000000): "v"}


def file_type(number: int) -> str:
    return _TYPES.get(number, f"{number:#x}")


def machine(number: int) -> str:
    """As ``uname -m`` and the tools call it; ``em-NUMBER`` for one without a name here."""
    return _MACHINES.get(number, f"em-{number}")


def symbol_type(number: int) -> str:
    """STT_*; GNU's IFUNC also where EI_OSABI is 0, as readelf takes it."""
    return _SYMBOL_TYPES.get(number) or _unknown(number)


def symbol_bind(number: int) -> str:
    return _SYMBOL_BINDS.get(number) or _unknown(number)


def _unknown(number: int) -> str:
    if number >= 13:
        return f"<processor specific>: {number}"
    return f"<OS specific>: {number}" if number >= 10 else f"<unknown>: {number}"


def symbol_visibility(number: int) -> str:
    return _VISIBILITIES[number & 3]


def section_of(section_index: int, sections: Sequence[Section]) -> str:
    """A name, or UND, ABS, COM; a reserved index without a word as readelf's RSV[0xNNNN].

    Indices above 0xffff come from SYMTAB_SHNDX; those from 0xff00 to 0xffff are reserved.
    """
    special = _SPECIAL_SECTIONS.get(section_index)
    if special is not None:
        return special
    if 0xFF00 <= section_index <= 0xFFFF and section_index >= len(sections):
        kind = "PRC" if section_index <= 0xFF1F else "OS " if section_index <= 0xFF3F else "RSV"
        return f"{kind}[{section_index:#06x}]"
    if section_index < len(sections):
        return sections[section_index].name or str(section_index)
    return f"bad section index[{section_index}]"


def section_type(number: int, machine_number: int) -> str:
    word = SECTION_TYPES.get(number) or MACHINE_SECTION_TYPES.get(machine_number, {}).get(number)
    if word is not None:
        return word
    if 0x70000000 <= number <= 0x7FFFFFFF:
        return f"LOPROC+{number - 0x70000000:#x}"
    if 0x60000000 <= number <= 0x6FFFFFFF:
        return f"LOOS+{number - 0x60000000:#x}"
    return f"LOUSER+{number - 0x80000000:#x}" if number >= 0x80000000 else f"{number:08x}: <unknown>"


def section_flags(flags: int, machine_number: int, abi: int) -> str:
    """readelf -S's letters, from the lowest bit up; ``abi`` is EI_OSABI."""
    letters = ""
    left = flags
    while left:
        bit = left & -left
        left -= bit
        if bit in _SECTION_FLAGS:
            letters += _SECTION_FLAGS[bit]
        elif (machine_number, bit) in _MACHINE_FLAGS:
            letters += _MACHINE_FLAGS[machine_number, bit]
        elif bit == _MBIND and abi in _MBIND_ABIS:
            letters += "D"
        elif bit == _RETAIN and abi in _GNU_ABIS:
            letters += "R"
        elif bit & (_OS_MASK | _PROCESSOR_MASK):
            # One letter stands for all the rest of its kind.
            mask = _OS_MASK if bit & _OS_MASK else _PROCESSOR_MASK
            letters += "o" if mask == _OS_MASK else "p"
            left &= ~mask
        else:
            letters += "x"
    return letters


def segment_type(number: int, machine_number: int) -> str:
    if (machine_number, number) in _MACHINE_SEGMENTS:
        return _MACHINE_SEGMENTS[machine_number, number]
    word = SEGMENT_TYPES.get(number)
    if word is not None:
        return word
    if 0x60000000 <= number <= 0x6FFFFFFF:
        return f"LOOS+{number - 0x60000000:#x}"
    if 0x70000000 <= number <= 0x7FFFFFFF:
        return f"LOPROC+{number - 0x70000000:#x}"
    return f"<unknown>: {number:x}"


def segment_flags(flags: int) -> str:
    return "".join(letter for bit, letter in _SEGMENT_FLAGS if flags & bit)
