"""A sample of a file's functions to whether its code keeps frame pointers: stacks by them are whole, or cut.

Counted are functions that call others and begin by making a frame: ``mov rbp, rsp`` after ``push rbp``,
``mov x29, sp`` after ``stp x29, x30``. Where compilers leave frames out they still make some (for alloca),
and where they keep them they leave some out, so that a middling share says nothing. Go always keeps them.
Sources: AMD64 psABI 3.2.2; AAPCS64 6.4.6; release notes of Go 1.7 and 1.12; LSB 5.0, 10.6.2 (.eh_frame_hdr).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from app.elf.image import Image, load_rows
from app.elf.model import SymbolColumns
from app.elf.symbols import file_offsets, native_frames

_SAMPLE = 192
_LOOKED_AT = 4096  # symbols, of which those of large functions are taken
_FEWEST = 6
_SMALLEST = 64  # bytes of a function; smaller ones mostly call nothing
_WINDOW = 512  # bytes looked at for a call
_HEAD = 48  # and for the frame, which lies behind the saving of registers
_KEPT, _LEFT_OUT = 0.6, 0.25
_FLAG, _AGAINST = "-fno-omit-frame-pointer", "-fomit-frame-pointer"
_GO = {"x86_64", "aarch64"}
_STT_FUNC = 2


@dataclass(frozen=True, slots=True)
class FramePointers:
    kept: bool | None  # None: too few functions, or a middling share
    share: float | None  # of the functions looked at
    sampled: int


NOT_KNOWN = FramePointers(None, None, 0)


def frame_pointers(
    image: Image, symbols: SymbolColumns | None, language: str | None, producers: Iterable[str] = ()
) -> FramePointers:
    """``producers`` are DW_AT_producer texts, where they are at hand: they decide what the share does not."""
    assert image.header is not None
    machine = image.header.machine
    if language == "go":
        return FramePointers(True, None, 0) if machine in _GO else NOT_KNOWN
    if machine not in {"x86_64", "i386", "aarch64"}:
        return NOT_KNOWN
    sampled, framed = _counted(image, symbols, machine)
    if sampled < _FEWEST:
        return FramePointers(_flagged(producers), None, sampled)
    share = round(framed / sampled, 3)
    kept = True if share >= _KEPT else False if share <= _LEFT_OUT else _flagged(producers)
    return FramePointers(kept, share, sampled)


def _flagged(producers: Iterable[str]) -> bool | None:
    """By the flags of all C compilers' units that have one; of several in a unit the last counts."""
    said = {
        text.rfind(_FLAG) > text.rfind(_AGAINST) for text in producers if _FLAG in text or _AGAINST in text
    }
    return said.pop() if len(said) == 1 else None


