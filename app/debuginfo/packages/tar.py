"""A tar file to its entries, front to back: v7, ustar, GNU's long names, pax, as GNU tar and libarchive do.

An archive that ends without its block of zeros was cut; what came before stays good.
Sources: POSIX pax, section ustar Interchange Format; GNU tar's manual, Tar Internals.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from app.debuginfo.packages import sparse
from app.debuginfo.packages.budget import Budget
from app.debuginfo.packages.feed import Feed, Part
from app.debuginfo.packages.model import Broken, Entry, Kind

BLOCK = 512
_ZEROS = bytes(BLOCK)
# The checksum is taken with its own field as spaces.
_BEFORE, _BEHIND, _SPACES = slice(0, 148), slice(156, BLOCK), 8 * 0x20
_MOST_EXTENSION = 1 << 20  # bytes of one pax header
_FILES = (b"\0", b"0", b"7", b"S")
_KINDS: dict[bytes, Kind] = {b"1": "hardlink", b"2": "symlink"}
# Types whose size, if they have one, tells of no bytes behind the header.
_WITHOUT_DATA = b"123456"
_SPARSE = b"S"
_LONG_NAME, _LONG_LINK, _PAX, _PAX_GLOBAL = b"L", b"K", b"x", b"g"


def is_header(block: bytes) -> bool:
    """Whether a block's checksum is right; some old writers took bytes as signed."""
    if len(block) < BLOCK or not block[0]:
        return False
    digits = block[148:156].strip(b" \0")
    if not digits or digits.strip(b"01234567"):
        return False
    said, parts = int(digits, 8), block[_BEFORE] + block[_BEHIND]
    total = sum(parts) + _SPACES
    return said == total or said == total - 256 * sum(byte > 127 for byte in parts)


@dataclass(frozen=True, slots=True)
class _Extension:
    """What headers before an entry's own say of it."""

    name: bytes | None = None
    link: bytes | None = None
    size: int | None = None
    sparse: sparse.Records = ()


@dataclass(slots=True)
class _State:
    always: _Extension = field(default_factory=_Extension)  # of global pax headers
    next: _Extension = field(default_factory=_Extension)


def entries(feed: Feed, budget: Budget) -> Iterator[Entry]:
    """Each entry. Raises Broken."""
    state = _State()
    while True:
        block = feed.some(BLOCK)
        if block == _ZEROS:
            return
        if not block:
            raise Broken("truncated", "The tar archive has no end: it was cut between two entries.")
        if len(block) < BLOCK:
            raise Broken("truncated", "The tar archive ends within a header.")
        if not is_header(block):
            raise Broken("malformed", "A header in the tar archive has a wrong checksum.")
        size, kind = sparse.number(block[124:136]), block[156:157]
        if kind in (_LONG_NAME, _LONG_LINK, _PAX, _PAX_GLOBAL):
            budget.entry()
            _extend(state, kind, size, feed, budget)
            continue
        said, state.next = state.next, state.always
        size = 0 if kind in _WITHOUT_DATA else size if said.size is None else said.size
        holes = sparse.of_gnu(block, feed) if kind == _SPARSE else None
        content = Part(feed, size)
        if said.sparse:
            holes = sparse.of_pax(said.sparse, content)
        budget.entry(holes.size if holes else size)
        whole = sparse.expanded(content, holes, budget) if holes else content
        yield _entry(block, kind, said, holes.size if holes else size, whole, budget)
        content.finish()
        feed.skip(-size % BLOCK)


def _entry(block: bytes, kind: bytes, said: _Extension, size: int, content: Feed, budget: Budget) -> Entry:
    name = _name(block) if said.name is None else said.name
    link = _text(block[157:257]) if said.link is None else said.link
    budget.name(len(name))
    budget.link(len(link))
    if kind in _KINDS:
        return Entry(name, _KINDS[kind], link=link)
    # Before ustar, a directory was a file whose name ends so.
    if kind not in _FILES or name.endswith(b"/"):
        return Entry(name, "other")
    return Entry(name, "file", size, content=content)


def _name(block: bytes) -> bytes:
    name, prefix = _text(block[:100]), _text(block[345:500])
    return prefix + b"/" + name if prefix and block[257:263] == b"ustar\0" else name


def _text(raw: bytes) -> bytes:
    return raw.split(b"\0", 1)[0]


def _extend(state: _State, kind: bytes, size: int, feed: Feed, budget: Budget) -> None:
    if kind in (_LONG_NAME, _LONG_LINK):
        (budget.name if kind == _LONG_NAME else budget.link)(size - 1)
    elif size > _MOST_EXTENSION:
        raise Broken("limit_name", "A pax header in the tar archive is too large.")
    data = feed.exactly(size)
    feed.skip(-size % BLOCK)
    if kind == _LONG_NAME:
        state.next = replace(state.next, name=_text(data))
    elif kind == _LONG_LINK:
        state.next = replace(state.next, link=_text(data))
    elif kind == _PAX:
        state.next = _with_records(state.next, data)
    else:
        # No file is sparse because all are.
        state.always = replace(_with_records(state.always, data), sparse=())
        state.next = replace(_with_records(state.next, data), sparse=state.next.sparse)


def _with_records(said: _Extension, data: bytes) -> _Extension:
    """``LENGTH KEY=VALUE`` and a newline, one after the other."""
    at = 0
    holes = list(said.sparse)
    while at < len(data):
        digits, _, _ = data[at : at + 20].partition(b" ")
        if not digits.isdigit():
            raise Broken("malformed", "A pax header in the tar archive has a record without a length.")
        end = at + int(digits)
        key, equals, value = data[at + len(digits) + 1 : end - 1].partition(b"=")
        if end > len(data) or end <= at + len(digits) + 1 or data[end - 1 : end] != b"\n" or not equals:
            raise Broken("malformed", "A pax header in the tar archive has a record of a wrong length.")
        at = end
        if key == b"path" and not holes:
            said = replace(said, name=value)
        elif key == b"linkpath":
            said = replace(said, link=value)
        elif key == b"size":
            if not value.isdigit() or len(value) > 20:
                raise Broken("malformed", "A pax header in the tar archive has a size that is none.")
            said = replace(said, size=int(value))
        elif key.startswith(b"GNU.sparse."):
            # The entry's own path is then one that its writer made up.
            holes.append((key, value))
            if key == b"GNU.sparse.name":
                said = replace(said, name=value)
    return replace(said, sparse=tuple(holes))
