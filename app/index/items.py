"""Rows of columns to the items of a page: an object only for a row that somebody looks at."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict

from app.elf import spell
from app.elf.model import (
    TABLES,
    Header,
    Problem,
    Section,
    Segment,
    State,
    UsdtArgument,
    UsdtProbe,
    UsdtSite,
)
from app.elf.symbols import file_offsets
from app.index.columns import BadColumns, Columns
from app.index.model import Function, Symbol, Usdt, Variable


class _Meta(TypedDict):
    state: State
    problems: list[Problem]
    header: Header | None
    build_id: str | None
    sections: list[Section]
    segments: list[Segment]
    usdt: list[UsdtProbe]
    versions: list[str]
    needed: list[str]
    soname: str | None
    interpreter: str | None
    debug_link: tuple[str, int] | None
    language: str | None
    runtime: Literal["compiled", "interpreter", "jit"]
    interpreter_of: str | None
    comment: list[str]
    stripped: bool
    debug_only: bool
    dwarf: bool
    lines: bool
    tables: list[int]
    counts: dict[str, int]


_META = TypeAdapter(_Meta)
_TLS = 6
_ABS = 0xFFF1


class Items:
    """Makes the items of one binary."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        meta = columns.meta
        self.sections = tuple(Section(**entry) for entry in meta["sections"])
        self._relocatable = bool(meta["header"]) and meta["header"]["type"] == "REL"
        self._debug_only = bool(meta["debug_only"])
        self._language = meta["language"]
        self._loads = columns["loads"].reshape(-1, 3)

    def symbol(self, row: int) -> Symbol:
        columns = self._columns
        name_id = int(columns["name_id"][row])
        name = columns.name(name_id).decode("utf-8", "backslashreplace")
        version = self.version(row)
        return Symbol(
            name=name,
            demangled=self._demangled(name_id, name),
            version=version.lstrip("@") or None,
            address=int(columns["address"][row]),
            size=int(columns["size"][row]),
            type=spell.symbol_type(int(columns["type"][row])),
            bind=spell.symbol_bind(int(columns["bind"][row])),
            visibility=spell.symbol_visibility(int(columns["visibility"][row])),
            section=spell.section_of(int(columns["section_index"][row]), self.sections),
            table=TABLES[int(columns["table"][row])],
            offset=self._offset(row),
            default_version=version.startswith("@@"),
        )

    def function(self, index: int) -> Function:
        columns = self._columns
        rows = self._group("function", index)
        first = self.symbol(rows[0])
        others = dict.fromkeys(self.symbol_name(row) for row in rows[1:])
        others.pop(first.name, None)
        return Function(
            key=self.key(rows[0]),
            name=first.name,
            linkage_name=first.name,
            demangled=first.demangled,
            address=first.address,
            size=int(columns["size"][rows].max()),
            offset=first.offset,
            section=first.section,
            type=first.type,
            bind=first.bind,
            file=None,
            line=None,
            language=self._language,
            parameters=None,
            returns=None,
            external=first.bind != "LOCAL",
            inlined=False,
            inline_sites=0,
            sources=self._sources(rows),
            aliases=tuple(others),
        )

    def variable(self, index: int) -> Variable:
        columns = self._columns
        rows = self._group("variable", index)
        first = self.symbol(rows[0])
        return Variable(
            name=first.name,
            linkage_name=first.name,
            demangled=first.demangled,
            address=first.address,
            size=int(columns["size"][rows].max()),
            type=None,
            section=first.section,
            file=None,
            line=None,
            external=first.bind != "LOCAL",
            sources=self._sources(rows),
        )

    def symbol_name(self, row: int) -> str:
        columns = self._columns
        return columns.name(int(columns["name_id"][row])).decode("utf-8", "backslashreplace")

    def version(self, row: int) -> str:
        """With its separator, ``@V`` or ``@@V``; "" for none."""
        return str(self._columns.meta["versions"][int(self._columns["version_id"][row])])

    def key(self, row: int) -> str:
        """The address in hex; in a relocatable file behind its section's number, from which it counts."""
        address = f"{int(self._columns['address'][row]):x}"
        if self._relocatable:
            return f"{int(self._columns['section_index'][row])}-{address}"
        return address

    def find_function(self, key: str) -> int | None:
        """The function of a key, or of 0xADDRESS, which may lie inside one."""
        section = None
        inside = key[:2] in {"0x", "0X"}
        if self._relocatable and "-" in key:
            number, _, key = key.partition("-")
            section = int(number) if number.isascii() and number.isdigit() else -1
        try:
            address = int(key, 16)
        except ValueError:
            return None
        columns = self._columns
        firsts = columns["function_rows"][columns["function_start"][:-1]]
        if not 0 <= address < 1 << 64 or not len(firsts):
            return None
        addresses = columns["address"][firsts]
        chosen = (
            np.ones(len(firsts), bool) if section is None else columns["section_index"][firsts] == section
        )
        exact = np.flatnonzero(chosen & (addresses == address))
        if len(exact):
            return int(exact[0])
        if inside:
            within = (
                chosen & (addresses <= address) & (np.uint64(address) - addresses < columns["size"][firsts])
            )
            found = np.flatnonzero(within)
            if len(found):
                return int(found[-1])
        return None

    def _group(self, kind: str, index: int) -> list[int]:
        start, end = self._columns[f"{kind}_start"][index : index + 2].tolist()
        rows: list[int] = self._columns[f"{kind}_rows"][start:end].tolist()
        return rows

    def _sources(self, rows: list[int]) -> tuple[str, ...]:
        return tuple(TABLES[number] for number in sorted(set(self._columns["table"][rows].tolist())))

    def _demangled(self, name_id: int, name: str) -> str:
        return self._columns.display(name_id) if name[:2] in {"_Z", "_R", "__"} or name[:1] == "?" else name

    def _offset(self, row: int) -> int | None:
        """Where the symbol's bytes lie in the file; None where they do not, or in a debug file."""
        columns = self._columns
        index = int(columns["section_index"][row])
        if index in (0, _ABS) or self._debug_only or int(columns["type"][row]) == _TLS:
            return None
        if self._relocatable:
            if index >= len(self.sections) or self.sections[index].type == "NOBITS":
                return None
            return self.sections[index].offset + int(columns["address"][row])
        found = int(file_offsets(self._loads, columns["address"][row : row + 1])[0])
        return found if found >= 0 else None


def check(columns: Columns) -> None:
    """Raises BadColumns when the meta is not what ``tables`` writes: a reader may have been taken over."""
    try:
        _META.validate_python(columns.meta)
    except ValidationError as error:
        raise BadColumns("The header of the columns is not well-formed.") from error


def header(columns: Columns) -> Header | None:
    found = columns.meta["header"]
    return Header(**found) if found else None


def segments(columns: Columns) -> tuple[Segment, ...]:
    return tuple(Segment(**entry) for entry in columns.meta["segments"])


def usdt(columns: Columns) -> tuple[Usdt, ...]:
    return tuple(
        Usdt(entry["provider"], entry["name"], tuple(_site(site) for site in entry["sites"]))
        for entry in columns.meta["usdt"]
    )


def _site(entry: dict[str, Any]) -> UsdtSite:
    return UsdtSite(**{**entry, "arguments": tuple(UsdtArgument(**each) for each in entry["arguments"])})
