"""The dynamic section to the libraries a file needs and its own name.

Source: gABI chapter 5, Dynamic Section. Read by the section, whose link names the strings.
"""

from __future__ import annotations

from app.elf.image import Image, text_at

SHT_DYNAMIC = 6
_DT_NULL, _DT_NEEDED, _DT_SONAME = 0, 1, 14


def needed_and_soname(image: Image) -> tuple[tuple[str, ...], str | None]:
    """Names of needed libraries in the file's order, and DT_SONAME."""
    assert image.layout is not None
    for index, row in enumerate(image.headers.section_rows):
        if row.type != SHT_DYNAMIC:
            continue
        raw = image.bytes_of(index)
        size = image.layout.dyn.size
        strings = b""
        if row.link:
            strings = bytes(image.bytes_of(row.link))
        needed: list[str] = []
        soname: str | None = None
        for tag, value in image.layout.dyn.iter_unpack(raw[: len(raw) // size * size]):
            if tag == _DT_NULL:
                break
            if tag == _DT_NEEDED:
                needed.append(text_at(strings, value))
            elif tag == _DT_SONAME:
                soname = text_at(strings, value)
        return tuple(needed), soname
    return (), None
