"""The debug sections of an Image as buffers: decompressed side by side, relocated if the file is an object.

Takes SHF_COMPRESSED sections (zlib, zstd), the older ``.zdebug_`` ones, and those of split parts (``.dwo``);
what is not compressed is not copied. A section that claims to be larger than its bytes can hold, or than the
ceiling, is left out: its Problem has the code ``debug_limit``. One whose data is cut gives what there is.
Sources: System V gABI, chapter 4 (Chdr); binutils' compress.c for ``.zdebug_``; zlib's and zstd's formats.
"""

from __future__ import annotations

import mmap
import zlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from threading import Barrier, BrokenBarrierError

import deflate
import numpy as np
import zstandard

from app.elf.image import SHT_NOBITS, Image
from app.elf.model import Section
from app.elf.relocations import relocate

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
_ZLIB, _ZSTD = 1, 2
# Deflate makes at most 1032 bytes of one; zstd's runs have no such bound, but no section is one run.
_MOST_RATIO = {_ZLIB: 1040, _ZSTD: 1 << 17}


class _Threads:
    """The threads of this process, once they are started."""

    pool: ThreadPoolExecutor | None = None


@dataclass(frozen=True, slots=True)
class _Packed:
    """A compressed section: what is behind its header, and what the header says."""

    name: str
    data: memoryview
    kind: int
    size: int


def start_threads(count: int) -> int:
    """Threads that decompress beside the caller's; how many the system gave.

    To be called where threads may be started, and once: a reader that is shut in cannot start any.
    """
    if _Threads.pool is not None or count < 1:
        return 0
    pool = ThreadPoolExecutor(count, "inflate")
    barrier = Barrier(count + 1)
    started = []
    try:
        for _ in range(count):
            started.append(pool.submit(_meet, barrier))
        _meet(barrier)
    except RuntimeError:
        barrier.abort()
    wait(started)
    _Threads.pool = pool if started else None
    return len(started)


def _meet(barrier: Barrier) -> None:
    """All threads of a pool are started when each has a task that waits for the others."""
    try:
        barrier.wait()
    except BrokenBarrierError:
        return


def debug_sections(
    image: Image, names: Iterable[str] = WALKED, *, most: int = MOST_BYTES, split: bool = False
) -> dict[str, Buffer]:
    """The sections of ``names`` that the file has; with ``split`` those that end in ``.dwo``, so named."""
    found: dict[str, Buffer] = {}
    packed: list[_Packed] = []
    places: dict[str, Section] = {}
    wanted = set(names)
    for section in image.sections:
        name = section.name.replace(".zdebug_", ".debug_", 1)
        plain = name.removesuffix(".dwo") if split else name
        if plain not in wanted or name in places or image.section_types[section.index] == SHT_NOBITS:
            continue
        if split and plain == name and "_index" not in name:
            continue
        places[name] = section
        data = image.whole(section)
        header = _packed(image, section, name, data)
        if header is None:
            found[name] = data
        elif isinstance(header, _Packed):
            packed.append(header)
    found |= _unpack(image, packed, most)
    for compressed in packed:
        _forget(image, places[compressed.name])
    if image.header is not None and image.header.type == "REL":
        for name, content in list(found.items()):
            found[name] = relocate(image, places[name], content)
    return found


def _packed(image: Image, section: Section, name: str, data: memoryview) -> _Packed | bool | None:
    """What a section's compression header says; None where it has none, False where it makes no sense."""
    if section.name.startswith(".zdebug_"):
        if bytes(data[:4]) != b"ZLIB" or len(data) < 12:
            return None
        return _Packed(name, data[12:], _ZLIB, int.from_bytes(data[4:12], "big"))
    if "C" not in section.flags or image.layout is None:
        return None
    wide = image.layout.bits == 64
    order = "<" if image.layout.endian == "little" else ">"
    fields = ["type", "reserved", "size", "align"] if wide else ["type", "size", "align"]
    sizes = ["u4", "u4", "u8", "u8"] if wide else ["u4", "u4", "u4"]
    dtype = np.dtype([(field, order + size) for field, size in zip(fields, sizes, strict=True)])
    if len(data) < dtype.itemsize:
        image.note("debug_compressed", f"The section {section.name} is too short for its compression header.")
        return False
    header = np.frombuffer(data, dtype, 1)[0]
    kind = int(header["type"])
    if kind not in _MOST_RATIO:
        image.note(
            "debug_compressed", f"The section {section.name} is compressed in an unknown way ({kind})."
        )
        return False
    return _Packed(name, data[dtype.itemsize :], kind, int(header["size"]))


def _unpack(image: Image, packed: list[_Packed], most: int) -> dict[str, Buffer]:
    """All of them, the largest first, as far as the ceiling allows."""
    allowed: list[_Packed] = []
    for section in packed:
        if section.size > len(section.data) * _MOST_RATIO[section.kind] + 64 or section.size > most:
            text = f"The section {section.name} claims to hold {section.size:,} bytes, more than are read."
            image.note("debug_limit", text)
            continue
        most -= section.size
        allowed.append(section)
    allowed.sort(key=lambda section: -len(section.data))
    if _Threads.pool is None or len(allowed) < 2:
        done = [_inflate(section) for section in allowed]
    else:
        # The caller takes the largest, the threads the rest.
        tasks = [_Threads.pool.submit(_inflate, section) for section in allowed[1:]]
        done = [_inflate(allowed[0]), *(task.result() for task in tasks)]
    found: dict[str, Buffer] = {}
    for section, data in zip(allowed, done, strict=True):
        found[section.name] = data
        if len(data) < section.size:
            lacks = section.size - len(data)
            image.note("debug_compressed", f"The section {section.name} lacks its last {lacks:,} bytes.")
    return found


def _inflate(section: _Packed) -> bytes | bytearray:
    try:
        if section.kind == _ZLIB:
            return deflate.zlib_decompress(section.data, section.size)
        return zstandard.ZstdDecompressor().decompress(section.data, max_output_size=section.size)
    except (deflate.DeflateError, zstandard.ZstdError, ValueError):
        return _inflate_part(section)


def _inflate_part(section: _Packed) -> bytes:
    """What there is of a section whose data is cut or damaged."""
    made = bytearray()
    decoder = zlib.decompressobj() if section.kind == _ZLIB else zstandard.ZstdDecompressor().decompressobj()
    for at in range(0, len(section.data), 1 << 14):
        try:
            made += decoder.decompress(section.data[at : at + (1 << 14)])
        except (zlib.error, zstandard.ZstdError):
            break
        if len(made) >= section.size:
            break
    return bytes(made[: section.size])


def _forget(image: Image, section: Section) -> None:
    """Gives back the pages of a mapped file that hold a section which was decompressed."""
    mapped = image.data.obj
    first = -(-section.offset // mmap.PAGESIZE) * mmap.PAGESIZE
    size = (section.offset + section.size) // mmap.PAGESIZE * mmap.PAGESIZE - first
    if isinstance(mapped, mmap.mmap) and size > 0 and first + size <= len(mapped):
        mapped.madvise(mmap.MADV_DONTNEED, first, size)


def zero_is_used(image: Image) -> bool:
    """Whether code or data lies at address 0, so that 0 does not say "dropped by the linker"."""
    if image.header is not None and image.header.type == "REL":
        return True
    return any("A" in section.flags and section.address == 0 and section.size for section in image.sections)
