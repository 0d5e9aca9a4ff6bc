"""Unwind tables to the canonical frame address at one instruction: a register and a number to add.

Finds the one entry by the search table of .eh_frame_hdr, and runs its instructions up to the address. A rule
that is an expression, an encoding that is not common, or an address that no entry has gives None.
Sources: LSB 5.0, chapter 10.6 (.eh_frame, .eh_frame_hdr); DWARF 5, section 6.4.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from app.elf.cursor import Cursor
from app.elf.go.module import loaded
from app.elf.image import Image

_LARGEST = 1 << 16  # bytes of an entry
_TABLE = 0x3B  # DW_EH_PE_datarel | sdata4
_PCREL4 = 0x1B  # DW_EH_PE_pcrel | sdata4
_SKIPPED = {0x05: "uu", 0x06: "u", 0x07: "u", 0x08: "u", 0x09: "uu", 0x0F: "b", 0x10: "ub", 0x11: "us"}
_SKIPPED |= {0x14: "uu", 0x15: "us", 0x16: "ub", 0x2D: "", 0x2E: "u", 0x2F: "uu", 0x00: ""}


class Rule(NamedTuple):
    register: int  # DWARF's number
    offset: int


class FrameRules:
    """Answers for one file."""

    def __init__(self, image: Image) -> None:
        self._image = image
        self._starts, self._entries = _search_table(image)
        self._big = image.header is not None and image.header.endian == "big"

    def cfa(self, address: int) -> Rule | None:
        """The frame address when the instruction at ``address`` is about to run."""
        row = int(np.searchsorted(self._starts, address, "right")) - 1
        if row < 0:
            return None
        place = int(self._entries[row])
        entry = self._record(place)
        if entry is None:
            return None
        pointer = entry.number(4)
        head = _Head.read(self._record(place + 4 - pointer))
        if head is None:
            return None
        start = entry.signed(4) + place + 8
        size = entry.number(4)
        if head.augmented:
            entry.bytes(entry.uleb())
        if entry.bad or not start <= address < start + size:
            return None
        return _run(head, entry, start, address)

    def _record(self, place: int) -> Cursor | None:
        """The bytes after the length of the record at a virtual address."""
        size = Cursor(loaded(self._image, place, 4), big=self._big).number(4)
        if not 4 <= size <= _LARGEST:
            return None
        raw = loaded(self._image, place + 4, size)
        return Cursor(raw, big=self._big) if len(raw) == size else None


class _Head(NamedTuple):
    """What a common entry says for those that name it."""

    code: int
    data: int
    augmented: bool
    instructions: Cursor

    @classmethod
    def read(cls, at: Cursor | None) -> _Head | None:
        if at is None or at.number(4) != 0:
            return None
        version = at.u8()
        text = b""
        while (byte := at.u8()) and not at.bad:
            text += bytes([byte])
        code, data = at.uleb(), at.sleb()
        _ = at.u8() if version == 1 else at.uleb()
        encoding = None
        if text[:1] == b"z":
            inner = Cursor(at.bytes(at.uleb()), big=at.order == "big")
            for letter in text[1:]:
                if letter == ord("R"):
                    encoding = inner.u8()
                elif letter == ord("L"):
                    inner.u8()
                elif letter == ord("P"):
                    inner.bytes({3: 4, 4: 8, 11: 4, 12: 8, 0: 8}.get(inner.u8() & 15, 4))
        if at.bad or version not in (1, 3) or encoding != _PCREL4:
            return None
        return cls(code, data, True, at)


def _search_table(image: Image) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The first address of each entry and where it lies, by address."""
    section = image.by_name(".eh_frame_hdr")
    nothing = np.zeros(0, np.int64)
    if section is None or image.layout is None:
        return nothing, nothing
    raw = image.content(section)
    if len(raw) < 12 or raw[0] != 1 or raw[1] & 15 not in (3, 11) or raw[2] != 3 or raw[3] != _TABLE:
        return nothing, nothing
    order = "<" if image.layout.endian == "little" else ">"
    count = min(int(np.frombuffer(raw, f"{order}u4", 1, 8)[0]), (len(raw) - 12) // 8)
    pairs = np.frombuffer(raw, f"{order}i4", 2 * count, 12).astype(np.int64) + section.address
    return pairs[::2], pairs[1::2]


def _run(head: _Head, entry: Cursor, start: int, address: int) -> Rule | None:
    rule: Rule | None = None
    saved: list[Rule | None] = []
    at = start
    for code in (head.instructions, entry):
        while code.left:
            op = code.u8()
            if op >> 6:
                at += (op & 63) * head.code if op >> 6 == 1 else 0
                _ = code.uleb() if op >> 6 == 2 else 0
            elif op in (0x02, 0x03, 0x04):
                at += code.number(1 << (op - 2)) * head.code
            elif op == 0x0A:
                saved.append(rule)
            elif op == 0x0B:
                rule = saved.pop() if saved else None
            elif op == 0x0C:
                rule = Rule(code.uleb(), code.uleb())
            elif op == 0x12:
                rule = Rule(code.uleb(), code.sleb() * head.data)
            elif op == 0x0D:
                number = code.uleb()
                rule = Rule(number, rule.offset) if rule else None
            elif op in (0x0E, 0x13):
                offset = code.uleb() if op == 0x0E else code.sleb() * head.data
                rule = Rule(rule.register, offset) if rule else None
            elif op in _SKIPPED:
                rule = None if op == 0x0F else rule
                for kind in _SKIPPED[op]:
                    _skip(code, kind)
            else:
                return None
            if code is entry and at > address:
                return rule
    return rule if not entry.bad else None


def _skip(code: Cursor, kind: str) -> None:
    if kind == "b":
        code.bytes(code.uleb())
    elif kind == "s":
        code.sleb()
    else:
        code.uleb()
