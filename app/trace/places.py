"""Places inside of functions to targets: the inline sites of a function, the code of a source line.

The addresses are those of the debug information or the line table of the very file, so each is the beginning
of an instruction; that is looked at once more in its code. Such a place is given by a name (marks.py).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from app.errors import AppError, BadInput
from app.index.model import Binary
from app.trace.catalogue import Catalogue
from app.trace.marks import is_instruction, mark
from app.trace.quoting import Probe, name_problem, path_problem
from app.trace.targets import Target

MOST_SITES = 100
_LINE = re.compile(r'line:(?:"([^"]*)"|([^":]+)):(.+):([0-9]{1,9})')


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a source file, as the code of one binary has it."""

    path: str  # of the binary
    file: str  # the end of the source's path
    line: int

    @property
    def label(self) -> str:
        return f"{self.file.rpartition('/')[2]}:{self.line}"


def parse_line(text: str) -> Line | None:
    """``line:PATH:FILE:LINE``, the path quoted or not; None for any other text. Raises BadInput."""
    text = text.strip()
    if not text.startswith("line:"):
        return None
    match = _LINE.fullmatch(text)
    if match is None:
        raise BadInput(f"{text[:120]!r} names no source line.", 'Write line:"/path/of/the/binary":main.c:42.')
    path = match[1] or match[2] or ""
    if problem := path_problem(path):
        raise BadInput(problem, "Trace the file through a link whose path has none.")
    return Line(path, match[3], int(match[4]))


def line_targets(line: Line, index: Catalogue | None, warnings: list[str]) -> list[Target]:
    """A target for each place where code of the line begins. Raises BadInput, NotFound."""
    if index is None:
        raise BadInput("A source line needs the index.", "Give the function instead.")
    binary = index.binary_at(line.path)
    answer = index.line_sites(binary.id, line.file, line.line)
    if answer["line"] != line.line:
        warnings.append(f"{line.label} has no code; that of line {answer['line']} is traced.")
    found = [
        target
        for site in answer["sites"][:MOST_SITES]
        if (target := _target(index, binary, line.path, int(site["address"]), warnings)) is not None
    ]
    label = f"{line.file.rpartition('/')[2]}:{answer['line']}"
    if not found:
        raise BadInput(f"No code of {label} can be traced.", "Choose its function.")
    return [replace(target, label=label) for target in found]


def inline_targets(target: Target, index: Catalogue | None, warnings: list[str]) -> list[Target]:
    """A target for each copy of the function of ``target`` that the compiler put into another one."""
    binary, function = target.binary, target.function
    if index is None or binary is None or function is None or target.probe.kind != "uprobe":
        return []
    sites = [site for site in index.inline_sites(binary.id, function.key) if site.address]
    if len(sites) > MOST_SITES:
        warnings.append(f"{function.name} was inlined in {len(sites)} places; {MOST_SITES} are traced.")
    found = []
    for site in sites[:MOST_SITES]:
        made = _target(index, binary, target.probe.path, int(site.address or 0), warnings)
        if made is not None:
            label = f"{target.title} [inlined in {site.function}]"
            found.append(replace(made, label=label, inlined=function.name))
    return found


def _target(index: Catalogue, binary: Binary, path: str, address: int, warnings: list[str]) -> Target | None:
    """The target of one instruction; None where a probe cannot go there."""
    try:
        holder = index.function(binary.id, f"{address:#x}")
    except AppError:
        warnings.append(f"The code at {address:#x} belongs to no function; it is left out.")
        return None
    name = mark(holder, address)
    if name is None or not is_instruction(index, binary.id, holder, address):
        warnings.append(f"No instruction is known to begin at {address:#x}; it is left out.")
        return None
    if name != holder.linkage_name and binary.build_id is None:
        warnings.append(
            f"{path} has no build-id, by which a probe inside of {holder.name} could be told to fit; "
            "build it with -Wl,--build-id."
        )
        return None
    if problem := name_problem(name):
        warnings.append(problem)
        return None
    # At the first instruction parameters are still where the caller put them, and variables have no values.
    at = None if address == holder.address else address
    return Target(Probe("uprobe", path, name), binary, holder, None, 1, at=at)
