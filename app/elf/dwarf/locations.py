"""DWARF location expressions and location lists to places: data that a script can use, and a text for people.

An expression is run over symbols instead of values: what is a register plus a number, read through memory any
number of times, stays data (register, offsets); any other arithmetic stays a text. An operation that is not
known, or a stack that does not fit, gives a place of kind ``unknown`` with its reason, never a guess.
Sources: DWARF 5, sections 2.5, 2.6, 7.7; DWARF 4, 7.7.3; GNU extensions in binutils' dwarf2.def.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from app.elf.cursor import Cursor
from app.elf.dwarf.registers import register_name

Kind = Literal["register", "memory", "value", "constant", "pieces", "thread", "unavailable", "unknown"]
CFA = "cfa"  # stands for a register: the canonical frame address
# More operations than this are no compiler's work.
_MOST_OPERATIONS = 1000
_MOST_ENTRIES = 10000
_DEEPEST = 8


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value is.

    register: in ``register``. memory: at an address, which is ``register`` plus ``offsets[0]``, read as a
    pointer and moved by ``offsets[1]``, and so on (without a register, from the number ``offsets[0]``).
    value: the value itself is that sum. constant: ``value``. pieces: each of ``pieces`` in turn, ``bits``
    long. thread: at ``offsets[0]`` of the thread's block. ``at_entry``: the register as it was when the
    function was entered. Where the sum is none, ``register`` is None, ``offsets`` empty, and ``text`` all.
    """

    kind: Kind
    text: str
    register: str | None = None
    offsets: tuple[int, ...] = ()
    at_entry: bool = False
    value: int | bytes | None = None
    bits: int | None = None
    pieces: tuple[Place, ...] = ()


@dataclass(frozen=True, slots=True)
class PlaceRange:
    """A place and the addresses where it holds; without them, wherever no other entry holds.

    Lists are long, and one entry is asked for: its expression is run then.
    """

    low: int | None
    high: int | None
    expression: bytes
    setting: Setting

    @property
    def place(self) -> Place:
        return place(self.expression, self.setting)


@dataclass(frozen=True, slots=True)
class Setting:
    """What an expression needs to know of its unit and function."""

    machine: str
    address_size: int = 8
    offset_size: int = 4
    version: int = 5
    big: bool = False
    base: int = 0  # the unit's base address
    frame_base: bytes | None = None
    address_at: Callable[[int], int | None] = lambda index: None  # entries of .debug_addr
    call: Callable[[int], bytes | None] = lambda offset: None  # DW_OP_call: the expression of another DIE
    split: bool = False


@dataclass(frozen=True, slots=True)
class _Term:
    """A symbolic number: register (or nothing) plus offsets[0], read through memory between offsets."""

    register: str | None = None
    offsets: tuple[int, ...] = (0,)
    at_entry: bool = False
    text: str | None = None  # of what is no such sum

    def plus(self, number: int) -> _Term:
        if self.text is not None:
            return _Term(text=f"{self.text} {'-' if number < 0 else '+'} {abs(number)}") if number else self
        return replace(self, offsets=(*self.offsets[:-1], self.offsets[-1] + number))

    def read(self) -> _Term:
        if self.text is not None:
            return _Term(text=f"*({self.text})")
        return replace(self, offsets=(*self.offsets, 0))

    @property
    def number(self) -> int | None:
        plain = self.text is None and self.register is None and len(self.offsets) == 1
        return self.offsets[0] if plain else None

    def spell(self) -> str:
        if self.text is not None:
            return self.text
        name = f"entry({self.register})" if self.at_entry else self.register
        first = self.offsets[0]
        number = hex(first) if first > 9 else str(first)
        text = number if name is None else name + _signed(first)
        for offset in self.offsets[1:]:
            text = f"*({text})" + _signed(offset)
        return text


class _Unknown(Exception):
    """The expression says nothing that is known here; the text says why."""


def _signed(number: int) -> str:
    return f"{number:+d}" if number else ""


