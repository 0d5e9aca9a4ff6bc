"""Rows of line programs as columns that are searched by address.

Rows are in the order of their addresses; the last one at or before an address holds there, unless it ends a
sequence. Paths are joined as addr2line joins them. Flags and states are those of core/dwarf/lines.h.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

IS_STMT, END, BLOCK, PROLOGUE_END, EPILOGUE_BEGIN = 1, 2, 4, 8, 16
# What a state of the native core says is missing, as a problem's code and text.
LINE_STATES = {
    2: ("lines_truncated", "A line program ends in the middle of it."),
    3: ("lines_version", "A line program is of no version from 2 to 5 of DWARF."),
    4: ("lines_header", "A line program's header says what cannot be."),
}


def _none(dtype: str) -> npt.NDArray[np.uint64]:
    return np.zeros(0, dtype)


@dataclass(frozen=True, slots=True)
class LineTable:
    """One program. ``files`` is indexed by the numbers of ``file``; "" where the file names none."""

    state: int = 0
    version: int = 0
    files: tuple[str, ...] = ()
    address: npt.NDArray[np.uint64] = field(default_factory=lambda: _none("u8"))
    file: npt.NDArray[np.uint32] = field(default_factory=lambda: np.zeros(0, np.uint32))
    line: npt.NDArray[np.uint32] = field(default_factory=lambda: np.zeros(0, np.uint32))
    column: npt.NDArray[np.uint32] = field(default_factory=lambda: np.zeros(0, np.uint32))
    flags: npt.NDArray[np.uint8] = field(default_factory=lambda: np.zeros(0, np.uint8))

    def path(self, number: int) -> str | None:
        """The path of a file's number; None where the table has none."""
        return (self.files[number] or None) if 0 <= number < len(self.files) else None

    def rows_at(self, addresses: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
        """The row that holds at each address; -1 where none does."""
        if not len(self.address):
            return np.full(len(addresses), -1, np.int64)
        rows = np.searchsorted(self.address, addresses, "right").astype(np.int64) - 1
        ended = (self.flags[np.maximum(rows, 0)] & END) != 0
        rows[ended] = -1
        return rows

    def between(self, low: int, high: int) -> range:
        """The rows that start in [low, high)."""
        first, last = np.searchsorted(self.address, np.array([low, high], np.uint64), "left").tolist()
        return range(first, last)


def line_table(answer: tuple[int, int, list[str], bytes, bytes, bytes, bytes, bytes]) -> LineTable:
    """From what the core's ``line_rows`` gives."""
    state, version, files, address, file, line, column, flags = answer
    return LineTable(
        state,
        version,
        tuple(files),
        np.frombuffer(address, np.uint64),
        np.frombuffer(file, np.uint32),
        np.frombuffer(line, np.uint32),
        np.frombuffer(column, np.uint32),
        np.frombuffer(flags, np.uint8),
    )
