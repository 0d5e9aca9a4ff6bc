"""Addresses to the functions around them, by symbols: in C where the core was compiled, else slower."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from app.elf.image import decode
from app.elf.model import SymbolColumns
from app.elf.symbols.rows import NO_ROW, native_enclosing

_FUNCTIONS = (2, 10)  # STT_FUNC, STT_GNU_IFUNC
_STB_GLOBAL = 1


def enclosing(symbols: SymbolColumns | None, addresses: Sequence[int], relocatable: bool) -> list[str | None]:
    """The name of each one's function, by symbols with a size; None where there is none.

    In a relocatable file each section has the address 0: with code in several, an address says nothing.
    """
    if symbols is None or (relocatable and _sections(symbols) > 1):
        return [None] * len(addresses)
    wanted = sorted(set(addresses))
    rows = native_enclosing(symbols, wanted)
    found = dict(zip(wanted, rows_by_python(symbols, wanted) if rows is None else rows, strict=True))
    return [_name(symbols, found[address]) for address in addresses]


def _sections(symbols: SymbolColumns) -> int:
    """How many hold functions."""
    columns = zip(symbols.section_index, symbols.type, symbols.size, strict=True)
    return len({section for section, kind, size in columns if kind in _FUNCTIONS and section and size})


def rows_by_python(symbols: SymbolColumns, addresses: Sequence[int]) -> list[int]:
    """What the core does, without it."""
    columns = zip(
        symbols.address, symbols.bind, symbols.type, symbols.section_index, symbols.size, strict=True
    )
    starts = sorted(
        (address, bind == _STB_GLOBAL, row)
        for row, (address, bind, kind, section, size) in enumerate(columns)
        if kind in _FUNCTIONS and section and size
    )
    found: list[int] = []
    for address in addresses:
        at = bisect_right(starts, address, key=lambda start: start[0])
        begin, _, row = starts[at - 1] if at else (0, False, NO_ROW)
        found.append(row if at and address - begin < symbols.size[row] else NO_ROW)
    return found


def _name(symbols: SymbolColumns, row: int) -> str | None:
    if row == NO_ROW:
        return None
    at = symbols.name_at[row]
    return decode(symbols.names[at : at + symbols.name_len[row]])