_BINARY = {
    0x1A: "&", 0x1B: "/", 0x1C: "-", 0x1D: "%", 0x1E: "*", 0x21: "|", 0x22: "+", 0x24: "<<", 0x25: ">>",
    0x26: ">>", 0x27: "^", 0x29: "==", 0x2A: ">=", 0x2B: ">", 0x2C: "<=", 0x2D: "<", 0x2E: "!=",
}  # fmt: skip
_CONSTANTS = {0x08: (1, False), 0x09: (1, True), 0x0A: (2, False), 0x0B: (2, True), 0x0C: (4, False),
              0x0D: (4, True), 0x0E: (8, False), 0x0F: (8, True)}  # fmt: skip


class _Machine:
    def __init__(self, setting: Setting, depth: int = 0) -> None:
        self.setting = setting
        self.depth = depth
        self.stack: list[_Term] = []
        self.pieces: list[Place] = []
        self.done: Place | None = None  # a place that is no memory
        self.operations = 0

    def pop(self) -> _Term:
        if not self.stack:
            raise _Unknown("the expression takes more from its stack than lies there")
        return self.stack.pop()

    def run(self, expression: bytes) -> None:
        at = Cursor(expression, big=self.setting.big)
        while at.left:
            self.operations += 1
            if self.operations > _MOST_OPERATIONS:
                raise _Unknown("the expression has too many operations")
            self.step(at.u8(), at)
            if at.bad:
                raise _Unknown("the expression ends inside an operation")

    def step(self, op: int, at: Cursor) -> None:
        setting, stack = self.setting, self.stack
        if 0x30 <= op <= 0x4F:
            stack.append(_Term(offsets=(op - 0x30,)))
        elif 0x50 <= op <= 0x6F:
            self.in_register(op - 0x50)
        elif op == 0x90:
            self.in_register(at.uleb())
        elif 0x70 <= op <= 0x8F:
            stack.append(_Term(register_name(setting.machine, op - 0x70), (at.sleb(),)))
        elif op == 0x92:  # bregx
            number = at.uleb()
            stack.append(_Term(register_name(setting.machine, number), (at.sleb(),)))
        elif op in (0xA5, 0xF5):  # regval_type
            stack.append(_Term(register_name(setting.machine, at.uleb())))
            at.uleb()
        elif op == 0x03:
            stack.append(_Term(offsets=(at.number(setting.address_size),)))
        elif op in (0xA1, 0xFB, 0xA2, 0xFC):  # addrx, constx and their GNU forerunners
            address = setting.address_at(at.uleb())
            if address is None:
                raise _Unknown("its address lies in a table that is not at hand")
            stack.append(_Term(offsets=(address,)))
        elif op in _CONSTANTS:
            size, signed = _CONSTANTS[op]
            stack.append(_Term(offsets=(at.signed(size) if signed else at.number(size),)))
        elif op == 0x10:
            stack.append(_Term(offsets=(at.uleb(),)))
        elif op == 0x11:
            stack.append(_Term(offsets=(at.sleb(),)))
        elif op in (0xA4, 0xF4):  # const_type
            at.uleb()
            raw = at.bytes(at.u8())
            stack.append(_Term(offsets=(int.from_bytes(raw, "big" if setting.big else "little"),)))
        elif op == 0x91:
            stack.append(self.frame_base().plus(at.sleb()))
        elif op == 0x9C:
            stack.append(_Term(CFA))
        elif op == 0x06:
            stack.append(self.pop().read())
        elif op in (0x94, 0xA6, 0xF6):  # deref_size, deref_type
            at.u8()
            if op != 0x94:
                at.uleb()
            stack.append(self.pop().read())
        elif op in (0xA8, 0xF7, 0xA9, 0xF9):  # convert, reinterpret: the same bits
            at.uleb()
        elif op == 0x23:
            stack.append(self.pop().plus(at.uleb()))
        elif op in _BINARY:
            self.binary(op)
        elif op == 0x19:
            stack.append(_Term(text=f"abs({self.pop().spell()})"))
        elif op in (0x1F, 0x20):
            stack.append(_negated(self.pop(), op == 0x1F))
        elif op in (0x12, 0x13, 0x14, 0x15, 0x16, 0x17):
            self.shuffle(op, at)
        elif op in (0xA3, 0xF3):  # entry_value
            self.entry_value(at.bytes(at.uleb()))
        elif op == 0x9F:
            self.done = _value(self.pop())
        elif op == 0x9E:  # implicit_value
            raw = at.bytes(at.uleb())
            self.done = _implicit(raw, setting.big)
        elif op in (0xA0, 0xF2):  # implicit_pointer
            at.number(setting.address_size if setting.version < 3 else setting.offset_size)
            offset = at.sleb()
            self.done = Place("unavailable", f"a pointer to a value that is not in memory{_signed(offset)}")
        elif op in (0x9B, 0xE0):  # form_tls_address
            self.done = _in_thread(self.pop())
        elif op == 0x93:
            self.piece(at.uleb() * 8)
        elif op == 0x9D:
            bits = at.uleb()
            at.uleb()
            self.piece(bits)
        elif op in (0x98, 0x99):
            self.call(at.number(2 if op == 0x98 else 4))
        elif op == 0xF0:  # GNU_uninit: the value may not be set yet
            pass
        elif op != 0x96:
            raise _Unknown(f"the operation {op:#x} is not known here")

    def in_register(self, number: int) -> None:
        name = register_name(self.setting.machine, number)
        self.done = Place("register", name, register=name)

    def frame_base(self) -> _Term:
        expression = self.setting.frame_base
        if expression is None or self.depth >= _DEEPEST:
            raise _Unknown("the function's frame base is not known")
        inner = _Machine(replace(self.setting, frame_base=None), self.depth + 1)
        inner.run(expression)
        if inner.done is not None and inner.done.kind == "register":
            return _Term(inner.done.register)
        return inner.pop()

    def binary(self, op: int) -> None:
        right, left = self.pop(), self.pop()
        number, other = right.number, left.number
        if op == 0x22 and number is not None:
            self.stack.append(left.plus(number))
        elif op == 0x22 and other is not None:
            self.stack.append(right.plus(other))
        elif op == 0x1C and number is not None:
            self.stack.append(left.plus(-number))
        else:
            self.stack.append(_Term(text=f"({left.spell()} {_BINARY[op]} {right.spell()})"))

    def shuffle(self, op: int, at: Cursor) -> None:
        stack = self.stack
        depth = {0x12: 0, 0x14: 1}.get(op, 0)
        if op == 0x15:
            depth = at.u8()
        if op in (0x12, 0x14, 0x15):
            if depth >= len(stack):
                raise _Unknown("the expression takes more from its stack than lies there")
            stack.append(stack[-1 - depth])
        elif op == 0x13:
            self.pop()
        elif op == 0x16:
            one, two = self.pop(), self.pop()
            stack += [one, two]
        else:
            one, two, three = self.pop(), self.pop(), self.pop()
            stack += [one, three, two]

    def entry_value(self, expression: bytes) -> None:
        if self.depth >= _DEEPEST:
            raise _Unknown("the expression is nested too deeply")
        inner = _Machine(self.setting, self.depth + 1)
        inner.run(expression)
        if inner.done is not None and inner.done.kind == "register":
            self.stack.append(_Term(inner.done.register, at_entry=True))
        else:
            self.stack.append(replace(inner.pop(), at_entry=True))

    def call(self, offset: int) -> None:
        expression = self.setting.call(offset)
        if expression is None or self.depth >= _DEEPEST:
            raise _Unknown("it calls an expression that is not at hand")
        self.depth += 1
        self.run(expression)
        self.depth -= 1

    def piece(self, bits: int) -> None:
        if self.done is not None:
            place = self.done
        elif self.stack:
            place = _memory(self.pop())
        else:
            place = Place("unavailable", "not available")
        self.done = None
        self.pieces.append(replace(place, bits=bits))

    def result(self) -> Place:
        if self.pieces:
            text = ", ".join(f"{piece.text} ({piece.bits} bits)" for piece in self.pieces)
            return Place("pieces", text, pieces=tuple(self.pieces))
        return self.done if self.done is not None else _memory(self.pop())


