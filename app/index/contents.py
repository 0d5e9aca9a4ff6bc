"""What a boxed reader does with a file: its columns, or the answer to one question.

The one place that says which readers of ``app.elf`` make them, and what must be loaded before the box shuts.
What this module imports reads most files, without numpy, which takes longer to load than they to read.
"""

from __future__ import annotations

import mmap
from collections import Counter
from typing import Any

from app.elf import dwarf
from app.elf.image import Image, open_image
from app.elf.links import Links, fitting_alternate, links
from app.elf.model import Facts
from app.elf.reader import facts_of, out_of_memory, with_debug
from app.elf.symbols import is_native
from app.index.column_file import write_columns
from app.index.tables import tables

Data = bytes | mmap.mmap
# Bytes of debug sections from which on all threads take part: below, sharing costs more than it gains.
_MANY = 4 << 20


def can_be_light() -> bool:
    """Whether most files can be read without what ``load_all`` loads: by the native core."""
    return dwarf.is_native() and is_native()


def load_all(answers: bool) -> None:
    """Loads what is loaded late, because few files need it; ``answers``: also what questions need."""
    from app.elf import gopclntab, relocations  # noqa: F401

    if not can_be_light():
        from app.elf import dwarf_slow, numpy_frames, numpy_marks, numpy_symbols, slow_dies  # noqa: F401
        from app.index import python_tables  # noqa: F401
    if answers:
        from app.elf import details  # noqa: F401


def start_threads(count: int) -> int:
    """Those of the native core, which stay; gives how many may work on one file, the caller's included."""
    return 1 + dwarf.start_threads(count - 1) if count > 1 else 1


def columns(
    target: int, base: int, data: Data, alt: Data | None, split: list[Data], threads: int
) -> tuple[dict[str, Any], int]:
    """Fills ``target`` from ``base`` on with the columns of a file; gives their meta and size."""
    facts, debug, found = _read(data, alt, split, threads)
    arrays, meta = tables(facts, debug)
    meta["links"] = found.as_dict()
    return meta, write_columns(target, arrays, meta, base)


def _read(
    data: Data, alt: Data | None, split: list[Data], threads: int
) -> tuple[Facts, dict[str, Any], Links]:
    try:
        image = open_image(data)
        facts = facts_of(image)
        if not facts.dwarf:
            return facts, {}, Links()
        named, alternate, parts = _others(image, alt, split)
        names, rows = image.headers.section_name, image.headers.section_rows
        size = sum(row.size for at, row in enumerate(rows) if names(at).startswith((".debug_", ".zdebug_")))
        found = dwarf.read_dwarf(image, threads if size >= _MANY else 1, alternate, parts)
    except MemoryError:
        return out_of_memory(), {}, Links()
    units: Counter[int] = Counter(found.unit_language)
    arrays = {name: getattr(found, name) for name in dwarf.DTYPES}
    return with_debug(facts, [*image.problems, *found.problems], units), arrays, named


def _others(image: Image, alt: Data | None, split: list[Data]) -> tuple[Links, Image | None, list[Image]]:
    """What the file refers to, and what of it is at hand and fits."""
    named = links(image)
    alternate = fitting_alternate(image, named, open_image(alt) if alt is not None else None)
    return named, alternate, [open_image(part) for part in split]


def answer(
    question: str, data: Data, alt: Data | None, split: list[Data], arguments: dict[str, Any]
) -> dict[str, Any]:
    """One question about a file whose answer is in no column."""
    from app.elf import details
    from app.elf.debug import open_debug

    image = open_image(data)
    _, alternate, parts = _others(image, alt, split)
    return details.Details(image, open_debug(image, alternate, parts)).answer(question, arguments)
