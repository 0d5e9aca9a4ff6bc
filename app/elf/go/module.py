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
_SHF_ALLOC, _PF_W = 2, 2
# The fields that the run time's version leaves where they are: the least and the last code, and its start.
_LEAST, _LAST, _TEXT = 20, 21, 22
WORDS = 48
_Relocations = list[tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]]


def pointer(image: Image, address: int) -> int:
    """The pointer at a virtual address once the program is loaded (at 0); 0 where nothing is there."""
    return _words(image, address, 1, _relocations(image))[0]


def loaded(image: Image, address: int, size: int) -> bytes:
    """The file's bytes for a virtual address, fewer at the end of its segment."""
    for row in image.headers.program_rows:
        if row.type == PT_LOAD and row.address <= address < row.address + row.file_size:
            inside = address - row.address
            return bytes(image.part(row.offset + inside, min(size, row.file_size - inside)))
    return b""


def module_words(image: Image, table: int) -> list[int] | None:
    """The first words of the moduledata whose table of functions lies at ``table``."""
    relocations = _relocations(image)
    for place in _places(image, table, relocations):
        words = _words(image, place, WORDS, relocations)
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


def _words(image: Image, address: int, count: int, relocations: _Relocations) -> list[int]:
    """So many pointers from an address on; where several relocations write one, the first counts."""
    word, order = _word(image), _order(image)
    raw = loaded(image, address, count * word).ljust(count * word, b"\0")
    found = [int.from_bytes(raw[at : at + word], order) for at in range(0, len(raw), word)]
    last = min(address + count * word, 1 << 64) - 1
    for offsets, addends in reversed(relocations):
        rows = np.flatnonzero((offsets >= address) & (offsets <= last))
        for row in rows[::-1].tolist():
            at, odd = divmod(int(offsets[row]) - address, word)
            if not odd:
                found[at] = int(addends[row])
    return found


def _places(image: Image, value: int, relocations: _Relocations) -> Iterator[int]:
    """Virtual addresses of pointers to ``value`` in what can be written."""
    for offsets, addends in relocations:
        yield from offsets[addends == value].tolist()
    wanted = value.to_bytes(_word(image), _order(image))
    for row in image.headers.program_rows:
        if row.type == PT_LOAD and row.flags & _PF_W:
            raw = bytes(image.part(row.offset, row.file_size))
            at = raw.find(wanted)
            while at >= 0:
                yield row.address + at
                at = raw.find(wanted, at + 1)


def _relocations(image: Image) -> _Relocations:
    """Of each section of them: the addresses that are written, and what is written there."""
    assert image.layout is not None
    native = image.layout.order + f"u{_word(image)}"
    dtype = np.dtype([("offset", native), ("info", native), ("addend", native)])
    found = []
    for row in image.headers.section_rows:
        if row.type == SHT_RELA and row.flags & _SHF_ALLOC:
            rows = records(image, dtype, row.offset, row.size // dtype.itemsize)
            found.append((rows["offset"].astype(np.uint64), rows["addend"].astype(np.uint64)))
    return found


def _word(image: Image) -> int:
    assert image.layout is not None
    return image.layout.bits // 8


def _order(image: Image) -> Literal["little", "big"]:
    assert image.layout is not None
    return "little" if image.layout.endian == "little" else "big"
