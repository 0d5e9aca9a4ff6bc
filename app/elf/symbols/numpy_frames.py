"""The sample of ``app.elf.symbols.frame_pointers`` without the native core: calls and frames, by numpy.

The tests hold the core against it. Sources: as there.
"""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from app.elf.arrays import SymbolArrays, file_offsets
from app.elf.image import Image, load_rows
from app.elf.model import SymbolColumns
from app.elf.symbols.frame_pointers import unwind

_SAMPLE = 192
_LOOKED_AT = 4096  # symbols, of which those of large functions are taken
_SMALLEST = 64  # bytes of a function; smaller ones mostly call nothing
_WINDOW = 512  # bytes looked at for a call
_HEAD = 48  # and for the frame, which lies behind the saving of registers
_STT_FUNC = 2


def _starts(image: Image, symbols: SymbolColumns | None) -> npt.NDArray[np.uint64]:
    """Addresses of functions large enough, evenly over the file: by symbols, else by the unwind table."""
    found = np.zeros(0, np.uint64)
    if symbols is not None:
        columns = SymbolArrays.of(symbols)
        some = slice(None, None, max(1, symbols.rows // _LOOKED_AT))
        size, defined = columns.size[some], columns.section_index[some] != 0
        chosen = (columns.type[some] == _STT_FUNC) & (size >= _SMALLEST) & defined
        found = _spread(columns.address[some][chosen])
    if len(found) < _SAMPLE:
        unwound = _spread(_unwound(image))
        found = unwound if len(unwound) > len(found) else found
    return np.unique(found)


def _spread(addresses: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    return addresses[:: max(1, -(-len(addresses) // _SAMPLE))]


def _unwound(image: Image) -> npt.NDArray[np.uint64]:
    """Functions of .eh_frame_hdr, whose search table is sorted; a function ends where the next begins."""
    raw, address = unwind(image)
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


def counted_by_numpy(image: Image, symbols: SymbolColumns | None, machine: str) -> tuple[int, int]:
    """Functions of the sample that call others, and those of them that make a frame."""
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
