"""One question about an address, a function or a type of a file to an answer that JSON can hold.

``answer`` is what the boxed reader calls. Arguments that do not fit are a problem of the answer, as is what
the file lacks; nothing raises on what a file holds. Keys of DIEs are numbers of 64 bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from functools import cached_property
from typing import Any

import numpy as np

from app.elf.dwarf.debug import Debug, as_addresses, open_debug
from app.elf.dwarf.declarations import declaration
from app.elf.dwarf.declarators import tight_text
from app.elf.dwarf.dies import At, Die, Tag
from app.elf.dwarf.entry import entry_address, parameter_dies, parameters_at_entry
from app.elf.dwarf.frame_rules import FrameRules
from app.elf.dwarf.locate import Location, Locator
from app.elf.dwarf.registers import register_name
from app.elf.dwarf.shapes import shape_of
from app.elf.dwarf.structs import Member, Struct, read_struct
from app.elf.dwarf.variables import variable_dies, variables_at
from app.elf.go.lines import GoLines
from app.elf.go.pclntab import read_gopclntab
from app.elf.image import Image
from app.elf.model import SymbolColumns
from app.elf.notes import notes
from app.elf.symbols.names import demangle
from app.elf.symbols.rows import SHT_SYMTAB, read_symbols
from app.elf.usdt.debug import typed
from app.elf.usdt.notes import read_usdt, stored

# What one question may ask for; a page shows no more.
MOST_ADDRESSES = 100_000
MOST_TYPES = 64
MOST_LINES = 20_000
MOST_FILES = 200_000
MOST_READINGS = 256
_KEYWORDS = ("struct ", "union ", "class ", "enum ")
Answer = dict[str, Any]


class Details:
    """Answers about one file; units that were read serve the next question, too."""

    def __init__(self, image: Image, debug: Debug | None = None, file: Image | None = None) -> None:
        """``file``: the binary's debug file, which has the symbols that strip took away."""
        self._image = image
        self._file = file
        self.debug = debug if debug is not None else open_debug(image)
        self._symbols: SymbolColumns | None = None
        self._locator: Locator | None = None
        self._operations: dict[str, Callable[[Answer], Answer]] = {
            "locate": self._locate,
            "lines_at": self._lines_at,
            "addresses_of": self._addresses_of,
            "files": self._files,
            "structs": self._structs,
            "function": self._function,
            "readings": self._readings,
            "usdt": self._usdt,
        }

    def answer(self, op: str, arguments: Answer) -> Answer:
        """The answer to ``op``, with ``problems`` [{code, text}]."""
        operation = self._operations.get(op)
        before = len(self.debug.problems)
        if operation is None:
            found = _problem("unknown_question", f"There is no question called {op}.")
        else:
            try:
                found = operation(arguments)
            except RecursionError:
                found = _problem("limit", "What was asked for is nested too deeply to be read.")
            except (KeyError, TypeError, ValueError):
                found = _problem("arguments", f"The question {op} was asked with arguments that do not fit.")
        problems = [problem._asdict() for problem in self.debug.problems[before:]]
        return {**found, "problems": [*found.get("problems", []), *problems]}

    @property
    def locator(self) -> Locator:
        if self._locator is None:
            source = self._image
            if self._file is not None and SHT_SYMTAB not in source.section_types:
                source = self._file
            self._symbols = read_symbols(source) if source.layout is not None else None
            self._locator = Locator(self.debug, self._symbols)
        return self._locator

    @cached_property
    def _go(self) -> GoLines | None:
        """Go's own lines, where there is no DWARF."""
        functions = read_gopclntab(self._image) if not self.debug.units else None
        return GoLines(self._image, functions) if functions is not None else None

    def _locate(self, arguments: Answer) -> Answer:
        addresses = [int(address) for address in arguments["addresses"]]
        found = self.locator.locate(addresses[:MOST_ADDRESSES])
        if self._go is not None:
            found = [self._go.locate(location.address) or location for location in found]
        problems = []
        if len(addresses) > MOST_ADDRESSES:
            problems.append(_limit("addresses", len(addresses), MOST_ADDRESSES))
        locations = [_location(location) for location in found]
        if arguments.get("demangled"):
            _demangle(locations)
        return {"locations": locations, "problems": problems}

    def _lines_at(self, arguments: Answer) -> Answer:
        if "address" in arguments:
            function = self._function_at(int(arguments["address"]))
            ranges = function.ranges if function is not None else []
        else:
            ranges = [(int(arguments["low"]), int(arguments["high"]))]
        return {"lines": self._lines(ranges)}

    def _lines(self, ranges: Iterable[tuple[int, int]]) -> list[Answer]:
        rows = [row for low, high in ranges for row in self.locator.lines_between(low, high)]
        return rows[:MOST_LINES]

    def _addresses_of(self, arguments: Answer) -> Answer:
        sites = self.locator.addresses_of(str(arguments["file"]), int(arguments["line"]))
        found = [{**_location(site.location), "file": site.file, "line": site.line} for site in sites]
        return {"line": sites[0].line if sites else None, "sites": found}

    def _files(self, _: Answer) -> Answer:
        """The paths of all source files that line tables name."""
        found: dict[str, None] = {}
        for entry in self.debug.units:
            found |= dict.fromkeys(path for path in self.debug.files(entry.unit).files if path)
            if len(found) > MOST_FILES:
                break
        return {"files": list(found)[:MOST_FILES]}

    def _structs(self, arguments: Answer) -> Answer:
        """``names``, each with or without its keyword, or ``keys`` of types that the index found."""
        names = [str(name) for name in arguments.get("names", [])]
        keys = [int(key) for key in arguments.get("keys", [])]
        bare = tuple(_without_keyword(name) for name in names)
        found = [(names[at], key) for at, key, _ in self._definitions(bare)] if bare else []
        shown: list[Answer] = []
        texts: set[tuple[str, str]] = set()
        for name, key in [*found, *(("", key) for key in keys)]:
            die = self.debug.dies.die(key)
            if die is None or not _fits(die, name):
                continue
            struct = read_struct(die)
            text = declaration(struct)
            if (name, text) not in texts:
                texts.add((name, text))
                shown.append(
                    {"asked": name or None, "declaration": text, **_struct(struct), **self._place(die)}
                )
        missing = [name for name in names if not any(one["asked"] == name for one in shown)]
        return {"structs": shown, "missing": missing}

    def _definitions(self, names: tuple[str, ...]) -> list[tuple[int, int, bool]]:
        """Definitions, and declarations of those names that have none."""
        found = self.debug.source.find_types(names, MOST_TYPES)
        defined = {at for at, _, declared in found if not declared}
        return sorted(entry for entry in found if not entry[2] or entry[0] not in defined)

    def _place(self, die: Die) -> Answer:
        """Where a DIE was declared; the file is one of its own unit's table."""
        number = die.inherited_number(At.decl_file)
        holder = next((one for one in die.origins() if At.decl_file in one.attributes), die)
        file = self.debug.files(holder.unit).path(number) if number is not None else None
        return {"file": file, "line": die.inherited_number(At.decl_line)}

    def _function_at(self, address: int) -> Die | None:
        (number,) = self.debug.units_at(as_addresses([address])).tolist()
        if number < 0:
            return None
        scopes = self.debug.scopes(self.debug.units[number])
        (scope,) = scopes.at(as_addresses([address])).tolist()
        if scope < 0:
            return None
        return self.debug.dies.die(int(scopes.key[scopes.chain(scope)[-1]]))

    def _function(self, arguments: Answer) -> Answer:
        """``die``, a key, or ``address``; ``at``: where variables are looked for, the entry if not given."""
        function = self._asked(arguments)
        if function is None:
            return {"function": None, **_problem("no_function", "DWARF has no function there.")}
        entry = entry_address(function)
        at = int(arguments.get("at", entry or 0))
        result, known = function.inherited_type()
        ranges = function.ranges
        return {
            "function": {
                "name": function.inherited_name(),
                "linkage_name": function.linkage_name,
                "address": entry,
                "ranges": [list(pair) for pair in ranges],
                "returns": tight_text(result, known),
                **self._place(function),
                "parameters": [
                    asdict(one) for one in parameters_at_entry(self.debug, function, self._symbol(entry))
                ],
                "variables": [_clean(asdict(one)) for one in variables_at(self.debug, function, at)],
                "inline_sites": self._sites(function, entry),
                "lines": self._lines(ranges),
            }
        }

    def _asked(self, arguments: Answer) -> Die | None:
        if "die" in arguments:
            function = self.debug.dies.die(int(arguments["die"]))
        else:
            function = self._function_at(int(arguments["address"]))
        fits = function is not None and function.tag in (Tag.subprogram, Tag.inlined_subroutine)
        return function if fits else None

    def _readings(self, arguments: Answer) -> Answer:
        """How a script reads values: of each ``asked``, a ``die`` at its entry or an ``address``."""
        found: list[Answer | None] = []
        for asked in arguments["asked"][:MOST_READINGS]:
            function = self._asked(asked)
            found.append(None if function is None else self._reading(function, asked.get("address")))
        return {"readings": found}

    def _reading(self, function: Die, address: int | None) -> Answer:
        entry = entry_address(function)
        at = int(address if address is not None else entry or 0)
        result, known = function.inherited_type()
        rule = FrameRules(self._image).cfa(at)
        frame = None
        if rule is not None:
            frame = {"register": register_name(self.debug.machine, rule.register), "offset": rule.offset}
        return {
            "returns": tight_text(result, known),
            "returns_shape": shape_of(result),
            "parameters": [
                asdict(one) for one in parameters_at_entry(self.debug, function, self._symbol(entry))
            ],
            "parameter_shapes": [shape_of(die.inherited_type()[0]) for die in parameter_dies(function)],
            "variables": [_clean(asdict(one)) for one in variables_at(self.debug, function, at)],
            "variable_shapes": [shape_of(die.inherited_type()[0]) for die, _ in variable_dies(function, at)],
            "frame": frame,
        }

    def _usdt(self, arguments: Answer) -> Answer:
        """``names``, pairs of provider and name, or None for all: probes as ``stored`` writes them."""
        names = arguments["names"]
        wanted = None if names is None else {(str(provider), str(name)) for provider, name in names}
        probes = tuple(
            probe
            for probe in read_usdt(self._image, notes(self._image), None)
            if wanted is None or (probe.provider, probe.name) in wanted
        )
        return {"probes": [stored(probe) for probe in typed(self._image, self.debug, probes)]}

    def _symbol(self, entry: int | None) -> str | None:
        return self.locator.symbol_at(entry) if entry is not None else None

    def _sites(self, function: Die, entry: int | None) -> list[Answer]:
        """The inlined copies in a function; ``parent`` is the number of the one around it."""
        if entry is None:
            return []
        (number,) = self.debug.units_at(as_addresses([entry])).tolist()
        if number < 0:
            return []
        unit = self.debug.units[number]
        scopes = self.debug.scopes(unit)
        rows = np.flatnonzero(scopes.key == np.uint64(function.key))
        if not len(rows):
            return []
        inside = {int(rows[0]): -1}
        files = self.debug.files(unit.unit)
        sites: list[Answer] = []
        for scope in range(int(rows[0]) + 1, len(scopes.names)):
            parent = int(scopes.parent[scope])
            if parent not in inside:
                if parent < 0:
                    break
                continue
            inside[scope] = len(sites)
            file, line, column = scopes.calls[scope].tolist()
            sites.append(
                {
                    "function": scopes.names[scope],
                    "linkage_name": scopes.linkage_names[scope] or None,
                    "call_file": files.path(file),
                    "call_line": line or None,
                    "call_column": column or None,
                    "parent": inside[parent] if inside[parent] >= 0 else None,
                    "ranges": [list(pair) for pair in scopes.ranges(scope)],
                    "die": int(scopes.key[scope]),
                }
            )
        return sites


