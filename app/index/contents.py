"""What a boxed reader does with a file: its columns, or the answer to one question.

The one place that says which readers of ``app.elf`` make them, and what must be loaded before the box shuts.
What this module imports reads most files, without numpy, which takes longer to load than they to read.
"""

from __future__ import annotations

import mmap
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from app.elf import threads as workers
from app.elf.dwarf import columns as dwarf
from app.elf.identity import identity
from app.elf.image import Image, open_image
from app.elf.links import Links, alternate_link, fitting_alternate, split_parts
from app.elf.merging import with_debug_file
from app.elf.model import Facts
from app.elf.reader import facts_of, has_dwarf, out_of_memory, with_debug
from app.elf.symbols.rows import is_native
from app.index.column_file import write_arrays, write_columns
from app.index.tables import tables

Data = bytes | mmap.mmap
# Bytes of debug sections from which on all threads take part: below, sharing costs more than it gains.
_MANY = 4 << 20
# Of the debug information, from which on another thread writes them.
_MANY_ELEMENTS = 1 << 20


def can_be_light() -> bool:
    """Whether most files can be read without what ``load_all`` loads: by the native core."""
    return dwarf.is_native() and is_native()


def load_all(answers: bool) -> None:
    """Loads what is loaded late, because few files need it; ``answers``: also what questions need."""
    from app.elf.dwarf import relocations  # noqa: F401
    from app.elf.go import lines as go_lines  # noqa: F401

    if not can_be_light():
        from app.elf.dwarf.slow import columns as dwarf_slow  # noqa: F401
        from app.elf.dwarf.slow import dies as slow_dies  # noqa: F401
        from app.elf.symbols import (
            numpy_frames,  # noqa: F401
            numpy_marks,  # noqa: F401
        )
        from app.elf.symbols import numpy_rows as numpy_symbols  # noqa: F401
        from app.index import python_tables  # noqa: F401
    if answers:
        from app.elf import details  # noqa: F401


def start_threads(count: int) -> int:
    """Those of the native core, which stay; gives how many may work on one file, the caller's included."""
    return 1 + dwarf.start_threads(count - 1) if count > 1 else 1


class Further(NamedTuple):
    """What is read with a file: its debug file, the dwz file of that or of itself, its .dwo or .dwp files."""

    debug: Data | None = None
    alt: Data | None = None
    split: Sequence[Data] = ()


def columns(target: int, base: int, data: Data, further: Further, threads: int) -> tuple[dict[str, Any], int]:
    """Fills ``target`` from ``base`` on with the columns of a file; gives their meta and size."""
    found = _read(data, further, threads)
    done = None
    make = partial(tables, found.facts, found.dwarf)
    if threads > 1 and sum(map(len, found.dwarf.values())) >= _MANY_ELEMENTS:
        # Of a large file they take as long to write as the tables to make.
        done, (arrays, meta) = workers.beside(partial(write_arrays, target, found.dwarf, base), make)
    else:
        arrays, meta = make()
    meta["links"] = found.links.as_dict()
    meta["separate"] = found.separate
    return meta, write_columns(target, arrays, meta, base, done)


class _Found(NamedTuple):
    facts: Facts
    dwarf: dict[str, Any]
    links: Links
    separate: dict[str, bool] | None  # what the debug file has


def _read(data: Data, further: Further, threads: int) -> _Found:
    try:
        image = open_image(data)
        debug = _debug_file(image, further)
        separate = identity(debug).has if debug is not None else None
        # The better one of two: a debug file may have symbols alone.
        source = debug if debug is not None and separate is not None and separate["dwarf"] else image
        if source is image and not has_dwarf(image):
            return _Found(_facts(image, debug), {}, Links(), separate)
        link, alternate, parts = _others(source, further)
        names, rows = source.headers.section_name, source.headers.section_rows
        size = sum(row.size for at, row in enumerate(rows) if names(at).startswith((".debug_", ".zdebug_")))
        if threads > 1 and size >= _MANY:
            # By images of their own: each gathers problems.
            own = open_image(data), open_image(further.debug) if further.debug and debug else None
            facts, found = workers.beside(
                partial(_facts, *own), partial(dwarf.read_dwarf, source, threads, alternate, parts)
            )
        else:
            facts, found = _facts(image, debug), dwarf.read_dwarf(source, 1, alternate, parts)
        split = bool(parts) or any(problem.code == dwarf.SPLIT_MISSING for problem in found.problems)
        named = Links(link, split_parts(source) if split else ())
    except MemoryError:
        return _Found(out_of_memory(), {}, Links(), None)
    units: Counter[int] = Counter(found.unit_language)
    arrays = {name: getattr(found, name) for name in dwarf.DTYPES}
    problems = [*image.problems, *found.problems]
    return _Found(with_debug(facts, problems, units), arrays, named, separate)


def _facts(image: Image, debug: Image | None) -> Facts:
    facts = facts_of(image)
    return facts if debug is None else with_debug_file(facts, image, debug)


def _debug_file(image: Image, further: Further) -> Image | None:
    """The debug file, unless it says that it is of another build."""
    if further.debug is None:
        return None
    debug = open_image(further.debug)
    mine, theirs = identity(image), identity(debug)
    alike = (mine.build_id, mine.machine) == (theirs.build_id, theirs.machine)
    if theirs.problem is not None or not alike:
        image.note("debug_mismatch", "The debug file at hand is of another build; it was not used.")
        return None
    return debug


def _others(image: Image, further: Further) -> tuple[tuple[str, str] | None, Image | None, list[Image]]:
    """The dwz file that the file refers to; it, if it is at hand and fits; the split parts at hand."""
    link = alternate_link(image)
    alternate = fitting_alternate(image, link, open_image(further.alt) if further.alt is not None else None)
    return link, alternate, [open_image(part) for part in further.split]


def answer(question: str, data: Data, further: Further, arguments: dict[str, Any]) -> dict[str, Any]:
    """One question about a file whose answer is in no column."""
    image = open_image(data)
    if question == "identity":
        return identity(image, bool(arguments["crc"]))._asdict()
    if question == "section":
        return {"place": image.place(str(arguments["name"]))}
    from app.elf import details
    from app.elf.dwarf.debug import open_debug

    debug = _debug_file(image, further)
    source = debug if debug is not None and identity(debug).has["dwarf"] else image
    _, alternate, parts = _others(source, further)
    return details.Details(image, open_debug(source, alternate, parts), debug).answer(question, arguments)
