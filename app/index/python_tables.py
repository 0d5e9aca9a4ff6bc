"""What the core makes for ``app.index.tables``, without it: the symbols' part of the columns.

The tests hold the core against it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from app.elf.arrays import SymbolArrays
from app.elf.model import Facts, SymbolColumns
from app.elf.symbols.names import demangle_many
from app.index.column_file import ARRAYS, NO_ADDRESS, Buffer
from app.index.tables import is_relocatable

_FUNC, _IFUNC, _OBJECT, _COMMON, _TLS = 2, 10, 1, 5, 6
_HAS_ADDRESS, _THREAD_LOCAL, _INLINED = 2, 4, 4
_SHF_ALLOC, _SHF_TLS = 2, 0x400
_ARM = 40
_NO_SECTION = 0xFFFFFFFF  # of a row that a relocatable file's debug information alone knows
Array = npt.NDArray[np.generic]


class _Known(NamedTuple):
    """What the debug information says of one function or variable."""

    number: int
    names: tuple[bytes, ...]  # linkage name, name: those that it has
    address: int | None
    size: int
    thread_local: bool
    inlined: bool


class _Row(NamedTuple):
    """A row of a list: its symbols, the best first, and the entries of the debug information at its place."""

    space: int
    address: int
    section: int
    symbols: list[int]
    known: list[_Known]
    chosen: int


def python_tables(facts: Facts, symbols: SymbolColumns, dwarf: Mapping[str, Buffer]) -> dict[str, memoryview]:
    """What the core makes, without it: the symbols' part of the columns."""
    columns, blob = SymbolArrays.of(symbols), symbols.names
    raw = [
        blob[at : at + length]
        for at, length in zip(symbols.name_at.tolist(), symbols.name_len.tolist(), strict=True)
    ]
    defined = columns.section_index != 0
    kinds = {
        "function": np.isin(columns.type, (_FUNC, _IFUNC)) & defined,
        "variable": np.isin(columns.type, (_OBJECT, _COMMON, _TLS)) & defined,
    }
    known = {"function": _known(dwarf, "fn", "low"), "variable": _known(dwarf, "var", "address")}
    entries = [entry for found in known.values() for entry in found]
    distinct = {*raw, *(name for entry in entries for name in entry.names)}
    if any(not entry.names for entry in entries):
        distinct.add(b"")
    names, arrays = _names(distinct)
    arrays["name_id"] = np.array([names[name] for name in raw], np.uint32)
    for kind, chosen in kinds.items():
        groups = _grouped(facts, symbols, np.flatnonzero(chosen).tolist(), raw, names)
        rows = _joined(facts, groups, known[kind], raw, kind)
        arrays |= _row_arrays(rows, symbols, raw, names, kind)
    return {name: array.data for name, array in arrays.items()}


def _names(distinct: set[bytes]) -> tuple[dict[bytes, int], dict[str, Array]]:
    """The number of each name, and the lines: each name as it is shown, then those that were mangled."""
    listed = list(distinct)
    texts = [name.decode("utf-8", "surrogateescape") for name in listed]
    plain = [name.replace(b"\n", b"\x01") for name in listed]
    shown = [
        plain[index] if after == before else after.encode("utf-8", "surrogateescape").replace(b"\n", b"\x01")
        for index, (before, after) in enumerate(zip(texts, demangle_many(texts), strict=True))
    ]
    order = sorted(range(len(listed)), key=lambda index: (shown[index].lower(), shown[index], listed[index]))
    mangled = [number for number, index in enumerate(order) if shown[index] != plain[index]]
    lines = [shown[index] for index in order] + [plain[order[number]] for number in mangled]
    line_at = np.zeros(len(lines) + 1, np.uint32)
    np.cumsum([len(line) + 1 for line in lines], out=line_at[1:])
    return {listed[index]: number for number, index in enumerate(order)}, {
        "text": np.frombuffer(b"".join(line + b"\n" for line in lines), np.uint8),
        "line_at": line_at,
        "line_name": np.array(mangled, np.uint32),
    }


def _known(dwarf: Mapping[str, Buffer], prefix: str, place: str) -> list[_Known]:
    if f"{prefix}_name" not in dwarf:
        return []
    blob, at = bytes(dwarf["string_blob"]), _numbers(dwarf, "string_at")

    def text(number: int) -> bytes:
        return blob[at[number] : at[number + 1]]

    columns = (_numbers(dwarf, f"{prefix}_{name}") for name in ("linkage", "name", place, "size", "flags"))
    return [
        _Known(
            number,
            tuple(dict.fromkeys(text(entry) for entry in (linkage, name) if text(entry))),
            address if flags & _HAS_ADDRESS else None,
            size,
            prefix == "var" and bool(flags & _THREAD_LOCAL),
            prefix == "fn" and bool(flags & _INLINED),
        )
        for number, (linkage, name, address, size, flags) in enumerate(zip(*columns, strict=True))
    ]


def _numbers(dwarf: Mapping[str, Buffer], name: str) -> list[int]:
    found: list[int] = np.frombuffer(dwarf[name], ARRAYS[name].dtype).tolist()
    return found


