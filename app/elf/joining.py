"""Symbol columns of several sources to one: names in one blob, versions in one list."""

from __future__ import annotations

from array import array

from app.elf.model import Numbers, SymbolColumns

_PLAIN: dict[str, Numbers] = {
    "address": "Q",
    "size": "Q",
    "name_len": "I",
    "section_index": "I",
    "type": "B",
    "bind": "B",
    "visibility": "B",
    "table": "B",
}
# Places of names are 32-bit numbers.
_LONGEST = (1 << 32) - 1


def joined(first: SymbolColumns | None, second: SymbolColumns) -> SymbolColumns:
    """The rows of ``first``, then those of ``second``; ``second`` is left out where its names do not fit."""
    if first is None or not second.rows:
        return second if first is None else first
    base = len(first.names)
    if base + len(second.names) > _LONGEST:
        return first
    versions = dict.fromkeys((*first.versions, *second.versions))
    places = {text: place for place, text in enumerate(versions)}
    moved = [places[text] for text in second.versions]
    return SymbolColumns(
        names=first.names + second.names,
        name_at=_together(first.name_at, array("I", [base + at for at in second.name_at]), "I"),
        version_id=_together(first.version_id, array("I", map(moved.__getitem__, second.version_id)), "I"),
        versions=tuple(versions),
        **{
            name: _together(getattr(first, name), getattr(second, name), kind)
            for name, kind in _PLAIN.items()
        },
    )


def _together(first: memoryview, second: memoryview | array[int], kind: Numbers) -> memoryview:
    return memoryview(first.tobytes() + second.tobytes()).cast(kind)
