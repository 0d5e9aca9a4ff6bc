"""The debug sections of a large file with .debug_info still arriving, so that it is read meanwhile.

Decompressing takes as long as reading what comes out of it, and uses one core; the sections beside it, and
the units behind it, are for the others.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Generic, NamedTuple, Protocol, TypeVar

from isal import igzip_lib

from app.elf import threads
from app.elf.dwarf.inflate import ZLIB, Packed
from app.elf.dwarf.sections import MOST_BYTES, WALKED, Buffer, find, forget, too_large, unpack
from app.elf.image import Image

# From here on it pays. How much is taken and made at a time: a core's cache holds it until it is copied.
ARRIVING_FROM = 16 << 20
ARRIVING_STEPS = (64 << 10, 256 << 10)
# Of what was taken, that is forgotten at a time: other cores are told of each.
_FORGOTTEN = 1 << 20
# What a file that is read so has none of.
_NOT_ARRIVING = {".debug_types", ".debug_cu_index", ".debug_tu_index"}


class Arrival(Protocol):
    """Where a section's bytes are put in their order: false where there is no room, or nobody wants more."""

    def put(self, data: bytes, /) -> bool: ...
    def end(self) -> None: ...


A = TypeVar("A", bound=Arrival)


class Arriving(NamedTuple, Generic[A]):
    """All sections, and .debug_info as it comes."""

    others: dict[str, Buffer]
    info: A
    task: threads.Begun[bool]

    def whole(self) -> bool:
        """Waits for the end; whether all of it came, and is what was compressed."""
        return self.task.result()


def arriving_sections(
    image: Image, make: Callable[[int], A], *, most: int = MOST_BYTES
) -> Arriving[A] | None:
    """The sections of WALKED, with .debug_info in what ``make`` makes of its size, while it is decompressed.

    None where it is not large, not alone, or compressed in another way, where no thread is free for it, and
    where a limit is passed. If it then proves not ``whole``, ``debug_sections`` gives what there is of it.
    """
    if threads.free() < 1 or image.header is None or image.header.type == "REL":
        return None
    found = find(image, set(WALKED))
    info = next((section for section in found.packed if section.name == ".debug_info"), None)
    if info is None or info.kind != ZLIB or info.size < ARRIVING_FROM or found.places.keys() & _NOT_ARRIVING:
        return None
    if any(map(too_large, found.packed)) or sum(each.size for each in found.packed) > most:
        return None
    arrival = make(info.size)
    task = threads.Begun(partial(_feed, image, info, arrival))
    others = [section for section in found.packed if section is not info]
    return Arriving(found.plain | unpack(image, others, most), arrival, task)


def _feed(image: Image, section: Packed, arrival: Arrival) -> bool:
    """Puts what is decompressed; whether it is all that the header and the checksum say."""
    taken, made = ARRIVING_STEPS
    decoder = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_ZLIB)
    size = held = 0
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
            held += len(part)
            if held >= _FORGOTTEN:
                forget(image, section.offset + at + len(part) - held, held)
                held = 0
        return decoder.eof and size == section.size
    except (igzip_lib.error, MemoryError):  # type: ignore[misc]  # its stub makes the class an instance
        return False
    finally:
        arrival.end()
