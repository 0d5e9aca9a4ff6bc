"""The numbered log of one session: events in, lines of JSON from any number on out.

A directory of segments, each named by the number of its first event; the oldest goes when the kept bytes or
events pass their caps, and a reader who asks for what is gone gets one ``gap`` event instead. Lines are
written whole, without fsync: a crash can tear the last one, and opening cuts it off. The newest lines stay in
memory while the log grows, for the viewers that read them as they come. A segment that is full is packed by a
thread of its own, that ends when there is no more to pack. Safe among threads.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from app.errors import StorageFull
from app.trace.decode import Decoded
from app.trace.segment import LEAST_PACKED, PARTIAL, PLAIN, STRIDE, Segment, pack, scan

SEGMENTS = 8
# Of the newest lines; as much as a flood brings in a third of a second.
TAIL_BYTES = 1 << 20
_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
_encode_text = json.encoder.encode_basestring_ascii
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class Log:
    """One session's events on disk; ``first`` to ``last`` are kept (``last < first``: none)."""

    def __init__(self, directory: Path, bytes_kept: int, events_kept: int) -> None:
        """Opens or makes the log in ``directory``. Raises StorageFull, OSError."""
        self._directory = directory
        self._segment_bytes = max(1, bytes_kept // SEGMENTS)
        self._segment_events = max(1, events_kept // SEGMENTS)
        self._lock = threading.Lock()
        self._segments: list[Segment] = []
        self._tail: list[bytes] = []  # the lines up to ``last``, without newline
        self._tail_size = 0
        self._descriptor = -1
        self._full: list[Segment] = []  # those that are to be packed
        self._packer: threading.Thread | None = None
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise _full(directory, error) from error
        for path in directory.glob(f"*{PARTIAL}"):
            path.unlink()
        # A packed segment comes after its plain one, and takes its place.
        found = {
            segment.first: segment for path in sorted(directory.glob("*.log*")) if (segment := scan(path))
        }
        for segment in found.values():
            if segment.packed:
                segment.path.with_suffix("").unlink(missing_ok=True)
        self._segments = [found[first] for first in sorted(found)]

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

    def _append(self, segment: Segment, events: Sequence[tuple[int, Decoded]]) -> None:
        number = segment.first + segment.count
        lines = [_line(number + at, t, event) for at, (t, event) in enumerate(events)]
        try:
            self._write(b"\n".join(lines) + b"\n")
        except OSError as error:
            os.ftruncate(self._descriptor, segment.size)
            raise _full(self._directory, error) from error
        for line in lines:
            if segment.count % STRIDE == 0:
                segment.places.append(segment.size)
            segment.size += len(line) + 1
            segment.count += 1
            self._tail_size += len(line)
        self._tail += lines
        self._shorten()

    def _shorten(self) -> None:
        """Half of what the tail may have at once, so that it is not for each line."""
        if self._tail_size <= TAIL_BYTES:
            return
        gone = 0
        while self._tail_size > TAIL_BYTES // 2:
            self._tail_size -= len(self._tail[gone])
            gone += 1
        del self._tail[:gone]

    def read(self, start: int, limit: int) -> list[bytes]:
        """At most ``limit`` lines (without newline) from number ``start`` on, as far as there are.

        The first is a gap event, numbered like the last event it stands for, when ``start`` is not kept.
        """
        start = max(1, start)
        out: list[bytes] = []
        missed: Segment | None = None
        while len(out) < limit:
            with self._lock:
                first, last = self.first, self.last
                newest = start - (last + 1 - len(self._tail))
                if newest >= 0 and start >= first:
                    return out + self._tail[newest : newest + limit - len(out)]
                segment = next((each for each in self._segments if start < each.first + each.count), None)
            if start < first <= last:
                out.append(_gap(start, first - 1))
                start = first
                continue
            if segment is None or segment is missed:
                break
            # Packing or dropping a segment takes its file away: the next turn sees what is there instead.
            wanted = min(limit - len(out), segment.first + segment.count - start)
            found = segment.lines(start, wanted)
            out += found
            start += len(found)
            missed = None if found else segment
        return out

    def seal(self) -> None:
        """Closes the log of a session that is over: its last segment is packed too, in a thread."""
        with self._lock:
            self._shut()
            self._tail, self._tail_size = [], 0
            if self._segments:
                self._pack(self._segments[-1])

    def close(self) -> None:
        """Closes the log, and waits for what is being packed."""
        with self._lock:
            self._shut()
            packer = self._packer
        if packer is not None:
            packer.join()

    def _shut(self) -> None:
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
        if segment is not None and self._has_room(segment):
            if self._descriptor < 0:
                self._descriptor = os.open(segment.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
            return
        self._shut()
        if segment is not None:
            self._pack(segment)
        number = self.last + 1
        path = self._directory / f"{number:016d}{PLAIN}"
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
            self._descriptor = os.open(path, flags, 0o600)
        except OSError as error:
            raise _full(self._directory, error) from error
        self._segments.append(Segment(path, number))
        while len(self._segments) > SEGMENTS:
            self._segments.pop(0).path.unlink(missing_ok=True)

    def _has_room(self, segment: Segment) -> bool:
        if segment.packed or segment in self._full:
            return False
        return segment.size < self._segment_bytes and segment.count < self._segment_events

    def _pack(self, segment: Segment) -> None:
        """Puts a segment that does not grow any more in line; call it with the lock held."""
        if segment.packed or segment.size < LEAST_PACKED or segment in self._full:
            return
        self._full.append(segment)
        if self._packer is None:
            self._packer = threading.Thread(target=self._pack_all, name="log packer")
            self._packer.start()

    def _pack_all(self) -> None:
        while True:
            with self._lock:
                if not self._full:
                    self._packer = None
                    return
                segment = self._full[0]
            packed = None
            # What cannot be packed, on a full disk, stays as it is; what was dropped is gone.
            with suppress(OSError):
                packed = pack(segment)
            with self._lock:
                self._full.remove(segment)
                if packed is not None and segment in self._segments:
                    self._segments[self._segments.index(segment)] = packed
                    segment.path.unlink(missing_ok=True)
                elif packed is not None:
                    packed.path.unlink(missing_ok=True)

    def _write(self, data: bytes) -> None:
        done = 0
        while done < len(data):
            done += os.write(self._descriptor, data[done:])


def _line(n: int, t: int, event: Decoded) -> bytes:
    try:
        data = _encode_text(event.data) if type(event.data) is str else _encode(event.data)
    except ValueError:
        # A number too large for a float is infinite, which JSON cannot say.
        data = _encode(repr(event.data))
    key = "" if event.key is None else f',"key":{_encode_text(event.key)}'
    return f'{{"n":{n},"t":{t},"type":{_encode_text(event.type)},"data":{data}{key}}}'.encode()


def _gap(start: int, end: int) -> bytes:
    data = {"from": start, "to": end, "count": end - start + 1}
    return json.dumps({"n": end, "t": 0, "type": "gap", "data": data}, separators=(",", ":")).encode()


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
