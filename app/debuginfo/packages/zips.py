"""A zip file to its entries, by its directory: stored and deflated, zip64.

Own, because zipfile holds a directory of any size in memory. The one format that must be seekable. Entries
that share bytes are refused, since a bomb is made so; those that cannot be read are told of one by one.
Source: PKWARE's APPNOTE.TXT 6.3.10; https://www.bamsoftware.com/hacks/zipbomb/.
"""

from __future__ import annotations

import stat
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from app.debuginfo.packages.budget import Budget
from app.debuginfo.packages.feed import STEP, Feed
from app.debuginfo.packages.model import Broken, Entry
from app.debuginfo.packages.unpack import inflated

_END, _END64, _LOCATOR64 = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
_RECORD, _LOCAL = b"PK\x01\x02", b"PK\x03\x04"
_END_SIZE, _LOCATOR_SIZE, _RECORD_SIZE, _LOCAL_SIZE = 22, 20, 46, 30
_COMMENT = 0xFFFF
_STORED, _DEFLATED = 0, 8
_ENCRYPTED = 0x41  # bits of weak and of strong encryption
_UNIX = 3
_ZIP64 = 1
_FULL = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class _Directory:
    start: int
    size: int
    count: int


@dataclass(frozen=True, slots=True)
class _Record:
    name: bytes
    flags: int
    method: int
    checksum: int
    packed: int
    size: int
    offset: int
    mode: int  # of Unix, 0 where it was written elsewhere


def entries(file: BinaryIO, budget: Budget) -> Iterator[Entry]:
    """Each entry. Raises Broken."""
    directory = _directory(file)
    if directory.count > budget.limits.entries:
        raise Broken("limit_entries", f"It has more than {budget.limits.entries} entries.")
    _refuse_sharing(file, directory, budget)
    for record in _records(file, directory, budget):
        budget.entry(record.size)
        yield _entry(file, record, budget)


def _entry(file: BinaryIO, record: _Record, budget: Budget) -> Entry:
    if record.name.endswith(b"/"):
        return Entry(record.name, "other")
    try:
        if record.flags & _ENCRYPTED:
            raise Broken("encrypted", "It is encrypted.")
        content = _content(file, record, budget)
        if stat.S_ISLNK(record.mode):
            budget.link(record.size)
            return Entry(record.name, "symlink", link=content.exactly(record.size))
    except Broken as broken:
        if broken.ends_all:
            raise
        return Entry(record.name, "file", record.size, broken=broken)
    return Entry(record.name, "file", record.size, content=content)


def _content(file: BinaryIO, record: _Record, budget: Budget) -> Feed:
    local = _at(file, record.offset, _LOCAL_SIZE, budget)
    if local[:4] != _LOCAL:
        raise Broken("malformed", "Its place in the zip file has no header.")
    name, extra = struct.unpack_from("<2H", local, 26)
    packed = _span(file, record.offset + _LOCAL_SIZE + name + extra, record.packed, budget)
    if record.method == _STORED:
        return _checked(packed, record)
    if record.method == _DEFLATED:
        return _checked(inflated(packed, budget), record)
    raise Broken("unknown_compression", f"It is compressed by zip's method {record.method}.")


def _checked(feed: Feed, record: _Record) -> Feed:
    left, checksum = record.size, 0

    def pull() -> bytes:
        nonlocal left, checksum
        data = feed.take(STEP)
        left -= len(data)
        checksum = zlib.crc32(data, checksum)
        if left < 0 or (not data and (left or checksum != record.checksum)):
            raise Broken("malformed", "It unpacks to something other than the zip file says.")
        return data

    return Feed(pull)


