"""The head of an rpm: lead, signature and header to what is said of the package and of its files.

Only tags that are asked for are decoded. Counts and offsets are checked against the bytes that are there.
Source: https://rpm.org/docs/latest/manual/format_v4.html, format_header.html, tags.html.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from app.debuginfo.packages.feed import Feed
from app.debuginfo.packages.model import Broken, Package, text

_LEAD = 96
_MAGIC = b"\x8e\xad\xe8\x01"
# rpm's own ceiling for tags; its 256 MiB of data are more than a reader should hold at once.
_MOST_TAGS, _MOST_DATA = 0xFFFF, 64 << 20
_INT16, _INT32, _INT64, _STRING, _STRINGS, _LOCALISED = 3, 4, 5, 6, 8, 9
_NUMBERS = {_INT16: "H", _INT32: "I", _INT64: "Q"}
NAME, VERSION, RELEASE, EPOCH, ARCHITECTURE, SOURCE = 1000, 1001, 1002, 1003, 1022, 1044
SIZES, LONG_SIZES, MODES, FLAGS, LINKS, DEVICES, INODES = 1028, 5008, 1030, 1037, 1036, 1095, 1096
OLD_NAMES, DIRECTORY_OF, BASE_NAMES, DIRECTORIES = 1027, 1116, 1117, 1118


class Header:
    """Tags to values; an absent tag has no values, and none has more than ``most``."""

    def __init__(self, index: bytes, data: bytes, most: int) -> None:
        self._data = data
        self._most = min(most, len(data))
        self._tags = {
            tag: (kind, offset, count) for tag, kind, offset, count in struct.iter_unpack(">4I", index)
        }

    def numbers(self, tag: int) -> Sequence[int]:
        kind, offset, count = self._tags.get(tag, (0, 0, 0))
        if kind not in _NUMBERS:
            return ()
        layout = struct.Struct(f">{min(count, self._most)}{_NUMBERS[kind]}")
        if count > self._most or offset + layout.size > len(self._data):
            raise Broken(
                "malformed", f"The rpm's header has too few bytes, or too many values, for its tag {tag}."
            )
        return layout.unpack_from(self._data, offset)

    def strings(self, tag: int) -> Sequence[bytes]:
        kind, offset, count = self._tags.get(tag, (0, 0, 0))
        if kind not in (_STRING, _STRINGS, _LOCALISED):
            return ()
        # The last has its end too, so that the split gives one part more.
        found = self._data[offset:].split(b"\0", count) if count <= self._most else []
        if len(found) <= count:
            raise Broken(
                "malformed", f"The rpm's header has too few bytes, or too many values, for its tag {tag}."
            )
        return found[:count]

    def string(self, tag: int) -> str:
        kind, offset, count = self._tags.get(tag, (0, 0, 0))
        end = self._data.find(b"\0", offset)
        if kind not in (_STRING, _STRINGS, _LOCALISED) or not count or end < 0:
            return ""
        return text(self._data[offset : min(end, offset + 1024)])


def read_header(feed: Feed, most: int) -> Header:
    """Leaves the feed at the payload; ``most``: values of a tag. Raises Broken."""
    feed.skip(_LEAD)
    tags, size = _intro(feed)
    feed.skip(tags * 16)
    feed.skip(size)
    feed.skip(-size % 8)
    tags, size = _intro(feed)
    return Header(feed.exactly(tags * 16), feed.exactly(size), most)


def package(header: Header) -> Package:
    epoch = header.numbers(EPOCH)
    version = f"{header.string(VERSION)}-{header.string(RELEASE)}"
    source = not header.string(SOURCE)  # only binary packages name the one they are made from
    return Package(
        header.string(NAME),
        f"{epoch[0]}:{version}" if epoch else version,
        "src" if source else header.string(ARCHITECTURE),
        "rpm",
    )


def _intro(feed: Feed) -> tuple[int, int]:
    """Number of tags, bytes of data."""
    magic, tags, size = struct.unpack(">4s4x2I", feed.exactly(16))
    if magic != _MAGIC:
        raise Broken("malformed", "A header of the rpm is none.")
    if tags > _MOST_TAGS or size > _MOST_DATA:
        raise Broken("malformed", "A header of the rpm is said to be larger than any is.")
    return tags, size
