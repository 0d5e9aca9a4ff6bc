"""Rows of columns to the items of a page: an object only for a row that somebody looks at."""

from __future__ import annotations

from functools import cached_property

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
from app.index.cells import Alike, Cells, Groups, Numbers, Rows, Texts, distinct
from app.index.clones import Clones, clones
from app.index.column_file import NO_ADDRESS
from app.index.columns import Array, BadColumns, Columns
from app.index.meta import is_meta
from app.index.model import Function, Parameter, Symbol, Usdt, Variable
from app.index.placed import Known, Placed, few, placed_of, spelled
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

    def symbols(self, rows: npt.NDArray[np.intp]) -> Rows[Symbol]:
        """The symbols of these rows, in their order."""
        columns = self._columns
        taken = {name: columns[name][rows] for name in _TAKEN}
        versions = self._versions
        return Rows(
            Symbol,
            name=Texts(columns.spelled_names(taken["name_id"])),
            demangled=Texts(columns.displays(taken["name_id"])),
            version=spelled(taken["version_id"], lambda number: versions[number].lstrip("@") or None),
            address=Numbers(taken["address"].tolist()),
            size=Numbers(taken["size"].tolist()),
            type=spelled(taken["type"], spell.symbol_type),
            bind=spelled(taken["bind"], spell.symbol_bind),
            visibility=spelled(taken["visibility"], spell.symbol_visibility),
            section=spelled(taken["section_index"], self._section),
            table=spelled(taken["table"], TABLES.__getitem__),
            offset=self._offsets(taken["section_index"], taken["address"], taken["type"]),
            default_version=spelled(taken["version_id"], lambda number: versions[number].startswith("@@")),
        )

    def function(self, index: int) -> Function:
        return self.functions(np.array([index])).items()[0]

    def functions(self, indices: npt.NDArray[np.intp]) -> Rows[Function]:
        """The functions of these numbers, in their order."""
        placed = placed_of(self._columns, "function", indices)
        known = Known(self._columns, "fn", placed.known)
        language = known.language(self._language)
        binds = known.binds(placed)
        taken = self.clones.taken
        return Rows(
            Function,
            **self._shared("inline", placed, known),
            offset=self._offsets(placed.section, placed.address, placed.type),
            type=spelled(placed.type, spell.symbol_type),
            bind=spelled(binds, spell.symbol_bind),
            language=language,
            parameters=self._parameters(known, placed.known),
            returns=self._returns(known, language),
            inlined=spelled(known.flags & INLINED, bool),
            inline_sites=spelled(known.values("sites"), int),
            aliases=placed.aliases(),
            clones=few(
                len(indices),
                {at: taken[number] for at, number in enumerate(indices.tolist()) if number in taken},
            ),
        )

    def _returns(self, known: Known, language: Alike[str | None]) -> Alike[str | None]:
        """None where it is not known; what returns nothing is written as its language does."""
        count = len(language.kinds)
        silent = ~known.told | (known.flags & NO_RETURN_TYPE != 0)
        kind = known.values("return").astype(np.int64)
        numbers, which = distinct(np.where(silent, -1, kind * count + language.which))
        texts = known.strings([max(number, 0) // count for number in numbers])
        return Alike(
            [
                None if number < 0 else text or _NOTHING.get(str(language.kinds[number % count]), "void")
                for number, text in zip(numbers, texts, strict=True)
            ],
            which,
        )

    def _parameters(self, known: Known, numbers: npt.NDArray[np.int64]) -> Groups[Parameter]:
        columns = self._columns
        told = known.told & (known.flags & NO_PARAMETERS == 0)
        if not columns.count("fn"):
            nothing = Rows(Parameter, name=Texts([]), type=Texts([]))
            return Groups(nothing, np.zeros(0, np.intp), np.full(len(numbers), -1))
        at = columns["fn_param_at"]
        begins = np.where(told, at[numbers].astype(np.int64), 0)
        counts = np.where(told, at[numbers + 1] - begins, 0)
        stops = np.cumsum(counts)
        places = np.arange(int(stops[-1]) if len(stops) else 0) + np.repeat(begins - stops + counts, counts)
        # Most parameters are of few kinds: one object serves all that are alike.
        lost = columns["param_flags"][places] & _TYPE_UNKNOWN != 0
        kinds = np.where(lost, 0, columns["param_type"][places]).astype(np.uint64)
        pairs, which = np.unique(
            columns["param_name"][places].astype(np.uint64) << np.uint64(32) | kinds, return_inverse=True
        )
        names = columns.strings(pairs >> np.uint64(32))
        types = columns.strings(pairs & np.uint64(0xFFFFFFFF))
        alike = Rows(Parameter, name=Texts(names), type=Texts([kind or "unknown" for kind in types]))
        return Groups(alike, which, np.where(told, counts, -1))

    def variables(self, indices: npt.NDArray[np.intp]) -> Rows[Variable]:
        """The variables of these numbers, in their order."""
        placed = placed_of(self._columns, "variable", indices)
        known = Known(self._columns, "var", placed.known)
        return Rows(
            Variable,
            **self._shared("entry", placed, known),
            type=known.words("type", known.flags & _VAR_TYPE_UNKNOWN != 0),
            scope=known.words("scope"),
        )

    def _shared(self, prefix: str, placed: Placed, known: Known) -> dict[str, Cells]:
        """What functions and variables both have."""
        return {
            "key": self._keys(prefix, placed, known),
            "name": known.names(placed),
            "linkage_name": placed.names,
            "demangled": known.qualified(placed),
            "address": placed.addresses,
            "size": Numbers(placed.size.tolist()),
            "section": placed.sections(self._section),
            "file": known.files(placed),
            "line": known.lines(placed),
            "external": spelled(known.binds(placed), bool),
            "sources": placed.sources(),
        }

    def _keys(self, prefix: str, placed: Placed, known: Known) -> Texts:
        """The address in hex; in a relocatable file behind its section's number, from which it counts.

        Without a symbol there, or without an address, the entry of the debug information.
        """
        entry = placed.address == NO_ADDRESS
        before = np.full(len(entry), -1, np.int64)
        if self._relocatable:
            entry = entry | (placed.begin == placed.end)
            before[:] = placed.section
        before[entry] = -2
        words = spelled(
            before, lambda at: f"{at:x}-" if at >= 0 else "" if at == -1 else f"{prefix}-"
        ).values()
        numbers = np.where(entry, known.values("die"), placed.address).tolist()
        return Texts([f"{word}{number:x}" for word, number in zip(words, numbers, strict=True)])

    def _section(self, number: int) -> str:
        return spell.section_of(number, self.sections)

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

    def _offsets(self, section: Array, address: Array, types: Array) -> Numbers:
        """Where each one's bytes lie in the file; None where they do not, or in a debug file."""
        if self._debug_only:
            return Numbers([None] * len(section))
        if self._relocatable:
            index = section.astype(np.int64)
            known = np.minimum(index, len(self.sections) - 1)
            base = self._section_offsets[known]
            sound = (base >= 0) & (address < _LONGEST) & (index < len(self.sections))
            found = np.where(sound, base + (address & np.uint64(_LONGEST)).astype(np.int64), -1)
        else:
            found = file_offsets(self._loads, address)
        found[(section == 0) | (section == _ABS) | (types == _TLS)] = -1
        return Numbers([each if each >= 0 else None for each in found.tolist()])


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
