"""A line program that pyelftools read, as the columns that the native core gives."""

from __future__ import annotations

from typing import Any

import numpy as np

from app.elf.dwarf.dies import Unit
from app.elf.dwarf.lines import BLOCK, END, EPILOGUE_BEGIN, IS_STMT, PROLOGUE_END, LineTable

_Row = tuple[int, int, int, int, int]


def slow_lines(program: Any, unit: Unit) -> LineTable:
    """Rows in the order of their addresses; sequences that an earlier one covers are left out."""
    header = program.header
    files = _files(header, unit.comp_dir)
    rows = np.array(_rows(program), np.uint64).reshape(-1, 5)
    return LineTable(
        0,
        header["version"],
        tuple(files),
        rows[:, 0],
        rows[:, 1].astype(np.uint32),
        rows[:, 2].astype(np.uint32),
        rows[:, 3].astype(np.uint32),
        rows[:, 4].astype(np.uint8),
    )


def _rows(program: Any) -> list[_Row]:
    sequences: list[list[_Row]] = [[]]
    for entry in program.get_entries():
        state = entry.state
        if state is None:
            continue
        flags = (
            (IS_STMT if state.is_stmt else 0)
            | (END if state.end_sequence else 0)
            | (BLOCK if state.basic_block else 0)
            | (PROLOGUE_END if state.prologue_end else 0)
            | (EPILOGUE_BEGIN if state.epilogue_begin else 0)
        )
        sequences[-1].append((state.address, state.file, max(state.line, 0), state.column, flags))
        if state.end_sequence:
            sequences.append([])
    whole = [sequence for sequence in sequences[:-1] if sequence[0][0] < sequence[-1][0]]
    covered = -1
    found: list[_Row] = []
    for sequence in sorted(whole, key=lambda rows: (rows[0][0], -rows[-1][0])):
        if sequence[-1][0] > covered:
            found += [row for row in sequence if row[0] >= covered]
            covered = sequence[-1][0]
    return found


def _files(header: Any, comp_dir: str) -> list[str]:
    """The paths, joined as addr2line joins them."""
    old = header["version"] < 5
    directories = [_text(entry) for entry in header["include_directory"] or ()]
    paths = [""] if old else []
    for entry in header["file_entry"] or ():
        name, number = _text(entry["name"]), entry["dir_index"] - old
        directory = directories[number] if 0 <= number < len(directories) else ""
        parts = [name] if name.startswith("/") else [directory, name]
        if not parts[0].startswith("/"):
            parts.insert(0, comp_dir)
        paths.append("/".join(part for part in parts if part))
    return paths


def _text(raw: Any) -> str:
    return raw.decode("utf-8", "backslashreplace") if isinstance(raw, bytes) else str(raw)
