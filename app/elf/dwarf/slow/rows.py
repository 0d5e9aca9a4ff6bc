"""Units to rows of functions, sites, variables and types, by pyelftools; the rules are those of ``dwarf``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from app.elf.dwarf import columns
from app.elf.dwarf.slow.functions import Function, Site, Variable, chain, complete, first, say
from app.elf.dwarf.slow.types import VOID, Types
from app.elf.dwarf.slow.units import ERRORS, FLAT, Die, Unit, Units, address, flag, number, text

_KINDS = {
    "DW_TAG_structure_type": columns.STRUCT,
    "DW_TAG_class_type": columns.CLASS,
    "DW_TAG_interface_type": columns.CLASS,
    "DW_TAG_union_type": columns.UNION,
    "DW_TAG_enumeration_type": columns.ENUM,
    "DW_TAG_typedef": columns.TYPEDEF,
    "DW_TAG_template_alias": columns.TYPEDEF,
    "DW_TAG_base_type": columns.BASE,
}
_BLOCKS = {
    "DW_TAG_lexical_block",
    "DW_TAG_try_block",
    "DW_TAG_catch_block",
    "DW_TAG_with_stmt",
    "DW_TAG_common_block",
}
_PACK = "DW_TAG_GNU_formal_parameter_pack"


@dataclass
class _Frame:
    """What a DIE's parent is to it: kind is unit, class, function, body."""

    kind: str
    function: Function | None = None
    site: int | None = None


@dataclass
class Rows:
    units: Units
    zero: bool
    functions: list[Function] = field(default_factory=list)
    sites: list[Site] = field(default_factory=list)
    variables: list[Variable] = field(default_factory=list)
    types: dict[tuple[str, int, int], tuple[int, int]] = field(default_factory=dict)
    numbers: dict[int, int] = field(default_factory=dict)  # by id() of a function

    def __post_init__(self) -> None:
        self.type_texts = Types(self.units)
        self.abstract: dict[tuple[int, int], Die] = {}  # subprograms without code, by unit and offset
        self.claimed: dict[tuple[int, int], Function] = {}  # what stands for an abstract one in its unit
        self.constants: dict[tuple[Any, ...], Variable] = {}
        self.imports: list[tuple[Unit, Unit]] = []
        self.unit_numbers = {id(unit): index for index, (unit, _) in enumerate(self.units.all)}

    def unit_ranges(self, unit: Unit) -> list[tuple[int, int]]:
        top = self.units.top(unit)
        if top is None:
            return []
        ranges = self.units.ranges(top)
        if ranges is None:
            span = _span(top)
            ranges = [span] if span is not None and span[1] > span[0] else []
        return [pair for pair in ranges if not self.dropped(unit, pair[0])]

    def dropped(self, unit: Unit, place: int) -> bool:
        highest = (1 << (8 * unit["address_size"])) - 1
        return place >= highest - 1 or (place == 0 and not self.zero)

    def key(self, die: Die) -> int:
        return self.place(die.cu, die.offset)

    def place(self, unit: Unit, offset: int) -> int:
        bit = columns.IN_TYPES if self.units.in_types(unit) else 0
        return offset | (bit if unit.dwarfinfo is self.units.dwarf else columns.IN_ALTERNATE)

    def unit_number(self, die: Die) -> int:
        return self.unit_numbers.get(id(die.cu), 0)


def walk(units: Units, zero: bool) -> Rows:
    rows = Rows(units, zero)
    for unit, _ in units.all[: units.walked]:
        top = units.top(unit)
        if top is not None:
            _walk_unit(rows, top)
    for importer, imported in rows.imports * 4:
        if not units.language(imported):
            units.set_language(imported, units.language(importer))
    _settle(rows)
    return rows


def _walk_unit(rows: Rows, top: Die) -> None:
    stack: list[tuple[Iterator[Die], _Frame]] = [(rows.units.children(top), _Frame("unit"))]
    while stack:
        children, frame = stack[-1]
        die = next(children, None)
        if die is None:
            stack.pop()
            continue
        inner = _enter(rows, die, frame)
        if inner is not None and die.has_children:
            stack.append((rows.units.children(die), inner))


