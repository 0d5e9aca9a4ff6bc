"""A type's DIE to its shape: how a script reads a value of that type, as plain objects for JSON.

``kind`` is one of: integer (``signed``), bool, float, enum (``values``, ``signed``), text (a pointer to
characters), chars (an array of them), slice (a pointer and a length: Rust's &str, Go's string), string (a
std::string of libstdc++: a pointer first, the length at 8), pointer (``to`` a struct), struct, other.
``pointer`` of a string: it is behind a pointer. A struct has ``name`` and ``members``: ``name``, ``offset``,
``shape``; bases and unnamed members count as members of what holds them, bit-fields do not.
Sources: DWARF 5, chapter 5 and table 7.11; libstdc++'s basic_string.h.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from app.elf.dwarf.declarators import POINTERS, STRUCTS, bare, dimensions, size_of, target, whole
from app.elf.dwarf.dies import At, Die, Tag

Shape = dict[str, Any]
MOST_VALUES = 64
# Members of all structs of one shape.
MOST_MEMBERS = 200
_DEPTH = 2
_BOOL, _FLOATS, _SIGNED, _UNSIGNED = 0x02, (0x03, 0x04, 0x0F), (0x05, 0x06), (0x01, 0x07, 0x08, 0x10)
_CHARS = (0x06, 0x08)
_SLICES = {"&str", "string", "&mut str"}
_STRING_SIZE = 32


def shape_of(die: Die | None) -> Shape:
    """The shape of a type; ``other`` for void, and for what cannot be followed."""
    return _Reader().shape(die, _DEPTH)


class _Reader:
    def __init__(self) -> None:
        self._left = MOST_MEMBERS

    def shape(self, die: Die | None, depth: int) -> Shape:
        found = whole(bare(die))
        if found is None:
            return {"kind": "other", "size": None}
        size = size_of(found)
        if found.tag == Tag.base_type:
            return _base(found, size)
        if found.tag == Tag.enumeration_type:
            return _enumeration(found, size)
        if found.tag in POINTERS:
            return self._pointer(found, size, depth)
        if found.tag == Tag.array_type:
            return _array(found, size)
        if found.tag in STRUCTS or found.tag == Tag.union_type:
            return self._struct(found, size, depth)
        return {"kind": "other", "size": size}

    def _pointer(self, die: Die, size: int | None, depth: int) -> Shape:
        pointed = target(die)[0]
        inner = whole(bare(pointed))
        plain: Shape = {"kind": "pointer", "size": size}
        if inner is None:
            return plain
        if _is_char(inner, pointed):
            return {"kind": "text", "size": size}
        if inner.tag in STRUCTS or inner.tag == Tag.union_type:
            found = self._struct(inner, size_of(inner), depth)
            if found["kind"] == "string":
                return {**found, "pointer": True}
            if found["kind"] == "struct":
                return {**plain, "to": found}
        return plain

    def _struct(self, die: Die, size: int | None, depth: int) -> Shape:
        name = die.name or ""
        if name in _SLICES and size == 16:
            return {"kind": "slice", "size": size}
        if name.startswith("basic_string<char") and size == _STRING_SIZE:
            return {"kind": "string", "size": size, "pointer": False}
        union = die.tag == Tag.union_type
        members = list(self._members(die, 0, depth)) if depth else []
        return {"kind": "struct", "size": size, "name": name, "union": union, "members": members}

    def _members(self, die: Die, base: int, depth: int) -> Iterator[Shape]:
        for child in die.children:
            # Static members are external; bit-fields have no address of their own.
            if (
                child.tag not in (Tag.member, Tag.inheritance)
                or child.flag(At.external)
                or At.bit_size in child
            ):
                continue
            offset = child.number(At.data_member_location)
            if offset is None and At.data_member_location in child:
                continue  # a virtual base: where it lies is computed
            self._left -= 1
            if self._left < 0:
                return
            at = base + (offset or 0)
            if child.tag == Tag.member and child.name:
                yield {
                    "name": child.name,
                    "offset": at,
                    "shape": self.shape(child.reference(At.type), depth - 1),
                }
                continue
            inner = whole(bare(child.reference(At.type)))
            if inner is not None and (inner.tag in STRUCTS or inner.tag == Tag.union_type):
                yield from self._members(inner, at, depth)


def _base(die: Die, size: int | None) -> Shape:
    encoding = die.number(At.encoding)
    if encoding == _BOOL:
        return {"kind": "bool", "size": size}
    if encoding in _FLOATS:
        return {"kind": "float", "size": size}
    if encoding in (*_SIGNED, *_UNSIGNED) and size in (1, 2, 4, 8):
        return {"kind": "integer", "size": size, "signed": encoding in _SIGNED}
    return {"kind": "other", "size": size}


def _enumeration(die: Die, size: int | None) -> Shape:
    enumerators = [child for child in die.children if child.tag == Tag.enumerator]
    values = [(child.name or "", child.number(At.const_value) or 0) for child in enumerators]
    return {
        "kind": "enum",
        "size": size or 4,
        "name": die.name or "",
        "signed": any(value < 0 for _, value in values),
        "values": [list(pair) for pair in values[:MOST_VALUES]],
    }


def _array(die: Die, size: int | None) -> Shape:
    element = target(die)[0]
    inner = whole(bare(element))
    if inner is not None and _is_char(inner, element) and len(dimensions(die)) == 1 and size:
        return {"kind": "chars", "size": size}
    return {"kind": "other", "size": size}


def _is_char(die: Die, declared: Die | None) -> bool:
    """Whether a byte is meant as a character: ``uint8_t`` is no text, ``unsigned char`` may be."""
    if die.tag != Tag.base_type or die.number(At.encoding) not in _CHARS or size_of(die) != 1:
        return False
    name = die.name or ""
    if name == "char":
        return True
    step = declared
    while step is not None and step.key != die.key:
        if step.tag == Tag.typedef:
            return False
        step = target(step)[0]
    return name.endswith("char")