def answer(op: str, image: Image, arguments: Answer) -> Answer:
    """One answer about a file that is opened for it."""
    return Details(image).answer(op, arguments)


def _problem(code: str, text: str) -> Answer:
    return {"problems": [{"code": code, "text": text}]}


def _limit(what: str, asked: int, most: int) -> Answer:
    return {"code": "limit", "text": f"Of {asked:,} {what}, the first {most:,} were looked up."}


def _location(location: Location) -> Answer:
    # By hand: asdict takes ten times as long, and there may be many.
    return {
        "address": location.address,
        "function": location.function,
        "offset_in_function": location.offset_in_function,
        "file": location.file,
        "line": location.line,
        "column": location.column,
        "inlined": [
            {
                "function": frame.function,
                "file": frame.file,
                "line": frame.line,
                "call_file": frame.call_file,
                "call_line": frame.call_line,
                "call_column": frame.call_column,
            }
            for frame in location.inlined
        ],
    }


def _demangle(locations: Iterable[Answer]) -> None:
    """Puts what a function is called by people beside each name."""
    known: dict[str | None, str | None] = {None: None}
    for location in locations:
        for each in (location, *location["inlined"]):
            name = each["function"]
            if name not in known:
                known[name] = demangle(name)
            each["demangled"] = known[name]


