"""DIEs as Python objects, read one subtree at a time where a question needs them.

A Source gives flattened subtrees (the native core, or pyelftools where no compiler was at hand); ``Dies``
makes them into linked objects and keeps those that were read. A key names a DIE for ever: its offset in
.debug_info, with bit 63 set in .debug_types, bit 62 in a split part, bit 61 in the alternate (dwz) file. A
reference that cannot be followed gives None.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from app.elf.dwarf.lines import LineTable
from app.elf.dwarf.scopes import Scopes

IN_TYPES, IN_SPLIT, IN_ALTERNATE = 1 << 63, 1 << 62, 1 << 61
# A subtree of more DIEs than this is cut off: no declaration for people has so many.
MOST_DIES = 200_000
# Deeper than any subtree is read.
WHOLE = 1 << 16
# Chains of references (typedefs, origins) longer than this are cycles.
LONGEST_CHAIN = 64


class Tag:
    """DW_TAG."""

    array_type = 0x01
    class_type = 0x02
    enumeration_type = 0x04
    formal_parameter = 0x05
    label = 0x0A
    lexical_block = 0x0B
    member = 0x0D
    pointer_type = 0x0F
    reference_type = 0x10
    compile_unit = 0x11
    string_type = 0x12
    structure_type = 0x13
    subroutine_type = 0x15
    typedef = 0x16
    union_type = 0x17
    unspecified_parameters = 0x18
    variant = 0x19
    inheritance = 0x1C
    inlined_subroutine = 0x1D
    ptr_to_member_type = 0x1F
    subrange_type = 0x21
    base_type = 0x24
    const_type = 0x26
    enumerator = 0x28
    subprogram = 0x2E
    template_type_parameter = 0x2F
    template_value_parameter = 0x30
    variant_part = 0x33
    variable = 0x34
    volatile_type = 0x35
    restrict_type = 0x37
    interface_type = 0x38
    namespace = 0x39
    unspecified_type = 0x3B
    partial_unit = 0x3C
    type_unit = 0x41
    rvalue_reference_type = 0x42
    atomic_type = 0x47
    call_site = 0x48
    immutable_type = 0x4B


class At:
    """DW_AT."""

    sibling = 0x01
    location = 0x02
    name = 0x03
    byte_size = 0x0B
    bit_offset = 0x0C
    bit_size = 0x0D
    stmt_list = 0x10
    low_pc = 0x11
    high_pc = 0x12
    language = 0x13
    comp_dir = 0x1B
    const_value = 0x1C
    inline = 0x20
    producer = 0x25
    prototyped = 0x27
    upper_bound = 0x2F
    abstract_origin = 0x31
    accessibility = 0x32
    artificial = 0x34
    calling_convention = 0x36
    count = 0x37
    data_member_location = 0x38
    decl_file = 0x3A
    decl_line = 0x3B
    declaration = 0x3C
    encoding = 0x3E
    external = 0x3F
    frame_base = 0x40
    specification = 0x47
    type = 0x49
    virtuality = 0x4C
    vtable_elem_location = 0x4D
    ranges = 0x55
    call_column = 0x57
    call_file = 0x58
    call_line = 0x59
    object_pointer = 0x64
    containing_type = 0x1D
    signature = 0x69
    data_bit_offset = 0x6B
    linkage_name = 0x6E
    str_offsets_base = 0x72
    addr_base = 0x73
    rnglists_base = 0x74
    noreturn = 0x87
    alignment = 0x88
    export_symbols = 0x89
    deleted = 0x8A
    defaulted = 0x8B
    loclists_base = 0x8C
    mips_linkage_name = 0x2007
    gnu_vector = 0x2107
    go_kind = 0x2900


# Whose children are many; each is read with its own.
_WIDE = {
    Tag.compile_unit,
    Tag.partial_unit,
    Tag.type_unit,
    Tag.namespace,
    Tag.subprogram,
    Tag.inlined_subroutine,
    Tag.lexical_block,
}


class Class:
    """What an attribute's value is; UNKNOWN has None, where what it refers to is out of reach."""

    UNKNOWN = 0
    ADDRESS = 1
    CONSTANT = 2
    FLAG = 3
    STRING = 4
    REFERENCE = 5  # a key
    BLOCK = 6
    EXPRESSION = 7
    LOCATION_LIST = 8  # an offset in the section of location lists
    RANGES = 9  # pairs (low, high)
    SECTION = 10  # an offset in another section


@dataclass(frozen=True, slots=True)
class Unit:
    """The unit that a DIE lies in, as its header and first DIE say."""

    key: int
    version: int
    address_size: int
    offset_size: int
    language: int
    name: str
    comp_dir: str
    producer: str
    low: int  # base of range and location lists
    lines: int | None  # offset of its program in .debug_line
    address_base: int  # of its entries in .debug_addr
    split: bool = False


class Row(NamedTuple):
    depth: int
    tag: int
    key: int
    attributes: list[tuple[int, int, Any]]  # name, class, value


class Tree(NamedTuple):
    unit: Unit
    rows: list[Row]
    cut: bool  # there is more than the limits allow


Attributes = dict[int, tuple[int, Any]]


def attributes_of(row: Row) -> Attributes:
    return {name: (kind, value) for name, kind, value in row.attributes}


def ranges_of(found: Attributes) -> list[tuple[int, int]]:
    """The addresses that attributes say; none where they say none."""
    kind, ranges = found.get(At.ranges, (None, None))
    if kind == Class.RANGES and isinstance(ranges, list):
        return list(ranges)
    low_kind, low = found.get(At.low_pc, (None, None))
    high_kind, high = found.get(At.high_pc, (None, None))
    if not isinstance(low, int) or not isinstance(high, int):
        return []
    # A constant is a length.
    end = high if high_kind == low_kind else low + high
    return [(low, end)] if end > low else []


