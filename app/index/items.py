"""Rows of columns to the items of a page: an object only for a row that somebody looks at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
import numpy.typing as npt
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
    UsdtProbe,
)
from app.elf.symbols import file_offsets
from app.elf.usdt import restored
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
    frame_pointers: bool | None
    tables: list[int]
    counts: dict[str, int]


_META = TypeAdapter(_Meta)
_TAKEN = (
    "name_id",
    "version_id",
    "address",
    "size",
    "type",
    "bind",
    "visibility",
    "section_index",
    "table",
)
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
        self._versions: list[str] = meta["versions"]
        self._section_offsets = np.array(
            [-1 if each.type == "NOBITS" else each.offset for each in self.sections] or [-1], np.int64
        )

    def symbol(self, row: int) -> Symbol:
        return self.symbols(np.array([row]))[0]

    def symbols(self, rows: npt.NDArray[np.intp]) -> list[Symbol]:
        """The symbols of these rows, in their order."""
        columns = self._columns
        taken = {name: columns[name][rows].tolist() for name in _TAKEN}
        offsets = self._offsets(rows)
        return [
            Symbol(
                name=(name := columns.name(name_id).decode("utf-8", "backslashreplace")),
                demangled=self._demangled(name_id, name),
                version=(version := self._versions[version_id]).lstrip("@") or None,
                address=address,
                size=size,
                type=spell.symbol_type(kind),
                bind=spell.symbol_bind(bind),
                visibility=spell.symbol_visibility(visibility),
                section=spell.section_of(section, self.sections),
                table=TABLES[table],
                offset=offset if offset >= 0 else None,
                default_version=version.startswith("@@"),
            )
            for name_id, version_id, address, size, kind, bind, visibility, section, table, offset in zip(
                *(taken[name] for name in _TAKEN), offsets, strict=True
            )
        ]

    def function(self, index: int) -> Function:
        return self.functions(np.array([index]))[0]

    def functions(self, indices: npt.NDArray[np.intp]) -> list[Function]:
        """The functions of these numbers, in their order."""
        return [
            Function(
                key=self.key(rows[0]),
                name=first.name,
                linkage_name=first.name,
                demangled=first.demangled,
                address=first.address,
                size=size,
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
                sources=sources,
                aliases=self._aliases(first.name, rows),
            )
            for first, rows, size, sources in self._groups("function", indices)
        ]

    def variables(self, indices: npt.NDArray[np.intp]) -> list[Variable]:
        """The variables of these numbers, in their order."""
        return [
            Variable(
                name=first.name,
                linkage_name=first.name,
                demangled=first.demangled,
                address=first.address,
                size=size,
                type=None,
                section=first.section,
                file=None,
                line=None,
                external=first.bind != "LOCAL",
                sources=sources,
            )
            for first, _, size, sources in self._groups("variable", indices)
        ]

    def _groups(
        self, kind: str, indices: npt.NDArray[np.intp]
    ) -> Iterator[tuple[Symbol, list[int], int, tuple[str, ...]]]:
        """Of each row: the symbol that stands for it, all its symbols, the largest size, the tables."""
        columns = self._columns
        starts, all_rows = columns[f"{kind}_start"], columns[f"{kind}_rows"]
        firsts = self.symbols(all_rows[starts[indices]])
        begins, ends = starts[indices].tolist(), starts[indices + 1].tolist()
        for first, begin, end in zip(firsts, begins, ends, strict=True):
            rows: list[int] = all_rows[begin:end].tolist()
            if len(rows) == 1:
                yield first, rows, first.size, (first.table,)
                continue
            tables = sorted(set(columns["table"][rows].tolist()))
            yield first, rows, int(columns["size"][rows].max()), tuple(TABLES[number] for number in tables)

    def _aliases(self, name: str, rows: list[int]) -> tuple[str, ...]:
        if len(rows) == 1:
            return ()
        others = dict.fromkeys(self.symbol_name(row) for row in rows[1:])
        others.pop(name, None)
        return tuple(others)

    def symbol_name(self, row: int) -> str:
        columns = self._columns
        return columns.name(int(columns["name_id"][row])).decode("utf-8", "backslashreplace")

    def version(self, row: int) -> str:
        """With its separator, ``@V`` or ``@@V``; "" for none."""
        return self._versions[int(self._columns["version_id"][row])]

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

    def _demangled(self, name_id: int, name: str) -> str:
        return self._columns.display(name_id) if name[:2] in {"_Z", "_R", "__"} or name[:1] == "?" else name

    def _offsets(self, rows: npt.NDArray[np.intp]) -> list[int]:
        """Where each symbol's bytes lie in the file; -1 where they do not, or in a debug file."""
        columns = self._columns
        index, address = columns["section_index"][rows], columns["address"][rows]
        if self._debug_only:
            found = np.full(len(rows), -1, np.int64)
        elif self._relocatable:
            known = np.minimum(index, len(self.sections) - 1)
            found = np.where(
                self._section_offsets[known] < 0, -1, self._section_offsets[known] + address.astype(np.int64)
            )
            found[index >= len(self.sections)] = -1
        else:
            found = file_offsets(self._loads, address)
        found[np.isin(index, (0, _ABS)) | (columns["type"][rows] == _TLS)] = -1
        out: list[int] = found.tolist()
        return out


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
    found = columns.meta["header"]
    machine = found["machine"] if found else ""
    return tuple(
        Usdt(entry["provider"], entry["name"], tuple(restored(site, machine) for site in entry["sites"]))
        for entry in columns.meta["usdt"]
    )
