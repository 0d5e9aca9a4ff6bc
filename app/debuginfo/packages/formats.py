"""The first bytes of a file to its format; its name is never asked.

Sources: the magic numbers of each format's specification, and file(1)'s for those that are only refused.
"""

from __future__ import annotations

from typing import Literal, get_args

from app.debuginfo.packages import xz, zstd
from app.debuginfo.packages.model import Broken
from app.debuginfo.packages.tar import is_header
from app.debuginfo.packages.unpack import Compression

Format = Literal["ar", "rpm", "tar", "zip"] | Compression
HEAD = 512  # bytes that are needed to tell
COMPRESSIONS = frozenset(get_args(Compression))
_MAGIC: dict[bytes, Format] = {
    b"!<arch>\n": "ar",
    b"\xed\xab\xee\xdb": "rpm",
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
    b"\x1f\x8b\x08": "gz",
    xz.MAGIC: "xz",
    zstd.MAGIC: "zst",
}
_REFUSED = {
    b"\x04\x22\x4d\x18": "lz4",
    b"LZIP": "lzip",
    b"\x89LZO": "lzop",
    b"\x1f\x9d": "compress",
    b"LRZI": "lrzip",
}
_MOST_LZMA = 1 << 40  # a size that is larger is no size


def told(head: bytes) -> Format | None:
    """None for anything that is no archive and no compressed file."""
    for magic, found in _MAGIC.items():
        if head.startswith(magic):
            return found
    if head[:3] == b"BZh" and head[4:10] in (b"1AY&SY", b"\x17rE8P\x90"):
        return "bz2"
    if zstd.skippable(head[:4].ljust(4, b"\0")):
        return "zst"
    if is_header(head):
        return "tar"
    return "lzma" if _is_lzma(head) else None


def gzip_name(head: bytes) -> bytes:
    """The name that a gzip file keeps of the one that it was made from, if any (RFC 1952, 2.3)."""
    if head[:2] != b"\x1f\x8b" or len(head) < 10 or not head[3] & 8:
        return b""
    extra = 2 + int.from_bytes(head[10:12], "little") if head[3] & 4 else 0
    return head[10 + extra :].partition(b"\0")[0]


def refused(head: bytes) -> Broken:
    """Why a file of no known format is none."""
    for magic, name in _REFUSED.items():
        if head.startswith(magic):
            return Broken("unknown_compression", f"It is compressed by {name}, which is not read here.")
    return Broken("unknown_format", "It is no package or archive of a known format.")


def _is_lzma(head: bytes) -> bool:
    """lzma has no magic number: the properties that every encoder writes, and sizes that can be."""
    if len(head) < 14 or head[0] != 0x5D or head[13]:
        return False
    window, size = int.from_bytes(head[1:5], "little"), int.from_bytes(head[5:13], "little")
    return window >= 4096 and window & (window - 1) == 0 and (size == (1 << 64) - 1 or size < _MOST_LZMA)
