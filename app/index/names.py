"""The names of many binaries in one place: each different name once, and who has it as what.

``Part.of`` makes it out of columns, ``save`` and ``load`` keep it as one file that is mapped. An entry is a
name as one kind (a function, a variable, a USDT probe); its posts are the rows of the binaries that have it.
Names are numbered by the alphabet. A file that is not what ``save`` writes is none: the part is made anew.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from app.elf.search import scan
from app.elf.search.scan import Grown, Lines
from app.errors import AppError
from app.index.columns import Columns
from app.index.rows import RowKind, keys_of, lines_of, rows_of, spellings_of

KINDS = ("binary", "usdt", "function", "variable")
_USDT = 1
_ROWS: tuple[tuple[RowKind, int], ...] = (("function", 2), ("variable", 3))
_MAGIC = b"PSNAMES\x02"
_ALIGN = 64
_NOWHERE = 0xFFFFFFFF
# dtype, and the array whose length and one more it has ("" for any).
_ARRAYS = {
    "text": "u1",
    "line_at": "u4",
    "further": "u4",
    "grown": "u1",
    "grown_at": "u4",
    "shared": "u1",
    "name_entry_at": "u4",
    "entry_name": "u4",
    "entry_kind": "u1",
    "entry_at": "u4",
    "post_binary": "u4",
    "post_address": "u8",
    "post_section": "u4",
    "post_line": "u4",
}
_OF_TEXT = ("text", "grown", "grown_at", "shared")
_LINES_AT_ONCE = 16 * scan.RESTART
Array = npt.NDArray[Any]
# The name under which a binary's columns lie, and its columns; None when they are gone.
Source = tuple[str, Callable[[], Columns]]


@dataclass(frozen=True, slots=True)
class Pieces:
    """Lines that are not yet in their order: first names as they are shown, then other spellings."""

    shown: Lines
    by_rank: Array
    spelled: Lines
    spellings: Array

    def text(self, line_at: Array, first: int, end: int) -> Array:
        """That of the lines from ``first`` to ``end``, which begin at ``line_at``."""
        count = len(self.by_rank)
        middle = min(max(first, count), end)
        out = np.empty(int(line_at[end]) - int(line_at[first]), np.uint8)
        behind = int(line_at[middle]) - int(line_at[first])
        scan.gather(self.shown, self.by_rank[first:middle], out[:behind])
        scan.gather(self.spelled, self.spellings[max(first - count, 0) : max(end - count, 0)], out[behind:])
        return out


@dataclass(frozen=True, slots=True)
class Part:
    """``post_binary`` counts ``places``; ``post_line`` is the line of the name as the binary has it."""

    places: tuple[str, ...]
    arrays: dict[str, Array]
    mapping: mmap.mmap | None = None  # what the arrays lie in, where they lie in a file
    pieces: Pieces | None = None  # of which the text is made when it is asked for

    def rest(self) -> None:
        """Lets go of the pages of the file, which come back with the next question; the system keeps them."""
        if self.mapping is not None and hasattr(mmap, "MADV_DONTNEED"):
            self.mapping.madvise(mmap.MADV_DONTNEED)

    def _text(self) -> None:
        """Makes what ``save`` need not have in memory."""
        if self.pieces is not None and "text" not in self.arrays:
            line_at, further = self.arrays["line_at"], self.arrays["further"]
            grown = scan.grow(Lines(self.pieces.text(line_at, 0, len(line_at) - 1), line_at, further))
            made = {
                "text": grown.lines.text,
                "grown": grown.text,
                "grown_at": grown.at,
                "shared": grown.shared,
            }
            self.arrays.update(made)

    @property
    def lines(self) -> Lines:
        return Lines(self["text"], self["line_at"], self["further"])

    @property
    def grown(self) -> Grown:
        return Grown(self.lines, self["grown"], self["grown_at"], self["shared"])

    def __getitem__(self, name: str) -> Array:
        if name in _OF_TEXT:
            self._text()
        return self.arrays[name]

    @staticmethod
    def of(sources: Iterable[Source], stopped: Callable[[], bool] = lambda: False) -> Part | None:
        """None when it was stopped. Binaries whose columns are gone have no posts."""
        gathered = _Gathered()
        for place, columns_of in sources:
            if stopped():
                return None
            gathered.add(place, columns_of)
        return gathered.part()

    def save(self, path: Path) -> None:
        """Raises OSError when it does not fit; what was there before stays until all is written."""
        handle, name = tempfile.mkstemp(prefix="names-", dir=path.parent)
        try:
            try:
                self._write(handle)
            finally:
                os.close(handle)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def _write(self, handle: int) -> None:
        count = len(self.arrays["line_at"]) - 1
        lengths = {name: len(array) for name, array in self.arrays.items()}
        # What the lines have more shows only when it is written: so it comes last.
        size = int(self.arrays["line_at"][-1])
        lengths |= {"text": size, "shared": count, "grown_at": count + 1, "grown": size}
        places: dict[str, tuple[int, int]] = {}
        at = 0
        for name, kind in sorted(_ARRAYS.items(), key=lambda each: each[0] == "grown"):
            places[name] = (at, lengths[name])
            at = -(-(at + lengths[name] * int(kind[1])) // _ALIGN) * _ALIGN
        room = len(json.dumps({"arrays": places, "places": self.places}).encode())
        start = -(-(16 + room) // _ALIGN) * _ALIGN
        for name in _ARRAYS.keys() - set(_OF_TEXT):
            _put(
                handle, start + places[name][0], np.ascontiguousarray(self.arrays[name], "<" + _ARRAYS[name])
            )
        grown = self._write_text(handle, {name: start + places[name][0] for name in _OF_TEXT})
        places["grown"] = (places["grown"][0], grown)
        os.ftruncate(handle, start + places["grown"][0] + grown)
        header = json.dumps({"arrays": places, "places": self.places}).encode().ljust(room)
        _put(handle, 0, np.frombuffer(_MAGIC + struct.pack("<Q", room) + header, np.uint8))

    def _write_text(self, handle: int, places: dict[str, int]) -> int:
        """Some lines at a time, so that there need not be memory for all; gives the bytes of ``grown``."""
        line_at = self.arrays["line_at"]
        count, size = len(line_at) - 1, 0
        at, shared = np.zeros(count + 1, "<u4"), np.empty(count, np.uint8)
        for first in range(0, count, _LINES_AT_ONCE):
            end = min(first + _LINES_AT_ONCE, count)
            if self.pieces is not None:
                text = self.pieces.text(line_at, first, end)
            else:
                text = self.arrays["text"][int(line_at[first]) : int(line_at[end])]
            some = scan.grow(Lines(text, line_at[first : end + 1] - line_at[first], np.zeros(0, np.uint32)))
            _put(handle, places["text"] + int(line_at[first]), text)
            _put(handle, places["grown"] + size, some.text)
            at[first : end + 1] = some.at + np.uint32(size)
            shared[first:end] = some.shared
            size += len(some.text)
        _put(handle, places["grown_at"], at)
        _put(handle, places["shared"], shared)
        return size

    @staticmethod
    def load(path: Path) -> Part | None:
        """What ``save`` wrote; None when there is none."""
        try:
            with path.open("rb") as file:
                mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            data = memoryview(mapping)
            if data[:8] != _MAGIC:
                return None
            length = struct.unpack_from("<Q", data, 8)[0]
            header = json.loads(bytes(data[16 : 16 + length]))
            start = -(-(16 + length) // _ALIGN) * _ALIGN
            arrays = {
                name: np.frombuffer(
                    data, "<" + kind, header["arrays"][name][1], start + header["arrays"][name][0]
                )
                for name, kind in _ARRAYS.items()
            }
            part = Part(tuple(header["places"]), arrays, mapping)
            sound = part.sound()
            part.rest()  # that was all of it
            return part if sound else None
        except (OSError, ValueError, KeyError, TypeError, IndexError, struct.error):
            return None

    def sound(self) -> bool:
        """Whether no number points outside what it points into."""
        lines, names = self.lines, len(self["line_at"]) - 1 - len(self["further"])
        posts = {len(self[name]) for name in ("post_binary", "post_address", "post_section", "post_line")}
        return (
            names >= 0
            and len(posts) == 1
            and len(self["entry_kind"]) == len(self["entry_name"]) == len(self["entry_at"]) - 1
            and _rises(self["line_at"], len(lines.text))
            and len(self["shared"]) == lines.count == len(self["grown_at"]) - 1
            and _rises(self["grown_at"], len(self["grown"]))
            and _rises(self["entry_at"], len(self["post_binary"]))
            and len(self["name_entry_at"]) == names + 1
            and _rises(self["name_entry_at"], len(self["entry_name"]))
            and _below(self["further"], names)
            and _below(self["entry_name"], names)
            and _below(self["entry_kind"], len(KINDS))
            and _below(self["post_binary"], len(self.places))
            and _below(self["post_line"], lines.count)
        )


def _put(handle: int, at: int, array: Array) -> None:
    data = array.data.cast("B")
    while len(data):
        written = os.pwrite(handle, data, at)
        data, at = data[written:], at + written


def _changes(array: Array) -> npt.NDArray[np.bool_]:
    """Where a value differs from the one before it."""
    return np.append(np.ones(min(1, len(array)), bool), array[1:] != array[:-1])


def _places(numbers: Array, count: int) -> Array:
    """Where those of each of ``count`` numbers begin, in an array in which they rise."""
    found: Array = np.zeros(count + 1, np.uint32)
    np.cumsum(np.bincount(numbers, minlength=count), out=found[1:])
    return found


def _below(array: Array, count: int) -> bool:
    return not len(array) or int(array.max()) < count


def _rises(array: Array, last: int) -> bool:
    return int(array[0]) == 0 and int(array[-1]) == last and not bool((array[1:] <= array[:-1]).any())


class _Gathered:
    """Names and posts as they come, binary by binary."""

    def __init__(self) -> None:
        self._places: list[str] = []
        self._names, self._raw = scan.Names(), scan.Names()
        self._posts: list[tuple[Array, ...]] = []

    def add(self, place: str, columns_of: Callable[[], Columns]) -> None:
        binary = len(self._places)
        self._places.append(place)
        try:
            columns = columns_of()
        except AppError:
            return  # removed meanwhile
        lines = lines_of(columns)
        spelled = spellings_of(lines)
        for kind, number in _ROWS:
            row, name = rows_of(columns, kind)
            if not len(row):
                continue
            shown, back = np.unique(name, return_inverse=True)
            shown = shown.astype(np.uint32)
            raw = np.full(len(shown), _NOWHERE, np.uint32)
            mangled = np.flatnonzero(spelled[shown] != shown)
            raw[mangled] = self._raw.add(lines, spelled[shown][mangled])
            address, section = keys_of(columns, kind)
            self._post(
                binary,
                number,
                self._names.add(lines, shown)[back],
                raw[back],
                row,
                address[row],
                section[row],
            )
        self._usdt(binary, columns)

    def _usdt(self, binary: int, columns: Columns) -> None:
        probes = [(entry["provider"], entry["name"]) for entry in columns.meta["usdt"]]
        if not probes:
            return
        which = np.arange(len(probes), dtype=np.uint32)
        nothing = np.zeros(len(probes), np.uint32)
        names = self._names.add(lines_from([f"{provider}:{name}" for provider, name in probes]), which)
        raw = self._raw.add(lines_from([name for _, name in probes]), which)
        self._post(binary, _USDT, names, raw, which, nothing, nothing)

    def _post(self, binary: int, kind: int, *arrays: Array) -> None:
        count = len(arrays[0])
        self._posts.append((np.full(count, binary, np.uint32), np.full(count, kind, np.uint8), *arrays))

    def part(self) -> Part:
        kinds = ("u4", "u1", "u4", "u4", "u4", "u8", "u4")
        binary, kind, name, raw, row, address, section = (
            np.concatenate([np.zeros(0, dtype), *(post[index] for post in self._posts)]).astype(dtype)
            for index, dtype in enumerate(kinds)
        )
        shown, spelled = self._names.lines(), self._raw.lines()
        rank = scan.alphabet(shown)
        name = rank[name]
        pieces, line_at, further, line = _all_lines(shown, spelled, rank, name, raw)
        # Posts of one entry lie by binary and row; several spellings of a row's name are one post.
        order = scan.order(name.astype(np.uint64) << np.uint64(2) | kind)
        binary, kind, name, line, row, address, section = (
            array[order] for array in (binary, kind, name, line, row, address, section)
        )
        begins = _changes(name) | _changes(kind)
        fresh = begins | _changes(binary) | _changes(row)
        binary, kind, name, line, address, section, begins = (
            array[fresh] for array in (binary, kind, name, line, address, section, begins)
        )
        starts = np.flatnonzero(begins)
        return Part(
            tuple(self._places),
            {
                "line_at": line_at,
                "further": further,
                "name_entry_at": _places(name[starts], shown.count),
                "entry_name": name[starts],
                "entry_kind": kind[starts],
                "entry_at": np.append(starts, len(name)).astype(np.uint32),
                "post_binary": binary,
                "post_address": address,
                "post_section": section,
                "post_line": line,
            },
            pieces=pieces,
        )


def _all_lines(
    shown: Lines, spelled: Lines, rank: Array, name: Array, raw: Array
) -> tuple[Pieces, Array, Array, Array]:
    """(pieces, line_at, further) of the names by the alphabet and other spellings, and each post's line."""
    by_rank = np.empty(shown.count, np.uint32)
    by_rank[rank] = np.arange(shown.count, dtype=np.uint32)
    has = np.flatnonzero(raw != _NOWHERE)
    pair, back = np.unique(name[has].astype(np.uint64) << np.uint64(32) | raw[has], return_inverse=True)
    further = (pair >> np.uint64(32)).astype(np.uint32)
    spellings = (pair & np.uint64(_NOWHERE)).astype(np.uint32)
    line = name.astype(np.uint32)
    line[has] = shown.count + back
    line_at = np.zeros(shown.count + len(spellings) + 1, np.uint32)
    line_at[1 : shown.count + 1] = np.diff(shown.line_at)[by_rank]
    line_at[shown.count + 1 :] = np.diff(spelled.line_at)[spellings]
    np.cumsum(line_at, dtype=np.uint32, out=line_at)
    return Pieces(shown, by_rank, spelled, spellings), line_at, further, line


def lines_from(names: list[str]) -> Lines:
    """Lines of a few names; what would end a line is replaced."""
    encoded = [name.encode("utf-8", "surrogateescape").replace(b"\n", b"\x01") for name in names]
    at = np.cumsum([0, *(len(name) + 1 for name in encoded)]).astype(np.uint32)
    text = b"".join(name + b"\n" for name in encoded)
    return Lines(np.frombuffer(text, np.uint8), at, np.zeros(0, np.uint32))