def _memory(term: _Term) -> Place:
    return Place(
        "memory", f"[{term.spell()}]", term.register, () if term.text else term.offsets, term.at_entry
    )


def _negated(term: _Term, minus: bool) -> _Term:
    number = term.number
    if number is None:
        return _Term(text=f"{'-' if minus else '~'}({term.spell()})")
    return _Term(offsets=(-number if minus else ~number,))


def _implicit(raw: bytes, big: bool) -> Place:
    if len(raw) > 16:
        return Place("constant", f"{len(raw)} bytes", value=raw)
    number = int.from_bytes(raw, "big" if big else "little")
    return Place("constant", str(number), value=number)


def _in_thread(term: _Term) -> Place:
    number = term.number
    return Place("thread", f"thread block + {term.spell()}", offsets=() if number is None else (number,))


def _value(term: _Term) -> Place:
    number = term.number
    if number is not None:
        return Place("constant", str(number), value=number)
    return Place("value", term.spell(), term.register, () if term.text else term.offsets, term.at_entry)


def place(expression: bytes, setting: Setting) -> Place:
    """Where the value is that ``expression`` describes; an empty one says that it is nowhere."""
    if not expression:
        return Place("unavailable", "not available")
    machine = _Machine(setting)
    try:
        machine.run(expression)
        return machine.result()
    except _Unknown as reason:
        return Place("unknown", f"not known: {reason}")


