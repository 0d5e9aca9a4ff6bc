"""The number of a language in DWARF (DW_LANG) to the name that pages have for it; None for an unknown one.

Dialects of a language have one name. Source: DWARF 5, table 7.17, and the list of codes given since
(https://dwarfstd.org/languages.html).
"""

from __future__ import annotations

_NUMBERS = {
    "c": (0x01, 0x02, 0x0C, 0x1D, 0x2C),
    "c++": (0x04, 0x19, 0x1A, 0x21, 0x2A, 0x2B),
    "fortran": (0x07, 0x08, 0x0E, 0x22, 0x23, 0x2D),
    "ada": (0x03, 0x0D, 0x2E, 0x2F),
    "assembler": (0x31, 0x8001),
    "pascal": (0x09,),
    "java": (0x0B,),
    "objective-c": (0x10,),
    "objective-c++": (0x11,),
    "d": (0x13,),
    "python": (0x14,),
    "opencl": (0x15,),
    "go": (0x16,),
    "haskell": (0x18,),
    "ocaml": (0x1B,),
    "rust": (0x1C,),
    "swift": (0x1E,),
    "julia": (0x1F,),
    "kotlin": (0x26,),
    "zig": (0x27,),
    "crystal": (0x28,),
}
_NAMES = {number: name for name, numbers in _NUMBERS.items() for number in numbers}


def language_name(number: int) -> str | None:
    return _NAMES.get(number)
