"""A type's DIE to its text in the notation of its language, with or without a name declared by it.

C and C++ are written as their declarators are read: ``int (*name)(int, void *)``, ``char name[16]``,
qualifiers behind the star they belong to. Rust, D, Fortran and Go name their types in DWARF; the names are
taken as they are. What cannot be followed is ``?``, never void. Source: DWARF 5, chapter 5.
"""

from __future__ import annotations

import re

from app.elf.dwarf.dies import LONGEST_CHAIN, At, Class, Die, Tag

UNKNOWN = "?"
_STARS = re.compile(r"(?<=[*&]) (?=[*&])")
LANGUAGE_GO = 0x16
_RUST, _SWIFT, _D, _ZIG = 0x1C, 0x1E, 0x13, 0x27
_C = {0x01, 0x02, 0x0C, 0x1D, 0x2C}
_CPP = {0x04, 0x1A, 0x21, 0x2B, 0x3A}
QUALIFIERS = {
    Tag.const_type: "const",
    Tag.volatile_type: "volatile",
    Tag.restrict_type: "restrict",
    Tag.atomic_type: "_Atomic",
    Tag.immutable_type: "const",
}
POINTERS = {Tag.pointer_type: "*", Tag.reference_type: "&", Tag.rvalue_reference_type: "&&"}
_KEYWORDS = {
    Tag.structure_type: "struct",
    Tag.class_type: "class",
    Tag.union_type: "union",
    Tag.enumeration_type: "enum",
    Tag.interface_type: "interface",
}
STRUCTS = {Tag.structure_type, Tag.class_type, Tag.interface_type}


def is_c(language: int) -> bool:
    return language in _C


def is_cpp(die: Die) -> bool:
    return die.unit.language in _CPP


def keyword(tag: int) -> str:
    return _KEYWORDS.get(tag, "struct")


def target(die: Die) -> tuple[Die | None, bool]:
    """What a modifier, pointer or array is of, and whether that is known; (None, True) is void."""
    if At.type not in die.attributes:
        return None, True
    found = die.reference(At.type)
    return found, found is not None


def bare(die: Die | None) -> Die | None:
    """The type behind typedefs and qualifiers."""
    for _ in range(LONGEST_CHAIN):
        if die is None or (die.tag not in QUALIFIERS and die.tag != Tag.typedef):
            return die
        die = target(die)[0]
    return None


def whole(die: Die | None) -> Die | None:
    """The definition of a type that is only declared here, by signature or name; else the DIE itself."""
    if die is not None and At.signature in die.attributes:
        return die.reference(At.signature) or die
    if die is not None and die.flag(At.declaration):
        return die.definition() or die
    return die


def size_of(die: Die | None, address_size: int | None = None) -> int | None:
    """Bytes of a type; None where it is not known."""
    factor = 1
    for _ in range(LONGEST_CHAIN):
        die = whole(die)
        if die is None:
            return None
        size = die.number(At.byte_size)
        if die.tag == Tag.array_type and size is None:
            for count in dimensions(die):
                factor *= count or 0
        elif size is not None:
            return factor * size
        elif die.tag in POINTERS:
            return factor * (address_size or die.unit.address_size)
        elif die.tag == Tag.ptr_to_member_type:
            # Of a function it is two words: an address, and what to add to "this".
            inner = bare(target(die)[0])
            words = 2 if inner is not None and inner.tag == Tag.subroutine_type else 1
            return factor * words * die.unit.address_size
        elif die.tag not in QUALIFIERS and die.tag not in (
            Tag.typedef,
            Tag.enumeration_type,
            Tag.subrange_type,
        ):
            return None
        die = target(die)[0]
    return None


def dimensions(die: Die) -> list[int | None]:
    """How many elements each dimension has; None where that is not said."""
    found: list[int | None] = []
    for child in die.children:
        if child.tag != Tag.subrange_type:
            continue
        count, upper = child.number(At.count), child.number(At.upper_bound)
        if child.kind(At.count) not in (None, Class.CONSTANT):
            count = None
        if child.kind(At.upper_bound) not in (None, Class.CONSTANT):
            upper = None
        if count is None and upper is not None:
            # An upper bound of all ones is gcc's way to write a size of 0.
            count = upper + 1 if upper < 0xFFFFFFFF or upper in (2**64 - 1,) else 0
            count = count if count < 2**63 else 0
        found.append(count)
    return found