class UnitEntry(NamedTuple):
    """A compile unit of the file itself."""

    unit: Unit
    ranges: tuple[tuple[int, int], ...]  # of its code; () where its first DIE does not say
    holder: int  # the key of the unit that has its DIEs: itself, or its split part
    whole: bool


class Source(Protocol):
    """Where the facts of one file come from."""

    def tree(self, key: int, depth: int, count: int) -> Tree | None:
        """The subtree of a key, ``depth`` levels and ``count`` rows of it; None where no unit has it."""

    def section(self, name: str, key: int) -> bytes | bytearray | memoryview:
        """The bytes of a section in the object that ``key`` lies in."""

    def units(self) -> list[UnitEntry]: ...

    def scopes(self, key: int) -> Scopes:
        """The functions of the unit of a key."""

    def lines(self, unit: Unit, only_files: bool = False) -> LineTable: ...

    def find_types(self, names: tuple[str, ...], most: int) -> list[tuple[int, int, bool]]:
        """Types of one of the names: number of the name, key, whether it is only declared there."""


class Die:
    """One DIE; children are read when they are asked for."""

    __slots__ = ("_children", "_dies", "attributes", "key", "tag", "unit")

    def __init__(self, dies: Dies, unit: Unit, row: Row) -> None:
        self._dies = dies
        self._children: list[Die] | None = None
        self.unit = unit
        self.key = row.key
        self.tag = row.tag
        self.attributes = attributes_of(row)

    def __contains__(self, name: int) -> bool:
        return name in self.attributes

    def value(self, name: int) -> Any:
        found = self.attributes.get(name)
        return None if found is None else found[1]

    def kind(self, name: int) -> int | None:
        found = self.attributes.get(name)
        return None if found is None else found[0]

    def text(self, name: int) -> str | None:
        found = self.attributes.get(name)
        return found[1] if found is not None and found[0] == Class.STRING else None

    def number(self, name: int) -> int | None:
        found = self.attributes.get(name)
        if found is None or not isinstance(found[1], int):
            return None
        return int(found[1])

    def flag(self, name: int) -> bool:
        return bool(self.value(name))

    def reference(self, name: int) -> Die | None:
        found = self.attributes.get(name)
        if found is None or found[0] != Class.REFERENCE:
            return None
        return self._dies.die(found[1])

    @property
    def ranges(self) -> list[tuple[int, int]]:
        return ranges_of(self.attributes)

    @property
    def name(self) -> str | None:
        return self.text(At.name)

    @property
    def children(self) -> list[Die]:
        if self._children is None:
            self._dies.read(self.key, 2 if self.tag in _WIDE else WHOLE)
        return self._children or []

    def origins(self) -> Iterator[Die]:
        """The DIE itself, then what it says it is an instance or a definition of."""
        die: Die | None = self
        for _ in range(LONGEST_CHAIN):
            if die is None:
                return
            yield die
            origin = At.abstract_origin if At.abstract_origin in die.attributes else At.specification
            die = die.reference(origin)

    def inherited(self, name: int) -> Any:
        for die in self.origins():
            if name in die.attributes:
                return die.value(name)
        return None

    def inherited_number(self, name: int) -> int | None:
        value = self.inherited(name)
        return value if isinstance(value, int) else None

    def inherited_type(self) -> tuple[Die | None, bool]:
        """The type, and whether that is known: (None, True) is void."""
        for die in self.origins():
            if At.type in die.attributes:
                found = die.reference(At.type)
                return found, found is not None
            if At.abstract_origin not in die and At.specification not in die:
                return None, True
        return None, False

    @property
    def linkage_name(self) -> str | None:
        for die in self.origins():
            found = die.text(At.linkage_name) or die.text(At.mips_linkage_name)
            if found:
                return found
        return None

    def definition(self) -> Die | None:
        """The one definition, in another unit, of a type that is declared here; None where there are more."""
        return self._dies.definition(self)

    def inherited_name(self) -> str | None:
        for die in self.origins():
            if die.name:
                return die.name
        return None


class Dies:
    """The DIEs that were read so far, by key."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._known: dict[int, Die | None] = {}
        self._definitions: dict[tuple[int, str], Die | None] = {}

    def die(self, key: int) -> Die | None:
        if key not in self._known:
            self.read(key, 1)
        return self._known[key]

    def definition(self, declared: Die) -> Die | None:
        """See ``Die.definition``; the whole file is searched once for each name."""
        name = (declared.tag, declared.name or "")
        if name not in self._definitions:
            found = [
                die
                for _, key, only_declared in self.source.find_types((name[1],), 16)
                if not only_declared and (die := self.die(key)) is not None and die.tag == declared.tag
            ]
            self._definitions[name] = found[0] if len(found) == 1 else None
        return self._definitions[name]

    def read(self, key: int, depth: int) -> None:
        """Reads the subtree of ``key``: it alone with ``depth`` 1, with its children with 2."""
        tree = self.source.tree(key, depth, MOST_DIES)
        if tree is None or not tree.rows:
            self._known.setdefault(key, None)
            return
        path: list[Die] = []
        known = self._known
        for row in tree.rows:
            die = known.get(row.key)
            if die is None:
                die = known[row.key] = Die(self, tree.unit, row)
            if depth > 1 and row.depth + 1 < depth:
                die._children = []
            del path[row.depth :]
            if path:
                siblings = path[-1]._children
                if siblings is not None:
                    siblings.append(die)
            path.append(die)
