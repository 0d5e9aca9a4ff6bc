"""Bytes to zstd and back in a stream, with their SHA-256: memory does not grow with the file.

Level 3 halves a vmlinux at the speed of a disk. A frame says how many bytes it holds, so that room is looked
for before it is unpacked.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from io import BufferedReader

_LEVEL = 3
_STEP = 1 << 20
_HEADER = 18  # bytes of the longest frame header
_UNKNOWN = (1 << 64) - 1


class Damaged(Exception):
    """A frame that does not give the bytes that it was made of."""


def pack(descriptor: int, write: Callable[[bytes], object]) -> str:
    """Hands a whole file to ``write``, packed; the SHA-256 of what was read, in hex. Raises OSError.

    Raises Damaged when the file changes its size meanwhile.
    """
    import hashlib

    import zstandard

    digest = hashlib.sha256()
    whole = os.fstat(descriptor).st_size
    packer = zstandard.ZstdCompressor(level=_LEVEL).compressobj(size=whole)
    buffer = memoryview(bytearray(max(1, min(whole, _STEP))))
    at = 0
    try:
        while size := os.preadv(descriptor, [buffer], at):
            digest.update(buffer[:size])
            write(packer.compress(buffer[:size]))
            at += size
        write(packer.flush())
    except zstandard.ZstdError as error:
        raise Damaged from error
    return digest.hexdigest()


def unpacked_size(source: BufferedReader) -> int:
    """How many bytes a frame says that it holds; ``source`` is not moved. Raises Damaged, OSError."""
    import zstandard

    try:
        size: int = zstandard.get_frame_parameters(source.peek(_HEADER)[:_HEADER]).content_size
    except zstandard.ZstdError as error:
        raise Damaged from error
    if size == _UNKNOWN:
        raise Damaged
    return size


def unpack(source: BufferedReader, size: int, write: Callable[[bytes], object]) -> str:
    """Hands at most ``size`` bytes of a frame to ``write``; their SHA-256 in hex. Raises Damaged, OSError."""
    import hashlib

    import zstandard

    digest = hashlib.sha256()
    left = size
    try:
        with zstandard.ZstdDecompressor().stream_reader(source, read_size=_STEP, closefd=False) as reader:
            while part := reader.read(_STEP):
                left -= len(part)
                if left < 0:
                    raise Damaged
                digest.update(part)
                write(part)
    except zstandard.ZstdError as error:
        raise Damaged from error
    return digest.hexdigest()
