"""A glob or a regular expression to choices of bytes and gaps, which the core matches at the speed of memory.

Choices hold at least what the expression matches; ``exact`` says that they hold nothing else. None stands for
an expression that has no such form, or too large a one. Where the core's answer is not exact RE2 decides, so
what is not understood here (word boundaries, repeated groups) costs time and no answer.
Syntax: https://github.com/google/re2/wiki/Syntax, read as Latin-1, a line at a time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from app.elf.search.scan import Choice, Letter

_CHOICES = 32  # alternatives up to which groups are multiplied out
_ITEMS = 512
_NEWLINE = 1 << 10
_ALL = (1 << 256) - 1
ANY = _ALL & ~_NEWLINE
_SPACE = sum(1 << byte for byte in b"\t\n\f\r ")
_DIGIT = sum(1 << byte for byte in b"0123456789")
_WORD = sum(1 << byte for byte in b"_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_CLASSES = {
    "d": _DIGIT,
    "D": _ALL & ~_DIGIT,
    "w": _WORD,
    "W": _ALL & ~_WORD,
    "s": _SPACE,
    "S": _ALL & ~_SPACE,
}
_CONTROLS = {"a": 7, "t": 9, "n": 10, "v": 11, "f": 12, "r": 13}
_REPEATED = re.compile(r"\{(\d{1,4})(?:(,)(\d{1,4})?)?\}")
Place = Letter | int


@dataclass(frozen=True, slots=True)
class _Gap:
    """Any text; ``loose`` where the expression takes only some, ``back`` of it like so many places before."""

    loose: bool
    back: int = 0


class _Edge:
    """The start or the end of a line."""


_START, _END, _GAP = _Edge(), _Edge(), _Gap(False)
_Item = Place | _Gap | _Edge
_Sequence = tuple[_Item, ...]


class _NotUnderstood(Exception):
    pass


@dataclass(frozen=True, slots=True)
class Plan:
    """Choices for ``scan.mark``."""

    choices: tuple[Choice, ...]
    exact: bool

    @property
    def selective(self) -> bool:
        """Whether each choice has letters to look for, which keep most lines out."""
        return all(
            any(sum(isinstance(place, Letter) for place in segment) > 1 for segment in choice.segments)
            for choice in self.choices
        )


def of_glob(text: bytes, fold: bool) -> Plan:
    """``*``, ``?`` and ``[...]`` of the shell over whole names; everything else is itself."""
    items: list[_Item] = [_START]
    at = 0
    while at < len(text):
        sign = text[at : at + 1]
        at += 1
        if sign == b"*":
            items.append(_GAP)
        elif sign == b"?":
            items.append(ANY)
        elif sign == b"[" and (close := text.find(b"]", at + 1)) > 0:
            items.append(_shell_class(text[at:close], fold))
            at = close + 1
        else:
            items.append(_letter(sign[0], fold))
    choice, _ = _choice((*items, _END))
    return Plan((choice,), True)


def _shell_class(inside: bytes, fold: bool) -> int:
    negated = inside[:1] in (b"!", b"^")
    inside = inside[negated:]
    found, at = 0, 0
    while at < len(inside):
        ranged = inside[at + 1 : at + 2] == b"-" and at + 2 < len(inside)
        for byte in range(inside[at], inside[at + 2 if ranged else at] + 1):
            found |= _letter_set(byte, fold)
        at += 3 if ranged else 1
    return (_ALL & ~found if negated else found) & ~_NEWLINE


def of_regex(text: bytes, fold: bool) -> Plan | None:
    """Of an expression that RE2 takes."""
    source = text.decode("latin-1")
    if source.startswith("(?i)"):
        source, fold = source[4:], True
    reader = _Reader(source, fold)
    try:
        sequences = reader.alternatives()
        if reader.at < len(source):
            return None
        made = [_choice(sequence) for sequence in sequences]
    except (_NotUnderstood, RecursionError):
        return None
    return Plan(tuple(choice for choice, _ in made), reader.exact and all(exact for _, exact in made))


def _letter(byte: int, fold: bool) -> Letter:
    lower = byte | 0x20 if 0x41 <= byte <= 0x5A else byte
    return Letter(lower, True) if fold and 0x61 <= lower <= 0x7A else Letter(byte)


def _letter_set(byte: int, fold: bool) -> int:
    letter = _letter(byte, fold)
    return 1 << letter.value | (1 << (letter.value & ~0x20) if letter.fold else 0)


class _Reader:
    """Recursive descent: a group in a group is a call in a call."""

    def __init__(self, source: str, fold: bool) -> None:
        self.source, self.fold = source, fold
        self.at = 0
        self.exact = True

    def _next(self) -> str:
        return self.source[self.at : self.at + 1]

    def alternatives(self) -> list[_Sequence]:
        found = self._sequences()
        while self._next() == "|":
            self.at += 1
            found += self._sequences()
        if len(found) > _CHOICES or any(len(sequence) > _ITEMS for sequence in found):
            raise _NotUnderstood
        return found

    def _sequences(self) -> list[_Sequence]:
        made: list[_Sequence] = [()]
        while self._next() and self._next() not in "|)":
            made = self._followed(made, self._repeated(self._atom()))
        return made

    def _followed(self, made: list[_Sequence], more: list[_Sequence]) -> list[_Sequence]:
        if len(made) * len(more) <= _CHOICES:
            return [(*first, *second) for first in made for second in more]
        self.exact = False
        return [(*first, _Gap(True)) for first in made]

    def _atom(self) -> list[_Sequence]:
        sign = self._next()
        self.at += 1
        if sign == "(":
            return self._group()
        if sign == "[":
            return [(self._class(),)]
        if sign == "\\":
            return self._escape()
        if sign == ".":
            return [(ANY,)]
        if sign in "^$":
            return [(_START if sign == "^" else _END,)]
        return [(_letter(ord(sign), self.fold),)]

    def _group(self) -> list[_Sequence]:
        if self._next() == "?":
            named = re.compile(r"\?(?::|P?<\w+>)").match(self.source, self.at)
            if named is None:
                raise _NotUnderstood
            self.at = named.end()
        found = self.alternatives()
        self.at += 1
        return found

    def _escape(self) -> list[_Sequence]:
        sign = self._next()
        self.at += 1
        if sign in ("b", "B"):
            self.exact = False
            return [()]
        place = self._escaped(sign)
        return [(place,)]

    def _escaped(self, sign: str) -> Place:
        if sign in _CLASSES:
            return _CLASSES[sign] & ~_NEWLINE
        if sign in _CONTROLS:
            return Letter(_CONTROLS[sign])
        if sign == "x":
            digits = re.compile(r"([0-9A-Fa-f]{2})|\{([0-9A-Fa-f]{1,2})\}").match(self.source, self.at)
            if digits is None:
                raise _NotUnderstood
            self.at = digits.end()
            return _letter(int(digits[1] or digits[2], 16), self.fold)
        if sign.isalnum() or not sign:
            raise _NotUnderstood
        return _letter(ord(sign), self.fold)

    def _class(self) -> int:
        negated = self._next() == "^"
        self.at += negated
        found, first = 0, True
        while first or self._next() != "]":
            first = False
            low = self._member()
            if isinstance(low, int):
                found |= low
                continue
            high = low
            if self._next() == "-" and self.source[self.at + 1 : self.at + 2] not in ("]", ""):
                self.at += 1
                end = self._member()
                if isinstance(end, int):
                    raise _NotUnderstood
                high = end
            for byte in range(low.value, high.value + 1):
                found |= _letter_set(byte, self.fold)
        self.at += 1
        return (_ALL & ~found if negated else found) & ~_NEWLINE

    def _member(self) -> Place:
        """One letter of a class, its case as written, or a set."""
        sign = self._next()
        self.at += 1
        if not sign or (sign == "[" and self._next() == ":"):
            raise _NotUnderstood
        if sign != "\\":
            return Letter(ord(sign))
        sign = self._next()
        self.at += 1
        fold, self.fold = self.fold, False
        place = self._escaped(sign)
        self.fold = fold
        return _CLASSES[sign] if isinstance(place, int) else place

    def _repeated(self, atom: list[_Sequence]) -> list[_Sequence]:
        while True:
            sign = self._next()
            counted = _REPEATED.match(self.source, self.at) if sign == "{" else None
            if sign not in ("*", "+", "?") and counted is None:
                return atom
            self.at = counted.end() if counted else self.at + 1
            if self._next() == "?":
                self.at += 1
            if counted:
                atom = self._counted(atom, counted)
            elif sign == "?":
                atom = [*atom, ()] if len(atom) < _CHOICES else [(_Gap(True),)]
            elif sign == "*":
                atom = [(_GAP if atom == [(ANY,)] else _Gap(True),)]
            else:
                atom = self._more(atom)

    def _more(self, atom: list[_Sequence]) -> list[_Sequence]:
        """At least once."""
        if atom == [(ANY,)]:
            return [(ANY, _GAP)]
        single = len(atom) == 1 and all(isinstance(item, Letter | int) for item in atom[0])
        return [(*sequence, _Gap(True, len(sequence) if single else 0)) for sequence in atom]

    def _counted(self, atom: list[_Sequence], counted: re.Match[str]) -> list[_Sequence]:
        least = int(counted[1])
        made: list[_Sequence] = [()]
        for _ in range(least):
            made = self._followed(made, atom)
            if sum(map(len, made)) > _ITEMS:
                raise _NotUnderstood
        if counted[2] is None:
            return made
        tail = _GAP if atom == [(ANY,)] and counted[3] is None else _Gap(True)
        return [(*sequence, tail) for sequence in made]


def _choice(sequence: _Sequence) -> tuple[Choice, bool]:
    """The segments of one alternative, and whether they are all that it says."""
    items = list(sequence)
    exact = True
    start = end = False
    while items and items[0] is _START:
        start = True
        del items[0]
    while items and items[-1] is _END:
        end = True
        del items[-1]
    if any(isinstance(item, _Edge) for item in items):
        exact = False  # an edge inside: hardly ever a match
        items = [_Gap(True) if isinstance(item, _Edge) else item for item in items]
    while items and not start and _leads(items):
        del items[_leads(items) - 1]
    while items and not end and isinstance(items[-1], _Gap):
        del items[-1]
    exact = exact and not any(isinstance(item, _Gap) and item.loose for item in items)
    # What may follow any text, or be followed by it, needs no edge.
    start = start and not (items and isinstance(items[0], _Gap))
    end = end and not (items and isinstance(items[-1], _Gap))
    segments: list[list[Place]] = [[]]
    for item in items:
        if isinstance(item, _Gap):
            segments.append([])
        elif not isinstance(item, _Edge):
            segments[-1].append(item)
    kept = [segment for segment in segments if segment]
    return Choice(tuple(map(tuple, kept)) or ((),), start, end), exact


def _leads(items: list[_Item]) -> int:
    """How many items end with a gap that an unanchored match can do without; 0 for none."""
    for index, item in enumerate(items):
        if isinstance(item, _Gap):
            return index + 1 if index == 0 or index == item.back else 0
    return 0
