"""Facts to the arrays of columns: names once, lines to search, functions and variables by address.

Runs in the boxed reader. All work over symbols is numpy's; a Python text is made only for each mangled name,
because the demangler takes one.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from app.elf.model import Facts, SymbolColumns
from app.elf.names import demangle_many
from app.elf.usdt import stored
from app.index.columns import Array

_FUNC, _IFUNC, _OBJECT, _COMMON, _TLS = 2, 10, 1, 5, 6
_SORTED_BY = 48  # bytes of a name that decide its alphabetical place
_NEWLINE = 10


def _no_symbols() -> SymbolColumns:
    def none(kind: str) -> Array:
        return np.zeros(0, kind)

    return SymbolColumns(
        names=b"",
        name_at=none("u4"),
        name_len=none("u4"),
        address=none("u8"),
        size=none("u8"),
        type=none("u1"),
        bind=none("u1"),
        visibility=none("u1"),
        section_index=none("u4"),
        table=none("u1"),
        version_id=none("u4"),
    )


def tables(facts: Facts) -> tuple[dict[str, Array], dict[str, Any]]:
    """Arrays of ``app.index.columns.ARRAYS``, and the meta that goes with them."""
    symbols = facts.symbols or _no_symbols()
    relocatable = facts.header is not None and facts.header.type == "REL"
    name_id, name_at, name_len = _distinct_names(symbols)
    text, line_at, line_name = _lines(symbols.names, name_at, name_len)
    # ASCII alone, so that every place in one is the same place in the other.
    lower = np.where((text >= 65) & (text <= 90), text + 32, text).astype(np.uint8)
    rank = _alphabetical(lower, line_at[: len(name_at) + 1])
    arrays: dict[str, Array] = {
        "address": symbols.address,
        "size": symbols.size,
        "type": symbols.type,
        "bind": symbols.bind,
        "visibility": symbols.visibility,
        "section_index": symbols.section_index,
        "table": symbols.table,
        "version_id": symbols.version_id,
        "name_id": name_id,
        "names": np.frombuffer(symbols.names, np.uint8),
        "name_at": name_at,
        "name_len": name_len,
        "name_rank": rank,
        "text": text,
        "lower": lower,
        "line_at": line_at,
        "line_name": line_name,
        "loads": np.array(
            [(s.address, s.file_size, s.offset) for s in facts.segments if s.type == "LOAD"], np.uint64
        ).reshape(-1),
    }
    defined = symbols.section_index != 0
    kinds = {
        "function": np.isin(symbols.type, (_FUNC, _IFUNC)) & defined,
        "variable": np.isin(symbols.type, (_OBJECT, _COMMON, _TLS)) & defined,
    }
    for kind, chosen in kinds.items():
        rows, start, back = _grouped(symbols, np.flatnonzero(chosen), name_id, name_len, rank, relocatable)
        arrays |= {f"{kind}_rows": rows, f"{kind}_start": start, f"symbol_{kind}": back}
    counts = {
        "symbols": len(symbols),
        "functions": len(arrays["function_start"]) - 1,
        "variables": len(arrays["variable_start"]) - 1,
        "usdt": len(facts.usdt),
    }
    return arrays, _meta(facts, symbols, counts)


def _meta(facts: Facts, symbols: SymbolColumns, counts: dict[str, int]) -> dict[str, Any]:
    return {
        "state": facts.state,
        "problems": [asdict(problem) for problem in facts.problems],
        "header": asdict(facts.header) if facts.header else None,
        "build_id": facts.build_id,
        "sections": [asdict(section) for section in facts.sections],
        "segments": [asdict(segment) for segment in facts.segments],
        "usdt": [stored(probe) for probe in facts.usdt],
        "versions": list(symbols.versions),
        "needed": list(facts.needed),
        "soname": facts.soname,
        "interpreter": facts.interpreter,
        "debug_link": facts.debug_link,
        "language": facts.language,
        "runtime": facts.runtime,
        "interpreter_of": facts.interpreter_of,
        "comment": list(facts.comment),
        "stripped": facts.stripped,
        "debug_only": facts.debug_only,
        "dwarf": facts.dwarf,
        "lines": facts.lines,
        "frame_pointers": facts.frame_pointers,
        "tables": sorted({int(number) for number in np.unique(symbols.table)}),
        "counts": counts,
    }


def _distinct_names(symbols: SymbolColumns) -> tuple[Array, Array, Array]:
    """The name of each symbol as a number, and where each name lies; one number a place in the file."""
    place = symbols.name_at.astype(np.uint64) << np.uint64(32) | symbols.name_len
    distinct, name_id = np.unique(place, return_inverse=True)
    return (
        name_id.astype(np.uint32),
        (distinct >> np.uint64(32)).astype(np.uint32),
        (distinct & np.uint64(0xFFFFFFFF)).astype(np.uint32),
    )


def _lines(names: bytes, name_at: Array, name_len: Array) -> tuple[Array, Array, Array]:
    """The text to search: a line for each name as it is shown, then one for each that was mangled."""
    blob = np.frombuffer(names, np.uint8)
    first = _byte(blob, name_at, name_len, 0)
    second = _byte(blob, name_at, name_len, 1)
    maybe = np.flatnonzero(((first == ord("_")) & np.isin(second, list(b"ZR_"))) | (first == ord("?")))
    mangled = [
        names[at : at + length].decode("utf-8", "backslashreplace")
        for at, length in zip(name_at[maybe].tolist(), name_len[maybe].tolist(), strict=True)
    ]
    shown = demangle_many(mangled)
    changed = [index for index, (a, b) in enumerate(zip(mangled, shown, strict=True)) if a != b]
    spelled = [shown[index].encode("utf-8", "backslashreplace") for index in changed]
    demangled_ids = maybe[changed] if changed else maybe[:0]
    count = len(name_at)
    source = np.concatenate([blob, np.frombuffer(b"".join(spelled), np.uint8)])
    at, length = name_at.astype(np.int64), name_len.astype(np.int64)
    lengths = np.fromiter((len(entry) for entry in spelled), np.int64, len(spelled))
    places = len(blob) + np.cumsum(lengths) - lengths
    at_all = np.concatenate([at, at[demangled_ids]])
    length_all = np.concatenate([length, length[demangled_ids]])
    at_all[demangled_ids], length_all[demangled_ids] = places, lengths
    line_at = np.zeros(len(at_all) + 1, np.int64)
    np.cumsum(length_all + 1, out=line_at[1:])
    text = _gather(source, at_all, length_all, line_at)
    line_name = np.concatenate([np.arange(count), demangled_ids])
    return text, line_at.astype(np.uint32), line_name.astype(np.uint32)


def _byte(blob: Array, at: Array, length: Array, index: int) -> Array:
    if not len(blob):
        return np.zeros(len(at), np.uint8)
    return np.where(length > index, blob[np.minimum(at + np.uint32(index), len(blob) - 1)], 0)


def _gather(source: Array, at: Array, length: Array, line_at: Array) -> Array:
    """The named parts one after another, each with a newline; control bytes inside become 0x01."""
    text = np.full(int(line_at[-1]), _NEWLINE, np.uint8)
    total = int(length.sum())
    if not total:
        return text
    within = np.arange(total) - np.repeat(np.cumsum(length) - length, length)
    found = source[np.repeat(at, length) + within]
    text[np.repeat(line_at[:-1], length) + within] = np.where(found < 32, 1, found)
    return text


def _alphabetical(lower: Array, line_at: Array) -> Array:
    """The place of each name among all, by its first bytes without case; then by its length."""
    count = len(line_at) - 1
    if count <= 0:
        return np.zeros(0, np.uint32)
    at = line_at[:-1].astype(np.int64)
    length = line_at[1:].astype(np.int64) - 1 - at
    table = np.zeros((count, _SORTED_BY), np.uint8)
    for index in range(_SORTED_BY):
        inside = np.flatnonzero(length > index)
        if not len(inside):
            break
        table[inside, index] = lower[at[inside] + index]
    order = np.lexsort((length, table.view(f"S{_SORTED_BY}").ravel()))
    rank = np.empty(count, np.uint32)
    rank[order] = np.arange(count, dtype=np.uint32)
    return rank


def _grouped(
    symbols: SymbolColumns,
    rows: npt.NDArray[np.intp],
    name_id: Array,
    name_len: Array,
    rank: Array,
    relocatable: bool,
) -> tuple[Array, Array, Array]:
    """Symbols of one address together, the preferred name first.

    One with a size first, then GLOBAL before WEAK before LOCAL, .symtab before .dynsym, the shortest, the
    first by the alphabet. In a relocatable file addresses count from their section; thread-local ones are
    offsets of another kind.
    """
    back = np.full(len(symbols), -1, np.int32)
    if not len(rows):
        return np.zeros(0, np.uint32), np.zeros(1, np.uint32), back
    bind = np.array([2, 0, 1] + [0] * 253, np.uint8)[symbols.bind[rows]]
    space = symbols.section_index[rows] if relocatable else (symbols.type[rows] == _TLS).astype(np.uint32)
    named = name_id[rows]
    # Names of no length come last: another name says more.
    length = np.where(name_len[named] == 0, np.uint32(0xFFFFFFFF), name_len[named])
    # A linker's marker at the end of a section has no size, and may have the place of what begins there.
    unsized = symbols.size[rows] == 0
    order = np.lexsort(
        (rank[named], length, symbols.table[rows], bind, unsized, symbols.address[rows], space)
    )
    rows = rows[order]
    space, address = space[order], symbols.address[rows]
    starts = np.flatnonzero(np.append(True, (address[1:] != address[:-1]) | (space[1:] != space[:-1])))
    start = np.append(starts, len(rows)).astype(np.uint32)
    counts = start[1:] - start[:-1]
    back[rows] = np.repeat(np.arange(len(starts), dtype=np.int32), counts)
    return rows.astype(np.uint32), start, back
