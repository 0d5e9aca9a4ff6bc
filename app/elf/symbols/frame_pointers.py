"""A sample of a file's functions to whether its code keeps frame pointers: stacks by them are whole, or cut.

Counted are functions that call others and begin by making a frame: ``mov rbp, rsp`` after ``push rbp``,
``mov x29, sp`` after ``stp x29, x30``. Where compilers leave frames out they still make some (for alloca),
and where they keep them they leave some out, so that a middling share says nothing. Go always keeps them.
Sources: AMD64 psABI 3.2.2; AAPCS64 6.4.6; release notes of Go 1.7 and 1.12; LSB 5.0, 10.6.2 (.eh_frame_hdr).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from app.elf.image import Image
from app.elf.model import SymbolColumns
from app.elf.symbols.rows import native_frames

_FEWEST = 6
_KEPT, _LEFT_OUT = 0.6, 0.25
_FLAG, _AGAINST = "-fno-omit-frame-pointer", "-fomit-frame-pointer"
_GO = {"x86_64", "aarch64"}


class FramePointers(NamedTuple):
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


def _counted(image: Image, symbols: SymbolColumns | None, machine: str) -> tuple[int, int]:
    """Functions that call others, and those of them that make a frame: by the core, else by numpy."""
    found = native_frames(image, symbols, *unwind(image), machine)
    if found is None:
        from app.elf.symbols.numpy_frames import counted_by_numpy

        return counted_by_numpy(image, symbols, machine)
    return found


def unwind(image: Image) -> tuple[memoryview, int]:
    """.eh_frame_hdr and its address."""
    index = image.headers.places.get(".eh_frame_hdr", -1)
    return image.bytes_of(index), image.headers.section_rows[index].address if index >= 0 else 0