def _enter(rows: Rows, die: Die, frame: _Frame) -> _Frame | None:
    """Makes rows of a DIE; what it is to its children, None where they are not looked at."""
    tag = die.tag
    if tag in _KINDS:
        _add_type(rows, die)
        walked = tag.endswith(("_type",)) and tag not in ("DW_TAG_enumeration_type", "DW_TAG_base_type")
        return _Frame("class") if walked and rows.units.language(die.cu) not in FLAT else None
    if tag in ("DW_TAG_namespace", "DW_TAG_module"):
        return _Frame("unit")
    if tag in _BLOCKS:
        return frame if frame.kind == "unit" else _Frame("body", frame.function, frame.site)
    if tag == _PACK:
        return frame
    if tag == "DW_TAG_subprogram":
        return _add_function(rows, die, frame)
    if tag == "DW_TAG_inlined_subroutine":
        return _add_site(rows, die, frame)
    if tag == "DW_TAG_variable":
        _add_variable(rows, die, frame)
    if tag == "DW_TAG_imported_unit":
        target = rows.units.follow(die, "import")
        if target is not None:
            rows.imports.append((die.cu, target.cu))
    return None


def _add_type(rows: Rows, die: Die) -> None:
    place, name = die, text(die, "name")
    target = rows.units.follow(die, "specification")
    if target is not None:
        place, name = target, name or text(target, "name")
    if not name or flag(die, "declaration"):
        return
    scope = "" if die.tag == "DW_TAG_base_type" else rows.units.scope(place)
    key = (rows.units.join(scope, name, die.cu), _KINDS[die.tag], number(die, "byte_size") or 0)
    rows.types.setdefault(key, (rows.unit_number(die), rows.key(die)))


def _span(die: Die) -> tuple[int, int] | None:
    low = address(die, "low_pc")
    if low is None:
        return None
    high = address(die, "high_pc")
    if high is None:
        high = low + (number(die, "high_pc") or 0)
    return low, max(low, high)


def _ranges(rows: Rows, die: Die, empty: bool) -> list[tuple[int, int]] | None:
    """Of a function or site, without what the linker dropped; None where the DIE has none."""
    span = _span(die)
    ranges = [span] if span is not None else rows.units.ranges(die)
    if ranges is None:
        return None
    return [pair for pair in ranges if not rows.dropped(die.cu, pair[0]) and (pair[1] > pair[0] or empty)]


def _add_function(rows: Rows, die: Die, frame: _Frame) -> _Frame | None:
    ranges = _ranges(rows, die, empty=True)
    if ranges is None:
        if flag(die, "declaration"):
            return None
        rows.abstract[id(die.cu), die.offset] = die
        return _Frame("function")
    if not ranges:
        return None
    low = ranges[0][0]
    entry = address(die, "entry_pc")
    low = entry if entry is not None else low + (number(die, "entry_pc") or 0)
    row = Function(low=low, die=rows.key(die), flags=columns.ADDRESS)
    row.size = next((high - start for start, high in ranges if start <= low < high), 0)
    row.flags |= columns.COLD if len(ranges) > 1 else 0
    row.flags |= columns.LOCAL if frame.kind in ("function", "body") else 0
    row.ranges = ranges if len(ranges) > 1 else []
    row.__dict__["source"] = die
    rows.functions.append(row)
    return _Frame("function", row)


def _add_site(rows: Rows, die: Die, frame: _Frame) -> _Frame | None:
    if frame.function is None:
        return None
    file = number(die, "call_file")
    rows.sites.append(
        Site(
            rows.units.follow(die, "abstract_origin"),
            frame.function,
            frame.site,
            rows.units.file(die.cu, file) if file is not None else "",
            number(die, "call_line") or 0,
            number(die, "call_column") or 0,
            _ranges(rows, die, empty=False) or [],
        )
    )
    return _Frame("body", frame.function, len(rows.sites) - 1)


def _settle(rows: Rows) -> None:
    """Completes the functions with code, adds those without, and ties the sites to both."""
    said: dict[tuple[Any, ...], Function] = {}
    for row in rows.functions:
        die = row.__dict__.pop("source")
        complete(rows, row, die)
        if row.name:
            said.setdefault(row.said, row)
        for link in chain(rows.units, die)[0][1:]:
            if (id(link.cu), link.offset) in rows.abstract and link.cu is die.cu:
                rows.claimed.setdefault((id(link.cu), link.offset), row)
    wanted = {
        (id(site.origin.cu), site.origin.offset): site.origin
        for site in rows.sites
        if site.origin is not None
    }
    with_code = {row.die: row for row in rows.functions}
    for key, die in {**rows.abstract, **wanted}.items():
        if key in rows.claimed or rows.key(die) in with_code:
            continue
        if key in wanted or number(die, "inline") in (1, 3):
            rows.claimed[key] = _without_code(rows, die, said)
    kept: list[Site] = []
    places: dict[int, int | None] = {}
    for index, site in enumerate(rows.sites):
        parent = places[site.parent] if site.parent is not None else None
        site.function = _function_of(rows, site, with_code)
        places[index] = len(kept) if site.function is not None else parent
        site.parent = parent
        if site.function is not None:
            site.function.sites += 1
            site.function.flags |= columns.INLINED
            kept.append(site)
    rows.sites = kept
    rows.functions.sort(key=lambda row: (row.die & columns.IN_ALTERNATE, row.die))
    rows.numbers = {id(row): index for index, row in enumerate(rows.functions)}
    _add_constants(rows)


