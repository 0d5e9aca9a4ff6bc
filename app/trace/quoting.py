"""Probe text to a Probe and back: the only place where a path or symbol becomes bpftrace's text.

Takes what people and verdicts write (``uprobe:"/usr/bin/a b":main``, unquoted too, short names ``u ur U``).
Refuses what no bpftrace reads back as it was meant: ``:`` or ``*`` in a path, ``"``, ``\\``, control
characters. Source: the attach point parser of bpftrace 0.17 to 0.27, tried with each printable character.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from app.errors import BadInput

Kind = Literal["uprobe", "uretprobe", "usdt"]
SHORT: dict[str, Kind] = {
    "uprobe": "uprobe",
    "u": "uprobe",
    "uretprobe": "uretprobe",
    "ur": "uretprobe",
    "usdt": "usdt",
    "U": "usdt",
}
_PLAIN = re.compile(r"[A-Za-z0-9_.*]+")
_OFFSET = re.compile(r"[^+]+\+(?:0[xX][0-9a-fA-F]{1,16}|[0-9]{1,19})")
_ADDRESS = re.compile(r"0[xX][0-9a-fA-F]{1,16}|[0-9]{1,20}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
LONGEST = 4096


@dataclass(frozen=True, slots=True)
class Probe:
    """One place: ``name`` is a symbol (or USDT name), may hold ``*``; "" where ``address`` is given."""

    kind: Kind
    path: str
    name: str
    provider: str = ""  # of a USDT probe; "" matches any
    address: int | None = None

    @property
    def wildcard(self) -> bool:
        return "*" in self.name or "*" in self.provider

    @property
    def label(self) -> str:
        """What a person calls it: the symbol, ``provider:name``, or the address in hex."""
        if self.address is not None:
            return f"{self.address:#x}"
        return f"{self.provider}:{self.name}" if self.provider else self.name


def parse_probe(text: str) -> Probe:
    """One probe out of its text. Raises BadInput with what is wrong and what would do."""
    text = text.strip()
    if len(text) > LONGEST:
        raise BadInput(f"A probe of {len(text)} characters is too long.", f"At most {LONGEST}.")
    parts = _split(text)
    kind = SHORT.get(parts[0])
    if kind is None:
        raise BadInput(
            f"{_shown(text)} is no probe of a user process.",
            "Write uprobe:PATH:FUNCTION, uretprobe:PATH:FUNCTION or usdt:PATH:PROVIDER:NAME.",
        )
    if len(parts) < 3 or not parts[1] or not parts[-1]:
        raise BadInput(
            f"{_shown(text)} lacks its path or its name.",
            f'Write {kind}:"/path/of/the/file":' + ("provider:name." if kind == "usdt" else "function."),
        )
    path, rest = parts[1], parts[2:]
    if kind == "usdt":
        if len(rest) > 2:
            raise BadInput(f"{_shown(text)} has too many parts.", "Write usdt:PATH:PROVIDER:NAME.")
        probe = Probe(kind, path, rest[-1], rest[0] if len(rest) == 2 else "")
    else:
        # A C++ name as people write it holds colons: ns::f(int).
        name = ":".join(rest)
        if _ADDRESS.fullmatch(name):
            probe = Probe(kind, path, "", address=int(name, 16 if name[:2] in {"0x", "0X"} else 10))
        else:
            probe = Probe(kind, path, name)
    quote(probe)  # refuses what cannot be said
    return probe


def quote(probe: Probe) -> str:
    """The text that bpftrace parses into exactly this probe. Raises BadInput where there is none."""
    spelled = f'{probe.kind}:"{_path(probe.path)}":'
    if probe.address is not None:
        return f"{spelled}{probe.address:#x}"
    if probe.kind == "usdt":
        provider = f"{_name(probe.provider)}:" if probe.provider else ""
        return f"{spelled}{provider}{_name(probe.name)}"
    if probe.kind == "uretprobe" and "+" in probe.name:
        raise BadInput(
            f"A return probe cannot have an offset, as {_shown(probe.name)} has.", "Leave the offset out."
        )
    return spelled + _name(probe.name)


def path_problem(path: str) -> str | None:
    """A sentence on why bpftrace cannot be given this path, or None."""
    if not path:
        return "The path is empty."
    if not path.startswith("/"):
        return f"The path {_shown(path)} is not absolute."
    if _CONTROL.search(path):
        return f"The path {_shown(path)} has a control character, which bpftrace cannot be given."
    for sign in ':"\\*':
        if sign in path:
            return f"The path {_shown(path)} has a {sign} in it, which bpftrace cannot be given."
    try:
        path.encode()
    except UnicodeEncodeError:
        return f"The path {_shown(path)} is not UTF-8, which bpftrace cannot be given."
    return None


def speakable(name: str) -> str:
    """A method of Go's whose receiver is a pointer, ``(*T).m``, without the sign that makes it a pattern."""
    return name.replace("(*", "(_")


def spoken(name: str) -> str:
    """The name that ``speakable`` made this of."""
    return name.replace("(_", "(*")


def name_problem(name: str) -> str | None:
    """A sentence on why bpftrace cannot be given this symbol, or None."""
    if not name:
        return "The name is empty."
    if _CONTROL.search(name) or '"' in name or "\\" in name:
        return f"The name {_shown(name)} has a character that bpftrace cannot be given."
    if re.match(r"\s*[-+]?\s*\d", name, re.ASCII) or name != name.strip():
        return (
            f"The name {_shown(name)} begins as a number or with a space; bpftrace would read it otherwise."
        )
    if "+" in name and not _OFFSET.fullmatch(name):
        return f"The name {_shown(name)} has a + that bpftrace would read as an offset."
    try:
        name.encode()
    except UnicodeEncodeError:
        return f"The name {_shown(name)} is not UTF-8, which bpftrace cannot be given."
    return None


def _path(path: str) -> str:
    if problem := path_problem(path):
        raise BadInput(problem, "Trace the file through a link whose path has none, or give /proc/PID/exe.")
    return path


def _name(name: str) -> str:
    if problem := name_problem(name):
        raise BadInput(problem, "Give its address, as 0x and hex digits, instead.")
    return name if _PLAIN.fullmatch(name) else f'"{name}"'


def _split(text: str) -> list[str]:
    """The parts between colons outside quotes, quotes taken off."""
    parts, inside = [""], False
    for sign in text:
        if sign == '"':
            inside = not inside
        elif sign == ":" and not inside:
            parts.append("")
        else:
            parts[-1] += sign
    if inside:
        raise BadInput(
            f"{_shown(text)} opens a quote that is never closed.", "Close it, or leave quotes out."
        )
    return parts


def _shown(text: str) -> str:
    return repr(text if len(text) <= 120 else text[:117] + "...")
