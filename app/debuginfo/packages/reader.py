"""A file object to the members of the package or archive in it, and of those inside, as they come.

A package is a leaf: what it lays on a disk (jars, static libraries, compressed manuals) stays as it is. What
tar, zip and compressed files hold is opened, but for a zip inside another archive, which cannot be read front
to back and comes as a file. Problems are data: an archive inside that is broken ends where it is, and the one
around it goes on; past a limit of all of it nothing more is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO, cast

from app.debuginfo.packages import about, ar, cpio, rpm, tar, zips
from app.debuginfo.packages.budget import Budget
from app.debuginfo.packages.crew import Crew
from app.debuginfo.packages.feed import STEP, Feed, FileFeed
from app.debuginfo.packages.formats import COMPRESSIONS, HEAD, gzip_name, refused, told
from app.debuginfo.packages.member import Inside, Member
from app.debuginfo.packages.model import Broken, Entry, Limits, Package, Readable, text
from app.debuginfo.packages.unpack import Compression, unpacked
from app.elf.problem import Problem

_MOST_PROBLEMS = 100
_DEB, _DEB_MAJOR, _CONTROL, _DATA = b"debian-binary", b"2.", b"control.tar", b"data.tar"
_PKGINFO, _SIGNATURE = b".PKGINFO", b".SIGN."
_CPIO = b"07070"


class Reader(Iterator[Member]):
    """The members, one by one; ``problems`` and ``packages`` grow as they come.

    Raises nothing for what an archive holds; errors of the file object itself pass through.
    """

    def __init__(self, stream: Readable, limits: Limits, crew: Crew | None) -> None:
        self.problems: list[Problem] = []
        self.packages: list[Package] = []
        self._stream = stream
        self._budget = Budget(limits)
        self._crew = crew
        self._current: Member | None = None
        self._over = False
        self._members = self._all()

    @property
    def problem(self) -> Problem | None:
        """The first; None as long as all is well."""
        return self.problems[0] if self.problems else None

    def __next__(self) -> Member:
        if self._current is not None:
            self._current.pass_by()
            self._current = None
        if self._over:
            raise StopIteration
        self._current = next(self._members)
        return self._current

    def _all(self) -> Iterator[Member]:
        feed = self._whole()
        try:
            head = feed.peek(HEAD)
            if told(head) is None:
                raise refused(head)
            yield from self._opened(feed, (), 0)
        except Broken as broken:
            self._note(broken, ())

    def _whole(self) -> Feed:
        """A file is read where its bytes lie, so that a crew can read further on."""
        if self._crew is None:
            return Feed(self._read)
        file = cast("BinaryIO", self._stream)
        return FileFeed(file.fileno(), file.tell(), self._budget.read)

    def _read(self) -> bytes:
        data = self._stream.read(STEP)
        self._budget.read(len(data))
        return data

    def _note(self, broken: Broken, inside: Inside) -> None:
        """Each once: a broken place is met by all who come by."""
        self._over = self._over or broken.ends_all
        if not broken.noted and len(self.problems) < _MOST_PROBLEMS:
            where = f"In {' in '.join(reversed(inside))}: " if inside else ""
            self.problems.append(Problem(broken.code, where + broken.text))
        broken.noted = True

    def _opened(self, feed: Feed, inside: Inside, depth: int) -> Iterator[Member]:
        """Of a feed whose format is known."""
        found = told(feed.peek(HEAD))
        if found == "ar":
            yield from self._ar(feed, inside, depth)
        elif found == "rpm":
            yield from self._rpm(feed, inside)
        elif found == "tar":
            yield from self._tar(feed, inside, depth)
        elif found == "zip":
            yield from self._zip(inside, depth)
        elif found in COMPRESSIONS:
            yield from self._compressed(feed, cast("Compression", found), inside, depth)

    def _nested(self, feed: Feed, inside: Inside, depth: int) -> Iterator[Member]:
        try:
            if depth > self._budget.limits.nesting:
                raise Broken("limit_nesting", "It is an archive inside too many others.")
            yield from self._opened(feed, inside, depth)
        except Broken as broken:
            if broken.ends_all:
                raise
            self._note(broken, inside)

    def _entry(
        self, entry: Entry, inside: Inside, depth: int, package: Package | None, leaf: bool
    ) -> Iterator[Member]:
        """The member, or those of the archive that it is."""
        within = (*inside, text(entry.name))
        if entry.broken is not None:
            self._note(entry.broken, within)
            return
        if entry.content is not None and not leaf:
            try:
                found = told(entry.content.peek(HEAD))
            except Broken as broken:
                self._note(broken, within)
                return
            if found is not None and found != "zip":
                yield from self._nested(entry.content, within, depth + 1)
                return
        yield Member(entry, inside, package, self._note)

    def _compressed(self, feed: Feed, found: Compression, inside: Inside, depth: int) -> Iterator[Member]:
        """A compressed tar is one archive; any other file is alone in it."""
        name = gzip_name(feed.peek(HEAD))
        inner = unpacked(feed, found, self._budget, self._crew)
        if told(inner.peek(HEAD)) == "tar":
            yield from self._tar(inner, inside, depth)
        else:
            self._budget.entry()
            entry = Entry(name, "file", None, content=inner)
            yield from self._entry(entry, inside, depth, None, leaf=False)
        inner.drain()

    def _tar(self, feed: Feed, inside: Inside, depth: int) -> Iterator[Member]:
        """Also those of Alpine and Arch, which begin with files that tell of the package."""
        package, about_it, signed = None, True, False
        for found in tar.entries(feed, self._budget):
            entry = found
            about_it = about_it and entry.name.startswith(b".") and b"/" not in entry.name
            signed = signed or (about_it and entry.name.startswith(_SIGNATURE))
            if (
                about_it
                and entry.name == _PKGINFO
                and entry.content
                and 0 < (entry.size or 0) <= about.MOST_BYTES
            ):
                raw = entry.content.some(about.MOST_BYTES)
                package = self._said(about.from_pkginfo(raw, signed))
                entry = replace(entry, size=len(raw), content=Feed.of(raw))
            yield from self._entry(entry, inside, depth, package, about_it or package is not None)

    def _zip(self, inside: Inside, depth: int) -> Iterator[Member]:
        file = cast("BinaryIO", self._stream)
        if not (hasattr(file, "seekable") and file.seekable()):
            raise Broken("unknown_format", "A zip file cannot be read from a stream.")
        for entry in zips.entries(file, self._budget):
            yield from self._entry(entry, inside, depth, None, leaf=False)

    def _ar(self, feed: Feed, inside: Inside, depth: int) -> Iterator[Member]:
        deb, data = False, False
        package = None
        for number, entry in enumerate(ar.entries(feed, self._budget)):
            content = entry.content or Feed.of(b"")
            if number == 0 and entry.name == _DEB:
                deb = True
                if content.some(len(_DEB_MAJOR)) != _DEB_MAJOR:
                    raise Broken("malformed", "The Debian package is of a version that is not known.")
            elif not deb:
                yield from self._entry(entry, inside, depth, None, leaf=False)
            elif entry.name.startswith(_CONTROL) and package is None:
                package = self._control(content, inside)
            elif entry.name.startswith(_DATA):
                data = True
                inner = self._plain(content)
                for each in tar.entries(inner, self._budget):
                    yield from self._entry(each, inside, depth, package, leaf=True)
                inner.drain()
        if deb and not data:
            raise Broken("truncated", "The Debian package has no data: it was cut.")

    def _control(self, content: Feed, inside: Inside) -> Package | None:
        try:
            for entry in tar.entries(self._plain(content), self._budget):
                if entry.name in (b"./control", b"control") and entry.content and entry.size:
                    raw = entry.content.exactly(min(entry.size, about.MOST_BYTES))
                    return self._said(about.from_control(raw))
        except Broken as broken:
            if broken.ends_all:
                raise
            self._note(broken, (*inside, text(_CONTROL)))
        return None

    def _rpm(self, feed: Feed, inside: Inside) -> Iterator[Member]:
        header = rpm.read_header(feed, self._budget.limits.entries)
        package = self._said(rpm.package(header))
        payload = self._plain(feed)
        for entry in cpio.entries(payload, header, self._budget):
            yield from self._entry(entry, inside, 0, package, leaf=True)
        payload.drain()

    def _plain(self, feed: Feed) -> Feed:
        """A part of a package, unpacked where it is compressed; its name may lie."""
        head = feed.peek(HEAD)
        found = told(head)
        if found in COMPRESSIONS:
            return unpacked(feed, cast("Compression", found), self._budget, self._crew)
        if found == "tar" or head.startswith(_CPIO) or not head.strip(b"\0"):
            return feed
        raise Broken("unknown_compression", refused(head).text)

    def _said(self, package: Package) -> Package:
        self.packages.append(package)
        return package


def members(stream: Readable, limits: Limits | None = None, crew: Crew | None = None) -> Reader:
    """The members of the package or archive in a file object, which is read from where it is.

    Only a zip file must be seekable, and begin at 0. A crew unpacks ahead what comes in blocks; the file
    object is then one on a disk, and open until the crew has ended.
    """
    return Reader(stream, limits or Limits(), crew)
