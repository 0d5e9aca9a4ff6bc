"""A probe pattern to the lines that ``bpftrace -l`` prints for it, from the index.

``uprobe:PATH:GLOB``, ``uretprobe:PATH:GLOB``, ``usdt:PATH:[PROVIDER:]GLOB``, ``*:PATH:GLOB`` for uprobes and
USDT; short names too; PATH quoted or not, with ``*``, or a program's name to look for on PATH. Symbols of the
host's debug files are listed as well, as bpftrace does. Source: docs and ``bpftrace -l`` of 0.17 and 0.23.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from app.errors import AppError, BadInput, NotFound
from app.index import matching
from app.index.model import Ask, Binary
from app.index.service import Index

_KINDS = {
    "uprobe": ("uprobe",),
    "u": ("uprobe",),
    "uretprobe": ("uretprobe",),
    "ur": ("uretprobe",),
    "usdt": ("usdt",),
    "U": ("usdt",),
    "*": ("uprobe", "usdt"),
}
_ALL = 1 << 31


def probes(index: Index, pattern: str, debug: bool = True) -> list[str]:
    """Sorted lines; none when nothing matches. Raises BadInput, and what reading the file raises."""
    kind, path, rest = split(pattern)
    lines: set[str] = set()
    for target in _targets(index, path):
        binary = index.binary_at(target)
        for each in _KINDS[kind]:
            found = _usdt(index, binary, rest) if each == "usdt" else _functions(index, binary, rest, debug)
            lines |= {f"{each}:{target}:{name}" for name in found}
    return sorted(lines)


def split(pattern: str) -> tuple[str, str, tuple[str, ...]]:
    """(kind, path, what follows); raises BadInput with the form that would do."""
    parts, inside = [""], False
    for sign in pattern.strip():
        if sign == '"':
            inside = not inside
        elif sign == ":" and not inside:
            parts.append("")
        else:
            parts[-1] += sign
    kind, most = parts[0], 4 if parts[0] in {"usdt", "U", "*"} else 3
    if inside or kind not in _KINDS or not 3 <= len(parts) <= most or not all(parts[1:]):
        raise BadInput(
            f"{pattern!r} is no pattern of probes.",
            "Write uprobe:PATH:FUNCTION, uretprobe:PATH:FUNCTION or usdt:PATH:PROVIDER:NAME; * matches all.",
        )
    return kind, parts[1], tuple(parts[2:])


def _targets(index: Index, path: str) -> list[str]:
    if "*" in path:
        found = sorted(str(entry) for entry in Path("/").glob(_shell(path)))
        found = [entry for entry in found if _is_elf(index, entry)]
        if not found:
            raise NotFound(f"No file matches {path}.", "Check the path.")
        return found
    if "/" not in path:
        program = shutil.which(path)
        if program is None:
            raise NotFound(f"There is no program {path} on PATH.", "Give the path of a file.")
        return [program]
    return [path]


def _shell(path: str) -> str:
    return path.lstrip("/").replace("[", "[[]").replace("?", "[?]")


def _is_elf(index: Index, path: str) -> bool:
    try:
        index.binary_at(path)
    except AppError:
        return False
    return True


def _functions(index: Index, binary: Binary, rest: tuple[str, ...], debug: bool) -> set[str]:
    if len(rest) != 1:
        return set()
    return set(index.function_names(binary.id, rest[0], debug))


def _usdt(index: Index, binary: Binary, rest: tuple[str, ...]) -> set[str]:
    provider, name = rest if len(rest) == 2 else ("*", rest[0])
    providers, names = matching.wildcard(provider), matching.wildcard(name)
    return {
        f"{probe.provider}:{probe.name}"
        for probe in index.usdt(binary.id, Ask(limit=_ALL)).items
        if providers.fullmatch(probe.provider) and names.fullmatch(probe.name)
    }