def _function_of(rows: Rows, site: Site, with_code: dict[int, Function]) -> Function | None:
    if site.origin is None:
        return None
    key = (id(site.origin.cu), site.origin.offset)
    return with_code.get(rows.key(site.origin)) or rows.claimed.get(key)


def _without_code(rows: Rows, die: Die, said: dict[tuple[Any, ...], Function]) -> Function:
    row = Function(die=rows.key(die))
    say(rows, chain(rows.units, die)[0], row)
    if row.name and row.said in said:
        return said[row.said]
    row = Function(die=rows.key(die))
    complete(rows, row, die)
    rows.functions.append(row)
    if row.name:
        said[row.said] = row
    return row


def _add_variable(rows: Rows, die: Die, frame: _Frame) -> None:
    local = frame.kind in ("function", "body")
    if frame.kind == "class":
        return
    place, flags = _location(rows, die)
    if flags and not flags & columns.VAR_TLS and rows.dropped(die.cu, place):
        return
    if not flags and (local or flag(die, "declaration")):
        return
    found, _ = chain(rows.units, die)
    row = Function()
    say(rows, found, row)
    typed = first(found, "type")
    known = rows.type_texts.of(typed, die.cu) if typed is not None else None
    flags |= columns.VAR_LOCAL if local else 0
    flags |= columns.VAR_EXTERNAL if row.flags & columns.EXTERNAL else 0
    flags |= columns.VAR_ARTIFICIAL if row.flags & columns.ARTIFICIAL else 0
    flags |= columns.VAR_UNKNOWN if known is None else 0
    variable = Variable(
        row.name,
        row.linkage,
        row.scope,
        row.file,
        row.line,
        known.text if known is not None and known != VOID else "",
        place,
        rows.type_texts.size(typed) if typed is not None else 0,
        flags,
        row.unit,
        rows.key(die),
    )
    if flags & columns.VAR_ADDRESS:
        rows.variables.append(variable)
    elif row.name:
        rows.constants.setdefault(row.said, variable)
    else:
        rows.constants[variable.die,] = variable


def _add_constants(rows: Rows) -> None:
    placed = {(row.name, row.linkage, row.scope, row.file, row.line) for row in rows.variables}
    rows.variables += [row for said, row in rows.constants.items() if said not in placed]


def _location(rows: Rows, die: Die) -> tuple[int, int]:
    """The address, or offset in thread-local storage, of a variable, and its flags; 0 for none."""
    attribute = die.attributes.get("DW_AT_location")
    if attribute is None or not isinstance(attribute.value, (list, tuple, bytes)):
        return 0, 0
    code = bytes(attribute.value)
    order = "little" if die.cu.structs.little_endian else "big"
    sizes = {0x03: die.cu["address_size"], 0x0C: 4, 0x0E: 8}
    if not code:
        return 0, 0
    place, rest = 0, b""
    if code[0] in sizes:
        size = sizes[code[0]]
        if len(code) < 1 + size:
            return 0, 0
        place, rest = int.from_bytes(code[1 : 1 + size], order), code[1 + size :]  # type: ignore[arg-type]
    elif code[0] in (0xA1, 0xFB, 0xA2, 0xFC):
        index, rest = _uleb(code[1:])
        try:
            place = rows.units.dwarf.get_addr(die.cu, index)
        except ERRORS:
            return 0, 0
    else:
        return 0, 0
    constant = code[0] in (0x0C, 0x0E, 0xA2, 0xFC)
    if rest[:1] in (b"\x9b", b"\xe0"):
        return place, columns.VAR_ADDRESS | columns.VAR_TLS
    if rest[:1] == b"\x23":
        more, rest = _uleb(rest[1:])
        place += more
    return (0, 0) if constant or rest else (place, columns.VAR_ADDRESS)


def _uleb(code: bytes) -> tuple[int, bytes]:
    value = 0
    for index, byte in enumerate(code):
        value |= (byte & 0x7F) << (7 * index)
        if not byte & 0x80:
            return value, code[index + 1 :]
    return 0, b""