def _starts(image: Image, symbols: SymbolColumns | None) -> npt.NDArray[np.uint64]:
    """Addresses of functions large enough, evenly over the file: by symbols, else by the unwind table."""
    found = np.zeros(0, np.uint64)
    if symbols is not None:
        some = slice(None, None, max(1, len(symbols) // _LOOKED_AT))
        size, defined = symbols.size[some], symbols.section_index[some] != 0
        chosen = (symbols.type[some] == _STT_FUNC) & (size >= _SMALLEST) & defined
        found = _spread(symbols.address[some][chosen])
    if len(found) < _SAMPLE:
        unwound = _spread(_unwound(image))
        found = unwound if len(unwound) > len(found) else found
    return np.unique(found)


def _spread(addresses: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    return addresses[:: max(1, -(-len(addresses) // _SAMPLE))]


def _unwound(image: Image) -> npt.NDArray[np.uint64]:
    """Functions of .eh_frame_hdr, whose search table is sorted; a function ends where the next begins."""
    raw, address = _unwind(image)
    nothing = np.zeros(0, np.uint64)
    if image.layout is None:
        return nothing
    # Version 1; the pointer to .eh_frame in 4 bytes, the count as udata4, the table as datarel sdata4.
    if len(raw) < 12 or raw[0] != 1 or raw[1] & 15 not in (3, 11) or raw[2] != 3 or raw[3] != 0x3B:
        return nothing
    order = "<" if image.layout.endian == "little" else ">"
    count = min(struct.unpack_from(order + "I", raw, 8)[0], (len(raw) - 12) // 8)
    starts = np.frombuffer(raw, f"{order}i4", 2 * count, 12)[::2].astype(np.int64)
    large = np.flatnonzero(np.diff(starts) >= _SMALLEST)
    found: npt.NDArray[np.uint64] = starts[large].astype(np.uint64) + np.uint64(address)
    return found


def _counted(image: Image, symbols: SymbolColumns | None, machine: str) -> tuple[int, int]:
    """Functions that call others, and those of them that make a frame: by the core, else by numpy."""
    found = native_frames(image, symbols, *_unwind(image), machine)
    return counted_by_numpy(image, symbols, machine) if found is None else found


def _unwind(image: Image) -> tuple[memoryview, int]:
    """.eh_frame_hdr and its address."""
    index = image.headers.places.get(".eh_frame_hdr", -1)
    return image.bytes_of(index), image.headers.section_rows[index].address if index >= 0 else 0


def counted_by_numpy(image: Image, symbols: SymbolColumns | None, machine: str) -> tuple[int, int]:
    offsets = file_offsets(load_rows(image.headers.program_rows), _starts(image, symbols))
    windows = _windows(image, offsets[(offsets >= 0) & (offsets + _SMALLEST <= len(image.data))])
    calls = _calls_aarch64(windows) if machine == "aarch64" else (windows == 0xE8).any(1)
    windows = windows[calls]
    made = _frames_aarch64(windows) if machine == "aarch64" else _frames_x86(windows, machine)
    return len(windows), int(made.sum())


def _windows(image: Image, offsets: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """The first bytes of each function, a row each, with zeros behind the end of the file."""
    data = np.frombuffer(image.data, np.uint8)
    if len(data) < _WINDOW:
        data = np.concatenate([data, np.zeros(_WINDOW, np.uint8)])
    found = sliding_window_view(data, _WINDOW)[np.minimum(offsets, len(data) - _WINDOW)]
    late = np.flatnonzero(offsets > len(data) - _WINDOW).tolist()
    for row in late:
        found[row] = 0
        rest = data[int(offsets[row]) :]
        found[row, : len(rest)] = rest
    return found


def _holds(windows: npt.NDArray[np.uint8], code: bytes) -> npt.NDArray[np.bool_]:
    """At each place of each row, whether ``code`` begins there."""
    width = windows.shape[1] - len(code) + 1
    found = np.ones((len(windows), width), bool)
    for index, byte in enumerate(code):
        found &= windows[:, index : index + width] == byte
    return found


def _frames_x86(windows: npt.NDArray[np.uint8], machine: str) -> npt.NDArray[np.bool_]:
    """``push rbp`` and, at once or after other instructions, ``mov rbp, rsp`` in either encoding."""
    head = windows[:, :_HEAD]
    prefix = b"\x48" if machine == "x86_64" else b""
    moved = _holds(head, prefix + b"\x89\xe5") | _holds(head, prefix + b"\x8b\xec")
    pushed = np.logical_or.accumulate(head == 0x55, axis=1)
    return np.asarray((moved[:, 1:] & pushed[:, : moved.shape[1] - 1]).any(1))


def _words(windows: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint32]:
    return np.ascontiguousarray(windows).view("<u4")


def _calls_aarch64(windows: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    return np.asarray(((_words(windows) & 0xFC000000) == 0x94000000).any(1))


def _frames_aarch64(windows: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """``mov x29, sp`` or ``add x29, sp, #n``: a frame record has been made where x29 points."""
    return np.asarray(((_words(windows[:, :_HEAD]) & 0xFF8003FF) == 0x910003FD).any(1))
