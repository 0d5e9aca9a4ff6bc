"""Go's table of functions in each of its four layouts, written for a few functions."""

from __future__ import annotations

import struct
from typing import NamedTuple

MAGICS = {(1, 2): 0xFFFFFFFB, (1, 16): 0xFFFFFFFA, (1, 18): 0xFFFFFFF0, (1, 20): 0xFFFFFFF1}


class Function(NamedTuple):
    name: str
    entry: int
    file: str
    lines: tuple[tuple[int, int], ...]  # (line, bytes of code), one after another


def _varint(number: int) -> bytes:
    out = b""
    while number >= 128:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def _runs(pairs: tuple[tuple[int, int], ...], quantum: int) -> bytes:
    """Runs of (value, bytes of code) as differences from -1."""
    out, before = b"", -1
    for value, size in pairs:
        difference = value - before
        out += _varint(difference << 1 if difference >= 0 else (-difference << 1) - 1)
        out += _varint(size // quantum)
        before = value
    return out + b"\0"


def table(
    functions: list[Function],
    end: int,
    version: tuple[int, int],
    bits: int = 64,
    endian: str = "little",
    quantum: int = 1,
    text: int = 0,
) -> bytes:
    """``text``: the start of the code, from 1.18 on; 0 in the header stands for a relocation."""
    order = "<" if endian == "little" else ">"
    word, long = bits // 8, "Q" if bits == 64 else "I"
    files = list(dict.fromkeys(function.file for function in functions))
    relative = version >= (1, 18)
    head = struct.pack(order + "IBBBB", MAGICS[version], 0, 0, quantum, word)
    size = 4 if relative else word
    record_size = {(1, 2): word + 32, (1, 16): word + 36, (1, 18): 40, (1, 20): 44}[version]

    def pack(kind: str, *numbers: int) -> bytes:
        return struct.pack(order + kind, *numbers)

    def placed(texts: list[str]) -> tuple[bytes, list[int]]:
        blob, places = b"\0", []
        for entry in texts:
            places.append(len(blob))
            blob += entry.encode() + b"\0"
        return blob + b"\0" * (-len(blob) % 8), places

    names, name_at = placed([function.name for function in functions])
    file_names, file_at = placed(files)
    values, file_runs, line_runs = b"\0", [], []
    for function in functions:
        length = sum(size for _, size in function.lines)
        number = files.index(function.file) + (version == (1, 2))
        file_runs.append(len(values))
        values += _runs(((number, length),), quantum)
        line_runs.append(len(values))
        values += _runs(function.lines, quantum)
    values += b"\0" * (-len(values) % 8)
    old = version == (1, 2)
    before = len(head) + word * {(1, 2): 1, (1, 16): 7, (1, 18): 8, (1, 20): 8}[version]
    pairs_size = (2 * len(functions) + 1) * size
    if old:
        file_table_at = before + pairs_size + 4
        file_table_at += -file_table_at % 8
        names_at = file_table_at + 4 * (len(files) + 1)
        names_at += -names_at % 8
    else:
        names_at = before
    units_at = names_at + len(names)
    files_at = units_at + (0 if old else (4 * len(files) + 7) // 8 * 8)
    values_at = files_at + len(file_names)
    functions_at = values_at + len(values)
    records_at = functions_at + (0 if old else pairs_size + -pairs_size % 8)
    base = 0 if old else functions_at
    pairs, records = b"", b""
    for index, function in enumerate(functions):
        pairs += pack("II" if relative else long * 2, function.entry - (text if relative else 0),
                      records_at - base + index * record_size)  # fmt: skip
        record = pack("I" if relative else long, function.entry - (text if relative else 0))
        record += pack("i", name_at[index] + (names_at if old else 0)) + pack("II", 0, 0)
        moved = values_at if old else 0
        record += pack("IIII", 0, moved + file_runs[index], moved + line_runs[index], 0)
        if not old:
            record += pack("I", 0)
        if version == (1, 20):
            record += pack("I", function.lines[0][0])
        records += record.ljust(record_size, b"\0")
    pairs += pack("I" if relative else long, end - (text if relative else 0))
    if old:
        out = head + pack(long, len(functions)) + pairs + pack("I", file_table_at)
        out = out.ljust(file_table_at, b"\0") + pack("I", len(files) + 1)
        out += b"".join(pack("I", files_at + at) for at in file_at)
        return out.ljust(names_at, b"\0") + names + file_names + values + records
    header = [len(functions), len(files), *([text] if relative else [])]
    header += [names_at, units_at, files_at, values_at, functions_at]
    out = head + pack(long * len(header), *header) + names
    out += b"".join(pack("I", at) for at in file_at)
    return (out.ljust(files_at, b"\0") + file_names + values + pairs).ljust(records_at, b"\0") + records
