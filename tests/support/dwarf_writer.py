"""Minimal .debug_abbrev and .debug_info by code, for what no compiler writes. Source: DWARF 5, section 7.5."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

# Forms by the names that the tests use.
FORMS = {"text": 0x08, "data1": 0x0B, "data2": 0x05, "data4": 0x06, "ref4": 0x13, "addr": 0x01, "flag": 0x0C}
FORMS |= {"expression": 0x18, "sig8": 0x20, "alt": 0x1F20, "udata": 0x0F, "sdata": 0x0D, "strx1": 0x25}
_PACK = {"data1": "B", "data2": "H", "data4": "I", "ref4": "I", "addr": "Q", "flag": "B", "sig8": "Q"}
_PACK |= {"alt": "I", "strx1": "B"}


def uleb(value: int) -> bytes:
    made = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        made.append(low | (0x80 if value else 0))
        if not value:
            return bytes(made)


@dataclass
class Die:
    """A DIE: its tag, its attributes as (name, form, value), its children. A Die as value is a reference."""

    tag: int
    attributes: list[tuple[int, str, object]] = field(default_factory=list)
    children: list[Die] = field(default_factory=list)


@dataclass
class Written:
    big: bool = False
    abbrev: bytearray = field(default_factory=bytearray)
    info: bytearray = field(default_factory=bytearray)
    offsets: dict[int, int] = field(default_factory=dict)  # by id() of a Die
    _codes: dict[object, int] = field(default_factory=dict)
    _later: list[tuple[int, Die]] = field(default_factory=list)

    @property
    def order(self) -> str:
        return ">" if self.big else "<"

    def sections(self) -> dict[str, bytes]:
        return {".debug_abbrev": bytes(self.abbrev) + b"\0", ".debug_info": bytes(self.info)}

    def unit(self, die: Die, version: int = 5) -> None:
        """Appends a compile unit whose first DIE this is."""
        start = len(self.info)
        header = struct.pack(self.order + "IHBBI", 0, version, 1, 8, 0)
        if version < 5:
            header = struct.pack(self.order + "IHIB", 0, version, 0, 8)
        self.info += header
        self._write(die, start)
        struct.pack_into(self.order + "I", self.info, start, len(self.info) - start - 4)
        for place, target in self._later:
            struct.pack_into(self.order + "I", self.info, place, self.offsets[id(target)] - start)
        self._later.clear()

    def _code(self, die: Die) -> int:
        shape = (die.tag, tuple((name, form) for name, form, _ in die.attributes), bool(die.children))
        if shape not in self._codes:
            self._codes[shape] = len(self._codes) + 1
            self.abbrev += uleb(self._codes[shape]) + uleb(die.tag) + bytes([bool(die.children)])
            for name, form in shape[1]:
                self.abbrev += uleb(name) + uleb(FORMS[form])
            self.abbrev += b"\0\0"
        return self._codes[shape]

    def _write(self, top: Die, start: int) -> None:
        stack: list[Die | None] = [top]
        while stack:
            die = stack.pop()
            if die is None:
                self.info += b"\0"
                continue
            self.offsets[id(die)] = len(self.info)
            self.info += uleb(self._code(die))
            for _, form, value in die.attributes:
                self._value(form, value)
            if die.children:
                stack += [None, *reversed(die.children)]

    def _value(self, form: str, value: object) -> None:
        if isinstance(value, Die):
            self._later.append((len(self.info), value))
            value = 0
        if form == "text":
            self.info += str(value).encode() + b"\0"
        elif form == "expression":
            assert isinstance(value, bytes)
            self.info += uleb(len(value)) + value
        elif form in ("udata", "sdata"):
            assert isinstance(value, int)
            self.info += uleb(value)
        else:
            self.info += struct.pack(self.order + _PACK[form], value)
