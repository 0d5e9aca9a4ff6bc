"""An ar file to its entries: .deb packages and static libraries. Source: ar(5) of FreeBSD, deb(5)."""

from __future__ import annotations

from collections.abc import Iterator

from app.debuginfo.packages.budget import Budget
from app.debuginfo.packages.feed import Feed, Part
from app.debuginfo.packages.model import Broken, Entry

MAGIC = b"!<arch>\n"
_HEADER = 60
_INDEXES = (b"/", b"/SYM64/", b"__.SYMDEF", b"__.SYMDEF SORTED")
_MOST_NAMES = 16 << 20


def entries(feed: Feed, budget: Budget) -> Iterator[Entry]:
    """Each entry; tables of symbols and of names are not among them. Raises Broken."""
    feed.skip(len(MAGIC))
    names = b""
    while True:
        # Some writers end with a newline too many.
        if not feed.peek(_HEADER).strip(b"\n"):
            return
        header = feed.exactly(_HEADER)
        digits = header[48:58].rstrip(b" ")
        if header[58:] != b"`\n" or not digits.isdigit():
            raise Broken("malformed", "A header in the ar file is none.")
        size = int(digits)
        budget.entry(size)
        content = Part(feed, size)
        raw = header[:16].rstrip(b" ")
        if raw == b"//":
            if size > _MOST_NAMES:
                raise Broken("limit_name", "The table of names in the ar file is too large.")
            names = content.exactly(size)
        elif raw not in _INDEXES:
            name, taken = _name(raw, names, content, budget)
            if taken > size:
                raise Broken("malformed", "A name in the ar file is longer than its entry.")
            yield Entry(name, "file", size - taken, content=content)
        content.finish()
        if size & 1 and feed.peek(1):
            feed.skip(1)


def _name(raw: bytes, names: bytes, content: Part, budget: Budget) -> tuple[bytes, int]:
    """The name, and how many bytes of the content it was."""
    number = raw[3:] if raw.startswith(b"#1/") else raw[1:]
    if raw[:1] not in (b"/", b"#") or not number.isdigit():
        return raw.removesuffix(b"/"), 0
    if raw.startswith(b"/"):
        name = names[int(number) : int(number) + budget.limits.name + 1].split(b"/\n")[0]
        budget.name(len(name))
        return name, 0
    budget.name(int(number))
    return content.exactly(int(number)).rstrip(b"\0"), int(number)
