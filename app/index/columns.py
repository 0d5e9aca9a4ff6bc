"""One binary's facts as one memory-mapped file: numpy arrays behind a header in JSON.

Layout: 8 bytes of magic with the epoch, 8 bytes length of the header (little-endian), the header
``{"arrays": {name: [dtype, offset, count]}, "meta": {...}}``, then the arrays, each aligned to 64 bytes.
The file is written by the boxed reader, which a hostile ELF file may have taken over: ``open_columns``
believes nothing, and refuses whatever an index of ours could not be, so that queries need no checks.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

EPOCH = 1
_MAGIC = b"PSCOLS\x00" + bytes([EPOCH])
_ALIGN = 64
_HEADER_LIMIT = 256 << 20
Array = npt.NDArray[Any]

# dtype of each array, and the group whose members have one length.
ARRAYS: dict[str, tuple[str, str]] = {
    "address": ("u8", "symbol"),
    "size": ("u8", "symbol"),
    "type": ("u1", "symbol"),
    "bind": ("u1", "symbol"),
    "visibility": ("u1", "symbol"),
    "section_index": ("u4", "symbol"),
    "table": ("u1", "symbol"),
    "version_id": ("u4", "symbol"),
    "name_id": ("u4", "symbol"),
    "symbol_function": ("i4", "symbol"),
    "symbol_variable": ("i4", "symbol"),
    "names": ("u1", "names"),
    "name_at": ("u4", "name"),
    "name_len": ("u4", "name"),
    "name_rank": ("u4", "name"),
    "text": ("u1", "text"),
    "lower": ("u1", "text"),
    "line_at": ("u4", "line"),
    "line_name": ("u4", "line_name"),
    "function_rows": ("u4", "function_rows"),
    "function_start": ("u4", "function"),
    "variable_rows": ("u4", "variable_rows"),
    "variable_start": ("u4", "variable"),
    "loads": ("u8", "loads"),
}


class BadColumns(ValueError):
    """The file is not what a reader of ours writes."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The arrays by name, and what is small enough for JSON. Read-only; safe to share between threads."""

    arrays: Mapping[str, Array]
    meta: Mapping[str, Any]
    size: int  # bytes of the file

    def __getitem__(self, name: str) -> Array:
        return self.arrays[name]

    def name(self, name_id: int) -> bytes:
        """A linkage name, as the file has it."""
        at = int(self.arrays["name_at"][name_id])
        return self.arrays["names"][at : at + int(self.arrays["name_len"][name_id])].tobytes()

    def names_of(self, name_ids: Array) -> list[bytes]:
        """Many linkage names at once."""
        blob = self.arrays["names"].tobytes()
        at = self.arrays["name_at"][name_ids].astype(np.int64)
        ends = (at + self.arrays["name_len"][name_ids]).tolist()
        return [blob[start:end] for start, end in zip(at.tolist(), ends, strict=True)]

    def display(self, name_id: int) -> str:
        """The demangled name, or the name itself; control characters are replaced."""
        at, end = self.arrays["line_at"][name_id : name_id + 2].tolist()
        return self.arrays["text"][at : end - 1].tobytes().decode("utf-8", "backslashreplace")


