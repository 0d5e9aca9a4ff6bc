"""The columns of one binary as they are read: numpy's arrays over a file that is mapped.

The file, whose form ``app.index.column_file`` says, is written by the boxed reader, which a hostile ELF file
may have taken over, so nothing in it is believed: the places are checked when it is opened, and the contents
of an array when it is first used.
"""

from __future__ import annotations

import json
import mmap
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from app.elf.model import TABLES
from app.errors import NotFound
from app.index.column_file import ALIGN, ARRAYS, HEAD, MAGIC, TABLE_BYTES, size_of

_META_LIMIT = 64 << 20
Array = npt.NDArray[Any]
_ITEM_SIZES = np.array([size_of(name) for name in ARRAYS], np.uint64)
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
_BYTES_A_PART = 512  # of a piece, up to which it is decoded at once
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
        return self._texts(np.asarray(name_ids, np.int64))

    def name(self, name_id: int) -> bytes:
        """A linkage name, as the file has it."""
        return self.names_of([name_id])[0]

    def names_of(self, name_ids: Array | Sequence[int]) -> list[bytes]:
        """``name`` of many."""
        text, at = self["text"].data, self["line_at"]
        lines = self._lines_of(name_ids)
        begins, ends = at[lines].tolist(), at[lines + 1].tolist()
        return [bytes(text[begin : end - 1]) for begin, end in zip(begins, ends, strict=True)]

    def spelled_names(self, name_ids: Array | Sequence[int]) -> list[str]:
        """``names_of`` as text; what is no UTF-8 in them is escaped."""
        return self._texts(self._lines_of(name_ids))

    def _lines_of(self, name_ids: Array | Sequence[int]) -> npt.NDArray[np.int64]:
        """Where the text has linkage names."""
        ids = np.asarray(name_ids, np.int64)
        mangled = self["line_name"]
        if len(mangled):
            place = np.minimum(np.searchsorted(mangled, ids), len(mangled) - 1)
            ids = np.where(mangled[place] == ids, self._counts["name"] + place, ids)
        return ids

    def _texts(self, lines: npt.NDArray[np.int64]) -> list[str]:
        at = self["line_at"]
        return _cut(self["text"].data, at[lines], at[lines + 1] - 1)

    def string(self, number: int) -> str:
        """A text of the debug information; "" for 0."""
        return self.strings([number])[0]

    def strings(self, numbers: Array | Sequence[int]) -> list[str]:
        """``string`` of many; each different one is made once."""
        blob, at = self["string_blob"].data, self["string_at"]
        chosen, places = np.unique(np.asarray(numbers, np.int64), return_inverse=True)
        made = _cut(blob, at[chosen], at[chosen + 1])
        return [made[place] for place in places.tolist()]


def _cut(text: memoryview, begins: Array, ends: Array) -> list[str]:
    """Parts of a text: of one decoded piece where they are many, for it costs most to decode each alone."""
    if not len(begins):
        return []
    first, last = int(begins.min()), int(ends.max())
    if last - first < _BYTES_A_PART * len(begins):
        piece = bytes(text[first:last])
        if piece.isascii():
            whole, start = piece.decode("ascii"), np.int64(first)
            places = (begins.astype(np.int64) - start).tolist(), (ends.astype(np.int64) - start).tolist()
            return [whole[begin:end] for begin, end in zip(*places, strict=True)]
    return [
        str(text[begin:end], "utf-8", "backslashreplace")
        for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)
    ]


def open_columns(descriptor: int, offset: int = 0, size: int | None = None) -> Columns:
    """Maps the file behind ``descriptor``, which may be closed then, or a part of it. Raises BadColumns."""
    room = os.fstat(descriptor).st_size - offset
    size = room if size is None else min(size, room)
    if size < HEAD.size + TABLE_BYTES:
        raise BadColumns("The columns are too short.")
    data = memoryview(mmap.mmap(descriptor, size, access=mmap.ACCESS_READ, offset=offset))
    magic, arrays, length = HEAD.unpack_from(data)
    if magic != MAGIC or arrays != len(ARRAYS):
        raise BadColumns("The columns are of another epoch.")
    begin = HEAD.size + TABLE_BYTES
    if not 2 <= length <= min(size - begin, _META_LIMIT):
        raise BadColumns("The meta of the columns is longer than the file.")
    try:
        meta = json.loads(bytes(data[begin : begin + length]))
    except (ValueError, RecursionError) as error:
        raise BadColumns("The meta of the columns is not well-formed.") from error
    if not isinstance(meta, dict):
        raise BadColumns("The meta of the columns is not well-formed.")
    table = np.frombuffer(data, "<u8", 2 * len(ARRAYS), HEAD.size)
    offsets, counts = table[::2], table[1::2]
    left = np.uint64(size) - np.minimum(offsets, np.uint64(size))
    outside = (counts > left // _ITEM_SIZES) | (offsets > size) | (offsets % np.uint64(ALIGN) != 0)
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
