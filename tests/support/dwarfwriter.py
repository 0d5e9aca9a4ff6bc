"""Trees of Die to the bytes of DWARF sections: units of version 2 to 5, and all tables that they lean on.

A value of an attribute is written by its type (str: string, bool: flag, int: udata, Die: ref4, bytes:
exprloc, Ranges, Locations, LineProgram: sec_offset), or as told: ``Form("strx1", "name")``. A text goes into
the table of its form, an address into .debug_addr, a list into its list section; an int instead of a text,
a list or a Die is put down as it is, which is how tests lie. Names are those of DWARF without prefix.
Sources: DWARF 2 to 5, section 7; the GNU extensions for split units (version 4) and dwz files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from elftools.dwarf.enums import ENUM_DW_AT, ENUM_DW_FORM, ENUM_DW_TAG

from tests.support.bytewriter import ByteWriter, Endian, uleb
from tests.support.elfwriter import Section
from tests.support.linewriter import LineProgram

_FORMS = {
    **ENUM_DW_FORM,
    "DW_FORM_GNU_addr_index": 0x1F01,
    "DW_FORM_GNU_str_index": 0x1F02,
    "DW_FORM_GNU_ref_alt": 0x1F20,
    "DW_FORM_GNU_strp_alt": 0x1F21,
}
_ATTRIBUTES = {
    **ENUM_DW_AT,
    "DW_AT_GNU_dwo_name": 0x2130,
    "DW_AT_GNU_dwo_id": 0x2131,
    "DW_AT_GNU_ranges_base": 0x2132,
    "DW_AT_GNU_addr_base": 0x2133,
}
_BASES = {"str_offsets_base": "strings", "addr_base": "addresses", "rnglists_base": "ranges"}
_BASES |= {"loclists_base": "locations", "GNU_addr_base": "addresses"}
_WIDTHS = {"data1": 1, "data2": 2, "data4": 4, "data8": 8, "ref1": 1, "ref2": 2, "ref4": 4, "ref8": 8}
_WIDTHS |= {"flag": 1, "ref_sig8": 8, "ref_sup4": 4, "ref_sup8": 8, "data16": 16}
_INDEX_WIDTHS = {f"{kind}{width}": width for kind in ("strx", "addrx") for width in (1, 2, 3, 4)}
_UNIT_TYPES = {"compile": 1, "type": 2, "partial": 3, "skeleton": 4, "split_compile": 5, "split_type": 6}
_LIST_CODES = {"base_addressx": 1, "startx_endx": 2, "startx_length": 3, "offset_pair": 4}
_LIST_CODES |= {"default_location": 5, "base_address": 6, "start_end": 7, "start_length": 8}
# .debug_loclists has one code more than .debug_rnglists, in its middle.
_RANGE_CODES = {**_LIST_CODES, "base_address": 5, "start_end": 6, "start_length": 7}


@dataclass(frozen=True, slots=True)
class Form:
    kind: str | int
    value: Any = 0


@dataclass(eq=False, slots=True)
class Raw:
    """Bytes in the place of a Die, or of a Unit."""

    data: bytes


@dataclass(eq=False, slots=True)
class Ranges:
    """Version 5: (DW_RLE name, number…). Before: (low, high); (None, base) sets the base."""

    entries: Sequence[tuple[Any, ...]]


@dataclass(eq=False, slots=True)
class Locations:
    """As Ranges, with the expression last."""

    entries: Sequence[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class At:
    """The expression of an object at a fixed address (DW_OP_addr)."""

    address: int


class _Next:
    """As the value of a sibling: where the next one really is."""


NEXT = _Next()


@dataclass(eq=False, init=False, slots=True)
class Die:
    """One entry. It has children when some are given, or when ``parent`` says so."""

    tag: str | int
    attributes: list[tuple[str | int, Form]]
    children: list[Die | Raw]
    parent: bool

    def __init__(
        self,
        tag: str | int,
        *children: Die | Raw,
        parent: bool = False,
        extra: Sequence[tuple[str | int, Form]] = (),
        **attributes: Any,
    ) -> None:
        self.tag, self.children, self.parent = tag, list(children), parent or bool(children)
        self.attributes = [(name.rstrip("_"), _form(value)) for name, value in attributes.items()]
        self.attributes += extra

    def set(self, **attributes: Any) -> Die:
        """Adds attributes that need a Die made later, as cycles do."""
        self.attributes += [(name.rstrip("_"), _form(value)) for name, value in attributes.items()]
        return self


def _form(value: Any) -> Form:
    if isinstance(value, Form):
        return value
    kinds = {str: "string", bool: "flag", int: "udata", Die: "ref4", bytes: "exprloc", At: "exprloc"}
    return Form(kinds.get(type(value), "sec_offset"), value)


@dataclass(eq=False, slots=True)
class Unit:
    """``length`` and ``abbreviations`` (an offset) only where the header shall lie.

    ``bases=False`` leaves out the attributes that say where the unit's tables start. ``addresses`` is its
    part of .debug_addr; a split unit is given that of its skeleton.
    """

    root: Die
    version: int = 5
    kind: str = "compile"
    offset_size: int = 4
    address_size: int = 8
    identity: int = 0  # the signature of a type unit, the dwo_id of a skeleton or split unit
    type: Die | None = None
    bases: bool = True
    addresses: list[int] = field(default_factory=list)
    length: int | None = None
    abbreviations: int | None = None


class Strings:
    """One string section; each text once."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.at: dict[str, int] = {}

    def add(self, text: str) -> int:
        if text not in self.at:
            self.at[text] = len(self.data)
            self.data += text.encode() + b"\0"
        return self.at[text]