def write_columns(file: BinaryIO, arrays: Mapping[str, Array], meta: Mapping[str, Any]) -> None:
    """Writes the whole file from its start; raises OSError when it does not fit."""
    places: dict[str, tuple[str, int, int]] = {}
    at = 0
    for name, (dtype, _) in ARRAYS.items():
        places[name] = (dtype, at, len(arrays[name]))
        at = -(-(at + len(arrays[name]) * np.dtype(dtype).itemsize) // _ALIGN) * _ALIGN
    header = json.dumps({"arrays": places, "meta": meta}).encode()
    start = -(-(16 + len(header)) // _ALIGN) * _ALIGN
    file.write((_MAGIC + struct.pack("<Q", len(header)) + header).ljust(start, b"\0"))
    for name, (dtype, offset, _) in places.items():
        file.seek(start + offset)
        file.write(np.ascontiguousarray(arrays[name], "<" + dtype).data)
    file.truncate(max(start + at, file.tell()))


def open_columns(descriptor: int) -> Columns:
    """Maps the file behind ``descriptor``, which may be closed afterwards. Raises BadColumns."""
    size = os.fstat(descriptor).st_size
    if size < _ALIGN:
        raise BadColumns("The columns are too short.")
    data = memoryview(mmap.mmap(descriptor, size, access=mmap.ACCESS_READ))
    if data[:8] != _MAGIC:
        raise BadColumns("The columns are of another epoch.")
    length = struct.unpack_from("<Q", data, 8)[0]
    if not 2 <= length <= min(size - 16, _HEADER_LIMIT):
        raise BadColumns("The header of the columns is longer than the file.")
    try:
        header = json.loads(bytes(data[16 : 16 + length]))
        places, meta = header["arrays"], header["meta"]
        start = -(-(16 + length) // _ALIGN) * _ALIGN
        arrays = {name: _array(data, start, places[name], dtype) for name, (dtype, _) in ARRAYS.items()}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadColumns("The header of the columns is not well-formed.") from error
    if not isinstance(meta, dict):
        raise BadColumns("The header of the columns is not well-formed.")
    _check(arrays, meta)
    return Columns(arrays, meta, size)


def _array(data: memoryview, start: int, place: Any, dtype: str) -> Array:
    written, offset, count = place
    if written != dtype or not isinstance(offset, int) or not isinstance(count, int):
        raise ValueError(dtype)
    if offset < 0 or count < 0 or offset % _ALIGN:
        raise ValueError(dtype)
    kind = np.dtype("<" + dtype)
    if start + offset + count * kind.itemsize > len(data):
        raise ValueError(dtype)
    return np.frombuffer(data, kind, count, start + offset)


def _check(arrays: Mapping[str, Array], meta: Mapping[str, Any]) -> None:
    lengths: dict[str, set[int]] = {}
    for name, (_, group) in ARRAYS.items():
        lengths.setdefault(group, set()).add(len(arrays[name]))
    if any(len(found) > 1 for found in lengths.values()):
        raise BadColumns("Columns of one table have several lengths.")
    count = {group: found.pop() for group, found in lengths.items()}
    _below(arrays["name_id"], count["name"])
    _below(arrays["line_name"], count["name"])
    _below(arrays["version_id"], len(meta.get("versions", ())))
    _below(arrays["table"], 4)
    if count["line"] != count["line_name"] + 1 or count["line_name"] < count["name"] or count["loads"] % 3:
        raise BadColumns("The lines of the text do not fit the names.")
    _rising(arrays["line_at"], count["text"])
    if count["line_name"] and (np.diff(arrays["line_at"].astype(np.int64)) < 1).any():
        raise BadColumns("A line of the text has no end.")
    ends = arrays["name_at"].astype(np.uint64) + arrays["name_len"]
    if len(ends) and int(ends.max()) > count["names"]:
        raise BadColumns("A name lies outside the names.")
    for kind in ("function", "variable"):
        _below(arrays[f"{kind}_rows"], count["symbol"])
        starts = arrays[f"{kind}_start"]
        if not len(starts) or (np.diff(starts.astype(np.int64)) < 1).any():
            raise BadColumns("A group of symbols is empty.")
        _rising(starts, count[f"{kind}_rows"])
        back = arrays[f"symbol_{kind}"]
        if len(back) and (int(back.min()) < -1 or int(back.max()) >= len(starts) - 1):
            raise BadColumns("A symbol belongs to no row.")


def _below(array: Array, count: int) -> None:
    if len(array) and int(array.max()) >= count:
        raise BadColumns("A column points outside what it points into.")


def _rising(array: Array, last: int) -> None:
    if not len(array) or int(array[0]) != 0 or int(array[-1]) != last:
        raise BadColumns("A column of places does not cover what it divides.")
