"""Relocations of an object file's debug sections, applied to a copy with numpy.

Addresses in objects count from the start of their section, so that a symbol's value is what its address is.
Types that debug sections do not use are left alone, and told by one Problem. Sources: the processor
supplements of x86-64, i386, AArch64, ARM, MIPS, PowerPC, RISC-V, s390x and SPARC.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from app.elf.arrays import records, symbol_dtype
from app.elf.image import Image
from app.elf.model import Header, Section

SHT_RELA, SHT_REL = 4, 9
_SET, _ADD, _SUB, _FROM_HERE = "set", "add", "sub", "from here"
# By machine: type -> what it does, and to how many bytes.
_TYPES: dict[str, dict[int, tuple[str, int]]] = {
    "x86_64": {
        1: (_SET, 8),
        2: (_FROM_HERE, 4),
        10: (_SET, 4),
        11: (_SET, 4),
        12: (_SET, 2),
        14: (_SET, 1),
        17: (_SET, 8),
        21: (_SET, 4),
        24: (_FROM_HERE, 8),
    },
    "i386": {1: (_SET, 4), 2: (_FROM_HERE, 4), 20: (_SET, 2), 22: (_SET, 1), 32: (_SET, 4)},
    "aarch64": {
        257: (_SET, 8),
        258: (_SET, 4),
        259: (_SET, 2),
        260: (_FROM_HERE, 8),
        261: (_FROM_HERE, 4),
        1029: (_SET, 8),
    },
    "arm": {2: (_SET, 4), 3: (_FROM_HERE, 4), 5: (_SET, 2), 8: (_SET, 1), 106: (_SET, 4)},
    "s390x": {
        1: (_SET, 1),
        3: (_SET, 2),
        4: (_SET, 4),
        5: (_FROM_HERE, 4),
        22: (_SET, 8),
        23: (_FROM_HERE, 8),
        53: (_SET, 8),
    },
    "mips": {2: (_SET, 4), 18: (_SET, 8), 39: (_SET, 4), 41: (_SET, 8), 248: (_FROM_HERE, 4)},
    "ppc": {1: (_SET, 4), 26: (_FROM_HERE, 4), 78: (_SET, 4)},
    "ppc64": {1: (_SET, 4), 26: (_FROM_HERE, 4), 38: (_SET, 8), 44: (_FROM_HERE, 8), 78: (_SET, 8)},
    "riscv": {
        1: (_SET, 4),
        2: (_SET, 8),
        9: (_SET, 8),
        33: (_ADD, 1),
        34: (_ADD, 2),
        35: (_ADD, 4),
        36: (_ADD, 8),
        37: (_SUB, 1),
        38: (_SUB, 2),
        39: (_SUB, 4),
        40: (_SUB, 8),
        54: (_SET, 1),
        55: (_SET, 2),
        56: (_SET, 4),
    },
    "sparc64": {
        3: (_SET, 4),
        6: (_FROM_HERE, 4),
        23: (_SET, 4),
        32: (_SET, 8),
        54: (_SET, 8),
        55: (_SET, 2),
        76: (_SET, 4),
        77: (_SET, 8),
    },
}
_NONE = 0  # R_..._NONE on all of them
_U8 = npt.NDArray[np.uint8]
_U64 = npt.NDArray[np.uint64]


def relocate(
    image: Image, section: Section, data: memoryview | bytes | bytearray
) -> memoryview | bytes | bytearray:
    """The section with what its relocation sections say; the same data where there are none."""
    tables = [
        table
        for table in image.sections
        if image.section_types[table.index] in (SHT_RELA, SHT_REL) and table.info == section.index
    ]
    if not tables or image.layout is None or image.header is None:
        return data
    target = np.frombuffer(bytearray(data), np.uint8)
    for table in tables:
        _apply(image, table, section, target)
    return target.data


def _apply(image: Image, table: Section, section: Section, target: _U8) -> None:
    assert image.layout is not None
    assert image.header is not None
    rela = image.section_types[table.index] == SHT_RELA
    entries = _records(image, table, rela)
    wide = image.layout.bits == 64
    kinds, symbols = _split(entries["info"].astype(np.uint64), wide, image.header)
    values = _values(image, table.link)
    inside = symbols < len(values)
    value = np.where(inside, values[np.where(inside, symbols, 0).astype(np.int64)], 0).astype(np.uint64)
    if rela:
        value = value + entries["addend"].astype(np.int64).view(np.uint64)
    known = _TYPES.get(image.header.machine, {})
    left = int(np.count_nonzero(~inside & (kinds != _NONE)))
    order = (_SET, _FROM_HERE, _ADD, _SUB)
    for kind in sorted(
        np.unique(kinds).tolist(), key=lambda kind: order.index(known.get(kind, (_SET, 0))[0])
    ):
        rows = np.flatnonzero(inside & (kinds == kind))
        if kind == _NONE or not len(rows):
            continue
        if kind not in known:
            left += len(rows)
            continue
        action, width = known[kind]
        offsets = entries["offset"][rows].astype(np.uint64)
        fits = offsets <= np.uint64(max(len(target) - width, 0)) if len(target) >= width else offsets < 0
        left += int(np.count_nonzero(~fits))
        _write(image, target, offsets[fits].astype(np.int64), value[rows][fits], action, width, rela)
    if left:
        text = f"Of the relocations of {section.name}, {left:,} are of types not known here, or lie outside."
        image.note("debug_relocations", text)


def _split(info: _U64, wide: bool, header: Header) -> tuple[_U64, _U64]:
    """Types and symbols. The type is one byte on SPARC and MIPS, which put what else they have beside it."""
    if not wide:
        return info & np.uint64(0xFF), info >> np.uint64(8)
    if header.machine == "mips" and header.endian == "little":
        return info >> np.uint64(56), info & np.uint64(0xFFFFFFFF)
    one_byte = header.machine in ("mips", "sparc64")
    return info & np.uint64(0xFF if one_byte else 0xFFFFFFFF), info >> np.uint64(32)


def _records(image: Image, table: Section, rela: bool) -> npt.NDArray[np.void]:
    assert image.layout is not None
    order = "<" if image.layout.endian == "little" else ">"
    word = "8" if image.layout.bits == 64 else "4"
    fields = [("offset", f"{order}u{word}"), ("info", f"{order}u{word}")]
    fields += [("addend", f"{order}i{word}")] if rela else []
    dtype = np.dtype(fields)
    return records(image, dtype, table.offset, table.size // dtype.itemsize)


def _values(image: Image, link: int) -> _U64:
    """The values of the symbol table ``link``; one of 0 where there is none: relocations need no symbol."""
    assert image.layout is not None
    if not 0 < link < len(image.sections):
        return np.zeros(1, np.uint64)
    section = image.sections[link]
    dtype = symbol_dtype(image.layout)
    rows = records(image, dtype, section.offset, section.size // dtype.itemsize)
    values: _U64 = rows["value"].astype(np.uint64)
    return values if len(values) else np.zeros(1, np.uint64)


def _write(
    image: Image, target: _U8, at: npt.NDArray[np.int64], value: _U64, action: str, width: int, rela: bool
) -> None:
    assert image.layout is not None
    order = "<" if image.layout.endian == "little" else ">"
    places = at[:, None] + np.arange(width)
    number: np.dtype[Any] = np.dtype(f"{order}u{width}")
    if action in (_ADD, _SUB) or not rela:
        old = np.ascontiguousarray(target[places]).view(number).reshape(-1).astype(np.uint64)
        value = old - value if action == _SUB else old + value
    if action == _FROM_HERE:
        value = value - at.astype(np.uint64)
    target[places] = value.astype(number).view(np.uint8).reshape(-1, width)
