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
    for section in image.sections:
        if image.section_types[section.index] != SHT_DYNAMIC:
            continue
        rows = image.records(image.layout.dyn, section.offset, section.size // image.layout.dyn.itemsize)
        strings = b""
        if 0 < section.link < len(image.sections):
            strings = bytes(image.content(image.sections[section.link]))
        needed: list[str] = []
        soname: str | None = None
        for tag, value in zip(rows["tag"].tolist(), rows["value"].tolist(), strict=True):
            if tag == _DT_NULL:
                break
            if tag == _DT_NEEDED:
                needed.append(text_at(strings, value))
            elif tag == _DT_SONAME:
                soname = text_at(strings, value)
        return tuple(needed), soname
    return (), None
