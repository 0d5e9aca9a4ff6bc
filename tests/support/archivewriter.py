"""Entries to the bytes of archives, put down as told, so that tests can write what no archiver would.

Sources: ar(5), POSIX pax, cpio(5), rpm's format_v4.md and format_header.md, PKWARE's APPNOTE.TXT, RFC 8878.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import zstandard

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "none": lambda data: data,
    "gz": lambda data: gzip.compress(data, mtime=0),
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
    "bz2": bz2.compress,
    "zst": zstandard.ZstdCompressor(level=3).compress,
}


def pack(data: bytes, compression: str) -> bytes:
    return PACKERS[compression](data)


def ar(*files: tuple[bytes, bytes], sizes: Sequence[bytes] = ()) -> bytes:
    """``sizes``: what stands in the first headers, instead of what is true."""
    out = b"!<arch>\n"
    for number, (name, data) in enumerate(files):
        size = sizes[number] if number < len(sizes) else b"%d" % len(data)
        out += (
            name.ljust(16) + b"0".ljust(12) + b"0".ljust(6) * 2 + b"100644".ljust(8) + size.ljust(10) + b"`\n"
        )
        out += data + b"\n" * (len(data) & 1)
    return out


def deb(
    data_tar: bytes,
    control: bytes = b"Package: made\nVersion: 1:2-3\nArchitecture: amd64\n",
    compression: str = "xz",
) -> bytes:
    control_tar = tar(TarFile(b"./control", control))
    ending = {"none": b"", "lzma": b".lzma"}.get(compression, b"." + compression.encode())
    return ar(
        (b"debian-binary", b"2.0\n"),
        (b"control.tar" + ending, pack(control_tar, compression)),
        (b"data.tar" + ending, pack(data_tar, compression)),
    )


@dataclass(frozen=True, slots=True)
class TarFile:
    """``size`` and ``checksum`` instead of what is true."""

    name: bytes
    data: bytes = b""
    type: bytes = b"0"
    link: bytes = b""
    size: bytes | None = None
    checksum: bytes | None = None
    prefix: bytes = b""

    def written(self) -> bytes:
        size = b"%011o\0" % len(self.data) if self.size is None else self.size
        head = bytearray(
            struct.pack(
                "100s8s8s8s12s12s8s1s100s8s32s32s8s8s155s12x",
                *(
                    self.name,
                    b"0000644\0",
                    b"0000000\0",
                    b"0000000\0",
                    size,
                    b"%011o\0" % 0,
                    b" " * 8,
                    self.type,
                ),
                *(self.link, b"ustar\x0000", b"root", b"root", b"", b"", self.prefix),
            )
        )
        head[148:156] = b"%06o\0 " % sum(head) if self.checksum is None else self.checksum
        return bytes(head) + self.data + bytes(-len(self.data) % 512)


def tar(*files: TarFile, end: bool = True) -> bytes:
    return b"".join(file.written() for file in files) + bytes(1024 if end else 0)


def pax(**records: str | bytes) -> TarFile:
    """A pax header; dots in keys are written as double underscores."""
    data = b""
    for key, value in records.items():
        raw = value if isinstance(value, bytes) else value.encode()
        body = b" " + key.replace("__", ".").encode() + b"=" + raw + b"\n"
        length = len(body) + 1
        while length != len(b"%d" % length) + len(body):
            length += 1
        data += b"%d" % length + body
    return TarFile(b"PaxHeaders/x", data, b"x")


def python_tar(files: dict[str, bytes], format: int = tarfile.PAX_FORMAT) -> bytes:
    """By Python's own writer."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


@dataclass(frozen=True, slots=True)
class CpioFile:
    """``size`` instead of what is true."""

    name: bytes
    data: bytes = b""
    mode: int = 0o100644
    inode: int = 0
    links: int = 1
    size: int | None = None


def _padded(data: bytes, to: int = 4) -> bytes:
    return data + bytes(-len(data) % to)


