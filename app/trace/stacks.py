"""User stacks as bpftrace prints them in keys and values, into frames and back.

Forms read: ``ustack`` (``name+offset``, or ``0xADDRESS`` for what has no name), ``ustack(perf)``
(``ADDRESS name+offset (module)``), ``ustack(raw)`` (``ADDRESS``), and what symbolise.py makes of them, which
adds ``[inlined]`` and the source line: ``ADDRESS name [inlined] (module) file:line``. The innermost frame
comes first, one a line, after what else is in the key. Source: Resolve of bpftrace 0.17 to 0.27
(bpftrace.cpp, get_stack).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

UNKNOWN = "[unknown]"
_FRAME = re.compile(
    r"(?:(?P<address>[0-9a-f]{1,16}) )?"
    r"(?P<name>.*?)"
    r"(?:\+(?P<offset>0x[0-9a-f]{1,16}|[0-9]{1,19}))?"
    r"(?P<inlined> \[inlined\])?"
    r"(?: \((?P<module>/[^\n]*?|\[[^\]\n]*\])\)(?: (?P<source>[^\n]+:[0-9]+))?)?"
)
_RAW = re.compile(r"(?:0x)?([0-9a-f]{1,16})")


@dataclass(frozen=True, slots=True)
class StackFrame:
    """One frame; ``offset`` in bytes from the symbol's start; ``source`` (with a module only) as file:line.

    An inlined frame has the address of the frame whose code it is part of, and no offset.
    """

    name: str
    address: int | None = None
    offset: int | None = None
    module: str | None = None
    inlined: bool = False
    source: str | None = None

    def text(self) -> str:
        """The frame as one line of a stack."""
        parts = [] if self.address is None else [f"{self.address:x}"]
        parts.append(self.name if self.offset is None else f"{self.name}+{self.offset}")
        if self.inlined:
            parts.append("[inlined]")
        if self.module is not None:
            parts.append(f"({self.module})")
            parts += [self.source] if self.source is not None else []
        return " ".join(parts)


def has_stack(text: str) -> bool:
    """Whether a key or value holds a stack: each frame stands on a line of its own."""
    return "\n" in text


def split(text: str) -> tuple[str, tuple[StackFrame, ...]]:
    """(what stands before the stack, its frames with the innermost first); () for a text without one."""
    head, *lines = text.split("\n")
    if not lines:
        return text, ()
    frames = tuple(_frame(line.strip()) for line in lines if line.strip(" \t,"))
    return head.rstrip(", "), frames


def join(head: str, frames: tuple[StackFrame, ...]) -> str:
    """The key again: what ``split`` reads."""
    stack = "".join(f"\n\t{frame.text()}" for frame in frames) + "\n"
    return f"{head},{stack}" if head else stack


@lru_cache(maxsize=1 << 14)
def _frame(line: str) -> StackFrame:
    if raw := _RAW.fullmatch(line):
        return StackFrame(UNKNOWN, int(raw[1], 16))
    match = _FRAME.fullmatch(line)
    if match is None:
        return StackFrame(line)
    address, offset = match["address"], match["offset"]
    return StackFrame(
        match["name"] or UNKNOWN,
        None if address is None else int(address, 16),
        None if offset is None else int(offset, 0),
        match["module"],
        match["inlined"] is not None,
        match["source"],
    )
