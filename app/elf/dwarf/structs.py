"""The DIE of a type to its layout: members with offsets, sizes, holes, bit-fields.

Offsets are bytes from the start of the type itself. A bit-field lies at ``bit_offset`` bits from ``offset``,
counted from the lowest bit on little-endian machines, where ``offset`` is aligned to its type's size, as
pahole has it. Methods and nested types are left out. Sources: DWARF 5, sections 5.7 and 5.10.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from app.elf.cursor import Cursor
from app.elf.dwarf.declarators import (
    POINTERS,
    STRUCTS,
    Budget,
    bare,
    declare,
    keyword,
    size_of,
    target,
    type_text,
    whole,
)
from app.elf.dwarf.dies import At, Class, Die, Tag

# Structs in structs in structs: deeper than this is cut off.
_DEEPEST = 16
# Members of one type and of all that are defined in it: a type that claims more holds itself.
_MOST_MEMBERS = 5_000
# Types looked at for the alignment of one member.
_MOST_NESTED = 200
_ACCESS = {1: "public", 2: "protected", 3: "private"}


@dataclass(frozen=True, slots=True)
class Member:
    """One member; ``offset`` and sizes are None where DWARF does not say them."""

    name: str
    type: str
    declaration: tuple[str, str]  # left and right of the name's column
    offset: int | None
    size: int | None
    bit_offset: int | None = None  # of a bit-field, from ``offset``
    bit_size: int | None = None
    alignment: int | None = None  # where the source asks for it
    role: Literal["member", "base", "static", "vptr"] = "member"
    virtual: bool = False
    access: str = ""
    hole: int = 0  # bytes unused behind it
    bit_hole: int = 0
    inline: Struct | None = None  # a struct, union or enumeration without a name, defined here
    pointers: int = 0  # stars between it and ``inline``
    layout: Struct | None = None  # of the named struct that it is, directly


@dataclass(frozen=True, slots=True)
class Struct:
    kind: str  # struct class union enum typedef
    name: str
    size: int | None
    members: tuple[Member, ...] = ()
    values: tuple[tuple[str, int], ...] = ()  # of an enumeration
    alignment: int | None = None
    packed: bool = False
    hole: int = 0  # in front of the first member
    bit_hole: int = 0
    padding: int = 0
    bit_padding: int = 0
    declared_only: bool = False
    cut: bool = False  # nested too deeply to be shown whole
    alias: tuple[str, str] | None = None  # what a typedef declares, left and right
    target: Struct | None = None  # what a typedef of an unnamed type defines
    address_size: int = 8
    key: int = 0
    file: str | None = None
    line: int | None = None


@dataclass(slots=True)
class _Draft:
    """A member while holes are looked for."""

    member: Die
    type: Die | None
    known: bool
    offset: int
    size: int
    bit_start: int
    bit_size: int = 0
    bit_offset: int = 0
    placed: bool = True  # part of the layout: no static, no virtual base
    hole: int = 0
    bit_hole: int = 0


@dataclass(slots=True)
class _Holes:
    """What lies unused in a layout."""

    hole: int = 0
    bit_hole: int = 0
    padding: int = 0
    bit_padding: int = 0
    drafts: list[_Draft] = field(default_factory=list)

    @property
    def any(self) -> bool:
        return self.padding != 0 or self.hole != 0 or any(draft.hole for draft in self.drafts)


def read_struct(die: Die) -> Struct:
    """The layout of any named type; of a typedef, what it stands for."""
    return _read(die, 0, Budget(_MOST_MEMBERS))


def _read(die: Die, depth: int, budget: Budget) -> Struct:
    found = whole(die) or die
    name = found.name or ""
    size = size_of(found)
    if found.tag == Tag.typedef:
        return _typedef(found, name, size, depth, budget)
    if found.tag == Tag.enumeration_type:
        values = tuple(
            (child.name or "", _signed_value(child, found))
            for child in found.children
            if child.tag == Tag.enumerator
        )
        return Struct(
            "enum", name, size, values=values, declared_only=found.flag(At.declaration), key=found.key
        )
    if found.tag not in STRUCTS and found.tag != Tag.union_type:
        return Struct("base", name, size, alias=declare(found, ""), key=found.key)
    kind = keyword(found.tag)
    deep = depth >= _DEEPEST or budget.left <= 0
    if found.flag(At.declaration) or deep:
        return Struct(kind, name, size, declared_only=found.flag(At.declaration), cut=deep, key=found.key)
    drafts = [draft for child in _member_dies(found) if (draft := _draft(child, found)) is not None]
    holes = _find_holes(drafts, size or 0) if found.tag != Tag.union_type else _Holes(drafts=drafts)
    return Struct(
        kind,
        name,
        size,
        tuple(_member(draft, depth, budget) for draft in holes.drafts if budget.spend()),
        alignment=found.number(At.alignment),
        packed=found.tag != Tag.union_type and not holes.any and _is_packed(found, drafts, size or 0),
        hole=holes.hole,
        bit_hole=holes.bit_hole,
        padding=holes.padding,
        bit_padding=holes.bit_padding,
        address_size=found.unit.address_size,
        key=found.key,
        line=found.number(At.decl_line),
    )


def _typedef(die: Die, name: str, size: int | None, depth: int, budget: Budget) -> Struct:
    following, known = target(die)
    if following is not None and At.signature in following.attributes:
        following = whole(following)
    inner = None
    unnamed = following is not None and not following.name and _is_layout(following)
    if following is not None and unnamed and depth < _DEEPEST:
        inner = _read(following, depth + 1, budget)
    return Struct(
        "typedef", name, size, alias=declare(following, name, known), target=inner, key=die.key,
        line=die.number(At.decl_line),
    )  # fmt: skip


def _is_layout(die: Die) -> bool:
    return die.tag in STRUCTS or die.tag in (Tag.union_type, Tag.enumeration_type)


def _signed_value(enumerator: Die, parent: Die) -> int:
    value = enumerator.number(At.const_value) or 0
    return value


def _member_dies(die: Die) -> list[Die]:
    """Members and bases in their order; the variants of a Rust enumeration are members that share a place."""
    found = []
    for child in die.children:
        if child.tag in (Tag.member, Tag.inheritance) or (child.tag == Tag.variable and child.name):
            found.append(child)
        elif child.tag == Tag.variant_part:
            for variant in child.children:
                if variant.tag == Tag.member:
                    found.append(variant)
                found += [inner for inner in variant.children if inner.tag == Tag.member]
    return found


def _draft(member: Die, parent: Die) -> _Draft | None:
    following, known = member.inherited_type()
    size = size_of(following, parent.unit.address_size) or 0
    in_union = parent.tag == Tag.union_type
    offset = member.number(At.data_member_location)
    if member.kind(At.data_member_location) == Class.EXPRESSION:
        offset = _offset_expression(member.value(At.data_member_location))
    bits = member.number(At.bit_size) or 0
    if (
        member.tag == Tag.variable
        or member.flag(At.external)
        or (offset is None and At.data_bit_offset not in member.attributes and not in_union)
    ):
        virtual = member.tag == Tag.inheritance
        return _Draft(member, following, known, 0, size if virtual else 0, 0, placed=False)
    if not bits:
        start = member.number(At.data_bit_offset)
        at = start // 8 if offset is None and start is not None else offset or 0
        virtual = member.tag == Tag.inheritance and bool(member.number(At.virtuality))
        return _Draft(member, following, known, at, size, at * 8, placed=not virtual)
    return _bit_field(member, following, known, offset or 0, bits)


def _bit_field(member: Die, following: Die | None, known: bool, offset: int, bits: int) -> _Draft:
    """Puts a bit-field into the aligned unit of its type that it starts in."""
    size = member.number(At.byte_size) or size_of(bare(following)) or 1
    start = member.number(At.data_bit_offset)
    if start is None:
        # DWARF 2 and 3 count from the highest bit of the storage unit.
        start = offset * 8 + size * 8 - (member.number(At.bit_offset) or 0) - bits
    at = start // (size * 8) * size
    return _Draft(member, following, known, at, size, start, bits, start - at * 8)


def _offset_expression(expression: bytes) -> int | None:
    """DW_OP_plus_uconst or a constant, as DWARF 2 writes offsets; None for what is computed."""
    at = Cursor(expression)
    op = at.u8()
    number = at.uleb() if op in (0x23, 0x10) else None
    return number if number is not None and not at.left and not at.bad else None


def _find_holes(drafts: list[_Draft], size: int) -> _Holes:
    """What lies between the members, in bytes where whole bytes are free, else in bits."""
    holes = _Holes(drafts=drafts)
    last: _Draft | None = None
    seen = 0  # the bit behind what is used
    end = size * 8  # of the storage unit that bit-fields share
    width = 0
    in_bits = False
    for draft in drafts:
        if not draft.placed:
            continue
        start = draft.bit_start
        stop = start + (draft.bit_size or draft.size * 8)
        bit_hole = byte_hole = 0
        if in_bits:
            unit_end = min(start, end)
            bit_hole = unit_end - seen
            seen = unit_end
        if draft.bit_size:
            aligned = draft.offset * 8
            if seen < aligned <= start:
                byte_hole = draft.offset - seen // 8
                seen = aligned
            bit_hole += start - seen
        else:
            byte_hole = start // 8 - seen // 8
        seen = stop
        if draft.bit_size:
            in_bits = True
            if stop > end or draft.size * 8 > width:
                width = draft.size * 8
                end = draft.offset * 8 + width
                if stop > end:
                    end += width
        else:
            in_bits, width, end = False, 0, stop
        if last is None:
            holes.hole, holes.bit_hole = byte_hole, bit_hole
        else:
            last.hole, last.bit_hole = byte_hole, bit_hole
        last = draft
    if in_bits:
        unit_end = min(size * 8, end)
        holes.bit_padding = unit_end - seen
        seen = unit_end
    holes.padding = size - seen // 8
    return holes


def _natural_alignment(die: Die | None, budget: Budget) -> int:
    found = whole(bare(die))
    for _ in range(_DEEPEST):
        if found is not None and found.tag == Tag.array_type:
            found = whole(bare(target(found)[0]))
    if found is None or not budget.spend():
        return 1
    if found.tag in POINTERS:
        return found.unit.address_size
    if found.tag in (Tag.base_type, Tag.enumeration_type):
        return size_of(found) or 1
    if found.tag in STRUCTS or found.tag == Tag.union_type:
        inner = [
            _natural_alignment(child.reference(At.type), budget)
            for child in found.children
            if child.tag == Tag.member and not child.flag(At.external)
        ]
        return max(inner, default=1)
    return 1


def _is_packed(die: Die, drafts: list[_Draft], size: int) -> bool:
    """Whether a member lies where its type would not, or the size is none that its alignment allows."""
    most = 1
    for draft in drafts:
        if not draft.placed:
            continue
        natural = _natural_alignment(draft.type, Budget(_MOST_NESTED))
        most = max(most, natural)
        if natural > 1 and draft.offset % natural:
            return True
    return most > 1 and (die.number(At.alignment) == 1 or size % most != 0)


def _member(draft: _Draft, depth: int, budget: Budget) -> Member:
    member = draft.member
    name = member.name or ""
    inline, pointers = _inline(draft.type)
    found = whole(draft.type)
    shown = found is not None and found.tag in STRUCTS and inline is None and draft.placed
    role: Literal["member", "base", "static", "vptr"] = "member"
    if member.tag == Tag.inheritance:
        role = "base"
    elif not draft.placed:
        role = "static"
    elif name.startswith("_vptr"):
        role = "vptr"
    return Member(
        name,
        type_text(draft.type, draft.known),
        declare(draft.type, name, draft.known),
        draft.offset if draft.placed else None,
        draft.size,
        draft.bit_offset if draft.bit_size else None,
        draft.bit_size or None,
        member.number(At.alignment),
        role,
        bool(member.number(At.virtuality)),
        _ACCESS.get(member.number(At.accessibility) or 0, ""),
        draft.hole,
        draft.bit_hole,
        _read(inline, depth + 1, budget) if inline is not None else None,
        pointers,
        _shallow(found) if shown and found is not None else None,
    )


def _inline(die: Die | None) -> tuple[Die | None, int]:
    """The unnamed type that a member is, points to, or is an array of, and the number of pointers."""
    pointers = 0
    for _ in range(_DEEPEST):
        if die is None:
            break
        if _is_layout(die):
            found = whole(die) if At.signature in die.attributes else die
            return (found, pointers) if found is not None and not found.name else (None, 0)
        if die.tag in POINTERS:
            pointers += 1
        elif die.tag != Tag.array_type:
            break
        die = target(die)[0]
    return None, 0


def _shallow(die: Die) -> Struct | None:
    """What a member's own struct leaves unused at its end."""
    if die.flag(At.declaration):
        return None
    drafts = [draft for child in _member_dies(die) if (draft := _draft(child, die)) is not None]
    size = size_of(die) or 0
    holes = _find_holes(drafts, size)
    return Struct(
        keyword(die.tag), die.name or "", size, padding=holes.padding, bit_padding=holes.bit_padding
    )
