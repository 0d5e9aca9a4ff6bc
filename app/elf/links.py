"""The other files that a file's debug information refers to: its common part (dwz) and its split parts.

Sources: elfutils and dwz for ``.gnu_debugaltlink`` (a name, a NUL, the other's build-id); DWARF 5, section
3.1.2, for skeleton units, which name a ``.dwo`` file; GCC's wiki, DebugFission, for ``.dwp``.
"""

from __future__ import annotations

from typing import NamedTuple

from app.elf.dwarf import columns as dwarf
from app.elf.image import Image, decode
from app.elf.notes import build_id, notes

# Split parts that are looked for one by one; a program with more has a package (.dwp) of them.
MOST_PARTS = 64
_LONGEST = 4096


class Links(NamedTuple):
    alternate: tuple[str, str] | None = None  # path as it is written, build-id in hex
    parts: tuple[str, ...] = ()  # paths of .dwo files as they are written, at most MOST_PARTS

    def as_dict(self) -> dict[str, object]:
        return {"alternate": self.alternate and list(self.alternate), "parts": list(self.parts)}


def split_parts(image: Image) -> tuple[str, ...]:
    """Paths of the .dwo files that the units name; nothing of them is known to be there.

    Decompresses all sections once more, so it is for files that are known to have some.
    """
    paths = [
        name if name.startswith("/") or not place else f"{place}/{name}"
        for place, name, _ in dwarf.split_names(image)
    ]
    distinct = tuple(dict.fromkeys(path for path in paths if 0 < len(path) <= _LONGEST and "\0" not in path))
    return distinct[:MOST_PARTS]


def alternate_link(image: Image) -> tuple[str, str] | None:
    """Path and build-id of the dwz file that the file names."""
    index = image.headers.places.get(".gnu_debugaltlink")
    if index is None:
        return None
    name, nul, number = bytes(image.bytes_of(index)[: _LONGEST + 64]).partition(b"\0")
    if not name or not nul or not number:
        image.note("alternate_link", "The section .gnu_debugaltlink is too short for a name and a build-id.")
        return None
    return decode(name), number.hex()


def fitting_alternate(image: Image, link: tuple[str, str] | None, alternate: Image | None) -> Image | None:
    """``alternate`` if it is the file that the link means, else None; of another file a Problem tells."""
    if link is None or alternate is None:
        return None
    name, wanted = link
    there = build_id(list(notes(alternate)))
    if there != wanted:
        text = f"{name} has the build-id {there or 'none'}, and {wanted} is wanted; it was not used."
        image.note("alternate_mismatch", text)
        return None
    return alternate
