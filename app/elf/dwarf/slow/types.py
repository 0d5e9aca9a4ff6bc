"""Type DIEs to texts in the language's own notation, and to sizes, by pyelftools.

C and C++ are written as gdb writes them. A type is what stands left and right of a declared name; None where
some part of it cannot be followed.
"""

from __future__ import annotations

from typing import NamedTuple

from app.elf.dwarf.slow.units import FLAT, Die, Unit, Units, flag, number, text

_C = (FLAT - {0x16}) | {0x10, 0x12}
_PLUS_PLUS = {0x04, 0x19, 0x1A, 0x21, 0x2A, 0x2B, 0x3A, 0x11}
_FORTRAN = {0x07, 0x08, 0x0E, 0x22, 0x23, 0x2D}
_D, _RUST = 0x13, 0x1C
_QUALIFIERS = {
    "DW_TAG_const_type": "const",
    "DW_TAG_volatile_type": "volatile",
    "DW_TAG_restrict_type": "restrict",
    "DW_TAG_atomic_type": "_Atomic",
}
_ORDER = ["const", "volatile", "restrict", "__restrict__", "_Atomic"]
_KEYWORDS = {
    "DW_TAG_structure_type": "struct",
    "DW_TAG_class_type": "class",
    "DW_TAG_interface_type": "struct",
    "DW_TAG_union_type": "union",
    "DW_TAG_enumeration_type": "enum",
}
_MARKS = {
    "DW_TAG_pointer_type": "*",
    "DW_TAG_reference_type": "&",
    "DW_TAG_rvalue_reference_type": "&&",
}
_DEEPEST = 60


class Type(NamedTuple):
    left: str
    right: str = ""
    kind: str = "name"  # name, mark, array, function, frame
    qualifiers: frozenset[str] = frozenset()
    parts: tuple[Type | str, ...] = ()  # of an array: element, count; of a mark: what it marks, the mark

    @property
    def text(self) -> str:
        return self.left + self.right


VOID = Type("void")