class Dwarf:
    """The sections of one file. ``split``: a .dwo file; ``alternate``: the dwz file that it leans on."""

    def __init__(
        self,
        *units: Unit | Raw,
        endian: Endian = "little",
        split: bool = False,
        alternate: Dwarf | None = None,
        strings: Strings | None = None,
    ) -> None:
        self.endian, self.split, self.alternate = endian, split, alternate
        self.units = [unit for unit in units if isinstance(unit, Unit)]
        self.strings, self.line_strings = strings or Strings(), Strings()
        self.parts = {
            name: ByteWriter(endian)
            for name in (
                *("info", "types", "abbrev", "line", "str_offsets", "addr"),
                *("ranges", "rnglists", "loc", "loclists"),
            )
        }
        self.at: dict[int, int] = {}  # of each Die, by its identity, in its section
        self.spans: list[tuple[str, int, int]] = []  # of each unit: its part, start and size
        self._later: list[tuple[ByteWriter, int, int, Die, int]] = []
        for unit in units:
            if isinstance(unit, Raw):
                self.parts["info"].data += unit.data
            else:
                _UnitWriter(self, unit).write()
        for writer, place, width, die, base in self._later:
            if width:
                writer.fill(place, self.at[id(die)] - base, width)
            else:
                writer.data[place : place + 5] = uleb(self.at[id(die)] - base, 5)

    def data(self) -> dict[str, bytes]:
        """The sections that are not empty, by name."""
        suffix = ".dwo" if self.split else ""
        found = {name: bytes(part.data) for name, part in self.parts.items()}
        found |= {"str": bytes(self.strings.data), "line_str": bytes(self.line_strings.data)}
        return {f".debug_{name}{suffix}": data for name, data in found.items() if data}

    def sections(self) -> list[Section]:
        return [Section(name, data) for name, data in self.data().items()]


