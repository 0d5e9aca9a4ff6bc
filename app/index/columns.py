"""One binary's facts as one memory-mapped file: numpy arrays behind a table of places and a little JSON.

Layout, all little-endian: 8 bytes of magic with the epoch; two numbers of 8 bytes, how many arrays there are
and how long the JSON is; for each array of ``ARRAYS``, in its order, its offset in the file and its count
of elements; the JSON (``meta``); then the arrays, each aligned to 8 bytes. An array that a file has no use
for is empty.

Names are numbered by their alphabetical order, so a name id is also its rank: by the text that is shown, A-Z
folded to a-z, then as it is, then by the linkage name. Line i of ``text`` is name i as it is shown; behind
these lie the linkage names of those whose shown text differs, whose ids ``line_name`` has. A newline inside
a name is 0x01; there is no lower-case copy, because a scan can fold as it goes.

The file is written by the boxed reader, which a hostile ELF file may have taken over, so nothing in it is
believed: the places are checked when it is opened, and the contents of an array when it is first used.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from app.elf.model import TABLES
from app.errors import NotFound

EPOCH = 3
_MAGIC = b"PSCOLS\x00" + bytes([EPOCH])
_ALIGN = 8
_META_LIMIT = 64 << 20
_MOST_BUFFERS = 512  # of one writev; Linux takes 1024
NO_ADDRESS = 0xFFFFFFFFFFFFFFFF
Array = npt.NDArray[Any]


class Column(NamedTuple):
    """``table`` has the count of elements, ``TABLE+1`` one more; ``rule`` says what they point into.

    ``<X``: below the count of table X. ``-<X``: or -1. ``/X``: rises from 0 to the count of X, the bounds of
    slices. ``\\X``: rises, inside X. ``^``: below its own place, or -1: a parent before its child.
    """

    dtype: str
    table: str
    rule: str = ""


ARRAYS: dict[str, Column] = {
    # Symbols, in file order.
    "address": Column("u8", "symbol"),
    "size": Column("u8", "symbol"),
    "type": Column("u1", "symbol"),
    "bind": Column("u1", "symbol"),
    "visibility": Column("u1", "symbol"),
    "section_index": Column("u4", "symbol"),
    "table": Column("u1", "symbol", "<source"),
    "version_id": Column("u4", "symbol", "<version"),
    "name_id": Column("u4", "symbol", "<name"),
    # Names.
    "text": Column("u1", "text"),
    "line_at": Column("u4", "line+1", "/text"),
    "line_name": Column("u4", "linkage", "<name"),
    # Rows of the lists. function_rows are its symbols; function_names all names by which it is found, of
    # which function_name is the first. Those without an address (NO_ADDRESS) come last.
    "function_start": Column("u4", "function+1", "/function_rows"),
    "function_rows": Column("u4", "function_rows", "<symbol"),
    "function_name_at": Column("u4", "function+1", "/function_names"),
    "function_names": Column("u4", "function_names", "<name"),
    "function_name": Column("u4", "function", "<name"),
    "function_address": Column("u8", "function"),
    "function_size": Column("u8", "function"),
    "function_section": Column("u4", "function"),
    "function_fn": Column("i4", "function", "-<fn"),
    "variable_start": Column("u4", "variable+1", "/variable_rows"),
    "variable_rows": Column("u4", "variable_rows", "<symbol"),
    "variable_name_at": Column("u4", "variable+1", "/variable_names"),
    "variable_names": Column("u4", "variable_names", "<name"),
    "variable_name": Column("u4", "variable", "<name"),
    "variable_address": Column("u8", "variable"),
    "variable_size": Column("u8", "variable"),
    "variable_section": Column("u4", "variable"),
    "variable_var": Column("i4", "variable", "-<var"),
    # Headers of sections and segments, as rows of numbers: see app.elf.image.
    "sections": Column("u8", "sections"),
    "section_names": Column("u1", "section_names"),
    "segments": Column("u8", "segments"),
    # Texts of the debug information, each once; 0 is "".
    "string_blob": Column("u1", "string_blob"),
    "string_at": Column("u4", "string+1", "/string_blob"),
    # Compilation units.
    "unit_offset": Column("u8", "unit"),
    "unit_language": Column("u2", "unit"),
    "unit_version": Column("u1", "unit"),
    "unit_name": Column("u4", "unit", "<string"),
    "unit_comp_dir": Column("u4", "unit", "<string"),
    "unit_producer": Column("u4", "unit", "<string"),
    "unit_lines": Column("u8", "unit"),
    "unit_range_at": Column("u4", "unit+1", "\\range"),
    # Functions of the debug information, and their parameters.
    "fn_name": Column("u4", "fn", "<string"),
    "fn_linkage": Column("u4", "fn", "<string"),
    "fn_scope": Column("u4", "fn", "<string"),
    "fn_file": Column("u4", "fn", "<string"),
    "fn_line": Column("u4", "fn"),
    "fn_low": Column("u8", "fn"),
    "fn_size": Column("u8", "fn"),
    "fn_flags": Column("u4", "fn"),
    "fn_return": Column("u4", "fn", "<string"),
    "fn_param_at": Column("u4", "fn+1", "/param"),
    "fn_unit": Column("u4", "fn", "<unit"),
    "fn_die": Column("u8", "fn"),
    "fn_sites": Column("u4", "fn"),
    "fn_range_at": Column("u4", "fn+1", "\\range"),
    "param_name": Column("u4", "param", "<string"),
    "param_type": Column("u4", "param", "<string"),
    "param_flags": Column("u1", "param"),
    # Variables of the debug information.
    "var_name": Column("u4", "var", "<string"),
    "var_linkage": Column("u4", "var", "<string"),
    "var_scope": Column("u4", "var", "<string"),
    "var_file": Column("u4", "var", "<string"),
    "var_line": Column("u4", "var"),
    "var_type": Column("u4", "var", "<string"),
    "var_address": Column("u8", "var"),
    "var_size": Column("u8", "var"),
    "var_flags": Column("u4", "var"),
    "var_unit": Column("u4", "var", "<unit"),
    "var_die": Column("u8", "var"),
    # Places where a function was inlined.
    "site_function": Column("u4", "site", "<fn"),
    "site_host": Column("u4", "site", "<fn"),
    "site_parent": Column("i4", "site", "^"),
    "site_call_file": Column("u4", "site", "<string"),
    "site_call_line": Column("u4", "site"),
    "site_call_column": Column("u2", "site"),
    "site_range_at": Column("u4", "site+1", "\\range"),
    # Ranges of addresses, shared by units, functions and sites.
    "range_low": Column("u8", "range"),
    "range_high": Column("u8", "range"),
    # Named types.
    "type_name": Column("u4", "type", "<string"),
    "type_kind": Column("u1", "type"),
    "type_size": Column("u8", "type"),
    "type_unit": Column("u4", "type", "<unit"),
    "type_die": Column("u8", "type"),
}
_HEAD = struct.Struct("<8sQQ")
_PLACES = struct.Struct(f"<{2 * len(ARRAYS)}Q")
_PADDING = bytes(_ALIGN)
_TABLE_BYTES = 16 * len(ARRAYS)
_ITEM_SIZES = np.array([np.dtype(column.dtype).itemsize for column in ARRAYS.values()], np.uint64)
_NUMBERS = {name: number for number, name in enumerate(ARRAYS)}
_DTYPES = {name: np.dtype("<" + column.dtype) for name, column in ARRAYS.items()}
# For each array whether it has one more than the count of its table, and the array that says this count.
_MORE = np.array([column.table.endswith("+1") for column in ARRAYS.values()])
_FIRST: dict[str, int] = {}
for _number, _column in enumerate(ARRAYS.values()):
    if not _MORE[_number] or not any(
        other.table == _column.table.removesuffix("+1") for other in ARRAYS.values()
    ):
        _FIRST.setdefault(_column.table.removesuffix("+1"), _number)
_TABLES = tuple(_FIRST)
_SAYS = np.array([_FIRST[column.table.removesuffix("+1")] for column in ARRAYS.values()])
_SAY = np.array(list(_FIRST.values()))
_NOT_SHOWN = "\N{REPLACEMENT CHARACTER}"


class BadColumns(NotFound):
    """The file is not what a reader of ours writes."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "Index its file again.")


