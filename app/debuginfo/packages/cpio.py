"""The payload of an rpm to its entries: cpio ``070701``, ``070702``, and rpm's own ``07070X``.

The last is for files from 4 GiB on, and the only one of rpm 6: its headers are an index into the rpm's own,
where names, modes and sizes are. Of hard links the last carries the content; here the file comes first and
its other names after it, so that a link always names an entry that was there. Sums of 070702 are not checked,
as rpm does not. Sources: cpio(5) of FreeBSD; rpm's lib/cpio.c and lib/rpmfi.c (iterReadArchiveNext).
"""

from __future__ import annotations

import binascii
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from app.debuginfo.packages import rpm
from app.debuginfo.packages.budget import Budget
from app.debuginfo.packages.feed import STEP, Feed, Part
from app.debuginfo.packages.model import Broken, Entry

_PLAIN, _STRIPPED = (b"070701", b"070702"), b"07070X"
_FIELDS = struct.Struct(">13I")
_TRAILER = b"TRAILER!!!"
_MOST_WAITING = 16 << 20  # bytes of names of links whose content has not come
_GHOST = 64
_Inode = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class _Head:
    name: bytes
    mode: int
    size: int
    inode: _Inode | None  # of files with several names
    carries: bool  # the content of all its names


class _Links:
    """Names of files whose content comes later."""

    def __init__(self) -> None:
        self._names: dict[_Inode, list[bytes]] = {}
        self._bytes = 0

    def wait(self, inode: _Inode, name: bytes) -> None:
        self._bytes += len(name)
        if self._bytes > _MOST_WAITING:
            raise Broken("limit_name", "The payload of the rpm has too many hard links without a file.")
        self._names.setdefault(inode, []).append(name)

    def to(self, inode: _Inode | None, target: bytes) -> Iterator[Entry]:
        names = self._names.pop(inode, []) if inode else []
        self._bytes -= sum(map(len, names))
        return (Entry(name, "hardlink", link=target) for name in names)

    def empty(self) -> Iterator[Entry]:
        """Files without content have all their names waiting."""
        for first, *others in self._names.values():
            yield Entry(first, "file", content=Feed.of(b""))
            yield from (Entry(name, "hardlink", link=first) for name in others)


def entries(payload: Feed, header: rpm.Header, budget: Budget) -> Iterator[Entry]:
    """Each entry. Raises Broken."""
    feed = Feed(lambda: payload.take(STEP))  # padding counts from its start
    table: _Table | None = None
    links = _Links()
    while True:
        feed.skip(-feed.position % 4)
        magic = feed.exactly(6)
        if magic == _STRIPPED:
            table = _Table(header, budget) if table is None else table
            head = table.head(_index(feed))
        elif magic in _PLAIN:
            head = _plain(feed, budget)
            if head.name == _TRAILER:
                yield from links.empty()
                return
        else:
            raise Broken("malformed", "The payload of the rpm is no cpio archive, or a broken one.")
        budget.entry(head.size)
        if head.inode and not head.carries:
            links.wait(head.inode, head.name)
            continue
        content = Part(feed, head.size)
        yield _entry(head, content, budget)
        content.finish()
        yield from links.to(head.inode, head.name)


def _entry(head: _Head, content: Part, budget: Budget) -> Entry:
    if stat.S_ISREG(head.mode):
        return Entry(head.name, "file", head.size, content=content)
    if stat.S_ISLNK(head.mode):
        budget.link(head.size)
        return Entry(head.name, "symlink", link=content.exactly(head.size))
    return Entry(head.name, "other")


def _plain(feed: Feed, budget: Budget) -> _Head:
    fields = _hexadecimal(feed.exactly(104))
    inode, mode, _, _, links, _, size, major, minor, _, _, length, _ = _FIELDS.unpack(fields)
    budget.name(length - 1)
    name = feed.exactly(length).split(b"\0", 1)[0]
    feed.skip(-feed.position % 4)
    shared = stat.S_ISREG(mode) and links > 1
    return _Head(name, mode, size, (major, minor, inode) if shared else None, size > 0)


def _index(feed: Feed) -> int:
    raw = feed.exactly(8)
    feed.skip(-feed.position % 4)
    return int.from_bytes(_hexadecimal(raw), "big")


def _hexadecimal(digits: bytes) -> bytes:
    try:
        return binascii.unhexlify(digits)
    except binascii.Error:
        raise Broken("malformed", "A header in the payload of the rpm is none.") from None


class _Table:
    """The rpm header's files, each as an entry's head; names are joined as they come: directories repeat."""

    def __init__(self, header: rpm.Header, budget: Budget) -> None:
        self._budget = budget
        self._bases = header.strings(rpm.BASE_NAMES) or header.strings(rpm.OLD_NAMES)
        self._directories = header.strings(rpm.DIRECTORIES)
        self._places = header.numbers(rpm.DIRECTORY_OF)
        self._modes = header.numbers(rpm.MODES)
        self._sizes = header.numbers(rpm.LONG_SIZES) or header.numbers(rpm.SIZES)
        self._flags = header.numbers(rpm.FLAGS)
        self._inodes = list(zip(header.numbers(rpm.DEVICES), header.numbers(rpm.INODES), strict=False))
        self._last: dict[tuple[int, int], int] = {}
        self._shared: set[tuple[int, int]] = set()
        for row, inode in enumerate(self._inodes):
            if (
                inode[1]
                and row < len(self._modes)
                and stat.S_ISREG(self._modes[row])
                and not self._ghost(row)
            ):
                if inode in self._last:
                    self._shared.add(inode)
                self._last[inode] = row

    def head(self, row: int) -> _Head:
        if row >= min(len(self._bases), len(self._modes), len(self._sizes)):
            raise Broken("malformed", "The payload of the rpm has more entries than its header tells of.")
        name, mode = self._name(row), self._modes[row]
        inode = self._inodes[row] if row < len(self._inodes) else (0, 0)
        shared = inode in self._shared and stat.S_ISREG(mode) and not self._ghost(row)
        carries = not shared or self._last[inode] == row
        has_content = (stat.S_ISREG(mode) or stat.S_ISLNK(mode)) and carries and not self._ghost(row)
        return _Head(
            name, mode, self._sizes[row] if has_content else 0, (*inode, 0) if shared else None, carries
        )

    def _name(self, row: int) -> bytes:
        directory = b""
        if self._directories:
            place = self._places[row] if row < len(self._places) else len(self._directories)
            if place >= len(self._directories):
                raise Broken("malformed", "The rpm's header has a file in no directory.")
            directory = self._directories[place]
        self._budget.name(len(directory) + len(self._bases[row]))
        return directory + self._bases[row]

    def _ghost(self, row: int) -> bool:
        return row < len(self._flags) and bool(self._flags[row] & _GHOST)
