"""Functions that are known from debug information alone, as a file of names that bpftrace can look into."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from app.elf.model import TABLES
from app.elf.symbols.symbol_file import Kind, Named
from app.elf.symbols.symbol_file import symbol_file as written
from app.index import matching
from app.index.column_file import NO_ADDRESS
from app.index.columns import Columns

_TYPES = {"EXEC": 2, "DYN": 3}
# Tables in which bpftrace finds a name itself.
_OWN = (TABLES.index("symtab"), TABLES.index("dynsym"))
_FIELDS = 8  # of a program header


def symbol_file(
    columns: Columns, build_id: str | None, pattern: str, seconds: float, marks: Mapping[str, int]
) -> bytes | None:
    """See ``Index.symbol_file``; ``*`` is special in ``pattern``. Raises what ``matching.ranks`` raises."""
    header = columns.meta["header"]
    if header is None or header["type"] not in _TYPES:
        return None
    escaped = pattern.replace("[", "[[]").replace("?", "[?]")
    matches = matching.ranks(columns, escaped, "glob", seconds) != matching.NONE
    starts = columns["function_start"]
    own = np.isin(columns["table"][columns["function_rows"]], _OWN)
    counted = np.concatenate(([0], np.cumsum(own)))
    hidden = (counted[starts[1:]] == counted[starts[:-1]]) & (columns["function_address"] != NO_ADDRESS)
    name_at, names = columns["function_name_at"], columns["function_names"]
    functions = [Named(name.encode(), address, 1) for name, address in marks.items()]
    for row in np.flatnonzero(hidden).tolist():
        address, size = int(columns["function_address"][row]), int(columns["function_size"][row])
        functions += [
            Named(columns.name(number), address, size)
            for number in names[name_at[row] : name_at[row + 1]].tolist()
            if size and matches[number]
        ]
    if not functions:
        return None
    kind = Kind(
        header["bits"],
        header["endian"],
        _TYPES[header["type"]],
        columns.meta["machine"],
        bytes.fromhex(build_id or ""),
    )
    return written(kind, columns["segments"].reshape(-1, _FIELDS).tolist(), functions)
