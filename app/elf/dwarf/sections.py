"""The debug sections of an Image as buffers: decompressed side by side, relocated if the file is an object.

Takes SHF_COMPRESSED sections (zlib, zstd), the older ``.zdebug_`` ones, and those of split parts (``.dwo``);
what is not compressed is not copied. A section that claims to be larger than its bytes can hold, or than the
ceiling, is left out: its Problem has the code ``debug_limit``. One whose data is cut gives what there is.
Sources: System V gABI, chapter 4 (Chdr); binutils' compress.c for ``.zdebug_``; zlib's and zstd's formats.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Container, Iterable
from typing import NamedTuple

from app.elf.dwarf.inflate import MOST_RATIO, ZLIB, Packed, inflate
from app.elf.image import SHT_NOBITS, Image, SectionHeader

Buffer = memoryview | bytes | bytearray
# What functions, variables, types and lines are read from.
WALKED = (
    ".debug_info",
    ".debug_types",
    ".debug_abbrev",
    ".debug_str",
    ".debug_line_str",
    ".debug_line",
    ".debug_ranges",
    ".debug_rnglists",
    ".debug_addr",
    ".debug_str_offsets",
    ".debug_cu_index",
    ".debug_tu_index",
)
# What else tells where a variable is.
LOCATED = (".debug_loc", ".debug_loclists")
MOST_BYTES = 4 << 30
_SHF_ALLOC, _SHF_COMPRESSED = 2, 0x800


def debug_sections(
    image: Image, names: Iterable[str] = WALKED, *, most: int = MOST_BYTES, split: bool = False
) -> dict[str, Buffer]:
    """The sections of ``names`` that the file has; with ``split`` those that end in ``.dwo``, so named."""
    found = find(image, set(names), split)
    sections = found.plain | unpack(image, found.packed, most)
    if image.header is not None and image.header.type == "REL":
        from app.elf.dwarf.relocations import relocate

        for name, content in list(sections.items()):
            sections[name] = relocate(image, image.headers.section(found.places[name]), content)
    return sections


class Found(NamedTuple):
    """The sections that a file has, by their names."""

    plain: dict[str, Buffer]
    packed: list[Packed]
    places: dict[str, int]  # their numbers


def find(image: Image, wanted: Container[str], split: bool = False) -> Found:
    found: dict[str, Buffer] = {}
    packed: list[Packed] = []
    places: dict[str, int] = {}
    for index, row in enumerate(image.headers.section_rows):
        own = image.headers.section_name(index)
        name = own.replace(".zdebug_", ".debug_", 1)
        plain = name.removesuffix(".dwo") if split else name
        if plain not in wanted or name in places or row.type == SHT_NOBITS:
            continue
        if split and plain == name and "_index" not in name:
            continue
        places[name] = index
        data = image.whole_of(index)
        header = _packed(image, own, row, name, data)
        if header is None:
            found[name] = data
        elif isinstance(header, Packed):
            packed.append(header)
    return Found(found, packed, places)


def _packed(image: Image, own: str, row: SectionHeader, name: str, data: memoryview) -> Packed | bool | None:
    """What a section's compression header says; None where it has none, False where it makes no sense."""
    if own.startswith(".zdebug_"):
        if bytes(data[:4]) != b"ZLIB" or len(data) < 12:
            return None
        return Packed(name, row.offset + 12, data[12:], ZLIB, int.from_bytes(data[4:12], "big"))
    if not row.flags & _SHF_COMPRESSED or image.layout is None:
        return None
    header = struct.Struct(image.layout.order + ("I4xQQ" if image.layout.bits == 64 else "III"))
    if len(data) < header.size:
        image.note("debug_compressed", f"The section {own} is too short for its compression header.")
        return False
    kind, size, _ = header.unpack_from(data)
    if kind not in MOST_RATIO:
        image.note("debug_compressed", f"The section {own} is compressed in an unknown way ({kind}).")
        return False
    return Packed(name, row.offset + header.size, data[header.size :], kind, size)


def too_large(section: Packed) -> bool:
    """Whether it claims to hold more than its bytes can."""
    return section.size > len(section.data) * MOST_RATIO[section.kind] + 64


def unpack(image: Image, packed: list[Packed], most: int) -> dict[str, Buffer]:
    """All of them, the largest first, as far as the ceiling allows."""
    allowed: list[Packed] = []
    for section in packed:
        if too_large(section) or section.size > most:
            text = f"The section {section.name} claims to hold {section.size:,} bytes, more than are read."
            image.note("debug_limit", text)
            continue
        most -= section.size
        allowed.append(section)
    allowed.sort(key=lambda section: -len(section.data))
    found: dict[str, Buffer] = {}
    for section, data in zip(allowed, inflate(allowed), strict=True):
        found[section.name] = data
        if len(data) < section.size:
            lacks = section.size - len(data)
            image.note("debug_compressed", f"The section {section.name} lacks its last {lacks:,} bytes.")
    for section in packed:
        forget(image, section.offset, len(section.data))
    return found


def forget(image: Image, offset: int, size: int) -> None:
    """Gives back the pages of a mapped file that hold a part of it which was decompressed."""
    mapped = image.data.obj
    first = -(-offset // mmap.PAGESIZE) * mmap.PAGESIZE
    size = (offset + size) // mmap.PAGESIZE * mmap.PAGESIZE - first
    if isinstance(mapped, mmap.mmap) and size > 0 and first + size <= len(mapped):
        mapped.madvise(mmap.MADV_DONTNEED, first, size)


def zero_is_used(image: Image) -> bool:
    """Whether code or data lies at address 0, so that 0 does not say "dropped by the linker"."""
    if image.header is not None and image.header.type == "REL":
        return True
    return any(row.flags & _SHF_ALLOC and row.address == 0 and row.size for row in image.headers.section_rows)