class Types:
    def __init__(self, units: Units) -> None:
        self.units = units
        self._known: dict[tuple[int, int, bool], Type | None] = {}

    def of(self, die: Die, asked: Unit, name: str = "type", depth: int = 0) -> Type | None:
        """The type that the DIE's attribute names; void without one. ``asked``: whose language counts."""
        if f"DW_AT_{name}" not in die.attributes:
            return VOID
        target = self.units.follow(die, name)
        if target is None or depth > _DEEPEST:
            return None
        key = (id(target.cu), target.offset, self._language(target, asked) in _C)
        if key not in self._known:
            self._known[key] = None
            self._known[key] = self._make(target, asked, depth)
        return self._known[key]

    def _language(self, die: Die, asked: Unit) -> int:
        return self.units.language(die.cu) or self.units.language(asked)

    def _make(self, die: Die, asked: Unit, depth: int) -> Type | None:
        language, tag, name = self._language(die, asked), die.tag, text(die, "name")
        if tag in _KEYWORDS:
            return self._class(die, asked, depth)
        if tag in ("DW_TAG_base_type", "DW_TAG_typedef", "DW_TAG_template_alias"):
            scope = "" if tag == "DW_TAG_base_type" else self.units.scope(die)
            return Type(self.units.join(scope, name, die.cu)) if name else None
        plain = language not in _C | _PLUS_PLUS
        if name and (plain or tag not in _QUALIFIERS) and tag.endswith("_type"):
            return Type(name)
        child = self.of(die, asked, depth=depth + 1) if tag != "DW_TAG_string_type" else VOID
        if child is None:
            return None
        if tag in _MARKS:
            return self._marked(child, _MARKS[tag], language)
        if tag in _QUALIFIERS:
            return self._qualified(child, _QUALIFIERS[tag], language)
        if tag == "DW_TAG_immutable_type":
            return _framed("immutable(|)", child)
        if tag == "DW_TAG_shared_type":
            return _framed("shared(|)" if language == _D else "shared |", child)
        if tag in ("DW_TAG_packed_type", "DW_TAG_dynamic_type"):
            return child
        if tag == "DW_TAG_subrange_type":
            return child if "DW_AT_type" in die.attributes else None
        if tag == "DW_TAG_array_type":
            return self._array(die, child, language) if "DW_AT_type" in die.attributes else None
        if tag == "DW_TAG_subroutine_type":
            return self._function(die, child, asked, depth)
        if tag == "DW_TAG_ptr_to_member_type":
            owner = self.of(die, asked, "containing_type", depth + 1)
            if owner is None or "DW_AT_containing_type" not in die.attributes:
                return None
            return _mark(child, f"{owner.text}::*", frozenset())
        if tag == "DW_TAG_string_type":
            size = number(die, "byte_size") if "DW_AT_string_length" not in die.attributes else None
            return Type(f"character(len={'*' if size is None else size})")
        return None

    def _class(self, die: Die, asked: Unit, depth: int) -> Type | None:
        if "DW_AT_signature" in die.attributes:
            return self.of(die, asked, "signature", depth + 1)
        name, place = text(die, "name"), die
        if "DW_AT_specification" in die.attributes:
            found = self.units.follow(die, "specification")
            if found is None:
                return None
            name, place = name or text(found, "name"), found
        keyword = _KEYWORDS[die.tag]
        if not name:
            return Type(f"{keyword} {{...}}")
        full = self.units.join(self.units.scope(place), name, die.cu)
        return Type(f"{keyword} {full}" if self._language(die, asked) in _C else full)

    def _marked(self, child: Type, mark: str, language: int) -> Type:
        if language == _D and mark == "*":
            if child.kind == "function":
                (result,) = child.parts
                assert isinstance(result, Type)
                return _framed(f"| function{child.right.removesuffix(result.right)}", result)
            return _framed("|*", child)
        if language == _D and mark == "&":
            return _framed("ref |", child)
        if language == _RUST and mark == "*":
            return _framed("*mut |", child)
        if language in _FORTRAN and mark == "*":
            return _framed("|, pointer", child)
        if language in _FORTRAN and mark == "&":
            return child
        return _mark(child, mark, frozenset())

    def _qualified(self, child: Type, word: str, language: int) -> Type:
        if language == _D and word == "const":
            return _framed("const(|)", child)
        if language in _FORTRAN:
            return child
        return _qualify(child, "__restrict__" if word == "restrict" and language in _PLUS_PLUS else word)

    def _array(self, die: Die, child: Type, language: int) -> Type | None:
        dimensions: list[tuple[int, int]] = []  # lower bound, count
        for sub in self.units.children(die):
            if sub.tag in ("DW_TAG_subrange_type", "DW_TAG_generic_subrange"):
                dimensions.append(_dimension(sub, language))
            elif sub.tag == "DW_TAG_enumeration_type":
                dimensions.append((0, -1))
        if language in _FORTRAN and dimensions:
            bounds = [_fortran_bounds(lower, count) for lower, count in dimensions]
            return _framed(f"|, dimension ({', '.join(bounds)})", child)
        if flag(die, "GNU_vector") and len(dimensions) == 1 and dimensions[0][1] > 0:
            return _framed(f"| __attribute__ ((vector_size({dimensions[0][1]})))", child)
        for _, count in reversed(dimensions or [(0, -1)]):
            shown = "" if count < 0 else str(count)
            if dimensions and language == _RUST:
                child = _framed(f"[|; {shown}]" if shown else "[|]", child)
            elif dimensions and language == _D:
                child = _framed(f"|[{shown}]", child)
            else:
                child = _array(child, shown)
        return child

    def _function(self, die: Die, result: Type, asked: Unit, depth: int) -> Type | None:
        texts = []
        for sub in self.units.children(die):
            if sub.tag == "DW_TAG_unspecified_parameters":
                texts.append("...")
            elif sub.tag == "DW_TAG_formal_parameter":
                found = self.of(sub, asked, depth=depth + 1) if "DW_AT_type" in sub.attributes else None
                if found is None:
                    return None
                texts.append(found.text)
        language = self._language(die, asked)
        if not texts and language != _D and (language not in _C or flag(die, "prototyped")):
            texts = ["void"]
        return Type(
            _gap(result.left), f"({', '.join(texts)}){result.right}", "function", frozenset(), (result,)
        )

    def size(self, die: Die) -> int:
        """Bytes of the type that the DIE names; 0 where that is not known."""
        factor, place = 1, self.units.follow(die, "type")
        for _ in range(_DEEPEST):
            if place is None:
                return 0
            if "DW_AT_byte_size" in place.attributes:
                return (number(place, "byte_size") or 0) * factor
            if place.tag in _MARKS:
                return int(place.cu["address_size"]) * factor
            if place.tag in ("DW_TAG_subroutine_type", "DW_TAG_ptr_to_member_type"):
                return 0
            if place.tag == "DW_TAG_array_type":
                for sub in self.units.children(place):
                    if sub.tag in ("DW_TAG_subrange_type", "DW_TAG_generic_subrange"):
                        factor *= max(_dimension(sub, self.units.language(place.cu))[1], 0)
            kind = (
                "signature" if place.tag in _KEYWORDS and place.tag != "DW_TAG_enumeration_type" else "type"
            )
            place = self.units.follow(place, kind)
        return 0


