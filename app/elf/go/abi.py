"""Go's parameters to registers and stack slots: its register ABI from 1.17 on, the stack before.

A value goes into registers whole or to the stack whole; arrays longer than one are never in registers.
Results are no parameters of the call. Source: Go's internal ABI (src/cmd/compile/abi-internal.md).
"""

from __future__ import annotations

import re

from app.elf.dwarf.abi import LOST, Slot
from app.elf.dwarf.declarators import POINTERS, STRUCTS, Budget, bare, dimensions, size_of, target, whole
from app.elf.dwarf.dies import At, Die, Tag

_INTEGERS = {
    "x86_64": ("rax", "rbx", "rcx", "rdi", "rsi", "r8", "r9", "r10", "r11"),
    "aarch64": tuple(f"x{i}" for i in range(16)),
}
_FLOATS = {
    "x86_64": tuple(f"xmm{i}" for i in range(15)),
    "aarch64": tuple(f"v{i}" for i in range(16)),
}
# Types in types: no value in registers has more.
_MOST_PARTS = 256
_VERSION = re.compile(r"\bgo1\.(\d+)")
# Since when the register ABI is used.
_SINCE = {"x86_64": 17, "aarch64": 18}


def uses_registers(machine: str, producer: str) -> bool | None:
    """Whether the compiler that made the unit passes in registers; None where it does not say its version."""
    found = _VERSION.search(producer)
    if found is None:
        return None
    return int(found[1]) >= _SINCE.get(machine, 1 << 30)


class _NoFit(Exception):
    """The value does not go into registers."""


class Go:
    """Gives the parameters of one call their places, the receiver first."""

    def __init__(self, machine: str, registers: bool) -> None:
        self._integers = _INTEGERS.get(machine, ()) if registers else ()
        self._floats = _FLOATS.get(machine, ()) if registers else ()
        self._integer = 0
        self._float = 0
        self._stack = 0

    def place(self, die: Die | None) -> Slot:
        size = _size(die)
        if size is None:
            return LOST
        if size == 0:
            return Slot("nothing", reason="an empty type is not passed")
        before = self._integer, self._float
        taken: list[str] = []
        try:
            self._assign(die, taken, Budget(_MOST_PARTS))
            return Slot("registers", tuple(taken))
        except _NoFit:
            self._integer, self._float = before
        step = _alignment(die, Budget(_MOST_PARTS))
        self._stack = -(-self._stack // step) * step
        slot = Slot("stack", offset=self._stack)
        self._stack += size
        return slot

    def _assign(self, die: Die | None, taken: list[str], budget: Budget) -> None:
        found = whole(bare(die))
        if found is None or not budget.spend():
            raise _NoFit
        if found.tag in STRUCTS:
            for child in found.children:
                if child.tag == Tag.member:
                    self._assign(child.reference(At.type), taken, budget)
        elif found.tag == Tag.array_type:
            counts = dimensions(found)
            if counts not in ([1], [0]):
                raise _NoFit
            if counts == [1]:
                self._assign(target(found)[0], taken, budget)
        else:
            encoding = found.number(At.encoding)
            if encoding == 3:
                self._take(True, taken)
            self._take(encoding in (3, 4), taken)

    def _take(self, is_float: bool, taken: list[str]) -> None:
        if is_float:
            if self._float >= len(self._floats):
                raise _NoFit
            taken.append(self._floats[self._float])
            self._float += 1
        else:
            if self._integer >= len(self._integers):
                raise _NoFit
            taken.append(self._integers[self._integer])
            self._integer += 1


def _size(die: Die | None) -> int | None:
    found = whole(bare(die))
    if found is not None and found.tag == Tag.subroutine_type:
        return found.unit.address_size  # a closure's pointer
    return size_of(found)


def _alignment(die: Die | None, budget: Budget) -> int:
    found = whole(bare(die))
    if found is None or not budget.spend():
        return 1
    if found.tag in STRUCTS:
        inner = [
            _alignment(child.reference(At.type), budget)
            for child in found.children
            if child.tag == Tag.member
        ]
        return max(inner, default=1)
    if found.tag == Tag.array_type:
        return _alignment(target(found)[0], budget)
    size = _size(found) or 1
    if found.tag in POINTERS or found.number(At.encoding) != 3:
        return min(size, 8)
    return min(size // 2, 8)
