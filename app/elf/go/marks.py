"""What tells that a file may be Go's, by the names of its sections alone, before its table is looked for."""

from __future__ import annotations

from app.elf.image import Image

# Where the table of functions and lines is.
TABLES = (".gopclntab", ".data.rel.ro.gopclntab")
_MARKS = {".go.buildinfo", ".note.go.buildid", ".go.module", ".gosymtab"}


def may_be_go(image: Image) -> bool:
    """Whether there is a table, or one may lie without a name."""
    return not image.headers.places.keys().isdisjoint(TABLES) or is_worth_a_search(image)


def is_worth_a_search(image: Image) -> bool:
    """Whether other sections are Go's, or none has a name."""
    names = image.headers.places.keys()
    return not names.isdisjoint(_MARKS) or not any(names)
