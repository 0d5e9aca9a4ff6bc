"""The symbol tables of an image to columns; never a Python object a symbol.

``.symtab`` and ``.dynsym`` stay apart (strip removes only the first). Names keep the file's bytes; a version
is kept beside its name, also where the linker wrote ``name@VERSION`` into ``.symtab``. The native core reads
them; where it is not built, ``numpy_symbols`` does, which the tests hold the core against.
Source: gABI chapter 4, Symbol Table; get_symbol_for_build_attribute and process_symbol_table of binutils.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from app.elf.image import Headers, Image, load_rows
from app.elf.model import TABLES, Section, SymbolColumns
from app.elf.names import demangle_foreign
from app.elf.versions import dynamic_versions

try:
    from app.elf import _symbols
except ImportError:  # no compiler was at hand
    _symbols = None  # type: ignore[assignment]

SHT_SYMTAB, SHT_DYNSYM, SHT_SYMTAB_SHNDX = 2, 11, 18
STT_SECTION = 3
_SHN_XINDEX = 0xFFFF
SHN_ABS = 0xFFF1
_VERSION = re.compile(rb"@@?[A-Za-z_][A-Za-z0-9_.+-]*\Z")
_ARM = 40
_CODES = ("x86_64", "i386", "aarch64")
_COLUMNS = (
    ("address", "u8"),
    ("size", "u8"),
    ("name_at", "u4"),
    ("name_len", "u4"),
    ("section_index", "u4"),
    ("version_id", "u4"),
    ("type", "u1"),
    ("bind", "u1"),
    ("visibility", "u1"),
    ("table", "u1"),
)
_TAKEN = ("names", "name_at", "name_len", "section_index", "address", "size", "type", "bind", "table")
_FN = ("fn_name", "fn_linkage", "fn_flags", "fn_low", "fn_size")
_VAR = ("var_name", "var_linkage", "var_flags", "var_address", "var_size")
_ROWS = ("start", "rows", "name_at", "names", "name", "section", "address", "size")


def is_native() -> bool:
    """Whether the core reads symbols here: it was built, and numbers are as the columns keep them."""
    return _symbols is not None and sys.byteorder == "little"


def read_symbols(image: Image) -> SymbolColumns | None:
    """All symbols in file order without the null ones; None for a file that has no symbol table."""
    return _native_symbols(image) if is_native() else numpy_symbols(image)


def _native_symbols(image: Image) -> SymbolColumns | None:
    assert image.layout is not None
    headers = image.headers
    wide, big = image.layout.bits == 64, image.layout.endian == "big"
    try:
        found = _symbols.read(image.data, headers.packed, headers.strings, wide, big)
    except OverflowError:
        image.note("symbols", "The names of the symbols are longer than an index can be.")
        return None
    if found is None:
        return None
    count, raw, names, versions, lacks = found
    for kind, section, number in lacks:
        name = headers.section_name(section)
        if kind == 0:
            image.lacks(section, number)
        elif kind == 1:
            image.note("symbols", f"{name} has entries of {number} bytes, which are not known.")
        else:
            image.note("symbols", f"{name} names no string table.")
    columns: dict[str, npt.NDArray[Any]] = {}
    at = 0
    for name, kind_of in _COLUMNS:
        dtype = np.dtype(kind_of)
        columns[name] = np.frombuffer(raw, dtype, count, at)
        at += count * dtype.itemsize
    texts = tuple(version.decode("utf-8", "backslashreplace") for version in versions)
    return SymbolColumns(names=names, versions=texts, **columns)


def native_marks(symbols: SymbolColumns, wanted: tuple[bytes, ...]) -> tuple[bytes, int, int] | None:
    """A byte for each wanted name, 1 where a symbol defines it, and how many names Rust and C++ mangled.

    Of a large file some names are counted. None where the core is not built.
    """
    if not is_native():
        return None
    return _symbols.marks(symbols.names, symbols.name_at, symbols.name_len, symbols.section_index, wanted)


def native_frames(
    image: Image, symbols: SymbolColumns | None, unwind: memoryview, unwind_address: int, machine: str
) -> tuple[int, int] | None:
    """How many functions, of some, call others, and how many of these make a frame first.

    ``unwind`` is .eh_frame_hdr. None where the core is not built.
    """
    assert image.layout is not None
    if not is_native():
        return None
    columns = symbols if symbols is not None else no_symbols()
    return _symbols.frames(
        image.data,
        load_rows(image.headers.program_rows),
        columns.address,
        columns.size,
        columns.section_index,
        columns.type,
        unwind,
        unwind_address,
        image.layout.endian == "big",
        _CODES.index(machine),
    )


def no_symbols() -> SymbolColumns:
    """Those of a file without any."""
    columns: dict[str, Any] = {name: np.zeros(0, kind) for name, kind in _COLUMNS}
    return SymbolColumns(names=b"", **columns)


def native_tables(
    symbols: SymbolColumns, headers: Headers | None, relocatable: bool, dwarf: Mapping[str, Any]
) -> dict[str, Any] | None:
    """The columns of names, lines, functions and variables; None where the core is not built.

    ``dwarf``: the arrays of the debug information, or nothing. Raises OverflowError when the names are longer
    than columns can be.
    """
    if not is_native():
        return None
    buffers = [getattr(symbols, name) for name in _TAKEN]
    buffers += [headers.packed if headers else b""]
    buffers += [dwarf.get(name, b"") for name in ("string_blob", "string_at", *_FN, *_VAR)]
    thumb = headers is not None and headers.machine == _ARM
    names, *rows = _symbols.tables(tuple(buffers), relocatable, thumb, demangle_foreign)
    arrays: dict[str, Any] = dict(names)
    for kind, known, found in zip(
        ("function", "variable"), ("function_fn", "variable_var"), rows, strict=True
    ):
        arrays |= {f"{kind}_{name}": found[name] for name in _ROWS}
        arrays[known] = found["known"]
    return arrays


class _Names:
    """One blob out of several string tables."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.length = 0

    def add(self, part: bytes) -> int:
        at = self.length
        self.parts.append(part)
        self.length += len(part)
        return at


