"""xz streams whose blocks tell their sizes, written by hand so that any of them can lie."""

from __future__ import annotations

import lzma
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

_FLAGS = b"\0\1"  # checked by CRC32
_LZMA2 = 0x21
_DICTIONARY = 1 << 16


@dataclass(frozen=True, slots=True)
class Block:
    """``packed`` and ``size``: what its header says beyond the truth; ``checksum``: what is added to it."""

    data: bytes
    packed: int = 0
    size: int = 0
    checksum: int = 0
    sized: bool = True


def stream(
    blocks: Sequence[Block], records: Sequence[tuple[int, int]] | None = None, backward: int = 0
) -> bytes:
    """``records``: of the index, instead of the true ones; ``backward``: what is added to its size."""
    made, true = [], []
    for block in blocks:
        whole, unpadded = _block(block)
        made.append(whole)
        true.append((unpadded, len(block.data)))
    listed = true if records is None else records
    index = b"\0" + _number(len(listed)) + b"".join(_number(each) for record in listed for each in record)
    index = _summed(index + bytes(-len(index) % 4))
    end = struct.pack("<I", len(index) // 4 - 1 + backward) + _FLAGS
    return b"".join((b"\xfd7zXZ\0", _summed(_FLAGS), *made, index, struct.pack("<I", crc32(end)), end, b"YZ"))


def size_of(block: Block) -> int:
    """What the index says of its bytes."""
    return _block(block)[1]


def _block(block: Block) -> tuple[bytes, int]:
    """Its bytes, and how many there are without the padding."""
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": _DICTIONARY}]
    packed = lzma.compress(block.data, lzma.FORMAT_RAW, filters=filters)
    sizes = (
        _number(len(packed) + block.packed) + _number(len(block.data) + block.size) if block.sized else b""
    )
    header = bytes((0xC0 if block.sized else 0,)) + sizes + bytes((_LZMA2, 1, 8))
    header += bytes((-len(header) - 1) % 4)
    header = _summed(bytes(((len(header) + 1) // 4,)) + header)
    check = struct.pack("<I", crc32(block.data) + block.checksum & 0xFFFFFFFF)
    return header + packed + bytes(-len(packed) % 4) + check, len(header) + len(packed) + len(check)


def _summed(data: bytes) -> bytes:
    return data + struct.pack("<I", crc32(data))


def _number(value: int) -> bytes:
    made = bytearray()
    while value >= 0x80:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*made, value))
