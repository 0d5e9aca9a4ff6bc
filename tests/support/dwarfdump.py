"""What llvm-dwarfdump prints of functions and variables, followed through origins and specifications."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_DIE = re.compile(r"^0x([0-9a-f]+):( *)DW_TAG_(\w+)")
_ATTRIBUTE = re.compile(r"^ +DW_AT_(\w+)\t\((.*)\)$")
_REFERENCE = re.compile(r"^0x([0-9a-f]+)(?: \"(.*)\")?$")
_LINKS = ("abstract_origin", "specification")


@dataclass
class Entry:
    offset: int
    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Entry] = field(default_factory=list)


@dataclass(frozen=True)
class Shown:
    """A function: everything that both sides can be asked for."""

    low: int
    name: str
    linkage: str
    line: int
    external: bool
    params: tuple[tuple[str, str], ...]


def entries(path: Path) -> dict[int, Entry]:
    """All entries of .debug_info by their offset."""
    done = subprocess.run(
        ["llvm-dwarfdump", "--debug-info", str(path)], check=True, capture_output=True, text=True
    )
    found: dict[int, Entry] = {}
    stack: list[tuple[int, Entry]] = []
    for line in done.stdout.splitlines():
        if start := _DIE.match(line):
            entry = Entry(int(start[1], 16), start[3])
            found[entry.offset] = entry
            while stack and stack[-1][0] >= len(start[2]):
                stack.pop()
            if stack:
                stack[-1][1].children.append(entry)
            stack.append((len(start[2]), entry))
        elif stack and (attribute := _ATTRIBUTE.match(line)):
            stack[-1][1].attributes.setdefault(attribute[1], attribute[2])
    return found


def chain(found: dict[int, Entry], entry: Entry | None) -> Iterator[Entry]:
    for _ in range(8):
        if entry is None:
            return
        yield entry
        link = next((entry.attributes[name] for name in _LINKS if name in entry.attributes), None)
        match = _REFERENCE.match(link) if link else None
        entry = found.get(int(match[1], 16)) if match else None


def _said(found: dict[int, Entry], entry: Entry, name: str) -> str:
    return next((link.attributes[name] for link in chain(found, entry) if name in link.attributes), "")


def text(value: str) -> str:
    return value.strip('"').replace('\\"', '"').replace("\\\\", "\\")


def type_name(value: str) -> str:
    match = _REFERENCE.match(value)
    return plain(match[2] or "") if match else ""


def plain(name: str) -> str:
    """A type's text without what llvm-dwarfdump leaves out, repeats or puts elsewhere.

    Those are qualifiers, scopes, and with these template arguments; the differential tests against pyelftools
    hold them.
    """
    while name != (name := re.sub(r"<[^<>]*>", "", name)):
        pass
    name = re.sub(r"(::\*\)\()[^,)]*(, )?", r"\1", name)  # the object of a member function
    name = re.sub(r"\b(struct|union|enum|class|const|volatile|restrict|__restrict__)\b", "", name)
    name = (
        name.replace("decltype(nullptr)", "nullptr_t").replace("(void)", "()").replace("{...}", "structure")
    )
    return re.sub(r"(\w+|\(anonymous \w+\))::|\s", "", re.sub(r":: +", "::", name))


def _parameters(found: dict[int, Entry], entry: Entry) -> Iterator[Entry]:
    for child in entry.children:
        # Results of Go are parameters that vary.
        if child.tag == "formal_parameter" and _said(found, child, "variable_parameter") != "0x01":
            yield child
        elif child.tag == "GNU_formal_parameter_pack":
            yield from _parameters(found, child)


def functions(found: dict[int, Entry]) -> list[Shown]:
    """Those with a DW_AT_low_pc."""
    rows = []
    for entry in found.values():
        if entry.tag != "subprogram" or "low_pc" not in entry.attributes:
            continue
        rows.append(
            Shown(
                int(entry.attributes["low_pc"].split()[0], 16),
                text(_said(found, entry, "name")),
                text(_said(found, entry, "linkage_name") or _said(found, entry, "MIPS_linkage_name")),
                int(_said(found, entry, "decl_line") or 0),
                _said(found, entry, "external") not in ("", "false", "0x00"),
                tuple(
                    (text(_said(found, child, "name")), type_name(_said(found, child, "type")))
                    for child in _parameters(found, entry)
                ),
            )
        )
    return rows


def variables(found: dict[int, Entry]) -> list[tuple[int, str, int, str]]:
    """Address, name, line and type of those that lie at a fixed address."""
    rows = []
    for entry in found.values():
        place = re.fullmatch(r"DW_OP_addrx? 0x([0-9a-f]+)", entry.attributes.get("location", ""))
        if entry.tag == "variable" and place:
            line = int(_said(found, entry, "decl_line") or 0)
            name, kind = text(_said(found, entry, "name")), type_name(_said(found, entry, "type"))
            rows.append((int(place[1], 16), name, line, kind))
    return rows
