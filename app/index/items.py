"""Rows of columns to the items of a page: an object only for a row that somebody looks at."""

from __future__ import annotations

from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from app.elf import spell
from app.elf.arrays import file_offsets
from app.elf.image import load_rows, sections_of, segments_of
from app.elf.model import (
    TABLES,
    Header,
    Section,
    Segment,
)
from app.elf.usdt.notes import restored
from app.index.clones import Clones, clones
from app.index.column_file import NO_ADDRESS
from app.index.columns import BadColumns, Columns
from app.index.meta import is_meta
from app.index.model import Function, Parameter, Symbol, Usdt, Variable
from app.index.placed import Known, Placed, spelled
from app.index.traits import INLINED, Mask, traits

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
NO_PARAMETERS, NO_RETURN_TYPE = 2048, 4096
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

    @cached_property
    def clones(self) -> Clones:
        return clones(self._columns)

    @cached_property
    def traits(self) -> dict[str, Mask]:
        return traits(self._columns, self.clones)

    def symbols(self, rows: npt.NDArray[np.intp]) -> list[Symbol]:
        """The symbols of these rows, in their order."""
        columns = self._columns
        taken = {name: columns[name][rows].tolist() for name in _TAKEN}
        offsets = self._offsets(taken["section_index"], columns["address"][rows], columns["type"][rows])
        return [
            Symbol(
                name=name,
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
            for name, shown, (
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
                columns.spelled_names(taken["name_id"]),
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
        placed = self._placed("function", indices)
        known = Known(self._columns, "fn", placed.known)
        numbers = placed.known.tolist()
        languages = [found or self._language for found in known.language]
        return [
            Function(key, name or own, own, shown, address, size, offset, section, kind, bind, file or None,
                     line or None, language, parameters, returns, external, inlined, sites, sources, aliases,
                     clones)
            for key, name, own, shown, address, size, offset, section, kind, bind, file, line, language,
            parameters, returns, external, inlined, sites, sources, aliases, clones
            in zip(
                self._keys("inline", placed, known),
                known.name,
                placed.names,
                known.qualified(placed),
                placed.addresses,
                placed.sizes,
                placed.offsets,
                self._sections_of(placed),
                spelled(placed.types, spell.symbol_type),
                spelled(known.binds(placed), spell.symbol_bind),
                known.file,
                known.line,
                languages,
                self._parameters(placed.known, known.flags),
                self._returns(numbers, known, languages),
                known.external(placed),
                [bool(flags & INLINED) for flags in known.flags],
                known.values("sites"),
                self._sources(placed),
                self._aliases(placed),
                [self.clones.taken.get(index, ()) for index in indices.tolist()],
                strict=True,
            )
        ]  # fmt: skip

    def _returns(self, numbers: list[int], known: Known, languages: list[str | None]) -> list[str | None]:
        return [
            None if number < 0 or flags & NO_RETURN_TYPE else kind or _NOTHING.get(str(language), "void")
            for number, flags, kind, language in zip(
                numbers, known.flags, known.texts("return"), languages, strict=True
            )
        ]

    def _parameters(
        self, numbers: npt.NDArray[np.int64], flags: list[int]
    ) -> list[tuple[Parameter, ...] | None]:
        columns = self._columns
        if not columns.count("fn"):
            return [None] * len(numbers)
        at = columns["fn_param_at"].astype(np.int64)
        told = (numbers >= 0) & (np.array(flags, np.int64) & NO_PARAMETERS == 0)
        begins = np.where(told, at[numbers], 0)
        counts = np.where(told, at[numbers + 1] - begins, 0)
        stops = np.cumsum(counts)
        places = np.arange(int(stops[-1]) if len(stops) else 0) + np.repeat(begins - stops + counts, counts)
        # Most parameters are of few kinds: one object serves all that are alike.
        lost = columns["param_flags"][places] & _TYPE_UNKNOWN != 0
        kinds = np.where(lost, 0, columns["param_type"][places]).astype(np.uint64)
        pairs, which = np.unique(
            columns["param_name"][places].astype(np.uint64) << np.uint64(32) | kinds, return_inverse=True
        )
        alike = [
            Parameter(name, kind or "unknown")
            for name, kind in zip(
                columns.strings(pairs >> np.uint64(32)),
                columns.strings(pairs & np.uint64(0xFFFFFFFF)),
                strict=True,
            )
        ]
        made = [alike[place] for place in which.tolist()]
        return [
            tuple(made[stop - count : stop]) if known else None
            for stop, count, known in zip(stops.tolist(), counts.tolist(), told.tolist(), strict=True)
        ]

    def variables(self, indices: npt.NDArray[np.intp]) -> list[Variable]:
        """The variables of these numbers, in their order."""
        placed = self._placed("variable", indices)
        known = Known(self._columns, "var", placed.known)
        types = [
            None if flags & _VAR_TYPE_UNKNOWN else kind or None
            for flags, kind in zip(known.flags, known.texts("type"), strict=True)
        ]
        return [
            Variable(key, name or own, own, shown, address, size, kind, section, file or None, line or None,
                     scope or None, external, sources)
            for key, name, own, shown, address, size, kind, section, file, line, scope, external, sources
            in zip(
                self._keys("entry", placed, known),
                known.name,
                placed.names,
                known.qualified(placed),
                placed.addresses,
                placed.sizes,
                types,
                self._sections_of(placed),
                known.file,
                known.line,
                known.scope,
                known.external(placed),
                self._sources(placed),
                strict=True,
            )
        ]  # fmt: skip

    def _placed(self, kind: Literal["function", "variable"], indices: npt.NDArray[np.intp]) -> Placed:
        columns = self._columns
        begins, ends = columns[f"{kind}_start"][indices], columns[f"{kind}_start"][indices + 1]
        all_rows = columns[f"{kind}_rows"]
        named = begins < ends
        firsts = all_rows[np.where(named, begins, 0)] if len(all_rows) else np.zeros(len(indices), np.uint32)
        default = _FUNC if kind == "function" else _OBJECT
        if len(columns["type"]):
            types = np.where(named, columns["type"][firsts], default)
            binds = np.where(named, columns["bind"][firsts], 0)
            tables = np.where(named, columns["table"][firsts], 0)
        else:
            types = np.full(len(indices), default)
            binds = tables = np.zeros(len(indices), np.uint8)
        addresses, sections = columns[f"{kind}_address"][indices], columns[f"{kind}_section"][indices]
        name_ids = columns[f"{kind}_name"][indices]
        offsets = self._offsets(sections.tolist(), addresses, types)
        return Placed(
            names=columns.spelled_names(name_ids),
            shown=columns.displays(name_ids),
            addresses=[None if each == NO_ADDRESS else each for each in addresses.tolist()],
            sizes=columns[f"{kind}_size"][indices].tolist(),
            sections=sections.tolist(),
            types=types.tolist(),
            binds=binds.tolist(),
            tables=tables.tolist(),
            offsets=[each if each >= 0 else None for each in offsets],
            known=columns["function_fn" if kind == "function" else "variable_var"][indices].astype(np.int64),
            rows=all_rows,
            begins=begins.tolist(),
            ends=ends.tolist(),
        )

    def _sources(self, placed: Placed) -> list[tuple[str, ...]]:
        """Where each was found; one tuple serves all that are alike."""
        table = self._columns["table"]
        alike: dict[tuple[bool, tuple[int, ...]], tuple[str, ...]] = {}
        found = []
        for known, first, begin, end in zip(
            (placed.known >= 0).tolist(), placed.tables, placed.begins, placed.ends, strict=True
        ):
            if end - begin < 2:
                tables: tuple[int, ...] = (first,) if begin < end else ()
            else:
                tables = tuple(sorted(set(table[placed.rows[begin:end]].tolist())))
            sort = (known, tables)
            names = alike.get(sort)
            if names is None:
                names = alike[sort] = (*(("dwarf",) if known else ()), *(TABLES[each] for each in tables))
            found.append(names)
        return found

    def _aliases(self, placed: Placed) -> list[tuple[str, ...]]:
        out: list[tuple[str, ...]] = [()] * len(placed.names)
        begins, ends = np.array(placed.begins, np.int64), np.array(placed.ends, np.int64)
        several = np.flatnonzero(ends - begins > 1)
        counts = ends[several] - begins[several]
        stops = np.cumsum(counts)
        first = np.repeat(begins[several], counts)
        ids = self._columns["name_id"][
            placed.rows[np.arange(len(first)) - np.repeat(stops - counts, counts) + first]
        ]
        # Most have one name in both tables.
        other = ids != np.repeat(ids[stops - counts], counts)
        texts = self._columns.spelled_names(ids[other])
        for number, text in zip(np.repeat(several, counts)[other].tolist(), texts, strict=True):
            if text and text not in out[number] and text != placed.names[number]:
                out[number] = (*out[number], text)
        return out

    def _keys(self, prefix: str, placed: Placed, known: Known) -> list[str]:
        """The address in hex; in a relocatable file behind its section's number, from which it counts.

        Without a symbol there, or without an address, the entry of the debug information.
        """
        relocatable = self._relocatable
        return [
            f"{prefix}-{die:x}"
            if address is None or (relocatable and begin == end)
            else f"{section:x}-{address:x}"
            if relocatable
            else f"{address:x}"
            for address, section, begin, end, die in zip(
                placed.addresses,
                placed.sections,
                placed.begins,
                placed.ends,
                known.values("die"),
                strict=True,
            )
        ]

    def _sections_of(self, placed: Placed) -> list[str]:
        """ "" for what has no place, or one that only the debug information knows."""
        names = {number: spell.section_of(number, self.sections) for number in set(placed.sections)}
        return [
            "" if not number and begin == end else names[number]
            for number, begin, end in zip(placed.sections, placed.begins, placed.ends, strict=True)
        ]

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
