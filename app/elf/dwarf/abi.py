"""Types of parameters to the registers and stack slots that a calling convention puts them in at a call.

System V for x86-64 with the Itanium C++ rules (non-trivial classes by invisible reference, hidden pointer for
results in memory), AAPCS64 for AArch64. A value that needs more registers than are left goes to the stack.
Sources: System V ABI for x86-64, section 3.2.3; Procedure Call Standard for the Arm 64-bit Architecture,
section 6.8; Itanium C++ ABI, section 3.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from app.elf.dwarf.declarators import (
    POINTERS,
    STRUCTS,
    Budget,
    bare,
    dimensions,
    is_cpp,
    size_of,
    target,
    whole,
)
from app.elf.dwarf.dies import LONGEST_CHAIN, At, Class, Die, Tag

X86_INTEGERS = ("rdi", "rsi", "rdx", "rcx", "r8", "r9")
X86_VECTORS = tuple(f"xmm{i}" for i in range(8))
ARM_INTEGERS = tuple(f"x{i}" for i in range(8))
ARM_VECTORS = tuple(f"v{i}" for i in range(8))
_COMPLEX, _FLOAT, _DECIMAL = 3, 4, 15  # DW_ATE
_BY_REFERENCE, _BY_VALUE = 4, 5  # DW_CC of a class
# Members of members: no class that fits two registers has more.
_MOST_FIELDS = 256


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a value is passed: in ``registers``, at ``offset`` from the first stack argument, or nowhere.

    reference: a pointer to it is passed there, not the value. lost: what follows is not known either.
    """

    kind: Literal["registers", "stack", "nothing", "unknown"]
    registers: tuple[str, ...] = ()
    offset: int | None = None
    reference: bool = False
    reason: str | None = None
    lost: bool = False


# A value whose size is not known.
LOST = Slot("unknown", reason="the size of its type is not known", lost=True)


@dataclass(frozen=True, slots=True)
class Field:
    """A scalar somewhere in a type."""

    offset: int
    size: int
    kind: Literal["integer", "float", "x87", "vector"]
    alignment: int


class _TooMany(Exception):
    """More fields than any convention puts into registers."""


def fields(die: Die | None, at: int, budget: Budget) -> Iterator[Field]:
    """The scalars that a type consists of; raises nothing to its caller but ``_TooMany``."""
    found = whole(bare(die))
    size = size_of(found) or 0
    if found is None or not budget.spend():
        raise _TooMany
    if found.tag in STRUCTS or found.tag == Tag.union_type:
        for child in found.children:
            if child.tag in (Tag.member, Tag.inheritance) and not child.flag(At.external):
                yield from _member_fields(child, found, at, budget)
    elif found.tag == Tag.array_type:
        yield from _array_fields(found, size, at, budget)
    else:
        yield from _scalar(found, size, at)


