"""What a boxed reader does with a file: its columns, or the answer to one question.

The one place that says which readers of ``app.elf`` make them, and what must be loaded before the box shuts.
"""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from app.elf import dwarf
from app.elf.identity import identity
from app.elf.image import Image, open_image
from app.elf.links import Links, fitting_alternate, links
from app.elf.merging import with_debug_file
from app.elf.model import Facts
from app.elf.reader import facts_of, out_of_memory, read_facts, with_debug
from app.index.columns import write_columns
from app.index.tables import tables

Data = bytes | mmap.mmap
# Bytes of debug sections from which on all threads take part: below, sharing costs more than it gains.
_MANY = 4 << 20


def warm_up(answers: bool) -> None:
    """Loads what is loaded late; ``answers``: also what questions need."""
    tables(read_facts(b""))
    dwarf.load()
    if answers:
        from app.elf import details  # noqa: F401 - loads much that columns need not


def start_threads(count: int) -> int:
    """Those of the native core, which stay; gives how many may work on one file, the caller's included."""
    return 1 + dwarf.start_threads(count - 1) if count > 1 else 1


@dataclass(frozen=True, slots=True)
class Further:
    """What is read with a file: its debug file, the dwz file of that or of itself, its .dwo or .dwp files."""

    debug: Data | None = None
    alt: Data | None = None
    split: Sequence[Data] = ()


def columns(target: int, base: int, data: Data, further: Further, threads: int) -> tuple[dict[str, Any], int]:
    """Fills ``target`` from ``base`` on with the columns of a file; gives their meta and size."""
    found = _read(data, further, threads)
    arrays, meta = tables(found.facts, found.dwarf)
    meta["links"] = found.links.as_dict()
    meta["separate"] = found.separate
    return meta, write_columns(target, arrays, meta, base)


class _Found(NamedTuple):
    facts: Facts
    dwarf: dict[str, Any]
    links: Links
    separate: dict[str, bool] | None  # what the debug file has


def _read(data: Data, further: Further, threads: int) -> _Found:
    try:
        image = open_image(data)
        facts = facts_of(image)
        debug = _debug_file(image, further)
        separate = None
        source = image
        if debug is not None:
            facts = with_debug_file(facts, image, debug)
            separate = identity(debug).has
            # The better one of two: a debug file may have symbols alone.
            source = debug if separate["dwarf"] else image
        if not facts.dwarf and source is image:
            return _Found(facts, {}, Links(), separate)
        named, alternate, parts = _others(source, further)
        size = sum(
            section.size for section in source.sections if section.name.startswith((".debug_", ".zdebug_"))
        )
        found = dwarf.read_dwarf(source, threads if size >= _MANY else 1, alternate, parts)
    except MemoryError:
        return _Found(out_of_memory(), {}, Links(), None)
    languages, counts = np.unique(found.unit_language, return_counts=True)
    units = dict(zip(languages.tolist(), counts.tolist(), strict=True))
    arrays = {name: getattr(found, name) for name in dwarf.DTYPES}
    problems = [*image.problems, *found.problems]
    return _Found(with_debug(facts, problems, units), arrays, named, separate)


def _debug_file(image: Image, further: Further) -> Image | None:
    """The debug file, unless it says that it is of another build, which who gave it has looked at before."""
    if further.debug is None:
        return None
    debug = open_image(further.debug)
    mine, theirs = identity(image), identity(debug)
    if theirs.problem is not None or mine.build_id != theirs.build_id:
        image.note("debug_mismatch", "The debug file at hand is of another build; it was not used.")
        return None
    return debug


def _others(image: Image, further: Further) -> tuple[Links, Image | None, list[Image]]:
    """What the file refers to, and what of it is at hand and fits."""
    named = links(image)
    alternate = fitting_alternate(image, named, open_image(further.alt) if further.alt is not None else None)
    return named, alternate, [open_image(part) for part in further.split]


def answer(question: str, data: Data, further: Further, arguments: dict[str, Any]) -> dict[str, Any]:
    """One question about a file whose answer is in no column."""
    image = open_image(data)
    if question == "identity":
        return asdict(identity(image, bool(arguments["crc"])))
    if question == "section":
        return {"place": image.place(str(arguments["name"]))}
    from app.elf import details
    from app.elf.debug import open_debug

    debug = _debug_file(image, further)
    source = debug if debug is not None and identity(debug).has["dwarf"] else image
    _, alternate, parts = _others(source, further)
    return details.Details(image, open_debug(source, alternate, parts), debug).answer(question, arguments)
