"""Symbol columns of several sources to one: names in one blob, versions in one list."""

from __future__ import annotations

import numpy as np

from app.elf.model import SymbolColumns

_PLAIN = ("address", "size", "type", "bind", "visibility", "section_index", "table")
# Places of names are 32-bit numbers.
_LONGEST = (1 << 32) - 1


def joined(first: SymbolColumns | None, second: SymbolColumns) -> SymbolColumns:
    """The rows of ``first``, then those of ``second``; ``second`` is left out where its names do not fit."""
    if first is None or not len(second):
        return second if first is None else first
    base = len(first.names)
    if base + len(second.names) > _LONGEST:
        return first
    versions = dict.fromkeys((*first.versions, *second.versions))
    places = {text: place for place, text in enumerate(versions)}
    moved = np.array([places[text] for text in second.versions], np.uint32)
    return SymbolColumns(
        names=first.names + second.names,
        name_at=np.concatenate([first.name_at, second.name_at + np.uint32(base)]),
        name_len=np.concatenate([first.name_len, second.name_len]),
        version_id=np.concatenate([first.version_id, moved[second.version_id]]),
        versions=tuple(versions),
        **{name: np.concatenate([getattr(first, name), getattr(second, name)]) for name in _PLAIN},
    )