class Columns:
    """The arrays by name, and what is small enough for JSON. Read-only; safe to share between threads."""

    __slots__ = ("_arrays", "_counts", "_data", "_places", "meta", "size")

    def __init__(
        self, data: memoryview, places: list[int], counts: dict[str, int], meta: Mapping[str, Any]
    ) -> None:
        self._data = data
        self._places = places
        self._counts = counts
        self._arrays: dict[str, Array] = {}
        self.meta = meta
        self.size = len(data)  # bytes of the file

    def __getitem__(self, name: str) -> Array:
        """Raises BadColumns when the array holds what it cannot."""
        found = self._arrays.get(name)
        if found is None:
            number = 2 * _NUMBERS[name]
            offset, count = self._places[number : number + 2]
            found = np.frombuffer(self._data, _DTYPES[name], count, offset)
            if count:
                _check(name, found, self._counts)
            self._arrays[name] = found
        return found

    def count(self, table: str) -> int:
        """How many elements a table has: symbol, name, function, variable, fn, var, param, site, type, ..."""
        return self._counts[table]

    def display(self, name_id: int) -> str:
        """The demangled name, or the name itself; a newline in it is 0x01."""
        return self.displays([name_id])[0]

    def displays(self, name_ids: Array | Sequence[int]) -> list[str]:
        """``display`` of many."""
        return [
            raw.decode("utf-8", "backslashreplace") for raw in self._lines(np.asarray(name_ids, np.int64))
        ]

    def name(self, name_id: int) -> bytes:
        """A linkage name, as the file has it."""
        return self.names_of([name_id])[0]

    def names_of(self, name_ids: Array | Sequence[int]) -> list[bytes]:
        """``name`` of many."""
        ids = np.asarray(name_ids, np.int64)
        mangled = self["line_name"]
        if len(mangled):
            place = np.minimum(np.searchsorted(mangled, ids), len(mangled) - 1)
            ids = np.where(mangled[place] == ids, self._counts["name"] + place, ids)
        return self._lines(ids)

    def _lines(self, lines: npt.NDArray[np.int64]) -> list[bytes]:
        text, at = self["text"].data, self["line_at"]
        begins, ends = at[lines].tolist(), at[lines + 1].tolist()
        return [bytes(text[begin : end - 1]) for begin, end in zip(begins, ends, strict=True)]

    def string(self, number: int) -> str:
        """A text of the debug information; "" for 0."""
        return self.strings([number])[0]

    def strings(self, numbers: Array | Sequence[int]) -> list[str]:
        """``string`` of many; each different one is made once."""
        blob, at = self["string_blob"].data, self["string_at"]
        chosen, places = np.unique(np.asarray(numbers, np.int64), return_inverse=True)
        begins, ends = at[chosen].tolist(), at[chosen + 1].tolist()
        made = [
            bytes(blob[begin:end]).decode("utf-8", "backslashreplace")
            for begin, end in zip(begins, ends, strict=True)
        ]
        return [made[place] for place in places.tolist()]


