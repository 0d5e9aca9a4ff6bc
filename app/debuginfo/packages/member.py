"""One entry of an archive, as the caller gets it: its facts, and for files its bytes, once, front to back."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from app.debuginfo.packages.feed import STEP, Feed
from app.debuginfo.packages.model import Broken, Entry, Kind, Package, text

Inside = tuple[str, ...]


class Member:
    """``name`` and ``link`` are for showing and for matching; never open a path by them.

    ``size`` is None where the archive does not say it (a file compressed alone); ``inside`` names the
    archives that hold it within the outermost. Bytes can be read until the next member is asked for; after
    that reading raises ValueError. What is broken ends them early: ``whole`` tells, and the reader has the
    problem.
    """

    __slots__ = ("_content", "_note", "_passed", "inside", "kind", "link", "name", "package", "size")

    def __init__(
        self,
        entry: Entry,
        inside: Inside,
        package: Package | None,
        note: Callable[[Broken, Inside], None],
    ) -> None:
        self.name: str = text(entry.name)
        self.kind: Kind = entry.kind
        self.size: int | None = entry.size
        self.link: str = text(entry.link)
        self.inside = inside
        self.package = package
        self._content = entry.content or Feed.of(b"")
        self._note = note
        self._passed = False

    def read(self, count: int) -> bytes:
        """``count`` bytes; fewer only at the end."""
        parts: list[bytes] = []
        while count > 0 and (part := self._guarded(self._content.take, count)):
            parts.append(part)
            count -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def chunks(self) -> Iterator[bytes]:
        """The rest, in parts of at most 256 KiB."""
        while part := self._guarded(self._content.take, STEP):
            yield part

    def peek(self, count: int) -> bytes:
        """The next ``count`` bytes, which stay to be read."""
        return self._guarded(self._content.peek, count)

    @property
    def whole(self) -> bool:
        """Whether all bytes were read, and were as the archive says."""
        try:
            return not self._passed and self._content.ended()
        except Broken:
            return False

    def pass_by(self) -> None:
        """For the reader, which goes on: nothing more can be read."""
        self._passed = True

    def _guarded(self, read: Callable[[int], bytes], count: int) -> bytes:
        if self._passed:
            raise ValueError("the reader has passed this member")
        try:
            return read(count)
        except Broken as broken:
            self._note(broken, (*self.inside, self.name) if self.name else self.inside)
            return b""
