"""One binary's facts as one memory-mapped file: arrays behind a table of places and a little JSON.

Layout, all little-endian: 8 bytes of magic with the epoch; two numbers of 8 bytes, how many arrays there are
and how long the JSON is; for each array of ``ARRAYS``, in its order, its offset in the file and its count
of elements; the JSON (``meta``); then the arrays, each aligned to 8 bytes. An array that a file has no use
for is empty.

Names are numbered by their alphabetical order, so a name id is also its rank: by the text that is shown, A-Z
folded to a-z, then as it is, then by the linkage name. Line i of ``text`` is name i as it is shown; behind
these lie the linkage names of those whose shown text differs, whose ids ``line_name`` has. A newline inside
a name is 0x01; there is no lower-case copy, because a scan can fold as it goes.

This is the writing side, which the boxed reader needs; ``app.index.columns`` reads.
"""

from __future__ import annotations

import json
import os
import struct
import sys
from array import array
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, NamedTuple

EPOCH = 4
MAGIC = b"PSCOLS\x00" + bytes([EPOCH])
ALIGN = 8
_MOST_BUFFERS = 512  # of one writev; Linux takes 1024
# Of one writev: for more the kernel takes larger pages, which a virtual machine may have to ask its host for.
_MOST_BYTES = 512 << 10
META_ROOM = 256 << 10  # before arrays that are written first; what is not used is a hole in the file
_COPIED = 256 << 10  # bytes that are sooner put together than written piece by piece
_AS_IT_IS = sys.byteorder == "little"
NO_ADDRESS = 0xFFFFFFFFFFFFFFFF


class Column(NamedTuple):
    """``table`` has the count of elements, ``TABLE+1`` one more; ``rule`` says what they point into.

    ``<X``: below the count of table X. ``-<X``: or -1. ``/X``: rises from 0 to the count of X, the bounds of
    slices. ``\\X``: rises, inside X. ``^``: below its own place, or -1: a parent before its child.
    """

    dtype: str
    table: str
    rule: str = ""


