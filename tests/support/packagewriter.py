"""Split files to one package (.dwp): sections joined, and an index of the units in it.

Source: DWARF 5, section 7.3.5; its forerunner, https://gcc.gnu.org/wiki/DebugFissionDWP, for version 2.
"""

from __future__ import annotations

from collections.abc import Sequence

from tests.support.bytewriter import ByteWriter
from tests.support.dwarfwriter import Dwarf
from tests.support.elfwriter import Section

_COLUMNS = {
    2: {"info": 1, "types": 2, "abbrev": 3, "line": 4, "loc": 5, "str_offsets": 6},
    5: {"info": 1, "abbrev": 3, "line": 4, "loclists": 5, "str_offsets": 6, "rnglists": 8},
}


def package(files: Sequence[Dwarf], version: int = 5) -> list[Section]:
    """The sections of a .dwp of ``files``, whose ``strings`` must be one; ``version`` is the index's."""
    endian = files[0].endian
    joined = {name: ByteWriter(endian) for name in _COLUMNS[version]}
    rows: dict[bool, list[tuple[int, dict[str, tuple[int, int]]]]] = {False: [], True: []}
    for file in files:
        starts = {name: len(part) for name, part in joined.items()}
        shared = {}
        for name, part in joined.items():
            part.data += file.parts[name].data
            if file.parts[name].data:
                shared[name] = starts[name], len(file.parts[name])
        for unit, (part_name, start, size) in zip(file.units, file.spans, strict=True):
            row = {name: place for name, place in shared.items() if name not in ("info", "types")}
            row[part_name] = starts[part_name] + start, size
            rows["type" in unit.kind].append((unit.identity, row))
    found = {f".debug_{name}.dwo": bytes(part.data) for name, part in joined.items()}
    found[".debug_str.dwo"] = bytes(files[0].strings.data)
    for types, name in ((False, ".debug_cu_index"), (True, ".debug_tu_index")):
        if rows[types]:
            found[name] = _index(rows[types], version, ByteWriter(endian))
    return [Section(name, data) for name, data in found.items() if data]


def _index(rows: Sequence[tuple[int, dict[str, tuple[int, int]]]], version: int, out: ByteWriter) -> bytes:
    columns = {name: code for name, code in _COLUMNS[version].items() if any(name in row for _, row in rows)}
    slots = 1
    while slots <= len(rows) * 3 // 2:
        slots *= 2
    places = [(0, 0)] * slots
    for number, (identity, _) in enumerate(rows, 1):
        slot = identity & (slots - 1)
        while places[slot][1]:
            slot = (slot + ((identity >> 32 & (slots - 1)) | 1)) & (slots - 1)
        places[slot] = identity, number
    if version >= 5:
        out.pack("HHIII", version, 0, len(columns), len(rows), slots)
    else:
        out.pack("IIII", version, len(columns), len(rows), slots)
    for identity, _ in places:
        out.number(identity, 8)
    for _, number in places:
        out.number(number, 4)
    for code in columns.values():
        out.number(code, 4)
    for which in (0, 1):
        for _, row in rows:
            for name in columns:
                out.number(row.get(name, (0, 0))[which], 4)
    return bytes(out.data)