def _member_fields(member: Die, holder: Die, at: int, budget: Budget) -> Iterator[Field]:
    offset = member.number(At.data_member_location)
    bits = member.number(At.bit_size)
    start = member.number(At.data_bit_offset)
    if bits is not None:
        place = at + ((offset or 0) if start is None else start // 8)
        yield Field(place, max((bits + 7) // 8, 1), "integer", 1)
        return
    if offset is None and holder.tag != Tag.union_type:
        if At.data_member_location in member.attributes:
            raise _TooMany  # a place that is computed: a virtual base
        return
    yield from fields(member.reference(At.type), at + (offset or 0), budget)


def _array_fields(die: Die, size: int, at: int, budget: Budget) -> Iterator[Field]:
    if die.flag(At.gnu_vector):
        yield Field(at, size, "vector", size)
        return
    inner = target(die)[0]
    step = size_of(inner) or 0
    count = 1
    for dimension in dimensions(die):
        count *= dimension or 0
    if count > _MOST_FIELDS:
        raise _TooMany
    for index in range(count):
        yield from fields(inner, at + index * step, budget)


def _scalar(die: Die, size: int, at: int) -> Iterator[Field]:
    encoding = die.number(At.encoding)
    name = die.name or ""
    if die.tag == Tag.base_type and encoding == _COMPLEX:
        yield from (
            Field(at + index * size // 2, size // 2, _float_kind(size // 2, name), size // 2)
            for index in (0, 1)
        )
    elif die.tag == Tag.base_type and encoding in (_FLOAT, _DECIMAL):
        yield Field(at, size, _float_kind(size, name), size)
    elif die.tag == Tag.ptr_to_member_type:
        function = whole(bare(target(die)[0]))
        words = 2 if function is not None and function.tag == Tag.subroutine_type else 1
        word = die.unit.address_size
        yield from (Field(at + index * word, word, "integer", word) for index in range(words))
    elif die.tag in (Tag.base_type, Tag.enumeration_type, Tag.unspecified_type) or die.tag in POINTERS:
        size = size or die.unit.address_size
        yield Field(at, size, "integer", size)
    else:
        raise _TooMany


def _float_kind(size: int, name: str) -> Literal["float", "x87", "vector"]:
    if size <= 8:
        return "float"
    return "vector" if "128" in name else "x87"


def by_reference(die: Die | None) -> bool:
    """Whether C++ passes an object of the type by an invisible reference: it cannot be copied bit by bit."""
    found = whole(bare(die))
    if found is None or found.tag not in STRUCTS or not is_cpp(found):
        return False
    convention = found.number(At.calling_convention)
    if convention in (_BY_REFERENCE, _BY_VALUE):
        return convention == _BY_REFERENCE
    return _is_special(found, Budget(_MOST_FIELDS))


def _is_special(die: Die, budget: Budget) -> bool:
    """Own copy constructor or destructor, or virtual functions, here or in a base or member."""
    if not budget.spend():
        return False
    name = (die.name or "").split("<")[0]
    for child in die.children:
        if child.tag == Tag.subprogram:
            own = not child.flag(At.artificial) and not child.number(At.defaulted)
            if own and child.name == f"~{name}":
                return True
            if own and child.name == name and _copies(child, die):
                return True
            if child.number(At.virtuality):
                return True
        elif child.tag in (Tag.inheritance, Tag.member) and not child.flag(At.external):
            if child.tag == Tag.inheritance and child.number(At.virtuality):
                return True
            inner = whole(bare(child.reference(At.type)))
            if inner is not None and inner.tag in STRUCTS and _is_special(inner, budget):
                return True
    return False


def _copies(constructor: Die, holder: Die) -> bool:
    parameters = [child for child in constructor.children if child.tag == Tag.formal_parameter]
    explicit = [child for child in parameters if not child.flag(At.artificial)]
    if not explicit:
        return False
    reference = explicit[0].reference(At.type)
    if reference is None or reference.tag not in (Tag.reference_type, Tag.rvalue_reference_type):
        return False
    copied = bare(target(reference)[0])
    return copied is not None and copied.key == holder.key


def _listed(die: Die | None) -> list[Field] | None:
    """All scalars of a type; None where they are too many, or one is not known."""
    found: list[Field] = []
    try:
        for item in fields(die, 0, Budget(_MOST_FIELDS)):
            found.append(item)
            if len(found) > _MOST_FIELDS:
                return None
    except _TooMany:
        return None
    return found


def eightbytes(die: Die | None) -> list[str] | None:
    """The classes INTEGER and SSE of each eight bytes of a type on x86-64; None for MEMORY.

    A vector longer than 8 bytes is one SSE, whatever its length.
    """
    size = size_of(die)
    listed = _listed(die)
    if size is None or listed is None:
        return None
    if len(listed) == 1 and listed[0].kind == "vector":
        return ["SSE"]
    if size > 16:
        return None
    classes = [""] * ((size + 7) // 8)
    for item in listed:
        if item.kind in ("x87", "vector") or item.offset % item.alignment:
            return None
        for index in range(item.offset // 8, (item.offset + item.size + 7) // 8):
            if index < len(classes):
                integer = item.kind == "integer" or classes[index] == "INTEGER"
                classes[index] = "INTEGER" if integer else "SSE"
    # Eight bytes of padding alone take no register.
    return [name for name in classes if name]


def returns_in_memory(machine: str, die: Die | None) -> bool:
    """Whether the caller passes a hidden pointer to where the result goes."""
    if die is None or whole(bare(die)) is None:
        return False
    if by_reference(die):
        return True
    found = whole(bare(die))
    if found is None or (found.tag not in STRUCTS and found.tag not in (Tag.union_type, Tag.array_type)):
        return False
    if machine == "aarch64":
        return (size_of(die) or 0) > 16 and not homogeneous(die)
    # A long double alone goes back in st0.
    listed = _listed(die)
    alone = listed is not None and len(listed) == 1 and listed[0].kind == "x87"
    return eightbytes(die) is None and not alone


def homogeneous(die: Die | None) -> int:
    """How many members a homogeneous float or vector aggregate has; 0 for any other type."""
    listed = _listed(die)
    if not listed or len(listed) > 4:
        return 0
    first = listed[0]
    same = all(item.kind in ("float", "x87", "vector") and item.size == first.size for item in listed)
    return len(listed) if same and len({item.offset for item in listed}) == len(listed) else 0


def alignment_of(die: Die | None) -> int:
    for _ in range(LONGEST_CHAIN):
        if die is None:
            return 1
        found = die.number(At.alignment)
        if found:
            return found
        if die.tag != Tag.typedef and die.kind(At.type) != Class.REFERENCE:
            break
        if die.tag in POINTERS or die.tag == Tag.array_type:
            break
        die = die.reference(At.type)
    listed = _listed(die)
    if listed is None:
        return 8
    return max((item.alignment for item in listed), default=1)


class X86:
    """Gives the parameters of one call their places, in order, on x86-64.

    ``splits``: clang before 18, which takes an __int128 for two longs: half may go to the last register.
    """

    def __init__(self, hidden_result: bool, splits: bool = False) -> None:
        self._splits = splits
        self._integers = list(X86_INTEGERS[1 if hidden_result else 0 :])
        self._vectors = list(X86_VECTORS)
        self._stack = 0

    def place(self, die: Die | None) -> Slot:
        if by_reference(die):
            return self._take(["INTEGER"], 8, 8, reference=True)
        size = size_of(die)
        if size is None:
            return LOST
        classes = eightbytes(die)
        scalar = whole(bare(die))
        if self._splits and classes == ["INTEGER"] * 2 and scalar is not None and scalar.tag == Tag.base_type:
            return self._halves()
        if size == 0 or classes == []:
            return Slot("nothing", reason="an empty type is not passed")
        return self._take(classes, size, alignment_of(die))

    def _halves(self) -> Slot:
        if len(self._integers) != 1:
            return self._take(["INTEGER"] * 2, 16, 8)
        self._take(["INTEGER"], 8, 8)
        self._take(None, 8, 8)
        return Slot("unknown", reason="clang passes half of it in a register and half on the stack")

    def _take(self, classes: list[str] | None, size: int, alignment: int, reference: bool = False) -> Slot:
        if classes is not None:
            integers, vectors = classes.count("INTEGER"), classes.count("SSE")
            if integers <= len(self._integers) and vectors <= len(self._vectors):
                pools = {"INTEGER": self._integers, "SSE": self._vectors}
                return Slot("registers", tuple(pools[name].pop(0) for name in classes), None, reference)
        step = 16 if alignment >= 16 else 8
        self._stack = -(-self._stack // step) * step
        slot = Slot("stack", offset=self._stack, reference=reference)
        self._stack += -(-size // 8) * 8
        return slot


class Arm64:
    """Gives the parameters of one call their places, in order, on AArch64."""

    def __init__(self, hidden_result: bool) -> None:
        # The hidden pointer is in x8, which is no argument's.
        self._integer = 0
        self._vector = 0
        self._stack = 0

    def place(self, die: Die | None) -> Slot:
        size = size_of(die)
        if size is None:
            return LOST
        if by_reference(die):
            return self._take(1, 8, 8, True)
        if size == 0:
            return Slot("nothing", reason="an empty type is not passed")
        count = homogeneous(die)
        if count:
            return self._take_vectors(count, size, alignment_of(die))
        if size > 16:
            return self._take(1, 8, 8, True)
        return self._take((size + 7) // 8, size, alignment_of(die), False)

    def _take_vectors(self, count: int, size: int, alignment: int) -> Slot:
        if self._vector + count <= 8:
            first = self._vector
            self._vector += count
            return Slot("registers", ARM_VECTORS[first : first + count])
        self._vector = 8
        return self._push(size, alignment, False)

    def _take(self, count: int, size: int, alignment: int, reference: bool) -> Slot:
        if alignment >= 16 and count == 2:
            self._integer += self._integer % 2
        if self._integer + count <= 8:
            first = self._integer
            self._integer += count
            return Slot("registers", ARM_INTEGERS[first : first + count], None, reference)
        self._integer = 8
        return self._push(size, alignment, reference)

    def _push(self, size: int, alignment: int, reference: bool) -> Slot:
        step = 16 if alignment >= 16 else 8
        self._stack = -(-self._stack // step) * step
        slot = Slot("stack", offset=self._stack, reference=reference)
        self._stack += -(-size // 8) * 8
        return slot