class _UnitWriter:
    """One unit while it is written into the parts of its file."""

    def __init__(self, dwarf: Dwarf, unit: Unit) -> None:
        self.dwarf, self.unit = dwarf, unit
        self.part = "types" if unit.version < 5 and unit.kind == "type" else "info"
        self.out = dwarf.parts[self.part]
        self.start = len(self.out)
        self.codes: dict[tuple[Any, ...], int] = {}
        self.abbreviations = ByteWriter(dwarf.endian)
        self.strings: list[str] = []
        self.ranges: list[Ranges] = []
        self.locations: list[Locations] = []
        self.fills: list[tuple[int, str, int]] = []  # place, table, number in it, or -1 for its start

    def write(self) -> None:
        unit, out = self.unit, self.out
        closing = out.length(unit.offset_size)
        out.number(unit.version, 2)
        table = self.dwarf.parts["abbrev"]
        at = len(table) if unit.abbreviations is None else unit.abbreviations
        if unit.version >= 5:
            out.pack("BB", _UNIT_TYPES[unit.kind], unit.address_size)
            out.number(at, unit.offset_size)
        else:
            out.number(at, unit.offset_size)
            out.number(unit.address_size, 1)
        if unit.kind in ("type", "split_type"):
            out.number(unit.identity, 8)
            place = out.number(0, unit.offset_size)
            if unit.type:
                self._refer(place, unit.offset_size, unit.type, self.start)
        elif unit.kind in ("skeleton", "split_compile") and unit.version >= 5:
            out.number(unit.identity, 8)
        if unit.bases and unit.version >= 5 and not unit.kind.startswith("split"):
            self._add_bases()
        self._tree()
        out.close(closing, unit.offset_size, unit.length)
        self.dwarf.spans.append((self.part, self.start, len(out) - self.start))
        self.abbreviations.number(0, 1)
        table.data += self.abbreviations.data
        self._tables()

    def _add_bases(self) -> None:
        used = {form.kind for die in _all(self.unit.root) for _, form in die.attributes}
        for name, kinds in (
            ("str_offsets_base", {"strx", "strx1", "strx2", "strx3", "strx4"}),
            ("addr_base", {"addrx", "addrx1", "addrx2", "addrx3", "addrx4"}),
            ("rnglists_base", {"rnglistx"}),
            ("loclists_base", {"loclistx"}),
        ):
            present = any(attribute == name for attribute, _ in self.unit.root.attributes)
            if not present and (used & kinds or (name == "addr_base" and self.unit.addresses)):
                self.unit.root.attributes.append((name, Form("sec_offset", None)))

    def _tree(self) -> None:
        """Without recursion: tests write trees that are deeper than any stack."""
        stack: list[tuple[Iterator[Die | Raw], Die | None]] = [(iter([self.unit.root]), None)]
        siblings: dict[int, tuple[int, int]] = {}
        while stack:
            row, parent = stack[-1]
            die = next(row, None)
            if die is None:
                stack.pop()
                if parent is not None:
                    self.out.number(0, 1)
                    self._sibling(siblings, parent)
            elif isinstance(die, Raw):
                self.out.data += die.data
            else:
                self.dwarf.at[id(die)] = len(self.out)
                self.out.uleb(self._code(die))
                for _, form in die.attributes:
                    if form.value is NEXT:
                        siblings[id(die)] = (len(self.out), _WIDTHS[str(form.kind)])
                        self.out.number(0, _WIDTHS[str(form.kind)])
                    else:
                        self._value(_, form)
                if die.parent:
                    stack.append((iter(die.children), die))
                else:
                    self._sibling(siblings, die)

    def _sibling(self, siblings: dict[int, tuple[int, int]], die: Die) -> None:
        if id(die) in siblings:
            place, width = siblings[id(die)]
            self.out.fill(place, len(self.out) - self.start, width)

    def _code(self, die: Die) -> int:
        shape = tuple(
            (name, self._kind(form), form.value if form.kind == "implicit_const" else None)
            for name, form in die.attributes
        )
        key = (die.tag, die.parent, shape)
        if key in self.codes:
            return self.codes[key]
        code = self.codes[key] = len(self.codes) + 1
        out = self.abbreviations
        out.uleb(code)
        out.uleb(_number(ENUM_DW_TAG, "DW_TAG_", die.tag))
        out.number(die.parent, 1)
        for name, kind, constant in shape:
            out.uleb(_number(_ATTRIBUTES, "DW_AT_", name))
            out.uleb(_number(_FORMS, "DW_FORM_", kind))
            if constant is not None:
                out.sleb(constant)
        out.pack("BB", 0, 0)
        return code

    def _kind(self, form: Form) -> str | int:
        """Versions 2 and 3 say sec_offset and exprloc in other forms."""
        if self.unit.version < 4 and form.kind in ("sec_offset", "exprloc"):
            return "block1" if form.kind == "exprloc" else f"data{self.unit.offset_size}"
        return form.kind

    def _value(self, name: str | int, form: Form) -> None:
        out, unit, kind, value = self.out, self.unit, self._kind(form), form.value
        offset = unit.offset_size
        if isinstance(value, At):
            value = b"\x03" + value.address.to_bytes(unit.address_size, self.dwarf.endian)
        if isinstance(kind, int):
            out.data += value or b""
        elif kind in ("flag_present", "implicit_const"):
            pass
        elif kind == "indirect":
            out.uleb(_number(_FORMS, "DW_FORM_", value.kind))
            if value.kind == "implicit_const":
                out.sleb(value.value)
            self._value(name, value)
        elif kind == "string":
            out.text(value)
        elif kind in ("strp", "line_strp", "GNU_strp_alt", "strp_sup"):
            out.number(self._text(kind, value) if isinstance(value, str) else value, offset)
        elif kind in ("strx", "GNU_str_index") or kind.startswith("strx"):
            self._index(kind, value if isinstance(value, int) else _place(self.strings, value))
        elif kind in ("addrx", "GNU_addr_index") or kind.startswith("addrx"):
            self._index(kind, _place(unit.addresses, value))
        elif kind in ("rnglistx", "loclistx"):
            lists: list[Any] = self.ranges if kind == "rnglistx" else self.locations
            out.uleb(value if isinstance(value, int) else _place(lists, value))
        elif kind == "addr":
            out.number(value, unit.address_size)
        elif kind in ("GNU_ref_alt", "ref_sup4", "ref_sup8"):
            if isinstance(value, Die):
                assert self.dwarf.alternate is not None
                value = self.dwarf.alternate.at[id(value)]
            out.number(value, _WIDTHS.get(kind, offset))
        elif kind == "ref_addr":
            width = unit.address_size if unit.version == 2 else offset
            self._reference(value, width, 0)
        elif kind == "ref_udata":
            self._reference(value, 0, self.start)
        elif isinstance(value, Die):
            self._reference(value, _WIDTHS[kind], self.start)
        elif isinstance(value, Unit):
            out.number(value.identity, 8)
        elif kind == "sec_offset" or isinstance(value, (Ranges, Locations, LineProgram)):
            self._section_offset(name, value, _WIDTHS.get(kind, offset))
        elif kind in _WIDTHS:
            out.number(value, _WIDTHS[kind])
        elif kind == "sdata":
            out.sleb(value)
        elif kind == "udata":
            out.uleb(value)
        elif kind in ("exprloc", "block"):
            out.data += uleb(len(value)) + value
        else:
            out.number(len(value), {"block1": 1, "block2": 2, "block4": 4}[kind])
            out.data += value

    def _text(self, kind: str, value: str) -> int:
        if kind == "line_strp":
            return self.dwarf.line_strings.add(value)
        if kind == "strp":
            return self.dwarf.strings.add(value)
        assert self.dwarf.alternate is not None
        return self.dwarf.alternate.strings.add(value)

    def _index(self, kind: str, number: int) -> None:
        if kind in _INDEX_WIDTHS:
            self.out.number(number, _INDEX_WIDTHS[kind])
        else:
            self.out.uleb(number)

    def _reference(self, value: Die | int, width: int, base: int) -> None:
        """``width`` 0: LEB128, whose length may not depend on what is not known yet."""
        place = len(self.out)
        if isinstance(value, Die):
            self.out.data += b"\0" * (width or 5)
            self._refer(place, width, value, base)
        elif width:
            self.out.number(value, width)
        else:
            self.out.uleb(value)

    def _refer(self, place: int, width: int, die: Die, base: int) -> None:
        self.dwarf._later.append((self.out, place, width, die, base))

    def _section_offset(self, name: str | int, value: Any, width: int) -> None:
        if isinstance(value, int):
            self.out.number(value, width)
        elif isinstance(value, LineProgram):
            lines = self.dwarf.parts["line"]
            self.out.number(len(lines), width)
            value.write(lines, self.dwarf.line_strings.add, self.dwarf.strings.add)
        else:
            if value is None:
                table, number = _BASES[str(name)], -1
            else:
                table = "ranges" if isinstance(value, Ranges) else "locations"
                number = _place(self.ranges if table == "ranges" else self.locations, value)
            self.fills.append((self.out.number(0, width), table, number))
            self.width = width

    def _tables(self) -> None:
        """What the unit's entries pointed at, and then their pointers."""
        starts = {
            "strings": [self._string_offsets()],
            "ranges": self._lists("ranges", "rnglists", self.ranges, _RANGE_CODES),
            "locations": self._lists("loc", "loclists", self.locations, _LIST_CODES),
        }
        # Lists, too, have addresses there.
        starts["addresses"] = [self._addresses()]
        for place, table, number in self.fills:
            self.out.fill(place, starts[table][number + 1], self.width)

    def _string_offsets(self) -> int:
        out, offset = self.dwarf.parts["str_offsets"], self.unit.offset_size
        if not self.strings:
            return len(out)
        closing = out.length(offset) if self.unit.version >= 5 else None
        if closing is not None:
            out.pack("HH", 5, 0)
        start = len(out)
        for text in self.strings:
            out.number(self.dwarf.strings.add(text), offset)
        if closing is not None:
            out.close(closing, offset)
        return start

    def _addresses(self) -> int:
        out = self.dwarf.parts["addr"]
        if not self.unit.addresses or self.unit.kind.startswith("split") or self.dwarf.split:
            return len(out)
        closing = out.length(self.unit.offset_size) if self.unit.version >= 5 else None
        if closing is not None:
            out.pack("HBB", 5, self.unit.address_size, 0)
        start = len(out)
        for address in self.unit.addresses:
            out.number(address, self.unit.address_size)
        if closing is not None:
            out.close(closing, self.unit.offset_size)
        return start

    def _lists(
        self, old: str, new: str, lists: Sequence[Ranges | Locations], codes: Mapping[str, int]
    ) -> list[int]:
        """The start of the unit's part, then that of each list."""
        if self.unit.version < 5:
            return self._pairs(self.dwarf.parts[old], lists)
        out, offset = self.dwarf.parts[new], self.unit.offset_size
        if not lists:
            return [len(out)]
        closing = out.length(offset)
        out.pack("HBBI", 5, self.unit.address_size, 0, len(lists))
        start = len(out)
        out.data += b"\0" * (offset * len(lists))
        found = [start]
        for number, one in enumerate(lists):
            out.fill(start + offset * number, len(out) - start, offset)
            found.append(len(out))
            for kind, *numbers in one.entries:
                expression = numbers.pop() if isinstance(one, Locations) and "base" not in kind else None
                out.number(codes[kind], 1)
                self._operands(out, kind, numbers)
                if expression is not None:
                    out.data += uleb(len(expression)) + expression
            out.number(0, 1)
        out.close(closing, offset)
        return found

    def _operands(self, out: ByteWriter, kind: str, numbers: Sequence[int]) -> None:
        for row, number in enumerate(numbers):
            indexed = "x" in kind and not (kind == "startx_length" and row)
            if indexed:
                out.uleb(_place(self.unit.addresses, number))
            elif kind == "offset_pair" or (kind.endswith("length") and row):
                out.uleb(number)
            else:
                out.number(number, self.unit.address_size)

    def _pairs(self, out: ByteWriter, lists: Sequence[Ranges | Locations]) -> list[int]:
        found, width = [len(out)], self.unit.address_size
        for one in lists:
            found.append(len(out))
            for low, high, *expression in one.entries:
                out.number(-1 if low is None else low, width)
                out.number(high, width)
                for code in expression:
                    out.number(len(code), 2)
                    out.data += code
            out.data += b"\0" * (2 * width)
        return found


def _all(root: Die) -> Iterator[Die]:
    waiting = [root]
    while waiting:
        die = waiting.pop()
        yield die
        waiting += [child for child in die.children if isinstance(child, Die)]


def _place(values: list[Any], value: Any) -> int:
    """Where ``value`` lies in ``values``; at the end, if it was not there."""
    if value not in values:
        values.append(value)
    return values.index(value)


def _number(names: Mapping[str, int], prefix: str, name: str | int) -> int:
    return name if isinstance(name, int) else int(names[prefix + name])