def write_columns(
    descriptor: int, arrays: Mapping[str, Array | bytes | memoryview], meta: Mapping[str, Any], base: int = 0
) -> int:
    """Writes from ``base`` to the end of the file; what ``arrays`` lacks is empty. Gives the size.

    Raises OSError when it does not fit. An array is numpy's, or a buffer of the right little-endian numbers.
    """
    text = json.dumps(meta, separators=(",", ":")).encode()
    at = -(-(_HEAD.size + _TABLE_BYTES + len(text)) // _ALIGN) * _ALIGN
    places = [0] * (2 * len(ARRAYS))
    parts: list[bytes | memoryview] = [
        _HEAD.pack(_MAGIC, len(ARRAYS), len(text)),
        b"",
        text,
        bytes(at - _HEAD.size - _TABLE_BYTES - len(text)),
    ]
    for name, given in arrays.items():
        number, dtype = _NUMBERS[name], _DTYPES[name]
        if not len(given):
            continue
        plain = given.astype(dtype, "C", copy=False).data if isinstance(given, np.ndarray) else given
        part = memoryview(plain).cast("B")
        size = len(part)
        places[2 * number], places[2 * number + 1] = at, size // dtype.itemsize
        parts.append(part)
        at += size
        if size % _ALIGN:
            parts.append(_PADDING[: -size % _ALIGN])
            at += -size % _ALIGN
    parts[1] = _PLACES.pack(*places)
    _write_all(descriptor, parts, base)
    if os.fstat(descriptor).st_size != base + at:
        os.ftruncate(descriptor, base + at)
    return at


def _write_all(descriptor: int, parts: list[bytes | memoryview], offset: int) -> None:
    first = 0
    while first < len(parts):
        done = os.pwritev(descriptor, parts[first : first + _MOST_BUFFERS], offset)
        offset += done
        while first < len(parts) and done >= len(parts[first]):
            done -= len(parts[first])
            first += 1
        if done:
            parts[first] = memoryview(parts[first])[done:]


def open_columns(descriptor: int, offset: int = 0, size: int | None = None) -> Columns:
    """Maps the file behind ``descriptor``, which may be closed then, or a part of it. Raises BadColumns."""
    room = os.fstat(descriptor).st_size - offset
    size = room if size is None else min(size, room)
    if size < _HEAD.size + _TABLE_BYTES:
        raise BadColumns("The columns are too short.")
    data = memoryview(mmap.mmap(descriptor, size, access=mmap.ACCESS_READ, offset=offset))
    magic, arrays, length = _HEAD.unpack_from(data)
    if magic != _MAGIC or arrays != len(ARRAYS):
        raise BadColumns("The columns are of another epoch.")
    begin = _HEAD.size + _TABLE_BYTES
    if not 2 <= length <= min(size - begin, _META_LIMIT):
        raise BadColumns("The meta of the columns is longer than the file.")
    try:
        meta = json.loads(bytes(data[begin : begin + length]))
    except (ValueError, RecursionError) as error:
        raise BadColumns("The meta of the columns is not well-formed.") from error
    if not isinstance(meta, dict):
        raise BadColumns("The meta of the columns is not well-formed.")
    table = np.frombuffer(data, "<u8", 2 * len(ARRAYS), _HEAD.size)
    offsets, counts = table[::2], table[1::2]
    left = np.uint64(size) - np.minimum(offsets, np.uint64(size))
    outside = (counts > left // _ITEM_SIZES) | (offsets > size) | (offsets % np.uint64(_ALIGN) != 0)
    if outside.any():
        raise BadColumns("An array lies outside the columns.")
    return Columns(data, table.tolist(), _counts(counts, meta), meta)


def _counts(lengths: Array, meta: dict[str, Any]) -> dict[str, int]:
    """How many elements each table has, by arrays that agree on it."""
    # An array that has one more than its table is empty when the table is.
    found = lengths - (_MORE & (lengths > 0))
    if (found != found[_SAYS]).any() or (_MORE & (lengths == 0) & (found[_SAYS] > 0)).any():
        raise BadColumns("Columns of one table have several lengths.")
    counts: dict[str, int] = dict(zip(_TABLES, found[_SAY].tolist(), strict=True))
    versions = meta.get("versions")
    counts["version"] = len(versions) if isinstance(versions, list) else 0
    counts["source"] = len(TABLES)
    counts["name"] = counts["line"] - counts["linkage"]
    if counts["name"] < counts["linkage"]:
        raise BadColumns("The lines of the text do not fit the names.")
    return counts


def _check(name: str, array: Array, counts: dict[str, int]) -> None:
    rule = ARRAYS[name].rule
    kind, into = rule[:1], rule[1:]
    if kind == "<":
        fits = int(array.max()) < counts[into]
    elif kind == "-":
        fits = int(array.min()) >= -1 and int(array.max()) < counts[rule[2:]]
    elif kind == "^":
        fits = int(array.min()) >= -1 and bool((array < np.arange(len(array))).all())
    elif kind in {"/", "\\"}:
        fits = bool((array[1:] >= array[:-1]).all()) and int(array[-1]) <= counts[into]
        if kind == "/":
            fits = fits and int(array[0]) == 0 and int(array[-1]) == counts[into]
    else:
        return
    if name in {"line_at", "line_name", "function_name_at", "variable_name_at"}:
        # Each line has its end, each row a name, and no name two linkage names.
        fits = fits and bool((array[1:] > array[:-1]).all())
    if not fits:
        raise BadColumns("A column points outside what it points into.")
