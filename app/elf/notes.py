"""Notes of an image: owner, type and content of each, from its sections, else from its segments.

Source: gABI chapter 5, Note Section. Padding is to 4 bytes, to 8 where the section or segment says so and
the note is GNU's property note, as the tools read it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from app.elf.image import Image

SHT_NOTE, PT_NOTE = 7, 4
NT_GNU_BUILD_ID = 3


class Note(NamedTuple):
    owner: bytes
    type: int
    content: bytes


def notes(image: Image) -> Iterator[Note]:
    """Every note that lies whole inside the file."""
    relocatable = image.header is not None and image.header.type == "REL"
    found = False
    for index, row in enumerate(image.headers.section_rows):
        if row.type == SHT_NOTE:
            found = True
            raw = bytes(image.part(row.offset, row.size))
            if relocatable:
                from app.elf.dwarf.relocations import relocate

                raw = bytes(relocate(image, image.sections[index], raw))
            yield from _notes(image, raw, row.offset, row.size, 8 if row.align == 8 else 4)
    if found:
        return
    for segment in image.headers.program_rows:
        if segment.type == PT_NOTE:
            raw = bytes(image.part(segment.offset, segment.file_size))
            yield from _notes(image, raw, segment.offset, segment.file_size, 8 if segment.align == 8 else 4)


def _notes(image: Image, raw: bytes, offset: int, size: int, align: int) -> Iterator[Note]:
    assert image.layout is not None
    if len(raw) < size:
        image.note("notes", f"The notes at {offset:#x} end after the end of the file.")
    header = image.layout.note
    at = 0
    while at <= len(raw) - 12:
        name_size, size_of, kind = header.unpack_from(raw, at)
        begin = at + 12
        content = begin + _padded(name_size, 4)
        if align == 8:
            content = at + _padded(12 + name_size, 8)
        if content + size_of > len(raw):
            image.note("notes", f"The note at {offset + at:#x} is longer than its section.")
            return
        yield Note(raw[begin : begin + name_size].rstrip(b"\0"), kind, raw[content : content + size_of])
        at = content + _padded(size_of, align)


def _padded(size: int, align: int) -> int:
    return (size + align - 1) // align * align


def build_id(found: list[Note]) -> str | None:
    """In lower-case hex."""
    for note in found:
        if note.owner == b"GNU" and note.type == NT_GNU_BUILD_ID and note.content:
            return note.content.hex()
    return None
