"""Shapes to definitions in a script: structs with their members by name, names of enumerations in maps.

Of a struct, the rest are bytes between the members.

Members that a script cannot say (bit-fields, words of C, what the policy denies, what C would align
otherwise) are left out and their bytes filled, so that every offset is that of the debug information.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from app.trace import policy
from app.trace.values import string

Shape = dict[str, Any]
_INTEGERS = {1: "char", 2: "short", 4: "int", 8: "long"}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_C_WORDS = frozenset(
    {"auto", "break", "case", "char", "const", "continue", "default", "do", "double", "else", "enum",
     "extern", "float", "for", "goto", "if", "inline", "int", "long", "register", "restrict", "return",
     "short", "signed", "sizeof", "static", "struct", "switch", "typedef", "union", "unsigned", "void",
     "volatile", "while", "asm", "typeof", "bool", "true", "false"}
)  # fmt: skip
_DENIED = {
    *_C_WORDS,
    *policy.DENIED,
    *policy.DENIED_WORDS,
    *policy.DENIED_TO_GENERATED,
    *policy.WORDS_DENIED_TO_GENERATED,
}


class Declarations:
    """The definitions that one script may need, each once, before what uses it."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}  # layout -> name
        self._texts: list[str] = []
        self._enums: dict[str, tuple[tuple[str, int], ...]] = {}  # map -> names and values

    def enum(self, shape: Shape) -> str:
        """The map that has an enumeration's names by value."""
        values = tuple((str(name), int(value)) for name, value in shape["values"])
        base = f"@enum_{_plain(shape['name']).removeprefix('u_')}"
        name, number = base, 1
        while self._enums.setdefault(name, values) != values:
            number += 1
            name = f"{base}_{number}"
        return name

    def needed(self, lines: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
        """What these lines use: (definitions, with those that these use; statements of BEGIN; their maps)."""
        text = "\n".join(lines)
        found: list[str] = []
        for struct in reversed(self._texts):
            name = struct.split(" ", 2)[1]
            if re.search(rf"\bstruct {name}\b", text):
                found.insert(0, struct)
                text += struct
        maps = [name for name in self._enums if f"{name}[" in text]
        sets = [f"{name}[{value}] = {string(text)};" for name in maps for text, value in self._enums[name]]
        return found, sets, maps

    def use(self, shape: Shape) -> str:
        """The name, with ``struct``, by which the script may cast to it."""
        body = "\n".join(self._lines(shape))
        if body not in self._names:
            name = _plain(shape["name"])
            taken = set(self._names.values())
            number = 1
            while name in taken:
                number += 1
                name = f"{_plain(shape['name'])}_{number}"
            self._names[body] = name
            self._texts.append(f"struct {name} {{\n{body}\n}};")
        return f"struct {self._names[body]}"

    def _lines(self, shape: Shape) -> list[str]:
        found, at = [], 0
        for member in sorted(shape["members"], key=lambda each: int(each["offset"])):
            spelled = self._member(member["name"], member["shape"])
            size = member["shape"].get("size")
            offset = int(member["offset"])
            # bpftrace has no word for packed structs.
            if spelled is None or not size or offset < at or offset % _alignment(member["shape"]):
                continue
            if offset > at:
                found.append(f"\tchar gap_{at}[{offset - at}];")
            found.append(f"\t{spelled};")
            at = offset + size
        left = (shape.get("size") or at) - at
        if left > 0 or not found:
            found.append(f"\tchar gap_{at}[{max(left, 1)}];")
        return found

    def _member(self, name: str, shape: Shape) -> str | None:
        kind, size = shape["kind"], shape.get("size")
        if not sayable(name):
            return None
        if kind in ("integer", "enum", "bool") and size in _INTEGERS:
            sign = "" if shape.get("signed") else "unsigned "
            return f"{'signed ' if sign == '' and size == 1 else sign}{_INTEGERS[size]} {name}"
        if kind == "text":
            return f"char *{name}"
        if kind == "chars":
            return f"char {name}[{size}]"
        if kind == "pointer":
            to = shape.get("to")
            return f"{self.use(to)} *{name}" if to is not None and to["members"] else f"void *{name}"
        if kind == "struct" and shape["members"] and not shape.get("union"):
            return f"{self.use(shape)} {name}"
        return None


def _alignment(shape: Shape) -> int:
    """As C aligns what is declared for a shape."""
    kind = shape["kind"]
    if kind == "struct":
        return max((_alignment(each["shape"]) for each in shape["members"]), default=1)
    return int(shape.get("size") or 1) if kind in ("integer", "enum", "bool", "text", "pointer") else 1


def sayable(name: str) -> bool:
    """Whether a script can name a member so."""
    return _NAME.fullmatch(name) is not None and name not in _DENIED and not name.startswith("gap_")


def _plain(name: str) -> str:
    """A name of its own: one of the kernel's would be taken for that."""
    found = re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_") or "unnamed"
    return f"u_{found[:60]}"