def _refuse_sharing(file: BinaryIO, directory: _Directory, budget: Budget) -> None:
    spans = sorted(
        (record.offset, record.offset + _LOCAL_SIZE + len(record.name) + record.packed)
        for record in _records(file, directory, budget)
    )
    ends = [end for _, end in spans]
    starts = [start for start, _ in spans[1:]] + [directory.start]
    if any(end > start for end, start in zip(ends, starts, strict=False)):
        raise Broken("malformed", "Entries of the zip file share bytes, as those of a bomb do.")


def _records(file: BinaryIO, directory: _Directory, budget: Budget) -> Iterator[_Record]:
    feed = _span(file, directory.start, directory.size, budget)
    for _ in range(directory.count):
        raw = feed.exactly(_RECORD_SIZE)
        if raw[:4] != _RECORD:
            raise Broken("malformed", "The directory of the zip file is broken.")
        maker, flags, method = struct.unpack_from("<xB2x2H", raw, 4)
        checksum, packed, size, name_size, extra_size, comment_size = struct.unpack_from("<3I3H", raw, 16)
        attributes, offset = struct.unpack_from("<2I", raw, 38)
        name = feed.exactly(name_size)
        budget.name(name_size)
        size, packed, offset = _large(feed.exactly(extra_size), [size, packed, offset])
        feed.skip(comment_size)
        mode = attributes >> 16 if maker == _UNIX else 0
        yield _Record(name, flags, method, checksum, packed, size, offset, mode)


def _large(extra: bytes, values: list[int]) -> list[int]:
    """Size, packed size and offset; those that are full stand in the extra field, in this order."""
    at = 0 if _FULL in values else len(extra)
    while at + 4 <= len(extra):
        tag, length = struct.unpack_from("<2H", extra, at)
        if tag == _ZIP64:
            field = extra[at + 4 : at + 4 + length]
            numbers = iter(struct.unpack_from(f"<{len(field) // 8}Q", field))
            return [next(numbers, value) if value == _FULL else value for value in values]
        at += 4 + length
    return values


def _directory(file: BinaryIO) -> _Directory:
    whole = file.seek(0, 2)
    tail_at = max(0, whole - _END_SIZE - _COMMENT)
    file.seek(tail_at)
    tail = file.read(whole - tail_at)
    at = _end(tail)
    count, size, offset = struct.unpack_from("<H2I", tail, at + 10)
    end = tail_at + at
    locator = tail[at - _LOCATOR_SIZE : at] if at >= _LOCATOR_SIZE else b""
    if locator[:4] == _LOCATOR64:
        end = min(struct.unpack_from("<Q", locator, 8)[0], whole)
        file.seek(end)
        record = file.read(56)
        if record[:4] != _END64 or len(record) < 56:
            raise Broken("malformed", "The zip file's directory is not where it says.")
        count, size, offset = struct.unpack_from("<3Q", record, 32)
    if offset + size > end or count * _RECORD_SIZE > size:
        raise Broken("malformed", "The zip file's directory is not where it says.")
    return _Directory(offset, size, count)


def _end(tail: bytes) -> int:
    """Where the last record is; its comment, which may hold anything, goes to the end of the file."""
    at = len(tail) - _END_SIZE + len(_END)
    while (at := tail.rfind(_END, 0, max(0, at))) >= 0:
        if at + _END_SIZE + int.from_bytes(tail[at + 20 : at + 22], "little") == len(tail):
            return at
        at += len(_END) - 1
    raise Broken("truncated", "The zip file has no directory: it was cut, or is none.")


def _at(file: BinaryIO, offset: int, size: int, budget: Budget) -> bytes:
    return _span(file, offset, size, budget).exactly(size)


def _span(file: BinaryIO, start: int, size: int, budget: Budget) -> Feed:
    """Bytes of the file; several spans are read by turns."""
    at, end = start, start + size

    def pull() -> bytes:
        nonlocal at
        file.seek(at)
        data = file.read(min(STEP, end - at))
        if not data and at < end:
            raise Broken("truncated", "The zip file ends before its contents do.")
        at += len(data)
        budget.read(len(data))
        return data

    return Feed(pull)