def _gap(left: str) -> str:
    return left if left.endswith(("*", "&", "(", " ")) or not left else left + " "


def _words(qualifiers: frozenset[str]) -> list[str]:
    return sorted(qualifiers, key=_ORDER.index)


def _mark(child: Type, mark: str, qualifiers: frozenset[str]) -> Type:
    wrapped = child.kind in ("array", "function")
    left = (
        _gap(child.left)
        + ("(" if wrapped else "")
        + mark
        + "".join(f" {word}" for word in _words(qualifiers))
    )
    return Type(left, (")" if wrapped else "") + child.right, "mark", qualifiers, (child, mark))


def _array(child: Type, count: str) -> Type:
    left = child.left if child.kind == "array" else _gap(child.left)
    return Type(left, f"[{count}]{child.right}", "array", frozenset(), (child, count))


def _framed(frame: str, child: Type) -> Type:
    before, _, behind = frame.partition("|")
    return Type(before + child.text + behind, "", "frame")


def _qualify(child: Type, word: str) -> Type:
    qualifiers = child.qualifiers | {word}
    if child.kind == "array":
        element, count = child.parts
        assert isinstance(element, Type)
        assert isinstance(count, str)
        return _array(_qualify(element, word), count)
    if child.kind == "mark":
        inner, mark = child.parts
        assert isinstance(inner, Type)
        assert isinstance(mark, str)
        return child if mark in ("&", "&&") else _mark(inner, mark, qualifiers)
    if child.kind == "frame":
        return child
    if child.kind == "function":
        (result,) = child.parts
        assert isinstance(result, Type)
        words = "".join(f" {each}" for each in _words(qualifiers))
        plain = child.right.removesuffix("".join(f" {each}" for each in _words(child.qualifiers)))
        return child._replace(right=plain + words, qualifiers=qualifiers)
    name = child.parts[0] if child.parts else child.left
    return Type(" ".join([*_words(qualifiers), str(name)]), "", "name", qualifiers, (name,))


def _dimension(die: Die, language: int) -> tuple[int, int]:
    """Lower bound and count, -1 where it is not said or only at run time."""
    lower = number(die, "lower_bound")
    if lower is None:
        lower = 1 if language in _FORTRAN else 0
    count, upper = number(die, "count"), number(die, "upper_bound")
    if count is not None:
        return lower, count if 0 <= count < 1 << 63 else -1
    if upper is None:
        return lower, -1
    form = die.attributes["DW_AT_upper_bound"].form
    if lower == 0 and (upper in (-1, (1 << 64) - 1) or (form == "DW_FORM_data4" and upper == (1 << 32) - 1)):
        return lower, 0
    return lower, upper - lower + 1 if upper >= lower - 1 else -1


def _fortran_bounds(lower: int, count: int) -> str:
    if count < 0:
        return ":"
    return str(lower + count - 1) if lower == 1 else f"{lower}:{lower + count - 1}"
