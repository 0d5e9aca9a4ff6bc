"""The GNU version sections to one version text a dynamic symbol, as readelf -Ws prints it.

``@@V``: the default of a definition; ``@V``: a hidden definition, or what an undefined symbol needs.
Base definitions (the file's own name) and local or global indices have none. Tables are followed by their
own offsets, at most as many steps as bytes allow, so that a cycle ends.
Source: LSB Core, Symbol Versioning; get_symbol_version_string of binutils.
"""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt

from app.elf.image import Image
from app.elf.model import Section

SHT_VERDEF, SHT_VERNEED, SHT_VERSYM = 0x6FFFFFFD, 0x6FFFFFFE, 0x6FFFFFFF
_HIDDEN, _INDEX = 0x8000, 0x7FFF
_BASE = 1  # VER_FLG_BASE
_STEP = 16  # bytes of the smallest record that takes a step


def dynamic_versions(
    image: Image, count: int, defined: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.uint32], tuple[bytes, ...]]:
    """For ``count`` dynamic symbols an index into the second value, whose entry 0 is empty."""
    ids = np.zeros(count, np.uint32)
    by_type = {image.section_types[section.index]: section for section in image.sections}
    versym = by_type.get(SHT_VERSYM)
    if versym is None or image.layout is None:
        return ids, (b"",)
    raw = image.whole(versym)
    numbers = np.zeros(count, np.uint16)
    found = np.frombuffer(raw[: len(raw) // 2 * 2], image.layout.order + "u2")[:count]
    numbers[: len(found)] = found
    needed = _needed(image, by_type.get(SHT_VERNEED))
    given = _given(image, by_type.get(SHT_VERDEF))
    texts: dict[bytes, int] = {b"": 0}
    for number in np.unique(numbers).tolist():
        index = number & _INDEX
        if index == 0 or number == 0x8001:
            continue
        for is_defined in (False, True):
            text = _text(index, bool(number & _HIDDEN), is_defined, needed, given)
            if text:
                rows = (numbers == number) & (defined == is_defined)
                ids[rows] = texts.setdefault(text, len(texts))
    return ids, tuple(texts)


def _text(
    index: int, hidden: bool, defined: bool, needed: dict[int, bytes], given: dict[int, bytes]
) -> bytes:
    # A definition first looks among what the file gives, an undefined symbol among what it needs; a copy
    # relocation is defined here and yet carries the version that it needs.
    if defined and index in given:
        return (b"@" if hidden else b"@@") + given[index]
    if index in needed:
        return b"@" + needed[index]
    return b""


def _needed(image: Image, section: Section | None) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    if section is None:
        return found
    raw, names, order = _tables(image, section)
    at, steps = 0, len(raw) // _STEP
    while steps and at <= len(raw) - 16:
        steps -= 1
        _, count, _, aux, following = struct.unpack_from(order + "HHIII", raw, at)
        place = at + aux
        while count and steps and place <= len(raw) - 16:
            count, steps = count - 1, steps - 1
            _, _, other, name, step = struct.unpack_from(order + "IHHII", raw, place)
            found.setdefault(other & _INDEX, _name_at(names, name))
            if not step:
                break
            place += step
        if not following:
            break
        at += following
    return found


def _given(image: Image, section: Section | None) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    if section is None:
        return found
    raw, names, order = _tables(image, section)
    at, steps = 0, len(raw) // _STEP
    while steps and at <= len(raw) - 20:
        steps -= 1
        _, flags, index, _, _, aux, following = struct.unpack_from(order + "HHHHIII", raw, at)
        place = at + aux
        if place <= len(raw) - 8 and not flags & _BASE:
            found.setdefault(index & _INDEX, _name_at(names, struct.unpack_from(order + "I", raw, place)[0]))
        if not following:
            break
        at += following
    return found


def _name_at(names: bytes, offset: int) -> bytes:
    end = names.find(b"\0", offset)
    return names[offset : end if end >= 0 else len(names)]


def _tables(image: Image, section: Section) -> tuple[bytes, bytes, str]:
    assert image.layout is not None
    names = b""
    if 0 < section.link < len(image.sections):
        names = bytes(image.content(image.sections[section.link]))
    return bytes(image.whole(section)), names, "<" if image.layout.endian == "little" else ">"
