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

from app.elf.image import Image, text_at
from app.elf.model import Section

SHT_VERDEF, SHT_VERNEED, SHT_VERSYM = 0x6FFFFFFD, 0x6FFFFFFE, 0x6FFFFFFF
_HIDDEN, _INDEX = 0x8000, 0x7FFF
_BASE = 1  # VER_FLG_BASE


def dynamic_versions(
    image: Image, count: int, defined: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.uint32], tuple[str, ...]]:
    """For ``count`` dynamic symbols an index into the second value, whose entry 0 is ""."""
    ids = np.zeros(count, np.uint32)
    by_type = {image.section_types[section.index]: section for section in image.sections}
    versym = by_type.get(SHT_VERSYM)
    if versym is None or image.layout is None:
        return ids, ("",)
    raw = image.whole(versym)
    numbers = np.zeros(count, np.uint16)
    found = np.frombuffer(raw[: len(raw) // 2 * 2], image.layout.half)[:count]
    numbers[: len(found)] = found
    needed = _needed(image, by_type.get(SHT_VERNEED))
    given = _given(image, by_type.get(SHT_VERDEF))
    texts: dict[str, int] = {"": 0}
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


def _text(index: int, hidden: bool, defined: bool, needed: dict[int, str], given: dict[int, str]) -> str:
    # A definition first looks among what the file gives, an undefined symbol among what it needs; a copy
    # relocation is defined here and yet carries the version that it needs.
    if defined and index in given:
        return ("@" if hidden else "@@") + given[index]
    if index in needed:
        return "@" + needed[index]
    return ""


def _needed(image: Image, section: Section | None) -> dict[int, str]:
    found: dict[int, str] = {}
    if section is None:
        return found
    raw, names, order = _tables(image, section)
    at = 0
    for _ in range(len(raw) // 16):
        if not 0 <= at <= len(raw) - 16:
            break
        _, count, _, aux, following = struct.unpack_from(order + "HHIII", raw, at)
        place = at + aux
        for _ in range(min(count, len(raw) // 16)):
            if not 0 <= place <= len(raw) - 16:
                break
            _, _, other, name, step = struct.unpack_from(order + "IHHII", raw, place)
            found.setdefault(other & _INDEX, text_at(names, name))
            if not step:
                break
            place += step
        if not following:
            break
        at += following
    return found


def _given(image: Image, section: Section | None) -> dict[int, str]:
    found: dict[int, str] = {}
    if section is None:
        return found
    raw, names, order = _tables(image, section)
    at = 0
    for _ in range(len(raw) // 20):
        if not 0 <= at <= len(raw) - 20:
            break
        _, flags, index, _, _, aux, following = struct.unpack_from(order + "HHHHIII", raw, at)
        place = at + aux
        if 0 <= place <= len(raw) - 8 and not flags & _BASE:
            found.setdefault(index & _INDEX, text_at(names, struct.unpack_from(order + "I", raw, place)[0]))
        if not following:
            break
        at += following
    return found


def _tables(image: Image, section: Section) -> tuple[bytes, bytes, str]:
    assert image.layout is not None
    names = b""
    if 0 < section.link < len(image.sections):
        names = bytes(image.content(image.sections[section.link]))
    return bytes(image.whole(section)), names, "<" if image.layout.endian == "little" else ">"
