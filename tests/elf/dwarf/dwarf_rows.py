"""The columns that app.elf.dwarf.columns makes of a file, as rows to compare with what a test wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

_FUNCTION_FLAGS = (
    *("external", "address", "inlined", "declared_inline", "artificial", "noreturn", "main", "prototyped"),
    *("unspecified", "member", "virtual", "parameters_unknown", "return_unknown", "cold", "local"),
)
_VARIABLE_FLAGS = ("external", "address", "tls", "local", "artificial", "type_unknown")
_KINDS = ("", "struct", "class", "union", "enum", "typedef", "base")
UNKNOWN = None
Spans = list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class FunctionRow:
    """``returns``: "" for none, UNKNOWN where the file does not tell."""

    name: str
    linkage: str
    scope: str
    file: str
    line: int
    low: int
    size: int
    flags: frozenset[str]
    returns: str | None
    parameters: tuple[tuple[str, str | None], ...]
    artificial: tuple[bool, ...]
    ranges: tuple[tuple[int, int], ...]
    sites: int


@dataclass(frozen=True, slots=True)
class VariableRow:
    name: str
    linkage: str
    scope: str
    file: str
    line: int
    type: str | None
    address: int
    size: int
    flags: frozenset[str]


@dataclass(frozen=True, slots=True)
class SiteRow:
    function: str
    host: str
    parent: int
    file: str
    line: int
    column: int
    ranges: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Rows:
    state: str
    problems: tuple[str, ...]  # their codes
    functions: tuple[FunctionRow, ...]
    variables: tuple[VariableRow, ...]
    sites: tuple[SiteRow, ...]
    types: tuple[tuple[str, str, int], ...]  # name, kind, size
    units: tuple[tuple[str, int, int], ...]  # name, version, language

    def function(self, name: str) -> FunctionRow:
        (found,) = [row for row in self.functions if row.name == name]
        return found

    def variable(self, name: str) -> VariableRow:
        (found,) = [row for row in self.variables if row.name == name]
        return found


def rows(arrays: Mapping[str, Any], problems: Sequence[str], state: str) -> Rows:
    blob, at = bytes(arrays["string_blob"]), arrays["string_at"]
    # Ids are the order of the texts; id 0 is "".
    texts = [blob[at[i] : at[i + 1]].decode("utf-8", "backslashreplace") for i in range(len(at) - 1)]

    def columns(*names: str) -> list[tuple[int, ...]]:
        return list(zip(*(np.asarray(arrays[name]).tolist() for name in names), strict=True))

    def spans(prefix: str, row: int) -> tuple[tuple[int, int], ...]:
        start, end = (int(arrays[f"{prefix}_range_at"][row + step]) for step in (0, 1))
        lows, highs = arrays["range_low"][start:end], arrays["range_high"][start:end]
        return tuple((int(low), int(high)) for low, high in zip(lows, highs, strict=True))

    functions = []
    names = ("name", "linkage", "scope", "file", "line", "low", "size", "flags", "return", "sites")
    for row, (name, linkage, scope, file, line, low, size, bits, returns, sites) in enumerate(
        columns(*(f"fn_{one}" for one in names))
    ):
        flags = _flags(bits, _FUNCTION_FLAGS)
        start, end = int(arrays["fn_param_at"][row]), int(arrays["fn_param_at"][row + 1])
        parts = columns("param_name", "param_type", "param_flags")[start:end]
        functions.append(
            FunctionRow(
                texts[name],
                texts[linkage],
                texts[scope],
                texts[file],
                line,
                low,
                size,
                flags,
                UNKNOWN if "return_unknown" in flags else texts[returns],
                tuple((texts[one], UNKNOWN if marks & 2 else texts[kind]) for one, kind, marks in parts),
                tuple(bool(marks & 1) for _, _, marks in parts),
                spans("fn", row),
                sites,
            )
        )
    variables = []
    labels = ("name", "linkage", "scope", "file", "line", "type", "address", "size", "flags")
    for name, linkage, scope, file, line, kind, address, size, bits in columns(
        *(f"var_{one}" for one in labels)
    ):
        flags = _flags(bits, _VARIABLE_FLAGS)
        told = UNKNOWN if "type_unknown" in flags else texts[kind]
        variables.append(
            VariableRow(
                texts[name], texts[linkage], texts[scope], texts[file], line, told, address, size, flags
            )
        )
    sites_found = tuple(
        SiteRow(
            functions[function].name,
            functions[host].name,
            parent,
            texts[file],
            line,
            column,
            spans("site", row),
        )
        for row, (function, host, parent, file, line, column) in enumerate(
            columns(
                *("site_function", "site_host", "site_parent"),
                *("site_call_file", "site_call_line", "site_call_column"),
            )
        )
    )
    return Rows(
        state,
        tuple(problems),
        tuple(functions),
        tuple(variables),
        sites_found,
        tuple(
            (texts[name], _KINDS[kind], size)
            for name, kind, size in columns("type_name", "type_kind", "type_size")
        ),
        tuple(
            (texts[name], version, language)
            for name, version, language in columns("unit_name", "unit_version", "unit_language")
        ),
    )


def _flags(bits: int, names: Sequence[str]) -> frozenset[str]:
    return frozenset(name for place, name in enumerate(names) if bits >> place & 1)
