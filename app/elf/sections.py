"""The debug sections of an Image as buffers: decompressed side by side, relocated if the file is an object.

Takes SHF_COMPRESSED sections (zlib, zstd), the older ``.zdebug_`` ones, and those of split parts (``.dwo``);
what is not compressed is not copied. A large .debug_info may be had while it is decompressed. A section that
claims to be larger than its bytes can hold, or than the ceiling, is left out: its Problem has the code
``debug_limit``. One whose data is cut gives what there is.
Sources: System V gABI, chapter 4 (Chdr); binutils' compress.c for ``.zdebug_``; zlib's and zstd's formats.
"""

from __future__ import annotations

import mmap
import zlib
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from threading import Barrier, BrokenBarrierError
from typing import Generic, Protocol, TypeVar

import deflate
import numpy as np
import zstandard
from isal import igzip_lib

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


# From here on it pays to read .debug_info while it is decompressed. How much is taken and made at a time.
ARRIVING_FROM = 16 << 20
ARRIVING_STEPS = (256 << 10, 1 << 20)
# What a file that is read so has none of.
_NOT_ARRIVING = {".debug_types", ".debug_cu_index", ".debug_tu_index"}


class _Threads:
    """The threads of this process, once they are started."""

    pool: ThreadPoolExecutor | None = None
    count = 0


class Arrival(Protocol):
    """Where a section's bytes are put in their order: false where there is no room, or nobody wants more."""

    def put(self, data: bytes, /) -> bool: ...
    def end(self) -> None: ...


A = TypeVar("A", bound=Arrival)


@dataclass(frozen=True, slots=True)
class _Packed:
    """A compressed section: what is behind its header, from there in the file, and what the header says."""

    name: str
    offset: int
    data: memoryview
    kind: int
    size: int


@dataclass(frozen=True, slots=True)
class _Found:
    """The sections that a file has, by their names."""

    plain: dict[str, Buffer]
    packed: list[_Packed]
    places: dict[str, Section]


@dataclass(frozen=True, slots=True)
class Arriving(Generic[A]):
    """All sections, and .debug_info as it comes."""

    others: dict[str, Buffer]
    info: A
    task: Future[bool]

    def whole(self) -> bool:
        """Waits for the end; whether all of it came, and is what was compressed."""
        return self.task.result()


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
    _Threads.count = len(started)
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
    found = _find(image, set(names), split)
    sections = found.plain | _unpack(image, found.packed, most, _Threads.count)
    for compressed in found.packed:
        _forget(image, compressed.offset, len(compressed.data))
    if image.header is not None and image.header.type == "REL":
        for name, content in list(sections.items()):
            sections[name] = relocate(image, found.places[name], content)
    return sections


def arriving_sections(
    image: Image, make: Callable[[int], A], *, most: int = MOST_BYTES
) -> Arriving[A] | None:
    """The sections of WALKED, with .debug_info in what ``make`` makes of its size, while it is decompressed.

    None where it is not large, not alone, or compressed in another way, where no thread is free for it, and
    where a limit is passed. If it then proves not ``whole``, ``debug_sections`` gives what there is of it.
    """
    if _Threads.pool is None or image.header is None or image.header.type == "REL":
        return None
    found = _find(image, set(WALKED), split=False)
    info = next((section for section in found.packed if section.name == ".debug_info"), None)
    if info is None or info.kind != _ZLIB or info.size < ARRIVING_FROM or found.places.keys() & _NOT_ARRIVING:
        return None
    if any(_too_large(section) for section in found.packed) or sum(each.size for each in found.packed) > most:
        return None
    arrival = make(info.size)
    task = _Threads.pool.submit(_feed, image, info, arrival)
    others = [section for section in found.packed if section is not info]
    sections = found.plain | _unpack(image, others, most, _Threads.count - 1)
    for compressed in others:
        _forget(image, compressed.offset, len(compressed.data))
    return Arriving(sections, arrival, task)


def _feed(image: Image, section: _Packed, arrival: Arrival) -> bool:
    """Puts what is decompressed; whether it is all that the header and the checksum say."""
    taken, made = ARRIVING_STEPS
    decoder = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_ZLIB)
    size = 0
    try:
        for at in range(0, len(section.data), taken):
            part = section.data[at : at + taken]
            data: memoryview | bytes = part
            while not decoder.eof and (data or not decoder.needs_input):
                done = decoder.decompress(data, made)
                size += len(done)
                if not arrival.put(done):
                    return False
                data = b""
            _forget(image, section.offset + at, len(part))
        return decoder.eof and size == section.size
    except (igzip_lib.error, MemoryError):  # type: ignore[misc]  # its stub makes the class an instance
        return False
    finally:
        arrival.end()


def _find(image: Image, wanted: set[str], split: bool) -> _Found:
    found: dict[str, Buffer] = {}
    packed: list[_Packed] = []
    places: dict[str, Section] = {}
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
    return _Found(found, packed, places)


def _packed(image: Image, section: Section, name: str, data: memoryview) -> _Packed | bool | None:
    """What a section's compression header says; None where it has none, False where it makes no sense."""
    if section.name.startswith(".zdebug_"):
        if bytes(data[:4]) != b"ZLIB" or len(data) < 12:
            return None
        return _Packed(name, section.offset + 12, data[12:], _ZLIB, int.from_bytes(data[4:12], "big"))
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
    behind = section.offset + dtype.itemsize
    return _Packed(name, behind, data[dtype.itemsize :], kind, int(header["size"]))


def _too_large(section: _Packed) -> bool:
    """Whether it claims to hold more than its bytes can."""
    return section.size > len(section.data) * _MOST_RATIO[section.kind] + 64


def _unpack(image: Image, packed: list[_Packed], most: int, threads: int) -> dict[str, Buffer]:
    """All of them, the largest first, as far as the ceiling allows; with threads beside the caller's."""
    allowed: list[_Packed] = []
    for section in packed:
        if _too_large(section) or section.size > most:
            text = f"The section {section.name} claims to hold {section.size:,} bytes, more than are read."
            image.note("debug_limit", text)
            continue
        most -= section.size
        allowed.append(section)
    allowed.sort(key=lambda section: -len(section.data))
    if _Threads.pool is None or threads < 1 or len(allowed) < 2:
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


def _forget(image: Image, offset: int, size: int) -> None:
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
    return any("A" in section.flags and section.address == 0 and section.size for section in image.sections)