ARRAYS: dict[str, Column] = {
    # Symbols, in file order.
    "address": Column("u8", "symbol"),
    "size": Column("u8", "symbol"),
    "type": Column("u1", "symbol"),
    "bind": Column("u1", "symbol"),
    "visibility": Column("u1", "symbol"),
    "section_index": Column("u4", "symbol"),
    "table": Column("u1", "symbol", "<source"),
    "version_id": Column("u4", "symbol", "<version"),
    "name_id": Column("u4", "symbol", "<name"),
    # Where each is declared, in a file that says so without debug information; else there are none.
    "symbol_file": Column("u4", "placed", "<string"),
    "symbol_line": Column("u4", "placed"),
    # Names.
    "text": Column("u1", "text"),
    "line_at": Column("u4", "line+1", "/text"),
    "line_name": Column("u4", "linkage", "<name"),
    # Rows of the lists. function_rows are its symbols; function_names all names by which it is found, of
    # which function_name is the first. Those without an address (NO_ADDRESS) come last.
    "function_start": Column("u4", "function+1", "/function_rows"),
    "function_rows": Column("u4", "function_rows", "<symbol"),
    "function_name_at": Column("u4", "function+1", "/function_names"),
    "function_names": Column("u4", "function_names", "<name"),
    "function_name": Column("u4", "function", "<name"),
    "function_address": Column("u8", "function"),
    "function_size": Column("u8", "function"),
    "function_section": Column("u4", "function"),
    "function_fn": Column("i4", "function", "-<fn"),
    "variable_start": Column("u4", "variable+1", "/variable_rows"),
    "variable_rows": Column("u4", "variable_rows", "<symbol"),
    "variable_name_at": Column("u4", "variable+1", "/variable_names"),
    "variable_names": Column("u4", "variable_names", "<name"),
    "variable_name": Column("u4", "variable", "<name"),
    "variable_address": Column("u8", "variable"),
    "variable_size": Column("u8", "variable"),
    "variable_section": Column("u4", "variable"),
    "variable_var": Column("i4", "variable", "-<var"),
    # Headers of sections and segments, as rows of numbers: see app.elf.image.
    "sections": Column("u8", "sections"),
    "section_names": Column("u1", "section_names"),
    "segments": Column("u8", "segments"),
    # Texts of the debug information, or of the files of symbols, each once; 0 is "".
    "string_blob": Column("u1", "string_blob"),
    "string_at": Column("u4", "string+1", "/string_blob"),
    # Compilation units.
    "unit_offset": Column("u8", "unit"),
    "unit_language": Column("u2", "unit"),
    "unit_version": Column("u1", "unit"),
    "unit_name": Column("u4", "unit", "<string"),
    "unit_comp_dir": Column("u4", "unit", "<string"),
    "unit_producer": Column("u4", "unit", "<string"),
    "unit_lines": Column("u8", "unit"),
    "unit_range_at": Column("u4", "unit+1", "\\range"),
    # Functions of the debug information, and their parameters.
    "fn_name": Column("u4", "fn", "<string"),
    "fn_linkage": Column("u4", "fn", "<string"),
    "fn_scope": Column("u4", "fn", "<string"),
    "fn_file": Column("u4", "fn", "<string"),
    "fn_line": Column("u4", "fn"),
    "fn_low": Column("u8", "fn"),
    "fn_size": Column("u8", "fn"),
    "fn_flags": Column("u4", "fn"),
    "fn_return": Column("u4", "fn", "<string"),
    "fn_param_at": Column("u4", "fn+1", "/param"),
    "fn_unit": Column("u4", "fn", "<unit"),
    "fn_die": Column("u8", "fn"),
    "fn_sites": Column("u4", "fn"),
    "fn_range_at": Column("u4", "fn+1", "\\range"),
    "param_name": Column("u4", "param", "<string"),
    "param_type": Column("u4", "param", "<string"),
    "param_flags": Column("u1", "param"),
    # Variables of the debug information.
    "var_name": Column("u4", "var", "<string"),
    "var_linkage": Column("u4", "var", "<string"),
    "var_scope": Column("u4", "var", "<string"),
    "var_file": Column("u4", "var", "<string"),
    "var_line": Column("u4", "var"),
    "var_type": Column("u4", "var", "<string"),
    "var_address": Column("u8", "var"),
    "var_size": Column("u8", "var"),
    "var_flags": Column("u4", "var"),
    "var_unit": Column("u4", "var", "<unit"),
    "var_die": Column("u8", "var"),
    # Places where a function was inlined.
    "site_function": Column("u4", "site", "<fn"),
    "site_host": Column("u4", "site", "<fn"),
    "site_parent": Column("i4", "site", "^"),
    "site_call_file": Column("u4", "site", "<string"),
    "site_call_line": Column("u4", "site"),
    "site_call_column": Column("u2", "site"),
    "site_range_at": Column("u4", "site+1", "\\range"),
    # Ranges of addresses, shared by units, functions and sites.
    "range_low": Column("u8", "range"),
    "range_high": Column("u8", "range"),
    # Named types.
    "type_name": Column("u4", "type", "<string"),
    "type_kind": Column("u1", "type"),
    "type_size": Column("u8", "type"),
    "type_unit": Column("u4", "type", "<unit"),
    "type_die": Column("u8", "type"),
}
HEAD = struct.Struct("<8sQQ")
TABLE_BYTES = 16 * len(ARRAYS)
_PLACES = struct.Struct(f"<{2 * len(ARRAYS)}Q")
_PADDINGS = tuple(bytes(size) for size in range(ALIGN))
Buffer = bytes | bytearray | memoryview


def size_of(name: str) -> int:
    """Bytes of one element of an array."""
    return int(ARRAYS[name].dtype[1:])


_WIDTHS = {name: size_of(name) for name in ARRAYS}


class Written(NamedTuple):
    """Arrays that are in the file before the rest is known."""

    places: dict[str, tuple[int, int]]  # of each the offset from the base, and how many elements
    end: int


