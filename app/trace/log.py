"""The numbered log of one session: events in, lines of JSON from any number on out.

A directory of segments, each named by the number of its first event; the oldest goes when the kept bytes or
events pass their caps, and a reader who asks for what is gone gets one ``gap`` event instead. Lines are
written whole, without fsync: a crash can tear the last one, and opening cuts it off. Safe among threads.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from app.errors import StorageFull
from app.trace.decode import Decoded

SEGMENTS = 8
# A place in the file is remembered every so many events.
STRIDE = 64
_CHUNK = 256 * 1024
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(slots=True)
class _Segment:
    path: Path
    first: int
    count: int = 0
    size: int = 0
    places: list[int] = field(default_factory=list)  # byte offsets of events first, first+STRIDE, ...


class Log:
    """One session's events on disk; ``first`` to ``last`` are kept (``last < first``: none)."""

    def __init__(self, directory: Path, bytes_kept: int, events_kept: int) -> None:
        """Opens or makes the log in ``directory``. Raises StorageFull, OSError."""
        self._directory = directory
        self._segment_bytes = max(1, bytes_kept // SEGMENTS)
        self._segment_events = max(1, events_kept // SEGMENTS)
        self._lock = threading.Lock()
        self._segments: list[_Segment] = []
        self._descriptor = -1
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise _full(directory, error) from error
        for path in sorted(directory.glob("*.log")):
            self._segments.append(_scan(path))

    @property
    def first(self) -> int:
        return self._segments[0].first if self._segments else 1

    @property
    def last(self) -> int:
        return self._segments[-1].first + self._segments[-1].count - 1 if self._segments else 0

    def append(self, events: Sequence[tuple[int, Decoded]]) -> None:
        """Adds events (ms since the start, event) under the next numbers.

        Raises StorageFull when the disk takes no more; ``last`` says how many were taken before.
        """
        done = 0
        while done < len(events):
            with self._lock:
                self._roll()
                segment = self._segments[-1]
                part = events[done : done + self._segment_events - segment.count]
                self._append(segment, part)
            done += len(part)

    def _append(self, segment: _Segment, events: Sequence[tuple[int, Decoded]]) -> None:
        number = segment.first + segment.count
        lines = [_line(number + at, t, event) for at, (t, event) in enumerate(events)]
        try:
            self._write(b"".join(lines))
        except OSError as error:
            os.ftruncate(self._descriptor, segment.size)
            raise _full(self._directory, error) from error
        for line in lines:
            if segment.count % STRIDE == 0:
                segment.places.append(segment.size)
            segment.size += len(line)
            segment.count += 1

    def read(self, start: int, limit: int) -> list[bytes]:
        """At most ``limit`` lines (without newline) from number ``start`` on, as far as there are.

        The first is a gap event, numbered like the last event it stands for, when ``start`` is not kept.
        """
        with self._lock:
            first, last = self.first, self.last
            segments = [(entry.path, entry.first, entry.count, entry.places) for entry in self._segments]
        start = max(1, start)
        out: list[bytes] = []
        if start < first:
            out.append(_gap(start, first - 1))
            start = first
        for path, begin, count, places in segments:
            if start >= begin + count or start > last:
                continue
            if len(out) >= limit:
                break
            # A segment that is removed meanwhile is told as a gap by the next call.
            wanted = min(limit - len(out), begin + count - start)
            found = _lines(path, places, begin, start, wanted)
            out += found
            start += len(found)
            if len(found) < wanted:
                break
        return out

    def close(self) -> None:
        with self._lock:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1

    def delete(self) -> None:
        """Closes the log and removes it from the disk."""
        self.close()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _roll(self) -> None:
        """Sees to it that the last segment is open and has room; drops the oldest ones over the caps."""
        segment = self._segments[-1] if self._segments else None
        if segment is not None and not (
            segment.size >= self._segment_bytes or segment.count >= self._segment_events
        ):
            if self._descriptor < 0:
                self._descriptor = os.open(segment.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
            return
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        number = self.last + 1
        path = self._directory / f"{number:016d}.log"
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
            self._descriptor = os.open(path, flags, 0o600)
        except OSError as error:
            raise _full(self._directory, error) from error
        self._segments.append(_Segment(path, number))
        while len(self._segments) > SEGMENTS:
            self._segments.pop(0).path.unlink(missing_ok=True)

    def _write(self, data: bytes) -> None:
        done = 0
        while done < len(data):
            done += os.write(self._descriptor, data[done:])


def _line(n: int, t: int, event: Decoded) -> bytes:
    entry = {"n": n, "t": t, "type": event.type, "data": event.data}
    if event.key is not None:
        entry["key"] = event.key
    try:
        return json.dumps(entry, separators=(",", ":"), allow_nan=False).encode() + b"\n"
    except ValueError:
        # A number too large for a float is infinite, which JSON cannot say.
        entry["data"] = repr(event.data)
        return json.dumps(entry, separators=(",", ":")).encode() + b"\n"


def _gap(start: int, end: int) -> bytes:
    data = {"from": start, "to": end, "count": end - start + 1}
    return json.dumps({"n": end, "t": 0, "type": "gap", "data": data}, separators=(",", ":")).encode()


def _lines(path: Path, places: list[int], first: int, start: int, wanted: int) -> list[bytes]:
    """``wanted`` lines from event ``start`` of a segment whose first event is ``first``; fewer if it ends."""
    skip = start - first
    at, skip = places[skip // STRIDE], skip % STRIDE
    out: list[bytes] = []
    rest = b""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return out
    try:
        while len(out) < wanted:
            chunk = os.pread(descriptor, _CHUNK, at)
            if not chunk:
                break
            at += len(chunk)
            *lines, rest = (rest + chunk).split(b"\n")
            taken = lines[skip:]
            skip = max(0, skip - len(lines))
            out += taken[: wanted - len(out)]
    finally:
        os.close(descriptor)
    return out


def _scan(path: Path) -> _Segment:
    """A segment as it lies on the disk; a torn last line is cut off."""
    segment = _Segment(path, int(path.stem))
    with path.open("r+b") as file:
        for line in file:
            if not line.endswith(b"\n"):
                file.truncate(segment.size)
                break
            if segment.count % STRIDE == 0:
                segment.places.append(segment.size)
            segment.count += 1
            segment.size += len(line)
    return segment


def _full(directory: Path, error: OSError) -> StorageFull:
    if error.errno not in _FULL and error.errno is not None:
        return StorageFull(
            f"The session's log cannot be written: {os.strerror(error.errno)}.",
            f"Check the permissions of {directory.parent}.",
        )
    return StorageFull(
        "The disk is full: the session's log cannot be written.",
        f"Make room in {directory.parent}, or remove old sessions.",
    )