def _clean(found: Any) -> Any:
    """Without what is not set, and bytes as hex."""
    if isinstance(found, dict):
        return {key: _clean(value) for key, value in found.items() if value not in (None, (), "")}
    if isinstance(found, (list, tuple)):
        return [_clean(value) for value in found]
    return found.hex() if isinstance(found, bytes) else found


def _without_keyword(name: str) -> str:
    for keyword in _KEYWORDS:
        if name.startswith(keyword):
            return name[len(keyword) :].strip()
    return name.strip()


def _fits(die: Die, asked: str) -> bool:
    """Whether a type is of the kind that the name asks for; struct and class are one."""
    tags = {
        "struct ": (Tag.structure_type, Tag.class_type),
        "class ": (Tag.structure_type, Tag.class_type),
        "union ": (Tag.union_type,),
        "enum ": (Tag.enumeration_type,),
    }
    return all(die.tag in wanted for keyword, wanted in tags.items() if asked.startswith(keyword))


def _struct(struct: Struct) -> Answer:
    target = struct.target
    return {
        "kind": struct.kind,
        "name": struct.name,
        "size": struct.size,
        "alignment": struct.alignment,
        "packed": struct.packed,
        "padding": struct.padding,
        "declared_only": struct.declared_only,
        "key": struct.key,
        "values": [list(pair) for pair in (target.values if target is not None else struct.values)],
        "members": _members(target.members if target is not None else struct.members),
    }


def _members(members: Sequence[Member]) -> list[Answer]:
    return [
        {
            "name": member.name,
            "type": member.type,
            "declaration": " ".join(member.declaration).strip(),
            "offset": member.offset,
            "size": member.size,
            "bit_offset": member.bit_offset,
            "bit_size": member.bit_size,
            "role": member.role,
            "hole": member.hole,
            "members": _members(member.inline.members) if member.inline is not None else None,
        }
        for member in members
    ]
