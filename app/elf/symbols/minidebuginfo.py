"""MiniDebugInfo (``.gnu_debugdata``) to symbol columns: an xz of an ELF file with a .symtab and nothing else.

Fedora and its kin keep in it the functions that .dynsym has not. A section's number in the inner file is not
that of the outer one, and is found again by name and address. What unpacks to more than a symbol table can
need is not read on. Source: https://sourceware.org/gdb/current/onlinedocs/gdb.html/MiniDebugInfo.html.
"""

from __future__ import annotations

import lzma
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import compress

from app.elf.image import Image, open_image
from app.elf.model import TABLES, SymbolColumns
from app.elf.problem import Problem
from app.elf.symbols.rows import SHN_ABS, read_symbols

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
    return as_outer(image, found, symbols, symbols.name_len, "gnu_debugdata")


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


def _places(image: Image) -> Iterator[tuple[str, int]]:
    """Name and address of each section."""
    headers = image.headers
    return ((name, row.address) for name, row in zip(headers.names, headers.section_rows, strict=True))


def as_outer(
    image: Image, inner: Image, symbols: SymbolColumns, rows: Sequence[int], table: str
) -> SymbolColumns:
    """Some rows of another file of the same build, with the numbers that their sections have in ``image``.

    Those where ``rows`` is not 0.
    """
    places = {place: index for index, place in enumerate(_places(image))}
    numbers = [places.get(place, SHN_ABS) for place in _places(inner)] or [0]
    numbers[0] = 0

    def moved(index: int) -> int:
        if index < len(numbers):
            return numbers[index]
        # A number beyond the inner file's sections would name one of the outer file's.
        return index if index >= _FIRST_RESERVED else SHN_ABS

    def kept(column: Iterable[int], kind: str) -> memoryview:
        return memoryview(array(kind, compress(column, rows)))

    name_len = kept(symbols.name_len, "I")
    return SymbolColumns(
        names=symbols.names,
        name_at=kept(symbols.name_at, "I"),
        name_len=name_len,
        address=kept(symbols.address, "Q"),
        size=kept(symbols.size, "Q"),
        type=kept(symbols.type, "B"),
        bind=kept(symbols.bind, "B"),
        visibility=kept(symbols.visibility, "B"),
        section_index=kept(map(moved, symbols.section_index), "I"),
        table=memoryview(bytes([TABLES.index(table)]) * len(name_len)),
        version_id=kept(symbols.version_id, "I"),
        versions=symbols.versions,
    )
