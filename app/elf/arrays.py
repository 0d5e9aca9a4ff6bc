"""What the readers keep as buffers and rows, as numpy's arrays: for who computes with it.

Most files are read without numpy, which takes longer to load than such a file to read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from app.elf.image import Image, Layout
from app.elf.model import SymbolColumns

U1 = npt.NDArray[np.uint8]
U4 = npt.NDArray[np.uint32]
U8 = npt.NDArray[np.uint64]


class SymbolArrays(NamedTuple):
    """The columns of SymbolColumns; they share its memory."""

    name_at: U4
    name_len: U4
    address: U8
    size: U8
    type: U1
    bind: U1
    visibility: U1
    section_index: U4
    table: U1
    version_id: U4

    @staticmethod
    def of(symbols: SymbolColumns) -> SymbolArrays:
        return SymbolArrays(*(np.asarray(getattr(symbols, name)) for name in SymbolArrays._fields))


def symbol_dtype(layout: Layout) -> np.dtype[np.void]:
    """One entry of a symbol table."""
    native = layout.order + ("u8" if layout.bits == 64 else "u4")
    info = [("info", "u1"), ("other", "u1"), ("shndx", layout.order + "u2")]
    value = [("value", native), ("size", native)]
    rest = info + value if layout.bits == 64 else value + info
    return np.dtype([("name", layout.order + "u4"), *rest])


def records(image: Image, dtype: np.dtype[np.void], offset: int, count: int) -> npt.NDArray[np.void]:
    """At most ``count`` whole records at ``offset`` of the file."""
    found = image.part(offset, count * dtype.itemsize)
    return np.frombuffer(found[: len(found) // dtype.itemsize * dtype.itemsize], dtype)


def file_offsets(loads: Sequence[Sequence[int]], addresses: U8) -> npt.NDArray[np.int64]:
    """``file_offset`` of many by the rows of ``load_rows``; -1 for none."""
    out = np.full(len(addresses), -1, np.int64)
    for address, size, offset in loads:
        inside = (addresses >= address) & (addresses - np.uint64(address) < size) & (out < 0)
        out[inside] = (addresses[inside] - np.uint64(address) + np.uint64(offset)).astype(np.int64)
    return out
