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
    table: list[_Head] | None = None
    links = _Links()
    while True:
        feed.skip(-feed.position % 4)
        magic = feed.exactly(6)
        if magic == _STRIPPED:
            row = _index(feed)
            table = _table(header, budget) if table is None else table
            if row >= len(table):
                raise Broken("malformed", "The payload of the rpm has more entries than its header tells of.")
            head = table[row]
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


def _table(header: rpm.Header, budget: Budget) -> list[_Head]:
    """The rpm header's files, each as an entry's head."""
    names = rpm.names(header)
    modes, flags = header.numbers(rpm.MODES), header.numbers(rpm.FLAGS) or [0] * len(names)
    sizes = header.numbers(rpm.LONG_SIZES) or header.numbers(rpm.SIZES)
    count = min(len(names), len(modes), len(sizes), len(flags))
    devices = header.numbers(rpm.DEVICES) or [0] * count
    inodes = header.numbers(rpm.INODES) or [0] * count
    sharing: dict[_Inode, list[int]] = {}
    for row in range(min(count, len(devices), len(inodes))):
        if stat.S_ISREG(modes[row]) and inodes[row] and not flags[row] & _GHOST:
            sharing.setdefault((devices[row], 0, inodes[row]), []).append(row)
    shared = {row: inode for inode, rows in sharing.items() if len(rows) > 1 for row in rows}
    table = []
    for row in range(count):
        budget.name(len(names[row]))
        inode = shared.get(row)
        carries = inode is None or sharing[inode][-1] == row
        has_content = stat.S_ISREG(modes[row]) or stat.S_ISLNK(modes[row])
        size = sizes[row] if has_content and carries and not flags[row] & _GHOST else 0
        table.append(_Head(names[row], modes[row], size, inode, carries))
    return table