def location_list(
    section: bytes | bytearray | memoryview, offset: int, setting: Setting
) -> tuple[PlaceRange, ...]:
    """The list at ``offset`` of .debug_loclists (DWARF 5) or .debug_loc; what is cut off is left out."""
    at = Cursor(section, offset, setting.big)
    entries = _entries(at, setting) if setting.version >= 5 else _old_entries(at, setting)
    found: list[PlaceRange] = []
    for low, high, expression in entries:
        if at.bad or len(found) >= _MOST_ENTRIES:
            break
        found.append(PlaceRange(low, high, expression, setting))
    return tuple(found)


def place_at(ranges: tuple[PlaceRange, ...], address: int) -> Place | None:
    """The place that holds at ``address``; None where the list is silent."""
    for entry in ranges:
        if entry.low is not None and entry.high is not None and entry.low <= address < entry.high:
            return entry.place
    return next((entry.place for entry in ranges if entry.low is None), None)


_Entry = tuple[int | None, int | None, bytes]


def _entries(at: Cursor, setting: Setting) -> Iterator[_Entry]:
    base: int | None = setting.base
    size = setting.address_size
    indexed = setting.address_at
    while not at.bad:
        kind = at.u8()
        low: int | None = None
        high: int | None = None
        if kind == 0:
            return
        if kind == 1:
            base = indexed(at.uleb())
            continue
        if kind == 6:
            base = at.number(size)
            continue
        if kind == 9:  # a pair of views, which belongs to the entry behind it
            at.uleb()
            at.uleb()
            continue
        if kind == 2:
            low, high = indexed(at.uleb()), indexed(at.uleb())
        elif kind == 3:
            low, length = indexed(at.uleb()), at.uleb()
            high = None if low is None else low + length
        elif kind == 4:
            first, last = at.uleb(), at.uleb()
            low, high = (None, None) if base is None else (base + first, base + last)
        elif kind == 7:
            low, high = at.number(size), at.number(size)
        elif kind == 8:
            low = at.number(size)
            high = low + at.uleb()
        elif kind != 5:
            return
        expression = at.bytes(at.uleb())
        if kind == 5 or (low is not None and high is not None):
            yield low, high, expression


def _old_entries(at: Cursor, setting: Setting) -> Iterator[_Entry]:
    if setting.split:
        yield from _split_entries(at, setting)
        return
    base, size = setting.base, setting.address_size
    highest = (1 << 8 * size) - 1
    while not at.bad:
        first, last = at.number(size), at.number(size)
        if first == highest:
            base = last
        elif first == 0 and last == 0:
            return
        else:
            yield base + first, base + last, at.bytes(at.number(2))


def _split_entries(at: Cursor, setting: Setting) -> Iterator[_Entry]:
    """GNU's lists of .debug_loc.dwo in DWARF 4: a kind, indices, then a length of two bytes."""
    base: int | None = setting.base
    while not at.bad:
        kind = at.u8()
        if kind == 0:
            return
        if kind == 1:
            base = setting.address_at(at.uleb())
            continue
        if kind == 2:
            low, high = setting.address_at(at.uleb()), setting.address_at(at.uleb())
        elif kind == 3:
            low = setting.address_at(at.uleb())
            length = at.number(4)
            high = None if low is None else low + length
        elif kind == 4:
            first, last = at.number(4), at.number(4)
            low, high = (None, None) if base is None else (base + first, base + last)
        else:
            return
        expression = at.bytes(at.number(2))
        if low is not None and high is not None:
            yield low, high, expression
