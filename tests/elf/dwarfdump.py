"""What llvm-dwarfdump prints of a file's DIEs, as rows of functions and variables."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_DIE = re.compile(r"^0x([0-9a-f]+): ( *)(?:DW_TAG_(\w+)|NULL)")
_ATTRIBUTE = re.compile(r"^ +DW_AT_(\w+)\s+\((.*?)\)?$")
Function = tuple[str, str, int, int, int, str, tuple[tuple[str, str], ...]]
Variable = tuple[str, str, int, str]


@dataclass(slots=True)
class Dumped:
    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Dumped] = field(default_factory=list)


def functions(path: Path) -> list[Function]:
    """Name, linkage name, address, size, line, return type, parameters of those with code."""
    dies = _dies(path)
    found = []
    for die in dies.values():
        if die.tag != "subprogram" or "low_pc" not in die.attributes:
            continue
        low, high = (int(_all(die, dies, name), 16) for name in ("low_pc", "high_pc"))
        parameters = tuple(
            ("...", "")
            if child.tag == "unspecified_parameters"
            else (_text(_all(child, dies, "name")), _text(_all(child, dies, "type")))
            for child in die.children
            if child.tag in ("formal_parameter", "unspecified_parameters")
        )
        names = _text(_all(die, dies, "name")), _text(_all(die, dies, "linkage_name"))
        line = int(_all(die, dies, "decl_line") or 0)
        found.append((*names, low, high - low, line, _text(_all(die, dies, "type")), parameters))
    return sorted(found)


def variables(path: Path) -> list[Variable]:
    """Name, linkage name, line and type of those that have an address."""
    dies = _dies(path)
    return sorted(
        (
            _text(_all(die, dies, "name")),
            _text(_all(die, dies, "linkage_name")),
            int(_all(die, dies, "decl_line") or 0),
            _text(_all(die, dies, "type")),
        )
        for die in dies.values()
        if die.tag == "variable" and re.match(r"DW_OP_(addr|const)", die.attributes.get("location", ""))
    )


def _all(die: Dumped, dies: dict[int, Dumped], name: str) -> str:
    """An attribute of its own, else of what it stands for; versions 2 and 3 have no linkage names."""
    if name == "linkage_name":
        return _all(die, dies, "MIPS_linkage_name") or _inherited(die, dies, name)
    return _inherited(die, dies, name)


def _inherited(die: Dumped, dies: dict[int, Dumped], name: str) -> str:
    while name not in die.attributes:
        other = die.attributes.get("abstract_origin") or die.attributes.get("specification")
        if other is None:
            return ""
        die = dies[int(other.split()[0], 16)]
    return die.attributes[name]


def _text(value: str) -> str:
    """The quoted part, behind an offset where there is one."""
    return value.split('"')[1] if '"' in value else ""


def _dies(path: Path) -> dict[int, Dumped]:
    found: dict[int, Dumped] = {}
    above: list[tuple[int, Dumped]] = []
    for line in _lines(path):
        if match := _DIE.match(line):
            depth = len(match[2])
            while above and above[-1][0] >= depth:
                above.pop()
            if match[3] is None:
                continue
            die = found[int(match[1], 16)] = Dumped(match[3])
            if above:
                above[-1][1].children.append(die)
            above.append((depth, die))
        elif (match := _ATTRIBUTE.match(line)) and above:
            above[-1][1].attributes[match[1]] = match[2]
    return found


def _lines(path: Path) -> Iterator[str]:
    done = subprocess.run(["llvm-dwarfdump", "--debug-info", str(path)], capture_output=True, text=True)
    yield from done.stdout.splitlines()
