"""Addresses to functions, source lines and chains of inlined calls, and source lines to addresses.

What ``addr2line -i -f`` prints, many addresses at once: units are read once, and addresses of one unit are
looked up together. Where DWARF is silent, the symbol table names the function. A function's name is its
linkage name where DWARF has one, as addr2line prints it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from app.elf.arrays import SymbolArrays
from app.elf.dwarf.debug import Debug, as_addresses
from app.elf.dwarf.declarators import is_c
from app.elf.dwarf.dies import UnitEntry
from app.elf.dwarf.lines import END, IS_STMT, LineTable
from app.elf.dwarf.scopes import Scopes
from app.elf.image import decode
from app.elf.model import SymbolColumns

_CODE_SYMBOLS = (2, 10)  # STT_FUNC, STT_GNU_IFUNC


@dataclass(frozen=True, slots=True)
class Frame:
    """One inlined call: where execution is in the copy, and where the copy was called."""

    function: str
    file: str | None
    line: int | None
    call_file: str | None
    call_line: int | None
    call_column: int | None


@dataclass(frozen=True, slots=True)
class Location:
    """``file`` and ``line`` are of the address itself, in the innermost of ``inlined`` where there are any.

    ``function`` is the one that has the code. ``offset_in_function`` counts from its entry, in parts that lie
    apart from it (.cold) from the start of that part.
    """

    address: int
    function: str | None
    offset_in_function: int | None
    file: str | None
    line: int | None
    column: int | None = None
    inlined: tuple[Frame, ...] = ()  # the innermost first

    def frames(self) -> list[tuple[str | None, str | None, int | None]]:
        """Function, file and line of each frame as addr2line -i lists them, the innermost first."""
        found: list[tuple[str | None, str | None, int | None]] = [
            (frame.function, frame.file, frame.line) for frame in self.inlined
        ]
        if self.inlined:
            last = self.inlined[-1]
            return [*found, (self.function, last.call_file, last.call_line)]
        return [(self.function, self.file, self.line)]


@dataclass(frozen=True, slots=True)
class LineSite:
    """One place where a source line's code starts, with the line that has it."""

    file: str
    line: int
    location: Location


class Locator:
    """Looks up addresses in a file's DWARF, and in its symbols where that is silent."""

    def __init__(self, debug: Debug, symbols: SymbolColumns | None) -> None:
        self.debug = debug
        self._symbols = _Symbols(symbols) if symbols is not None else None
        self._chains: dict[tuple[int, int], _Chain] = {}

    def locate(self, addresses: Iterable[int]) -> list[Location]:
        """A Location for each address, in the same order."""
        wanted = as_addresses(addresses)
        found: list[Location | None] = [None] * len(wanted)
        units = self.debug.units_at(wanted)
        order = np.argsort(units, kind="stable")
        numbers, starts = np.unique(units[order], return_index=True)
        for number, rows in zip(numbers.tolist(), np.split(order, starts[1:]), strict=True):
            if number >= 0:
                self._locate_in(self.debug.units[number], wanted, rows, found)
        return [
            location if location is not None and location.function is not None
            else self._by_symbol(int(wanted[index]), location)
            for index, location in enumerate(found)
        ]  # fmt: skip

    def _locate_in(
        self,
        entry: UnitEntry,
        wanted: npt.NDArray[np.uint64],
        rows: npt.NDArray[np.int64],
        found: list[Location | None],
    ) -> None:
        scopes, lines = self.debug.scopes(entry), self.debug.lines(entry.unit)
        addresses = wanted[rows]
        owners = scopes.at(addresses).tolist()
        at = lines.rows_at(addresses)
        safe = np.maximum(at, 0)
        if len(lines.address):
            files, numbers = lines.file[safe].tolist(), lines.line[safe].tolist()
            columns = lines.column[safe].tolist()
        else:
            files = numbers = columns = [0] * len(rows)
        known = (at >= 0).tolist()
        path = lines.path
        for place, row in enumerate(rows.tolist()):
            file = path(files[place]) if known[place] else None
            line = (numbers[place] or None) if known[place] else None
            column = (columns[place] or None) if known[place] else None
            address = int(addresses[place])
            owner = owners[place]
            if owner < 0:
                found[row] = Location(address, None, None, file, line, column)
                continue
            chain = self._chain(entry, scopes, lines, owner)
            found[row] = Location(
                address, chain.function, chain.offset(address), file, line, column, chain.frames(file, line)
            )

    def _chain(self, entry: UnitEntry, scopes: Scopes, lines: LineTable, owner: int) -> _Chain:
        key = (entry.holder, owner)
        chain = self._chains.get(key)
        if chain is None:
            chain = _Chain.read(scopes, lines, owner)
            if not chain.linked and not is_c(entry.unit.language):
                # What a compiler made of it (a local class, a clone) has only a symbol.
                symbol = self.symbol_at(chain.ranges[0][0])
                chain = replace(chain, function=symbol or chain.function)
            self._chains[key] = chain
        return chain

    def _by_symbol(self, address: int, location: Location | None) -> Location:
        """What DWARF said of the lines, with the symbol that the address lies in."""
        symbol = self._symbols.at(address) if self._symbols is not None else None
        name, offset = symbol if symbol is not None else (None, None)
        if location is None:
            return Location(address, name, offset, None, None)
        return Location(address, name, offset, location.file, location.line, location.column)

    def symbol_at(self, address: int) -> str | None:
        """The symbol that starts at an address."""
        found = self._symbols.at(address) if self._symbols is not None else None
        return found[0] if found is not None and found[1] == 0 else None

    def lines_between(self, low: int, high: int) -> list[dict[str, int | str | bool | None]]:
        """The rows of line programs that hold in [low, high), each with the address where it starts."""
        if low >= high:
            return []
        (number,) = self.debug.units_at(as_addresses([low])).tolist()
        if number < 0:
            return []
        table = self.debug.lines(self.debug.units[number].unit)
        inside = table.between(low, high)
        (first,) = table.rows_at(as_addresses([low])).tolist()
        rows = list(inside) if first < 0 or first in inside else [first, *inside]
        return [
            {
                "address": max(int(table.address[row]), low),
                "file": table.path(int(table.file[row])),
                "line": int(table.line[row]) or None,
                "column": int(table.column[row]) or None,
                "is_stmt": bool(table.flags[row] & IS_STMT),
            }
            for row in rows
            if not table.flags[row] & END
        ]

    def addresses_of(self, file: str, line: int) -> list[LineSite]:
        """Where the code of ``file``:``line`` starts: the first statement of each function or inlined copy.

        ``file`` is a path or its end. Where the line has no code, the next one that has.
        """
        matches: list[tuple[UnitEntry, LineTable, npt.NDArray[np.int64]]] = []
        best: int | None = None
        for entry in self.debug.units:
            numbers = [
                number for number, path in enumerate(self.debug.files(entry.unit).files) if _ends(path, file)
            ]
            if not numbers:
                continue
            table = self.debug.lines(entry.unit)
            statement = (table.flags & (IS_STMT | END)) == IS_STMT
            rows = np.flatnonzero(statement & np.isin(table.file, numbers) & (table.line >= line))
            if len(rows):
                lowest = int(table.line[rows].min())
                best = lowest if best is None else min(best, lowest)
                matches.append((entry, table, rows))
        sites: list[LineSite] = []
        for entry, table, rows in matches:
            exact = rows[table.line[rows] == best]
            starts = _first_of_each(self.debug.scopes(entry), table, exact)
            for address in starts:
                (location,) = self.locate([address])
                sites.append(LineSite(location.file or file, best or line, location))
        return sorted(sites, key=lambda site: site.location.address)


