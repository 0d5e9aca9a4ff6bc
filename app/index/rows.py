"""Functions and variables of columns as arrays: their names, places and sizes, for work over all of them."""

from __future__ import annotations

from typing import Literal

import numpy as np

from app.elf.search.scan import Lines
from app.index.column_file import NO_ADDRESS
from app.index.columns import Array, Columns

RowKind = Literal["function", "variable"]
ENTRY = 0xFFFFFFFF  # in place of a section: the address is that of an entry of the debug information
_FILE = 4
_KNOWN = {"function": ("function_fn", "fn_die"), "variable": ("variable_var", "var_die")}


def lines_of(columns: Columns) -> Lines:
    """The names of a binary as ``scan`` takes them."""
    return Lines(columns["text"], columns["line_at"], columns["line_name"])


def spellings_of(lines: Lines) -> Array:
    """The line of each name as the file has it: its raw one where it is shown demangled."""
    spelled = np.arange(lines.names, dtype=np.uint32)
    spelled[lines.further] = np.arange(lines.names, lines.count, dtype=np.uint32)
    return spelled


def rows_of(columns: Columns, kind: RowKind) -> tuple[Array, Array]:
    """(row, name id) for each name of each row."""
    counts = np.diff(columns[f"{kind}_name_at"])
    return np.repeat(np.arange(len(counts), dtype=np.uint32), counts), columns[f"{kind}_names"]


def keys_of(columns: Columns, kind: RowKind) -> tuple[Array, Array]:
    """(address, section) of each row, of which ``key`` makes its key."""
    address, section = columns[f"{kind}_address"], columns[f"{kind}_section"]
    unplaced = address == NO_ADDRESS
    if columns.meta["header"] and columns.meta["header"]["type"] == "REL":
        unplaced = unplaced | (np.diff(columns[f"{kind}_start"]) == 0)
    if unplaced.any():
        number, entry = _KNOWN[kind]
        address, section = address.copy(), section.copy()
        address[unplaced] = columns[entry][columns[number][unplaced]]
        section[unplaced] = ENTRY
    return address, section


def key(kind: RowKind, address: int, section: int, relocatable: bool) -> str:
    """As ``items`` spells the key of a function or variable."""
    if section == ENTRY:
        return f"{'inline' if kind == 'function' else 'entry'}-{address:x}"
    return f"{section:x}-{address:x}" if relocatable else f"{address:x}"


def files_of(columns: Columns, kind: RowKind) -> Array:
    """The name id of the source file that .symtab puts each static row into; -1 for others.

    A FILE symbol stands before the LOCAL ones of its file.
    """
    starts = columns[f"{kind}_start"].astype(np.int64)
    files = np.full(len(starts) - 1, -1, np.int64)
    named = np.flatnonzero(np.diff(starts))
    firsts = columns[f"{kind}_rows"][starts[:-1][named]]
    marks = np.flatnonzero((columns["type"] == _FILE) & (columns["table"] == 0))
    before = np.searchsorted(marks, firsts) - 1
    known = (columns["bind"][firsts] == 0) & (columns["table"][firsts] == 0) & (before >= 0)
    files[named[known]] = columns["name_id"][marks[before[known]]]
    return files
