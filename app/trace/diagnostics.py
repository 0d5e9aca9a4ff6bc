"""What bpftrace says on stderr to places in the script and one sentence; nothing else of it goes out.

Kept are lines of the form ``stdin:LINE:COL-COL: ERROR: text`` (also ``stdin:LINE-LINE``), clang's about the
script's own definitions, and bare ``ERROR: text``. Dropped are source lines, clang's lines about any other
file (they would show the file's words), and complaints that mean nothing here.
Source: log.cpp and clang_parser.cpp of bpftrace 0.17 to 0.27.
"""

from __future__ import annotations

import re
from typing import Literal

from app.trace.model import Diagnostic
from app.trace.policy import tokens

LONGEST = 300
_PLACED = re.compile(
    r"^(?:stdin|stdin\.bt|-):(?P<line>\d+)"
    r"(?:-(?P<last>\d+)|:(?P<from>\d+)(?:-(?P<to>\d+))?)?: (?P<what>ERROR|WARNING): (?P<text>.*)$"
)
_CLANG = re.compile(r"^definitions\.h:(?P<line>\d+):(?P<from>\d+): (?P<what>error|warning): (?P<text>.*)$")
_BARE = re.compile(r"^(?P<what>ERROR|WARNING): (?P<text>.*)$")
# Printed by every run on some machines, whatever the script.
_HARMLESS = (
    "couldn't set RLIMIT_MEMLOCK",
    # Each version gets the settings by their old and new names.
    "is deprecated. Use BPFTRACE_",
    "Could not read functions from",
    "Error while reading traceable functions",
)
# The whole input follows, which the person has already.
_REPEATS = ("Input (",)
_DEFINES = frozenset({"struct", "union", "enum", "typedef"})
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def parse(stderr: str, script: str = "") -> tuple[Diagnostic, ...]:
    """Diagnostics in the order printed, each once; errors without a place stand at 1:1."""
    found: dict[Diagnostic, None] = {}
    lines = max(1, script.count("\n") + 1)
    for text in stderr.splitlines():
        # 0.17 ends some messages without a newline.
        for line in re.split(r"(?<=.)(?=ERROR: Unknown error -1: couldn't set RLIMIT)", text):
            entry = _read(line, script, lines)
            if entry is not None:
                found[entry] = None
    return tuple(found)


def sentence(diagnostics: tuple[Diagnostic, ...]) -> str | None:
    """The first error as one sentence, or None where there is none."""
    for entry in diagnostics:
        if entry.severity == "error":
            text = entry.message.rstrip(". ")
            return f"{text[:1].upper()}{text[1:]}."
    return None


def _read(text: str, script: str, lines: int) -> Diagnostic | None:
    if match := _PLACED.match(text):
        line = min(int(match["line"]), lines)
        start = int(match["from"] or 1)
        end = int(match["to"] or start + 1)
        return _entry(line, start, end, match["what"], match["text"])
    if match := _CLANG.match(text):
        # Line 1 of definitions.h is an include that bpftrace adds; then come the script's definitions.
        line = min(_first_definition(script) + max(0, int(match["line"]) - 2), lines)
        start = int(match["from"])
        return _entry(line, start, start + 1, match["what"], match["text"])
    match = _BARE.match(text)
    if match is None or any(part in text for part in _HARMLESS) or match["text"].startswith(_REPEATS):
        return None
    return _entry(1, 1, 1, match["what"], match["text"])


def _entry(line: int, start: int, end: int, what: str, text: str) -> Diagnostic:
    severity: Literal["error", "warning"] = "error" if what.lower() == "error" else "warning"
    shown = _CONTROL.sub(" ", text).strip()[:LONGEST]
    return Diagnostic(max(1, line), max(1, start), max(start, end), severity, shown)


def _first_definition(script: str) -> int:
    for token in tokens(script):
        if token.kind == "name" and token.text in _DEFINES:
            return token.line
    return 1