def _ends(path: str, wanted: str) -> bool:
    """Whether ``wanted`` is the path or its last components."""
    return path == wanted or (path.endswith("/" + wanted.lstrip("/")) and not wanted.startswith("/"))


def _first_of_each(scopes: Scopes, table: LineTable, rows: npt.NDArray[np.int64]) -> list[int]:
    """The lowest address of the line in each scope; code that no scope has counts by itself."""
    addresses = table.address[rows]
    first: dict[int, int] = {}
    for owner, address in zip(scopes.at(addresses).tolist(), addresses.tolist(), strict=True):
        key = owner if owner >= 0 else -1 - address
        first[key] = min(address, first.get(key, address))
    return sorted(first.values())


@dataclass(frozen=True, slots=True)
class _Chain:
    """What all addresses of one scope share."""

    function: str
    linked: bool  # ``function`` is a linkage name
    ranges: tuple[tuple[int, int], ...]
    inner: str | None  # name of the innermost inlined copy
    call: tuple[str | None, int | None, int | None]  # where that was called
    outer: tuple[Frame, ...]  # the inlined copies around it

    @classmethod
    def read(cls, scopes: Scopes, lines: LineTable, owner: int) -> _Chain:
        chain = scopes.chain(owner)
        names = [scopes.linkage_names[scope] or scopes.names[scope] for scope in chain]
        inlined = chain[:-1] if not scopes.inlined[chain[-1]] else chain
        calls = []
        for scope in inlined:
            file, line, column = scopes.calls[scope].tolist()
            calls.append((lines.path(file), line or None, column or None))
        outer = tuple(
            Frame(names[index], calls[index - 1][0], calls[index - 1][1], *calls[index])
            for index in range(1, len(inlined))
        )
        return cls(
            names[-1],
            bool(scopes.linkage_names[chain[-1]]),
            tuple(scopes.ranges(chain[-1])),
            names[0] if inlined else None,
            calls[0] if inlined else (None, None, None),
            outer,
        )

    def offset(self, address: int) -> int | None:
        for index, (low, high) in enumerate(self.ranges):
            if low <= address < high:
                entry = self.ranges[0][0] if index == 0 else low
                return address - entry
        return None

    def frames(self, file: str | None, line: int | None) -> tuple[Frame, ...]:
        if self.inner is None:
            return ()
        return (Frame(self.inner, file, line, *self.call), *self.outer)


class _Symbols:
    """The functions of the symbol tables by their addresses."""

    def __init__(self, symbols: SymbolColumns) -> None:
        columns = SymbolArrays.of(symbols)
        code = np.isin(columns.type, _CODE_SYMBOLS) & (columns.section_index != 0)
        rows = np.flatnonzero(code)
        # Of several at one address a global one with a size comes last, and is found.
        order = np.lexsort((columns.bind[rows] == 1, columns.size[rows] > 0, columns.address[rows]))
        self._names = symbols.names
        self._columns = columns
        self._rows = rows[order]
        self._address = columns.address[self._rows]

    def at(self, address: int) -> tuple[str, int] | None:
        index = int(np.searchsorted(self._address, np.uint64(address), "right")) - 1
        if index < 0:
            return None
        row = int(self._rows[index])
        start, size = int(self._columns.address[row]), int(self._columns.size[row])
        if size and address >= start + size:
            return None
        at, length = int(self._columns.name_at[row]), int(self._columns.name_len[row])
        return decode(self._names[at : at + length]), address - start
