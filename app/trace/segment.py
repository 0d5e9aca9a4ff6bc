"""A part of a session's log on disk: lines of JSON while it grows, zstd frames once it is full.

A packed segment is a file that ``zstd -d`` reads: one frame for each FRAME_LINES lines, and at the end a
skippable frame with the places of the others, so that any line is found by unpacking one frame. Source of the
formats: RFC 8878, sections 3.1.1 and 3.1.2.
"""

from __future__ import annotations

import os
import struct
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import zstandard

# A place in a plain file is remembered every so many events.
STRIDE = 64
FRAME_LINES = 1024
# Smaller ones are left as they are.
LEAST_PACKED = 16 * 1024
PLAIN, PACKED, PARTIAL = ".log", ".log.zst", ".part"
_LEVEL = 3
_CHUNK = 256 * 1024
_SKIPPABLE = 0x184D2A5E
_HEAD = struct.Struct("<II")  # magic, size of what follows
_FACTS = struct.Struct("<QQI")  # lines, bytes unpacked, frames
_LENGTH = struct.Struct("<I")  # of the whole skippable frame, at its end
_FRAME_LARGEST = 1 << 30


@dataclass(slots=True, eq=False)
class Segment:
    """Events ``first`` to ``first + count - 1``; ``size`` in bytes without packing."""

    path: Path
    first: int
    count: int = 0
    size: int = 0
    places: list[int] = field(default_factory=list)  # offsets: of each STRIDE-th line, or of each frame
    packed: bool = False

    def lines(self, start: int, wanted: int) -> list[bytes]:
        """``wanted`` lines from event ``start`` on; fewer where it ends before, or is gone."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return []
        try:
            read = self._unpacked if self.packed else self._plain
            return read(descriptor, start - self.first, wanted)
        finally:
            os.close(descriptor)

    def _plain(self, descriptor: int, skip: int, wanted: int) -> list[bytes]:
        at, skip = self.places[skip // STRIDE], skip % STRIDE
        out: list[bytes] = []
        rest = b""
        while len(out) < wanted:
            chunk = os.pread(descriptor, _CHUNK, at)
            if not chunk:
                break
            at += len(chunk)
            *lines, rest = (rest + chunk).split(b"\n")
            taken = lines[skip:]
            skip = max(0, skip - len(lines))
            out += taken[: wanted - len(out)]
        return out

    def _unpacked(self, descriptor: int, skip: int, wanted: int) -> list[bytes]:
        out: list[bytes] = []
        frame, skip = divmod(skip, FRAME_LINES)
        decoder = zstandard.ZstdDecompressor()
        while len(out) < wanted and frame + 1 < len(self.places):
            at, end = self.places[frame : frame + 2]
            try:
                data = decoder.decompress(os.pread(descriptor, end - at, at), _FRAME_LARGEST)
            except zstandard.ZstdError:
                break
            out += data.split(b"\n")[skip:-1][: wanted - len(out)]
            frame, skip = frame + 1, 0
        return out


def pack(segment: Segment) -> Segment:
    """The same events in a packed file beside the plain one, which stays. Raises OSError."""
    target = segment.path.with_suffix(PACKED)
    partial = target.with_suffix(PARTIAL)
    encoder = zstandard.ZstdCompressor(level=_LEVEL)
    places = [0]
    try:
        with segment.path.open("rb") as source, partial.open("wb") as file:
            left = segment.count
            while left:
                part = list(islice(source, min(left, FRAME_LINES)))
                if not part:
                    break
                left -= len(part)
                places.append(places[-1] + file.write(encoder.compress(b"".join(part))))
            file.write(_trailer(segment.count, segment.size, places))
            file.flush()
            os.fsync(file.fileno())
        partial.rename(target)
    except OSError:
        with suppress(OSError):
            partial.unlink()
        raise
    return Segment(target, segment.first, segment.count, segment.size, places, packed=True)


def scan(path: Path) -> Segment | None:
    """A segment as it lies on the disk; a torn last line is cut off; None for a packed one that is no whole
    file."""
    first = int(path.name.partition(".")[0])
    if path.name.endswith(PACKED):
        return _scan_packed(path, first)
    segment = Segment(path, first)
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


def _trailer(count: int, size: int, places: list[int]) -> bytes:
    body = _FACTS.pack(count, size, len(places)) + struct.pack(f"<{len(places)}Q", *places)
    whole = _HEAD.size + len(body) + _LENGTH.size
    return _HEAD.pack(_SKIPPABLE, len(body) + _LENGTH.size) + body + _LENGTH.pack(whole)


def _scan_packed(path: Path, first: int) -> Segment | None:
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        try:
            file.seek(end - _LENGTH.size)
            (whole,) = _LENGTH.unpack(file.read(_LENGTH.size))
            file.seek(end - whole)
            data = file.read(whole)
            magic, _ = _HEAD.unpack_from(data)
            count, size, frames = _FACTS.unpack_from(data, _HEAD.size)
            places = list(struct.unpack_from(f"<{frames}Q", data, _HEAD.size + _FACTS.size))
        except (OSError, ValueError, struct.error):
            return None
    if magic != _SKIPPABLE or len(places) != -(-count // FRAME_LINES) + 1 or places != sorted(places):
        return None
    return Segment(path, first, count, size, places, packed=True)
