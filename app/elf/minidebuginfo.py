"""MiniDebugInfo (``.gnu_debugdata``) to symbol columns: an xz of an ELF file with a .symtab and nothing else.

Fedora and its kin keep in it the functions that .dynsym has not. A section's number in the inner file is not
that of the outer one, and is found again by name and address. What unpacks to more than a symbol table can
need is not read on. Source: https://sourceware.org/gdb/current/onlinedocs/gdb.html/MiniDebugInfo.html.
"""

from __future__ import annotations

import lzma
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from app.elf.image import Image, open_image
from app.elf.model import TABLES, Problem, SymbolColumns
from app.elf.symbols import SHN_ABS, read_symbols

SECTION = ".gnu_debugdata"
# The symbols of the largest browser need a tenth; xz -9 needs 65 MiB to unpack.
MOST_BYTES = 128 << 20
_MOST_MEMORY = 80 << 20
_FIRST_RESERVED = 0xFF00


def read_minidebuginfo(image: Image) -> SymbolColumns | None:
    """The functions and objects of the inner file; None where there is none or it cannot be read."""
    section = image.by_name(SECTION)
    if section is None:
        return None
    inner = _unpacked(image, bytes(image.whole(section)))
    if inner is None:
        return None
    found = open_image(inner)
    if found.layout != image.layout:
        image.note("gnu_debugdata", f"What {SECTION} unpacks to is no ELF file of the same kind.")
        return None
    symbols = read_symbols(found)
    image.problems += [Problem(each.code, f"Inside {SECTION}: {each.text}") for each in found.problems]
    if symbols is None:
        return None
    return as_outer(image, found, symbols, symbols.name_len > 0, "gnu_debugdata")


def _unpacked(image: Image, raw: bytes) -> bytes | None:
    parts: list[bytes] = []
    left = MOST_BYTES
    try:
        unpacker = lzma.LZMADecompressor(lzma.FORMAT_XZ, _MOST_MEMORY)
        while not unpacker.eof:
            part = unpacker.decompress(raw, min(left + 1, 1 << 20))
            raw = b""
            left -= len(part)
            if left < 0:
                image.note("gnu_debugdata_limit", f"{SECTION} unpacks to more than {MOST_BYTES >> 20} MiB.")
                return None
            if not part and unpacker.needs_input:
                image.note("gnu_debugdata", f"{SECTION} ends before its contents do.")
                return None
            parts.append(part)
    except lzma.LZMAError as error:
        if "limit" in str(error).lower():
            image.note("gnu_debugdata_limit", f"{SECTION} needs more memory to unpack than a reader gives.")
        else:
            image.note("gnu_debugdata", f"{SECTION} is no xz file, or a broken one.")
        return None
    return b"".join(parts)


def as_outer(
    image: Image, inner: Image, symbols: SymbolColumns, rows: npt.NDArray[np.bool_], table: str
) -> SymbolColumns:
    """Some rows of another file of the same build, with the numbers that their sections have in ``image``."""
    places = {(section.name, section.address): section.index for section in image.sections}
    numbers = np.array(
        [places.get((section.name, section.address), SHN_ABS) for section in inner.sections] or [0], np.uint32
    )
    numbers[0] = 0
    index = symbols.section_index
    known = index < len(numbers)
    moved = np.where(known, numbers[np.where(known, index, 0)], index)
    # A number beyond the inner file's sections would name one of the outer file's.
    moved[~known & (index < _FIRST_RESERVED)] = SHN_ABS
    kept = np.flatnonzero(rows)
    return replace(
        symbols,
        table=np.full(len(kept), TABLES.index(table), np.uint8),
        section_index=moved[kept].astype(np.uint32),
        **{
            name: getattr(symbols, name)[kept]
            for name in ("name_at", "name_len", "address", "size", "type", "bind", "visibility", "version_id")
        },
    )
