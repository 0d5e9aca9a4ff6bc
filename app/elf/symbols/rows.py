"""The symbol tables of an image to columns; never a Python object a symbol.

``.symtab`` and ``.dynsym`` stay apart (strip removes only the first). Names keep the file's bytes; a version
is kept beside its name, also where the linker wrote ``name@VERSION`` into ``.symtab``. The native core reads
them; where it is not built, ``app.elf.symbols.numpy_rows`` does.
Source: gABI chapter 4, Symbol Table; get_symbol_for_build_attribute and process_symbol_table of binutils.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any

from app.elf.image import Headers, Image, load_rows
from app.elf.model import Numbers, SymbolColumns
from app.elf.threads import spread

try:
    from app.elf import _symbols
except ImportError:  # no compiler was at hand
    _symbols = None  # type: ignore[assignment]

SHT_SYMTAB, SHT_DYNSYM = 2, 11
SHN_ABS = 0xFFF1
NO_ROW = 0xFFFFFFFF
_ARM = 40
_CODES = ("x86_64", "i386", "aarch64")
_COLUMNS: tuple[tuple[str, Numbers, int], ...] = (
    ("address", "Q", 8),
    ("size", "Q", 8),
    ("name_at", "I", 4),
    ("name_len", "I", 4),
    ("section_index", "I", 4),
    ("version_id", "I", 4),
    ("type", "B", 1),
    ("bind", "B", 1),
    ("visibility", "B", 1),
    ("table", "B", 1),
)
_TAKEN = ("names", "name_at", "name_len", "section_index", "address", "size", "type", "bind", "table")
_FN = ("fn_name", "fn_linkage", "fn_flags", "fn_low", "fn_size")
# Symbols and functions from which on what follows from their names is made side by side.
_MANY = 1 << 15
_VAR = ("var_name", "var_linkage", "var_flags", "var_address", "var_size")
_ROWS = ("start", "rows", "name_at", "names", "name", "section", "address", "size")


def is_native() -> bool:
    """Whether the core reads symbols here: it was built, and numbers are as the columns keep them."""
    return _symbols is not None and sys.byteorder == "little"


def read_symbols(image: Image) -> SymbolColumns | None:
    """All symbols in file order without the null ones; None for a file that has no symbol table."""
    if is_native():
        return _native_symbols(image)
    from app.elf.symbols.numpy_rows import numpy_symbols

    return numpy_symbols(image)


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
    for what, section, number in lacks:
        name = headers.section_name(section)
        if what == 0:
            image.lacks(section, number)
        elif what == 1:
            image.note("symbols", f"{name} has entries of {number} bytes, which are not known.")
        else:
            image.note("symbols", f"{name} names no string table.")
    columns: dict[str, memoryview] = {}
    left = memoryview(raw)
    for column, kind, size in _COLUMNS:
        columns[column] = left[: count * size].cast(kind)
        left = left[count * size :]
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
        array("Q", chain.from_iterable(load_rows(image.headers.program_rows))),
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
    columns: dict[str, Any] = {name: memoryview(b"").cast(kind) for name, kind, _ in _COLUMNS}
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
    tables = _symbols.Tables(tuple(buffers), relocatable, thumb)
    by = spread if symbols.rows + len(dwarf.get("fn_low", b"")) >= _MANY else _each
    by(tables.demangle, range(tables.parts))
    tables.order(_foreign)
    *rows, names = by(_made, (tables.functions, tables.variables, tables.names))
    arrays: dict[str, Any] = dict(names)
    for kind, known, found in zip(
        ("function", "variable"), ("function_fn", "variable_var"), rows, strict=True
    ):
        arrays |= {f"{kind}_{name}": found[name] for name in _ROWS}
        arrays[known] = found["known"]
    return arrays


def _each(make: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
    return [make(item) for item in items]


def _made(maker: Callable[[], dict[str, bytes]]) -> dict[str, bytes]:
    return maker()


def _foreign(names: list[bytes]) -> list[bytes]:
    """What the core's demangler does not read; few files have such a name."""
    from app.elf.symbols.names import demangle_foreign

    return demangle_foreign(names)


def native_enclosing(symbols: SymbolColumns, addresses: list[int]) -> array[int] | None:
    """For each address, which rise, the row of the function that it lies in, NO_ROW for none.

    Of several at one address a global one is taken, of several such the last. None where the core is not
    built.
    """
    if not is_native():
        return None
    columns = symbols.address, symbols.size, symbols.section_index, symbols.type, symbols.bind
    return array("I", _symbols.enclosing(*columns, array("Q", addresses)))