def numpy_symbols(image: Image) -> SymbolColumns | None:
    """``read_symbols`` without the core."""
    names = _Names()
    versions: dict[bytes, int] = {b"": 0}
    tables = [
        _table(image, section, names, versions)
        for section in image.sections
        if image.section_types[section.index] in (SHT_SYMTAB, SHT_DYNSYM)
    ]
    if not tables:
        return None
    columns = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
    # Versions are numbered by the rows that have them.
    used, first, inverse = np.unique(columns["version_id"], return_index=True, return_inverse=True)
    order = sorted(range(len(used)), key=lambda place: (used[place] != 0, first[place]))
    numbers = np.empty(len(used), np.uint32)
    lacking = int(not len(used) or used[0] != 0)
    numbers[order] = np.arange(lacking, lacking + len(used))
    columns["version_id"] = numbers[inverse]
    texts = list(versions)
    shown = [b""] * lacking + [texts[int(used[place])] for place in order]
    return SymbolColumns(
        names=b"".join(names.parts),
        versions=tuple(text.decode("utf-8", "backslashreplace") for text in shown),
        **columns,
    )


def _table(
    image: Image, section: Section, names: _Names, versions: dict[bytes, int]
) -> dict[str, npt.NDArray[np.generic]]:
    assert image.layout is not None
    dtype = image.layout.sym
    raw = image.whole(section)
    if section.entry_size not in (0, dtype.itemsize):
        image.note(
            "symbols", f"{section.name} has entries of {section.entry_size} bytes, which are not known."
        )
        raw = raw[:0]
    # Entry 0 is the null symbol, which names nothing.
    rows = np.frombuffer(raw[: len(raw) // dtype.itemsize * dtype.itemsize], dtype)[1:]
    dynamic = image.section_types[section.index] == SHT_DYNSYM
    strings = b""
    if 0 < section.link < len(image.sections):
        strings = bytes(image.whole(image.sections[section.link]))
    else:
        image.note("symbols", f"{section.name} names no string table.")
    name_at, name_len = _name_columns(rows["name"].astype(np.uint32), strings)
    kind = (rows["info"] & 15).astype(np.uint8)
    index = _section_indices(image, section, rows)
    base = names.add(strings)
    if dynamic:
        found, texts = dynamic_versions(image, len(rows) + 1, np.append(False, index != 0))
        # The symbol that stands for a version is not a version of itself.
        for row in np.flatnonzero((index == SHN_ABS) & (found[1:] != 0)).tolist():
            start, length = int(name_at[row]), int(name_len[row])
            if texts[found[row + 1]].lstrip(b"@") == strings[start : start + length]:
                found[row + 1] = 0
        version_id = np.array([versions.setdefault(text, len(versions)) for text in texts], np.uint32)[
            found[1:]
        ]
    else:
        version_id = _split_versions(strings, name_at, name_len, versions)
    at = name_at.astype(np.uint64) + base
    _name_section_symbols(image, kind, index, name_len, at, names)
    return {
        "name_at": at.astype(np.uint32),
        "name_len": name_len,
        "address": rows["value"].astype(np.uint64),
        "size": rows["size"].astype(np.uint64),
        "type": kind,
        "bind": (rows["info"] >> 4).astype(np.uint8),
        "visibility": (rows["other"] & 3).astype(np.uint8),
        "section_index": index,
        "table": np.full(len(rows), TABLES.index("dynsym" if dynamic else "symtab"), np.uint8),
        "version_id": version_id,
    }


def _name_columns(
    offsets: npt.NDArray[np.uint32], strings: bytes
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    """Where each name starts and how long it is; an offset outside the table is an empty name."""
    ends = np.append(np.flatnonzero(np.frombuffer(strings, np.uint8) == 0), len(strings)).astype(np.uint32)
    inside = offsets < len(strings)
    at = np.where(inside, offsets, 0).astype(np.uint32)
    length = ends[np.searchsorted(ends, at)] - at
    return at, np.where(inside, length, 0).astype(np.uint32)


def _section_indices(image: Image, section: Section, rows: npt.NDArray[np.void]) -> npt.NDArray[np.uint32]:
    assert image.layout is not None
    index = rows["shndx"].astype(np.uint32)
    extended = np.flatnonzero(index == _SHN_XINDEX)
    if len(extended):
        for other in image.sections:
            if image.section_types[other.index] == SHT_SYMTAB_SHNDX and other.link == section.index:
                raw = image.whole(other)
                wide = np.frombuffer(raw[: len(raw) // 4 * 4], image.layout.word)[1:]
                extended = extended[extended < len(wide)]
                index[extended] = wide[extended]
                break
    return index


def _split_versions(
    strings: bytes,
    name_at: npt.NDArray[np.uint32],
    name_len: npt.NDArray[np.uint32],
    versions: dict[bytes, int],
) -> npt.NDArray[np.uint32]:
    """Takes ``@VERSION`` off the names of .symtab that carry one; shortens ``name_len`` in place."""
    ids = np.zeros(len(name_at), np.uint32)
    signs = np.flatnonzero(np.frombuffer(strings, np.uint8) == ord("@"))
    if not len(signs):
        return ids
    # Rows whose name has an @ after its first character.
    following = np.append(signs, len(strings) + 1)[np.searchsorted(signs, name_at, side="right")]
    for row in np.flatnonzero(following < name_at.astype(np.int64) + name_len).tolist():
        start, length = int(name_at[row]), int(name_len[row])
        name = strings[start : start + length]
        cut = name.index(b"@", 1)
        if _VERSION.match(name, cut):
            ids[row] = versions.setdefault(name[cut:], len(versions))
            name_len[row] = cut
    return ids


def _name_section_symbols(
    image: Image,
    kind: npt.NDArray[np.uint8],
    index: npt.NDArray[np.uint32],
    name_len: npt.NDArray[np.uint32],
    at: npt.NDArray[np.uint64],
    names: _Names,
) -> None:
    """Section symbols have no name of their own; readelf prints the section's."""
    for row in np.flatnonzero((kind == STT_SECTION) & (name_len == 0)).tolist():
        if int(index[row]) < len(image.sections):
            place = image.headers.section_rows[int(index[row])].name
            name = image.headers.strings[place:].split(b"\0", 1)[0]
            at[row] = names.add(name)
            name_len[row] = len(name)


def file_offsets(
    image_segments: npt.NDArray[np.uint64], addresses: npt.NDArray[np.uint64]
) -> npt.NDArray[np.int64]:
    """File offsets of virtual addresses by the PT_LOAD rows (address, file size, offset); -1 for none."""
    out = np.full(len(addresses), -1, np.int64)
    for address, size, offset in image_segments.tolist():
        inside = (addresses >= address) & (addresses - np.uint64(address) < size) & (out < 0)
        out[inside] = (addresses[inside] - np.uint64(address) + np.uint64(offset)).astype(np.int64)
    return out