def write_arrays(descriptor: int, arrays: Mapping[str, Buffer], base: int) -> Written:
    """Writes some of the arrays behind room for what stands first. Raises OSError when they do not fit."""
    places: dict[str, tuple[int, int]] = {}
    parts, end = _laid(arrays, META_ROOM, places)
    _write_all(descriptor, parts, base + META_ROOM)
    return Written(places, end)


def write_columns(
    descriptor: int,
    arrays: Mapping[str, Buffer],
    meta: Mapping[str, Any],
    base: int = 0,
    written: Written | None = None,
) -> int:
    """Writes from ``base`` to the end of the file; what ``arrays`` lacks is empty. Gives the size.

    Raises OSError when it does not fit. An array is a buffer of numbers, of the right size and in this
    machine's order.
    """
    text = json.dumps(meta, separators=(",", ":")).encode()
    at = -(-(HEAD.size + TABLE_BYTES + len(text)) // ALIGN) * ALIGN
    gap = bytes(at - HEAD.size - TABLE_BYTES - len(text))
    places: dict[str, tuple[int, int]] = {}
    first = at
    # A meta that needs more room has all of it written anew.
    if written is not None and at <= META_ROOM:
        places, first = dict(written.places), written.end
    rest = {name: array for name, array in arrays.items() if name not in places}
    parts, end = _laid(rest, first, places)
    table = _PLACES.pack(*chain.from_iterable(places.get(name, (0, 0)) for name in ARRAYS))
    head: list[Buffer] = [HEAD.pack(MAGIC, len(ARRAYS), len(text)), table, text, gap]
    if first == at:
        parts = head + parts
        _write_all(descriptor, parts if end > _COPIED else [b"".join(parts)], base)
    else:
        _write_all(descriptor, head, base)
        _write_all(descriptor, parts, base + first)
    if os.fstat(descriptor).st_size != base + end:
        os.ftruncate(descriptor, base + end)
    return end


def _laid(
    arrays: Mapping[str, Buffer], at: int, places: dict[str, tuple[int, int]]
) -> tuple[list[Buffer], int]:
    """What is written from ``at`` on, and where it ends; ``places`` is told where each array is."""
    parts: list[Buffer] = []
    for name, given in arrays.items():
        if not given:
            continue
        width = _WIDTHS[name]
        part = given if _AS_IT_IS or width == 1 else _swapped(given, width)
        size = part.nbytes if isinstance(part, memoryview) else len(part)
        places[name] = at, size // width
        parts.append(part)
        at += size
        if size % ALIGN:
            parts.append(_PADDINGS[-size % ALIGN])
            at += -size % ALIGN
    return parts, at


def _swapped(numbers: Buffer, width: int) -> memoryview:
    """Their bytes as the file has them, on a machine that has them the other way round."""
    swapped = array({2: "H", 4: "I", 8: "Q"}[width], bytes(numbers))
    swapped.byteswap()
    return memoryview(swapped).cast("B")


def _write_all(descriptor: int, parts: list[Buffer], offset: int) -> None:
    for batch in _batches(parts):
        left = batch
        while left:
            done = os.pwritev(descriptor, left, offset)
            offset += done
            left = _left(left, done)


def _batches(parts: Iterable[Buffer]) -> Iterator[list[memoryview]]:
    """The same bytes, of which as many are together as are written at once."""
    batch: list[memoryview] = []
    room = _MOST_BYTES
    for part in parts:
        data = memoryview(part).cast("B")
        while data:
            batch.append(data[:room])
            data = data[room:]
            room -= len(batch[-1])
            if not room or len(batch) == _MOST_BUFFERS:
                yield batch
                batch, room = [], _MOST_BYTES
    if batch:
        yield batch


def _left(batch: list[memoryview], done: int) -> list[memoryview]:
    """What was not written of it."""
    for at, part in enumerate(batch):
        if done < len(part):
            return [part[done:], *batch[at + 1 :]]
        done -= len(part)
    return []