def cpio(*files: CpioFile, magic: bytes = b"070701", end: bool = True) -> bytes:
    parts: list[bytes] = []
    for file in (*files, CpioFile(b"TRAILER!!!", mode=0)) if end else files:
        size = len(file.data) if file.size is None else file.size
        fields = (file.inode, file.mode, 0, 0, file.links, 0, size, 0, 0, 0, 0, len(file.name) + 1, 0)
        head = magic + b"".join(b"%08x" % field for field in fields)
        parts += _padded(head + file.name + b"\0"), _padded(file.data)
    return b"".join(parts)


def stripped_cpio(*rows: tuple[int, bytes]) -> bytes:
    """Rows of the rpm's header, with their contents."""
    out = b"".join(_padded(b"07070X%08x" % row) + _padded(data) for row, data in rows)
    return out + cpio()


Value = Sequence[int] | Sequence[bytes] | str
_NUMBERS = {3: "H", 4: "I", 5: "Q"}


def rpm_header(tags: dict[int, tuple[int, Value]], counts: dict[int, int] | None = None) -> bytes:
    """Tags to (type, values); ``counts`` instead of what is true."""
    index, data = b"", b""
    for tag, (kind, values) in sorted(tags.items()):
        if isinstance(values, str):
            raw, count = values.encode() + b"\0", 1
        elif kind in _NUMBERS:
            size = struct.calcsize(_NUMBERS[kind])
            data = _padded(data, size)
            raw, count = struct.pack(f">{len(values)}{_NUMBERS[kind]}", *values), len(values)
        else:
            raw, count = b"".join(bytes(value) + b"\0" for value in values), len(values)
        index += struct.pack(">4I", tag, kind, len(data), (counts or {}).get(tag, count))
        data += raw
    return b"\x8e\xad\xe8\x01\0\0\0\0" + struct.pack(">2I", len(tags), len(data)) + index + data


NAMED: dict[int, tuple[int, Value]] = {
    1000: (6, "made"), 1001: (6, "1.0"), 1002: (6, "2.el9"), 1003: (4, [3]), 1022: (6, "x86_64"),
    1044: (6, "made-1.0-2.el9.src.rpm"),
}  # fmt: skip


def rpm(
    payload: bytes, tags: dict[int, tuple[int, Value]] | None = None, counts: dict[int, int] | None = None
) -> bytes:
    lead = b"\xed\xab\xee\xdb\x03\0\0\0\0\x01" + b"made".ljust(66, b"\0") + b"\0\x01\0\x05" + bytes(16)
    signature = _padded(rpm_header({1000: (4, [0]), 1004: (7, [bytes(15)])}), 8)
    return lead + signature + rpm_header({**NAMED, **(tags or {})}, counts) + payload


@dataclass(frozen=True, slots=True)
class ZipFile:
    """``data`` is as it lies in the file; ``offset`` and the rest instead of what is true."""

    name: bytes
    data: bytes = b""
    method: int = 0
    flags: int = 0
    size: int | None = None
    packed: int | None = None
    checksum: int | None = None
    offset: int | None = None
    mode: int = 0o100644


def deflated(name: bytes, data: bytes) -> ZipFile:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return ZipFile(name, packer.compress(data) + packer.flush(), 8, size=len(data), checksum=zlib.crc32(data))


def zip_file(*files: ZipFile, extra: bytes = b"") -> bytes:
    """``extra``: the extra field of each record of the directory."""
    body, directory = b"", b""
    for file in files:
        size = len(file.data) if file.size is None else file.size
        packed = len(file.data) if file.packed is None else file.packed
        checksum = zlib.crc32(file.data) if file.checksum is None else file.checksum
        offset = len(body) if file.offset is None else file.offset
        facts = struct.pack(
            "<5H3IH", 20, file.flags, file.method, 0, 0, checksum, packed, size, len(file.name)
        )
        directory += b"PK\x01\x02" + struct.pack("<H", 3 << 8 | 20) + facts
        directory += struct.pack("<4H2I", len(extra), 0, 0, 0, file.mode << 16, offset) + file.name + extra
        if file.offset is None:
            body += b"PK\x03\x04" + facts + b"\0\0" + file.name + file.data
    end = struct.pack("<4H2IH", 0, 0, len(files), len(files), len(directory), len(body), 0)
    return body + directory + b"PK\x05\x06" + end
