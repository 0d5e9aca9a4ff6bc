"""``app.elf.symbols.rows`` without the native core: the symbol tables of an image to columns, by numpy.

The tests hold the core against it. Source: as there.
"""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt

from app.elf.arrays import symbol_dtype
from app.elf.image import Image
from app.elf.model import TABLES, Section, SymbolColumns
from app.elf.symbols.versions import dynamic_versions

SHT_SYMTAB, SHT_DYNSYM, SHT_SYMTAB_SHNDX = 2, 11, 18
STT_SECTION = 3
SHN_ABS = 0xFFF1
_SHN_XINDEX = 0xFFFF
_VERSION = re.compile(rb"@@?[A-Za-z_][A-Za-z0-9_.+-]*\Z")


class _Names:
    """One blob out of several string tables."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.length = 0

    def add(self, part: bytes) -> int:
        at = self.length
        self.parts.append(part)
        self.length += len(part)
        return at


def numpy_symbols(image: Image) -> SymbolColumns | None:
    """``read_symbols`` without the core."""
    names = _Names()
    versions: dict[bytes, int] = {b"": 0}
    tables = [
        _table(image, section, names, versions)
        for section in image.sections
        if image.section_types[section.index] in (SHT_SYMTAB, SHT_DYNSYM)
    ]
    if not tables:
        return None
    columns = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
    # Versions are numbered by the rows that have them.
    used, first, inverse = np.unique(columns["version_id"], return_index=True, return_inverse=True)
    order = sorted(range(len(used)), key=lambda place: (used[place] != 0, first[place]))
    numbers = np.empty(len(used), np.uint32)
    lacking = int(not len(used) or used[0] != 0)
    numbers[order] = np.arange(lacking, lacking + len(used))
    columns["version_id"] = numbers[inverse]
    texts = list(versions)
    shown = [b""] * lacking + [texts[int(used[place])] for place in order]
    return SymbolColumns(
        names=b"".join(names.parts),
        versions=tuple(text.decode("utf-8", "backslashreplace") for text in shown),
        **{name: column.data for name, column in columns.items()},
    )


def _table(
    image: Image, section: Section, names: _Names, versions: dict[bytes, int]
) -> dict[str, npt.NDArray[np.generic]]:
    assert image.layout is not None
    dtype = symbol_dtype(image.layout)
    raw = image.whole(section)
    if section.entry_size not in (0, dtype.itemsize):
        image.note(
            "symbols", f"{section.name} has entries of {section.entry_size} bytes, which are not known."
        )
        raw = raw[:0]
    # Entry 0 is the null symbol, which names nothing.
    rows = np.frombuffer(raw[: len(raw) // dtype.itemsize * dtype.itemsize], dtype)[1:]
    dynamic = image.section_types[section.index] == SHT_DYNSYM
    strings = b""
    if 0 < section.link < len(image.sections):
        strings = bytes(image.whole(image.sections[section.link]))
    else:
        image.note("symbols", f"{section.name} names no string table.")
    name_at, name_len = _name_columns(rows["name"].astype(np.uint32), strings)
    kind = (rows["info"] & 15).astype(np.uint8)
    index = _section_indices(image, section, rows)
    base = names.add(strings)
    if dynamic:
        found, texts = dynamic_versions(image, len(rows) + 1, np.append(False, index != 0))
        # The symbol that stands for a version is not a version of itself.
        for row in np.flatnonzero((index == SHN_ABS) & (found[1:] != 0)).tolist():
            start, length = int(name_at[row]), int(name_len[row])
            if texts[found[row + 1]].lstrip(b"@") == strings[start : start + length]:
                found[row + 1] = 0
        version_id = np.array([versions.setdefault(text, len(versions)) for text in texts], np.uint32)[
            found[1:]
        ]
    else:
        version_id = _split_versions(strings, name_at, name_len, versions)
    at = name_at.astype(np.uint64) + base
    _name_section_symbols(image, kind, index, name_len, at, names)
    return {
        "name_at": at.astype(np.uint32),
        "name_len": name_len,
        "address": rows["value"].astype(np.uint64),
        "size": rows["size"].astype(np.uint64),
        "type": kind,
        "bind": (rows["info"] >> 4).astype(np.uint8),
        "visibility": (rows["other"] & 3).astype(np.uint8),
        "section_index": index,
        "table": np.full(len(rows), TABLES.index("dynsym" if dynamic else "symtab"), np.uint8),
        "version_id": version_id,
    }


def _name_columns(
    offsets: npt.NDArray[np.uint32], strings: bytes
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    """Where each name starts and how long it is; an offset outside the table is an empty name."""
    ends = np.append(np.flatnonzero(np.frombuffer(strings, np.uint8) == 0), len(strings)).astype(np.uint32)
    inside = offsets < len(strings)
    at = np.where(inside, offsets, 0).astype(np.uint32)
    length = ends[np.searchsorted(ends, at)] - at
    return at, np.where(inside, length, 0).astype(np.uint32)


def _section_indices(image: Image, section: Section, rows: npt.NDArray[np.void]) -> npt.NDArray[np.uint32]:
    assert image.layout is not None
    index = rows["shndx"].astype(np.uint32)
    extended = np.flatnonzero(index == _SHN_XINDEX)
    if len(extended):
        for other in image.sections:
            if image.section_types[other.index] == SHT_SYMTAB_SHNDX and other.link == section.index:
                raw = image.whole(other)
                wide = np.frombuffer(raw[: len(raw) // 4 * 4], image.layout.order + "u4")[1:]
                extended = extended[extended < len(wide)]
                index[extended] = wide[extended]
                break
    return index


def _split_versions(
    strings: bytes,
    name_at: npt.NDArray[np.uint32],
    name_len: npt.NDArray[np.uint32],
    versions: dict[bytes, int],
) -> npt.NDArray[np.uint32]:
    """Takes ``@VERSION`` off the names of .symtab that carry one; shortens ``name_len`` in place."""
    ids = np.zeros(len(name_at), np.uint32)
    signs = np.flatnonzero(np.frombuffer(strings, np.uint8) == ord("@"))
    if not len(signs):
        return ids
    # Rows whose name has an @ after its first character.
    following = np.append(signs, len(strings) + 1)[np.searchsorted(signs, name_at, side="right")]
    for row in np.flatnonzero(following < name_at.astype(np.int64) + name_len).tolist():
        start, length = int(name_at[row]), int(name_len[row])
        name = strings[start : start + length]
        cut = name.index(b"@", 1)
        if _VERSION.match(name, cut):
            ids[row] = versions.setdefault(name[cut:], len(versions))
            name_len[row] = cut
    return ids


def _name_section_symbols(
    image: Image,
    kind: npt.NDArray[np.uint8],
    index: npt.NDArray[np.uint32],
    name_len: npt.NDArray[np.uint32],
    at: npt.NDArray[np.uint64],
    names: _Names,
) -> None:
    """Section symbols have no name of their own; readelf prints the section's."""
    for row in np.flatnonzero((kind == STT_SECTION) & (name_len == 0)).tolist():
        if int(index[row]) < len(image.sections):
            place = image.headers.section_rows[int(index[row])].name
            name = image.headers.strings[place:].split(b"\0", 1)[0]
            at[row] = names.add(name)
            name_len[row] = len(name)
