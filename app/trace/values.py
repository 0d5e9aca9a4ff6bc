"""A value that a script can read: its name, the conversion that prints it, and the expression for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

Version = tuple[int, int, int]
# bpftrace keeps what it prints on a stack of 512 bytes before 0.21.
LARGE_STACK: Version = (0, 21, 0)
MOST = 10
MOST_STRINGS = 3
REST = "..."


@dataclass(frozen=True, slots=True)
class Value:
    """``expression`` "" where there is nothing to read; ``format`` is then what stands in its place."""

    name: str
    format: str
    expression: str = ""
    plain: tuple[str, str] | None = None  # (format, expression) of the same that takes no string
    parent: str | None = None  # the argument that a member belongs to
    named: bool = False  # a number by its name: a line has both, for a number without one has none

    @property
    def readable(self) -> bool:
        return bool(self.expression)

    @property
    def text(self) -> bool:
        """Whether it is a string, of which a stack holds few."""
        return self.readable and self.format == "%s"

    @property
    def number(self) -> bool:
        return self.readable and not self.text

    @property
    def piece(self) -> str:
        """Its part of a format: ``size=%d``."""
        format = f"{self.format}({self.plain[0]})" if self.named and self.plain else self.format
        return f"{literal(self.name)}={format}" if self.name and self.format != REST else format

    @property
    def printed(self) -> list[str]:
        """The expressions that ``piece`` prints."""
        if not self.readable:
            return []
        return [self.expression, self.plain[1]] if self.named and self.plain else [self.expression]


def fit(values: Sequence[Value], version: Version, most: int = MOST) -> list[Value]:
    """What goes into one line, in its order: arguments before members where there is no room for all.

    Strings past the third are numbers on old versions. An end stands for arguments that are left out.
    """
    first = sorted(range(len(values)), key=lambda at: values[at].parent is not None)
    kept: dict[int, Value] = {}
    strings = 0
    for at in first[:most]:
        value = values[at]
        if value.text and version < LARGE_STACK:
            strings += 1
            if strings > MOST_STRINGS:
                format, expression = value.plain or ("?", "")
                value = replace(value, format=format, expression=expression, named=False)
        kept[at] = value
    found = [kept[at] for at in sorted(kept)]
    if any(values[at].parent is None for at in first[most:]) and found[-1].format != REST:
        found.append(Value("", REST))
    return found


def chosen(values: Sequence[Value], argument: str) -> Value | None:
    """By its name, a member as ``order.id``, or by the number of the argument from 0."""
    for value in values:
        if argument in (value.name, value.name.replace("->", ".")) and value.name:
            return value
    arguments = [value for value in values if value.parent is None]
    if argument.isascii() and argument.isdigit() and int(argument) < len(arguments):
        return arguments[int(argument)]
    return None


def literal(text: str) -> str:
    """``text`` inside a printf format between double quotes, whatever it holds."""
    text = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return "".join(sign if sign.isprintable() else "?" for sign in text)


def string(text: str) -> str:
    """``text`` as a string of the script; what nobody could print is a question mark."""
    text = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(sign if sign.isprintable() else "?" for sign in text) + '"'
