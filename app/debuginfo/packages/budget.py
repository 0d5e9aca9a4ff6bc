"""Bytes and entries counted against the limits, for all layers of one reader together."""

from __future__ import annotations

from app.debuginfo.packages.model import Broken, Limits


class Budget:
    """Each method raises Broken as soon as its limit is passed."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._read = 0
        self._unpacked = 0
        self._entries = 0
        self._streams = 0

    def read(self, count: int) -> None:
        """Bytes that came from the outermost file."""
        self._read += count
        if self._read > self.limits.bytes:
            raise Broken("limit_bytes", f"It is larger than {_size(self.limits.bytes)}.")

    def unpacked(self, count: int) -> None:
        self._unpacked += count
        if self._unpacked > self.limits.bytes:
            raise Broken("limit_bytes", f"It unpacks to more than {_size(self.limits.bytes)}.")
        if self._unpacked > self.limits.ratio_from and self._unpacked > self._read * self.limits.ratio:
            raise Broken(
                "limit_ratio", f"It unpacks to more than {self.limits.ratio} times its size, as a bomb does."
            )

    def entry(self, size: int = 0) -> None:
        """An entry, or a header that tells of one; its declared size."""
        self._entries += 1
        if self._entries > self.limits.entries:
            raise Broken("limit_entries", f"It has more than {self.limits.entries} entries.")
        if size > self.limits.file_bytes:
            raise Broken(
                "limit_bytes", f"A file in it is said to be larger than {_size(self.limits.file_bytes)}."
            )

    def stream(self) -> None:
        """A compressed stream: starting one costs more than its bytes tell."""
        self._streams += 1
        if self._streams > self.limits.entries:
            raise Broken("limit_entries", f"It has more than {self.limits.entries} compressed streams.")

    def name(self, length: int) -> None:
        if length > self.limits.name:
            raise Broken("limit_name", f"A name in it is longer than {self.limits.name} bytes.")

    def link(self, length: int) -> None:
        if length > self.limits.link:
            raise Broken("limit_name", f"The target of a link in it is longer than {self.limits.link} bytes.")


def _size(count: int) -> str:
    for unit, shift in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if count >= 1 << shift:
            return f"{count / (1 << shift):.3g} {unit}"
    return f"{count} bytes"