def _grouped(
    facts: Facts, symbols: SymbolColumns, rows: list[int], raw: list[bytes], names: dict[bytes, int]
) -> list[_Row]:
    """Symbols of one address together, the preferred name first.

    One with a size first, then GLOBAL before WEAK before LOCAL, .symtab before .dynsym, the shortest, the
    first by the alphabet. In a relocatable file addresses count from their section; thread-local ones are
    offsets of another kind.
    """
    relocatable = is_relocatable(facts)
    address, size, bind = symbols.address.tolist(), symbols.size.tolist(), symbols.bind.tolist()
    kind, table, section = symbols.type.tolist(), symbols.table.tolist(), symbols.section_index.tolist()

    def space(row: int) -> int:
        return int(section[row]) if relocatable else int(kind[row] == _TLS)

    def order(row: int) -> tuple[int, ...]:
        # A linker's marker at the end of a section has no size, and may have the place of what begins there.
        # Names of no length come last: another name says more.
        strength = {0: 2, 2: 1}.get(bind[row], 0)
        length = len(raw[row]) or 0xFFFFFFFF
        number = names[raw[row]]
        return space(row), address[row], size[row] == 0, strength, table[row], length, number, row

    groups: list[_Row] = []
    for row in sorted(rows, key=order):
        if groups and (groups[-1].space, groups[-1].address) == (space(row), address[row]):
            groups[-1].symbols.append(row)
        else:
            groups.append(_Row(space(row), address[row], section[row], [row], [], -1))
    return groups


def _joined(facts: Facts, groups: list[_Row], known: list[_Known], raw: list[bytes], kind: str) -> list[_Row]:
    """The groups with what the debug information knows of their addresses, and rows for what it alone knows.

    Of several entries at an address the one with the name of a symbol there stands for the row, else the
    first. In a relocatable file, where many functions have one address, only the name tells.
    """
    relocatable = is_relocatable(facts)
    # Thumb functions have an odd address in the symbol table only.
    mask = ~1 if kind == "function" and facts.headers and facts.headers.machine == _ARM else ~0
    inside = _Sections(facts)
    places: dict[tuple[bool, int], list[_Known]] = {}
    without: list[_Row] = []
    for entry in known:
        thread_local = entry.thread_local and not relocatable
        if entry.address is not None and (thread_local or relocatable or inside(entry.address)):
            places.setdefault((thread_local, entry.address), []).append(entry)
        elif entry.address is None or entry.inlined:
            without.append(_Row(_NO_SECTION, NO_ADDRESS, 0, [], [entry], entry.number))
    rows: list[_Row] = []
    taken: set[int] = set()
    for group in groups:
        thread_local = not relocatable and group.space == 1
        found = places.get((thread_local, group.address & mask), [])
        own = {raw[row] for row in group.symbols}
        named = [entry for entry in found if own & set(entry.names)]
        if relocatable:
            found = named
        chosen = (named or found)[0].number if found else -1
        taken |= {entry.number for entry in found}
        rows.append(group._replace(known=sorted(found, key=lambda e: e.number != chosen), chosen=chosen))
    for (thread_local, address), found in places.items():
        left = [entry for entry in found if entry.number not in taken]
        space = _NO_SECTION if relocatable else int(thread_local)
        section = 0 if relocatable or thread_local else inside(address)
        for part in [[entry] for entry in left] if relocatable else [left] if left else []:
            rows.append(_Row(space, address, section, [], part, part[0].number))
    rows.sort(key=lambda row: (row.space, row.address, row.chosen if not row.symbols else -1))
    return rows + without


class _Sections:
    """The section of an address in memory; 0 for none: what a linker threw away lies nowhere."""

    def __init__(self, facts: Facts) -> None:
        rows = facts.headers.section_rows if facts.headers else ()
        first: dict[int, tuple[int, int]] = {}
        for index, row in enumerate(rows):
            if row.flags & _SHF_ALLOC and not row.flags & _SHF_TLS and row.size:
                first.setdefault(row.address, (row.address + row.size, index))
        self._begins = sorted(first)
        self._found = [first[address] for address in self._begins]

    def __call__(self, address: int) -> int:
        place = bisect_right(self._begins, address) - 1
        end, index = self._found[place] if place >= 0 else (0, 0)
        return index if address < end else 0


def _row_arrays(
    rows: list[_Row], symbols: SymbolColumns, raw: list[bytes], names: dict[bytes, int], kind: str
) -> dict[str, Array]:
    size = symbols.size.tolist()
    found: list[list[int]] = []
    for row in rows:
        texts = [raw[symbol] for symbol in row.symbols] + [name for e in row.known for name in e.names]
        distinct = [names[name] for name in dict.fromkeys(texts) if name]
        found.append(distinct or [names[b""]])
    sizes = [
        max((size[symbol] for symbol in row.symbols), default=0) or (row.known[0].size if row.known else 0)
        for row in rows
    ]
    return {
        f"{kind}_start": _starts([len(row.symbols) for row in rows]),
        f"{kind}_rows": np.array([symbol for row in rows for symbol in row.symbols], np.uint32),
        f"{kind}_name_at": _starts([len(each) for each in found]),
        f"{kind}_names": np.array([name for each in found for name in each], np.uint32),
        f"{kind}_name": np.array([each[0] for each in found], np.uint32),
        f"{kind}_address": np.array([row.address for row in rows], np.uint64),
        f"{kind}_size": np.array(sizes, np.uint64),
        f"{kind}_section": np.array([row.section for row in rows], np.uint32),
        "function_fn" if kind == "function" else "variable_var": np.array(
            [row.chosen for row in rows], np.int32
        ),
    }


def _starts(counts: list[int]) -> Array:
    starts = np.zeros(len(counts) + 1, np.uint32)
    np.cumsum(counts, out=starts[1:])
    return starts
