"""Functions and variables of columns as arrays: their names, places and sizes, for work over all of them."""

from __future__ import annotations

from typing import Literal

import numpy as np

from app.elf.scan import Lines
from app.index.columns import Array, Columns

RowKind = Literal["function", "variable"]


def lines_of(columns: Columns) -> Lines:
    """The names of a binary as ``scan`` takes them."""
    return Lines(columns["text"], columns["line_at"], columns["line_name"][len(columns["name_at"]) :])


def spellings_of(lines: Lines) -> Array:
    """The line of each name as the file has it: its raw one where it is shown demangled."""
    spelled = np.arange(lines.names, dtype=np.uint32)
    spelled[lines.further] = np.arange(lines.names, lines.count, dtype=np.uint32)
    return spelled


def rows_of(columns: Columns, kind: RowKind) -> tuple[Array, Array]:
    """(row, name id) for each name of each row."""
    starts, symbols = columns[f"{kind}_start"], columns[f"{kind}_rows"]
    row = np.repeat(np.arange(len(starts) - 1, dtype=np.uint32), np.diff(starts))
    return row, columns["name_id"][symbols]


def names_of(columns: Columns, kind: RowKind) -> Array:
    """The name id that stands for each row."""
    return columns["name_id"][_firsts(columns, kind)]


def places_of(columns: Columns, kind: RowKind) -> tuple[Array, Array]:
    """(address, section) of each row."""
    firsts = _firsts(columns, kind)
    return columns["address"][firsts], columns["section_index"][firsts]


def sizes_of(columns: Columns, kind: RowKind) -> Array:
    """0 where the size is not known."""
    starts = columns[f"{kind}_start"][:-1]
    sizes = columns["size"][columns[f"{kind}_rows"]]
    return np.maximum.reduceat(sizes, starts) if len(starts) else sizes


def files_of(columns: Columns, kind: RowKind) -> Array:
    """The name id of the source file that .symtab puts each static row into; -1 for others.

    A FILE symbol stands before the LOCAL ones of its file.
    """
    firsts = _firsts(columns, kind)
    marks = np.flatnonzero((columns["type"] == _FILE) & (columns["table"] == 0))
    local = (columns["bind"][firsts] == 0) & (columns["table"][firsts] == 0)
    before = np.searchsorted(marks, firsts) - 1
    known = local & (before >= 0)
    files = np.full(len(firsts), -1, np.int64)
    files[known] = columns["name_id"][marks[before[known]]]
    return files


_FILE = 4


def _firsts(columns: Columns, kind: RowKind) -> Array:
    """The symbol that stands for each row."""
    return columns[f"{kind}_rows"][columns[f"{kind}_start"][:-1]]