class Budget:
    """How much of a type that refers to itself over and over is still looked at."""

    __slots__ = ("left",)

    def __init__(self, left: int) -> None:
        self.left = left

    def spend(self) -> bool:
        """False when nothing is left."""
        self.left -= 1
        return self.left >= 0


# Types in the text of one: parameters of functions that are parameters.
_MOST_NAMES = 200


def type_text(die: Die | None, known: bool = True, budget: Budget | None = None) -> str:
    """The type's text alone."""
    left, right = declare(die, "", known, budget)
    return (left + right).rstrip() if not right else f"{left} {right}"


def tight_text(die: Die | None, known: bool = True) -> str:
    """``type_text`` as signatures have it: ``char **``, where a declaration in columns has ``char * *``."""
    return _STARS.sub("", type_text(die, known))


def declare(die: Die | None, name: str, known: bool = True, budget: Budget | None = None) -> tuple[str, str]:
    """The text left of the name's column, and the name with all that belongs to it: (int, (*name)(int))."""
    budget = budget or Budget(_MOST_NAMES)
    declarator, stars = name, ""
    if not budget.spend():
        return UNKNOWN, declarator
    for _ in range(LONGEST_CHAIN):
        if die is None:
            return ("void" if known else UNKNOWN) + stars, declarator
        if die.unit.language == LANGUAGE_GO or (die.name and die.tag in POINTERS):
            return _named(die) + stars, declarator
        if die.tag in POINTERS or die.tag == Tag.ptr_to_member_type:
            star = POINTERS.get(die.tag) or _member_star(die)
            following, known = target(die)
            if following is not None and following.tag in (Tag.subroutine_type, Tag.array_type):
                declarator, stars = f"({star}{_before(stars)}{declarator})", ""
            else:
                stars = f" {star}{stars}"
            die = following
        elif die.tag in QUALIFIERS:
            word = QUALIFIERS[die.tag]
            following, known = target(die)
            if following is not None and following.tag in POINTERS:
                stars = f" {word}{stars}"
                die = following
                continue
            left, right = declare(following, declarator, known, budget)
            return f"{word} {left}{stars}", right
        elif die.tag == Tag.subroutine_type:
            declarator = f"{_before(stars)}{declarator}({parameters_text(die, budget)})"
            stars = ""
            die, known = target(die)
        elif die.tag == Tag.array_type and At.gnu_vector in die.attributes:
            following, known = target(die)
            left, _right = declare(following, "", known, budget)
            size = size_of(die) or 0
            return f"{left}{stars}", f"{declarator} __attribute__ ((__vector_size__ ({size})))"
        elif die.tag == Tag.array_type:
            sizes = "".join(f"[{'' if count is None else count}]" for count in dimensions(die))
            declarator = f"{_before(stars)}{declarator}{sizes}"
            stars = ""
            die, known = target(die)
        else:
            return _named(die) + stars, declarator
    return UNKNOWN + stars, declarator


def _before(stars: str) -> str:
    return stars.strip() + " " if stars else ""


def _named(die: Die) -> str:
    name = die.name
    if name is None and At.signature in die.attributes:
        found = die.reference(At.signature)
        name = found.name if found is not None else None
    if die.tag in _KEYWORDS:
        if die.unit.language in (LANGUAGE_GO, _RUST, _SWIFT, _D, _ZIG):
            return name or f"{{{keyword(die.tag)}}}"
        if is_cpp(die) and name:
            return name
        return f"{keyword(die.tag)} {name}" if name else f"{keyword(die.tag)} {{...}}"
    return name or UNKNOWN


def _member_star(die: Die) -> str:
    holder = die.reference(At.containing_type)
    return f"{holder.name if holder is not None and holder.name else UNKNOWN}::*"


def parameters_text(die: Die, budget: Budget) -> str:
    """The types of a function type's parameters, as they stand between its parentheses."""
    found = []
    for child in die.children:
        if child.tag == Tag.formal_parameter:
            found.append(type_text(*child.inherited_type(), budget))
        elif child.tag == Tag.unspecified_parameters:
            found.append("...")
    return ", ".join(found) if found else "void"
