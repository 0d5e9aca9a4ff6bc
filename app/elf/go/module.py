"""Where Go's run time finds its tables: the words of moduledata, with relocations applied.

A position-independent program has them as relocations, not as bytes. Nothing names the structure in a
stripped program; its first word is the address of the table of functions.
Source: moduledata in runtime/symtab.go, which begins alike in every version from Go 1.18 on.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
import numpy.typing as npt

from app.elf.arrays import records
from app.elf.image import PT_LOAD, Image

SHT_RELA = 4
# The fields that the run time's version leaves where they are: the least and the last code, and its start.
_LEAST, _LAST, _TEXT = 20, 21, 22
WORDS = 48


def pointer(image: Image, address: int) -> int:
    """The pointer at a virtual address once the program is loaded (at 0); 0 where nothing is there."""
    for offsets, addends in _relocations(image):
        found = addends[offsets == address]
        if len(found):
            return int(found[0])
    return int.from_bytes(loaded(image, address, _word(image)), _order(image))


def loaded(image: Image, address: int, size: int) -> bytes:
    """The file's bytes for a virtual address, fewer at the end of its segment."""
    for segment, kind in zip(image.segments, image.segment_types, strict=True):
        if kind == PT_LOAD and segment.address <= address < segment.address + segment.file_size:
            inside = address - segment.address
            return bytes(image.part(segment.offset + inside, min(size, segment.file_size - inside)))
    return b""


def module_words(image: Image, table: int) -> list[int] | None:
    """The first words of the moduledata whose table of functions lies at ``table``."""
    word = _word(image)
    for place in _places(image, table):
        words = [pointer(image, place + index * word) for index in range(WORDS)]
        if 0 < words[_TEXT] <= words[_LEAST] < words[_LAST]:
            return words
    return None


def text_start(image: Image, table: int) -> int:
    """The address that entries count from; that of the section of code where nothing else tells."""
    words = module_words(image, table)
    if words is not None:
        return words[_TEXT]
    code = image.by_name(".text")
    return code.address if code is not None else 0


def _places(image: Image, value: int) -> Iterator[int]:
    """Virtual addresses of pointers to ``value`` in what can be written."""
    for offsets, addends in _relocations(image):
        yield from offsets[addends == value].tolist()
    wanted = value.to_bytes(_word(image), _order(image))
    for segment, kind in zip(image.segments, image.segment_types, strict=True):
        if kind == PT_LOAD and "W" in segment.flags:
            raw = bytes(image.part(segment.offset, segment.file_size))
            at = raw.find(wanted)
            while at >= 0:
                yield segment.address + at
                at = raw.find(wanted, at + 1)


def _relocations(image: Image) -> Iterator[tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]]:
    assert image.layout is not None
    native = image.layout.order + f"u{_word(image)}"
    dtype = np.dtype([("offset", native), ("info", native), ("addend", native)])
    for section in image.sections:
        if image.section_types[section.index] == SHT_RELA and "A" in section.flags:
            rows = records(image, dtype, section.offset, section.size // dtype.itemsize)
            yield rows["offset"].astype(np.uint64), rows["addend"].astype(np.uint64)


def _word(image: Image) -> int:
    assert image.layout is not None
    return image.layout.bits // 8


def _order(image: Image) -> Literal["little", "big"]:
    assert image.layout is not None
    return "little" if image.layout.endian == "little" else "big"
