"""Rows of columns to the items of a page: an object only for a row that somebody looks at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from app.elf import spell
from app.elf.arrays import file_offsets
from app.elf.image import load_rows, sections_of, segments_of
from app.elf.languages import language_name
from app.elf.model import (
    TABLES,
    Header,
    Section,
    Segment,
)
from app.elf.usdt import restored
from app.index.column_file import NO_ADDRESS
from app.index.columns import BadColumns, Columns
from app.index.meta import is_meta
from app.index.model import Function, Parameter, Symbol, Usdt, Variable

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
_LONGEST = (1 << 62) - 1  # of an offset
_FUNC, _OBJECT = 2, 1
_ROW = 10  # numbers of a section header
_SEGMENT = 8
# Bits of fn_flags, var_flags and param_flags.
EXTERNAL, INLINED, NO_PARAMETERS, NO_RETURN_TYPE = 1, 4, 2048, 4096
_TYPE_UNKNOWN = 2
_THREAD_LOCAL, _VAR_TYPE_UNKNOWN = 4, 32
# What a function that returns nothing is written with.
_NOTHING = {"rust": "()", "go": "", "fortran": "", "ada": ""}


class Items:
    """Makes the items of one binary."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        meta = columns.meta
        self._relocatable = bool(meta["header"]) and meta["header"]["type"] == "REL"
        self._debug_only = bool(meta["debug_only"])
        self._language = meta["language"]
        self._versions: list[str] = meta["versions"]

    @cached_property
    def sections(self) -> tuple[Section, ...]:
        rows = self._columns["sections"]
        strings = self._columns["section_names"].tobytes()
        found = rows[: len(rows) // _ROW * _ROW].reshape(-1, _ROW).tolist()
        meta = self._columns.meta
        return sections_of(
            found, strings, int(meta["machine"]), int(meta["header"]["abi"]) if meta["header"] else 0
        )

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        return segments_of(self._segment_rows, int(self._columns.meta["machine"]))

    @cached_property
    def _segment_rows(self) -> list[list[int]]:
        rows = self._columns["segments"]
        found: list[list[int]] = rows[: len(rows) // _SEGMENT * _SEGMENT].reshape(-1, _SEGMENT).tolist()
        return found

    @cached_property
    def _loads(self) -> list[tuple[int, int, int]]:
        return load_rows(self._segment_rows)

    @cached_property
    def _section_offsets(self) -> npt.NDArray[np.int64]:
        return np.array(
            [-1 if each.type == "NOBITS" else each.offset & _LONGEST for each in self.sections] or [-1],
            np.int64,
        )

    def symbols(self, rows: npt.NDArray[np.intp]) -> list[Symbol]:
        """The symbols of these rows, in their order."""
        columns = self._columns
        taken = {name: columns[name][rows].tolist() for name in _TAKEN}
        offsets = self._offsets(taken["section_index"], columns["address"][rows], columns["type"][rows])
        return [
            Symbol(
                name=raw.decode("utf-8", "backslashreplace"),
                demangled=shown,
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
            for raw, shown, (
                _,
                version_id,
                address,
                size,
                kind,
                bind,
                visibility,
                section,
                table,
            ), offset in zip(
                columns.names_of(taken["name_id"]),
                columns.displays(taken["name_id"]),
                zip(*taken.values(), strict=True),
                offsets,
                strict=True,
            )
        ]

    def function(self, index: int) -> Function:
        return self.functions(np.array([index]))[0]

    def functions(self, indices: npt.NDArray[np.intp]) -> list[Function]:
        """The functions of these numbers, in their order."""
        columns = self._columns
        rows = self._rows("function", indices)
        known = _Known(columns, "fn", rows.known)
        parameters = self._parameters(known.present)
        returns = dict(zip(known.present, columns.strings(columns["fn_return"][known.present]), strict=True))
        out: list[Function] = []
        for row in rows:
            fn = row.known
            flags = known.flags[fn] if fn >= 0 else 0
            language = self._language if fn < 0 else known.language[fn] or self._language
            result = None
            if fn >= 0 and not flags & NO_RETURN_TYPE:
                result = returns[fn] or _NOTHING.get(str(language), "void")
            out.append(
                Function(
                    key=self._key("fn", row, known),
                    name=known.name.get(fn) or row.name,
                    linkage_name=row.name,
                    demangled=known.qualified(fn, row),
                    address=row.address,
                    size=row.size,
                    offset=row.offset,
                    section=self._section(row),
                    type=spell.symbol_type(row.type),
                    bind=spell.symbol_bind(row.bind if row.symbols else flags & EXTERNAL),
                    file=known.file.get(fn) or None,
                    line=known.line.get(fn) or None,
                    language=language,
                    parameters=parameters.get(fn) if not flags & NO_PARAMETERS else None,
                    returns=result,
                    external=row.bind != 0 if row.symbols else bool(flags & EXTERNAL),
                    inlined=bool(flags & INLINED),
                    inline_sites=known.sites.get(fn, 0),
                    sources=row.sources,
                    aliases=self._aliases(row),
                )
            )
        return out

    def _parameters(self, numbers: list[int]) -> dict[int, tuple[Parameter, ...]]:
        columns = self._columns
        at = columns["fn_param_at"]
        chosen = np.asarray(numbers, np.int64)
        begins, ends = at[chosen].tolist(), at[chosen + 1].tolist()
        places = np.concatenate([np.arange(a, b) for a, b in zip(begins, ends, strict=True)] or [chosen[:0]])
        names = columns.strings(columns["param_name"][places])
        types = columns.strings(columns["param_type"][places])
        unknown = (columns["param_flags"][places] & _TYPE_UNKNOWN).tolist()
        made = [
            Parameter(name, "unknown" if lost or not kind else kind)
            for name, kind, lost in zip(names, types, unknown, strict=True)
        ]
        found: dict[int, tuple[Parameter, ...]] = {}
        place = 0
        for number, begin, end in zip(numbers, begins, ends, strict=True):
            found[number] = tuple(made[place : place + end - begin])
            place += end - begin
        return found

    def variables(self, indices: npt.NDArray[np.intp]) -> list[Variable]:
        """The variables of these numbers, in their order."""
        columns = self._columns
        rows = self._rows("variable", indices)
        known = _Known(columns, "var", rows.known)
        types = dict(zip(known.present, columns.strings(columns["var_type"][known.present]), strict=True))
        return [
            Variable(
                key=self._key("var", row, known),
                name=known.name.get(row.known) or row.name,
                linkage_name=row.name,
                demangled=known.qualified(row.known, row),
                address=row.address,
                size=row.size,
                type=None
                if known.flags.get(row.known, 0) & _VAR_TYPE_UNKNOWN
                else types.get(row.known) or None,
                section=self._section(row),
                file=known.file.get(row.known) or None,
                line=known.line.get(row.known) or None,
                scope=known.scope.get(row.known) or None,
                external=row.bind != 0 if row.symbols else bool(known.flags[row.known] & EXTERNAL),
                sources=row.sources,
            )
            for row in rows
        ]

    def _rows(self, kind: Literal["function", "variable"], indices: npt.NDArray[np.intp]) -> _Rows:
        columns = self._columns
        begins, ends = columns[f"{kind}_start"][indices], columns[f"{kind}_start"][indices + 1]
        all_rows = columns[f"{kind}_rows"]
        named = begins < ends
        firsts = all_rows[np.where(named, begins, 0)] if len(all_rows) else np.zeros(len(indices), np.uint32)
        default = _FUNC if kind == "function" else _OBJECT
        symbols = len(columns["type"])
        types = (
            np.where(named, columns["type"][firsts], default) if symbols else np.full(len(indices), default)
        )
        binds = np.where(named, columns["bind"][firsts], 0) if symbols else np.zeros(len(indices), np.uint8)
        addresses, sections = columns[f"{kind}_address"][indices], columns[f"{kind}_section"][indices]
        known = columns["function_fn" if kind == "function" else "variable_var"][indices]
        name_ids = columns[f"{kind}_name"][indices]
        tables = columns["table"]
        offsets = self._offsets(sections.tolist(), addresses, types)
        made = _Rows()
        for name, shown, address, size, section, kind_of, bind, number, offset, begin, end in zip(
            columns.names_of(name_ids),
            columns.displays(name_ids),
            addresses.tolist(),
            columns[f"{kind}_size"][indices].tolist(),
            sections.tolist(),
            types.tolist(),
            binds.tolist(),
            known.tolist(),
            offsets,
            begins.tolist(),
            ends.tolist(),
            strict=True,
        ):
            symbols_of = all_rows[begin:end].tolist()
            sources = [TABLES[table] for table in sorted({int(tables[row]) for row in symbols_of})]
            made.append(
                _Row(
                    name=name.decode("utf-8", "backslashreplace"),
                    shown=shown,
                    address=None if address == NO_ADDRESS else address,
                    size=size,
                    section=section,
                    type=kind_of,
                    bind=bind,
                    offset=offset if offset >= 0 else None,
                    known=number,
                    symbols=symbols_of,
                    sources=tuple(["dwarf", *sources] if number >= 0 else sources),
                )
            )
        return made

    def _aliases(self, row: _Row) -> tuple[str, ...]:
        if len(row.symbols) < 2:
            return ()
        ids = self._columns["name_id"][row.symbols[1:]]
        others = dict.fromkeys(raw.decode("utf-8", "backslashreplace") for raw in self._columns.names_of(ids))
        others.pop(row.name, None)
        return tuple(name for name in others if name)

    def _key(self, prefix: str, row: _Row, known: _Known) -> str:
        """The address in hex; in a relocatable file behind its section's number, from which it counts.

        Without a symbol there, or without an address, the entry of the debug information.
        """
        if row.address is None or (self._relocatable and not row.symbols):
            return f"inline-{known.die[row.known]:x}" if prefix == "fn" else f"entry-{known.die[row.known]:x}"
        return f"{row.section:x}-{row.address:x}" if self._relocatable else f"{row.address:x}"

    def _section(self, row: _Row) -> str:
        if not row.section and not row.symbols:
            return ""  # it has no place, or one that only the debug information knows
        return spell.section_of(row.section, self.sections)

    def version(self, row: int) -> str:
        """With its separator, ``@V`` or ``@@V``; "" for none."""
        return self._versions[int(self._columns["version_id"][row])]

    def find_function(self, key: str) -> int | None:
        """The function of a key, or of 0xADDRESS, which may lie inside one."""
        columns = self._columns
        section = None
        if key.startswith("inline-"):
            return self._find_entry(key.removeprefix("inline-"))
        inside = key[:2] in {"0x", "0X"}
        if self._relocatable and "-" in key:
            number, _, key = key.partition("-")
            section = _hexadecimal(number)
            section = -1 if section is None else section
        address = _hexadecimal(key.removeprefix("0x").removeprefix("0X"))
        if address is None or address >= NO_ADDRESS:
            return None
        addresses = columns["function_address"]
        chosen = addresses != NO_ADDRESS
        if section is not None:
            chosen &= columns["function_section"] == section
        exact = np.flatnonzero(chosen & (addresses == address))
        if len(exact):
            return int(exact[0])
        if inside:
            distance = np.uint64(address) - addresses
            within = chosen & (addresses <= address) & (distance < columns["function_size"])
            found = np.flatnonzero(within)
            if len(found):
                return int(found[-1])
        return None

    def _find_entry(self, number: str) -> int | None:
        die = _hexadecimal(number)
        if die is None or die >= 1 << 64:
            return None
        fn = np.flatnonzero(self._columns["fn_die"] == die)
        found = np.flatnonzero(np.isin(self._columns["function_fn"], fn)) if len(fn) else fn
        return int(found[0]) if len(found) else None

    def _offsets(
        self, sections: list[int], address: npt.NDArray[np.uint64], types: npt.NDArray[np.uint8]
    ) -> list[int]:
        """Where each one's bytes lie in the file; -1 where they do not, or in a debug file."""
        index = np.array(sections, np.int64)
        if self._debug_only:
            found = np.full(len(index), -1, np.int64)
        elif self._relocatable:
            known = np.minimum(index, len(self.sections) - 1)
            base = self._section_offsets[known]
            sound = (base >= 0) & (address < _LONGEST) & (index < len(self.sections))
            found = np.where(sound, base + (address & np.uint64(_LONGEST)).astype(np.int64), -1)
        else:
            found = file_offsets(self._loads, address)
        found[np.isin(index, (0, _ABS)) | (types == _TLS)] = -1
        out: list[int] = found.tolist()
        return out


@dataclass(frozen=True, slots=True)
class _Row:
    """What the symbols say of one function or variable; the best of them stands for it."""

    name: str
    shown: str
    address: int | None
    size: int
    section: int
    type: int
    bind: int
    offset: int | None
    known: int  # its row of the debug information, -1 for none
    symbols: list[int]
    sources: tuple[str, ...]


class _Rows(list[_Row]):
    @property
    def known(self) -> list[int]:
        return [row.known for row in self]


class _Known:
    """What the debug information says of some functions or variables, by their numbers."""

    def __init__(self, columns: Columns, prefix: Literal["fn", "var"], numbers: list[int]) -> None:
        self.present = sorted({number for number in numbers if number >= 0})

        def texts(name: str) -> dict[int, str]:
            found = columns.strings(columns[f"{prefix}_{name}"][self.present])
            return dict(zip(self.present, found, strict=True))

        def values(name: str) -> dict[int, int]:
            return dict(zip(self.present, columns[f"{prefix}_{name}"][self.present].tolist(), strict=True))

        self.name, self.scope, self.file = texts("name"), texts("scope"), texts("file")
        self._linkage = values("linkage")
        self.line, self.flags, self.die = values("line"), values("flags"), values("die")
        self.sites = values("sites") if prefix == "fn" else {}
        languages = columns["unit_language"][columns[f"{prefix}_unit"][self.present]].tolist()
        self.language = {
            number: language_name(language) for number, language in zip(self.present, languages, strict=True)
        }

    def qualified(self, number: int, row: _Row) -> str:
        """The name with what is around it, where no linkage name has it."""
        scope, name = self.scope.get(number), self.name.get(number)
        if scope and name and not self._linkage[number] and row.name == name:
            return f"{scope}::{name}"
        return row.shown


def _hexadecimal(text: str) -> int | None:
    return int(text, 16) if text and all(c in "0123456789abcdefABCDEF" for c in text) else None


def check(columns: Columns) -> None:
    """Raises BadColumns when the meta is not what ``tables`` writes: a reader may have been taken over."""
    if not is_meta(columns.meta):
        raise BadColumns("The meta of the columns is not well-formed.")


def header(columns: Columns) -> Header | None:
    found = columns.meta["header"]
    return Header(**found) if found else None


def usdt(columns: Columns) -> tuple[Usdt, ...]:
    found = columns.meta["header"]
    machine = found["machine"] if found else ""
    return tuple(
        Usdt(entry["provider"], entry["name"], tuple(restored(site, machine) for site in entry["sites"]))
        for entry in columns.meta["usdt"]
    )
