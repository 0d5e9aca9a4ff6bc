"""Facts to the arrays of columns: names once, lines to search, functions and variables by address.

Runs in the boxed reader. The native core does this in one call; without it, ``python_tables`` does.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from itertools import accumulate, chain
from typing import Any

from app.elf.model import TABLES, Facts, Header, Places, SymbolColumns
from app.elf.symbols.rows import native_tables, no_symbols
from app.elf.usdt.notes import stored
from app.index.column_file import Buffer

_AS_THEY_ARE = (
    "address",
    "size",
    "type",
    "bind",
    "visibility",
    "section_index",
    "table",
    "version_id",
)
_HEADER = Header._fields


def tables(
    facts: Facts, dwarf: Mapping[str, Buffer] | None = None
) -> tuple[dict[str, Buffer], dict[str, Any]]:
    """Arrays of ``app.index.columns.ARRAYS``, and the meta that goes with them.

    ``dwarf``: the arrays of the debug information, string_blob to type_die, or none.
    """
    symbols = facts.symbols if facts.symbols is not None else no_symbols()
    arrays: dict[str, Buffer] = dict(dwarf or {})
    arrays |= {name: getattr(symbols, name) for name in _AS_THEY_ARE}
    found = native_tables(symbols, facts.headers, is_relocatable(facts), arrays)
    if found is None:
        from app.index.python_tables import python_tables

        found = python_tables(facts, symbols, arrays)
    arrays |= found
    if facts.places is not None and not dwarf:
        arrays |= _places(facts.places, symbols.rows)
    headers = facts.headers
    if headers is not None:
        arrays["sections"] = headers.packed
        arrays["section_names"] = headers.strings
        arrays["segments"] = array("Q", chain.from_iterable(headers.program_rows)).tobytes()
    counts = {
        "symbols": symbols.rows - symbols.table.tobytes().count(TABLES.index("debug_symtab")),
        "functions": memoryview(arrays["function_name"]).nbytes // 4,
        "variables": memoryview(arrays["variable_name"]).nbytes // 4,
        "usdt": len(facts.usdt),
        "types": memoryview(arrays.get("type_name", b"")).nbytes // 4,
    }
    return arrays, _meta(facts, symbols, counts)


def _places(places: Places, count: int) -> dict[str, Buffer]:
    """Those of all symbols; the ones that a debug file added are not known."""
    texts = [text.encode("utf-8", "surrogateescape") for text in places.files]
    return {
        "string_blob": b"".join(texts),
        "string_at": array("I", accumulate(map(len, texts), initial=0)).tobytes(),
        "symbol_file": places.file.ljust(4 * count, b"\0"),
        "symbol_line": places.line.ljust(4 * count, b"\0"),
    }


def _meta(facts: Facts, symbols: SymbolColumns, counts: dict[str, int]) -> dict[str, Any]:
    sources = symbols.table.tobytes()
    return {
        "state": facts.state,
        "problems": [problem._asdict() for problem in facts.problems],
        "header": {name: getattr(facts.header, name) for name in _HEADER} if facts.header else None,
        "machine": facts.headers.machine if facts.headers else 0,
        "build_id": facts.build_id,
        "usdt": [stored(probe) for probe in facts.usdt],
        "versions": list(symbols.versions),
        "needed": list(facts.needed),
        "soname": facts.soname,
        "interpreter": facts.interpreter,
        "debug_link": list(facts.debug_link) if facts.debug_link else None,
        "language": facts.language,
        "runtime": facts.runtime,
        "interpreter_of": facts.interpreter_of,
        "comment": list(facts.comment),
        "stripped": facts.stripped,
        "debug_only": facts.debug_only,
        "dwarf": facts.dwarf,
        "lines": facts.lines,
        "frame_pointers": facts.frame_pointers,
        "tables": [number for number in range(len(TABLES)) if bytes([number]) in sources],
        "counts": counts,
        "links": {"alternate": None, "parts": []},
        "separate": None,
    }


def is_relocatable(facts: Facts) -> bool:
    return facts.header is not None and facts.header.type == "REL"
