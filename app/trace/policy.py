"""A script to diagnostics: what this service does not run, whatever bpftrace's own safe mode allows.

A lexer of bpftrace's language that leaves out strings and comments, then names that are denied. It refuses
what could be read in two ways (a comment glued to a path, a string over two lines, letters outside ASCII),
so that nothing hides between its reading and bpftrace's. Sources: lexer.l of bpftrace 0.17 to 0.27.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from app.trace.model import Diagnostic

LONGEST = 64 * 1024
# Names that start programs, write into processes, or read files of the host.
DENIED = {
    "system": "system() runs a program as root",
    "cat": "cat() reads any file as root",
    "signal": "signal() sends signals to processes",
    "signal_thread": "signal_thread() sends signals to processes",
    "override": "override() changes what functions return",
    "override_return": "override_return() changes what functions return",
    "write_user": "write_user() writes into processes",
    "probe_write_user": "probe_write_user() writes into processes",
    "skboutput": "skboutput() writes files",
}
# Words that mean something without a call; the last three reach clang inside a struct's definition.
DENIED_WORDS = {
    "import": "import reads other files",
    "include": "include reads other files",
    "_Pragma": "_Pragma speaks to the compiler",
    "asm": "asm speaks to the assembler",
    "__asm__": "asm speaks to the assembler",
}
# Beyond that for those who may not write scripts of their own.
DENIED_TO_GENERATED = {"join": "join() prints arrays out of processes"}
WORDS_DENIED_TO_GENERATED = {
    "config": "a config block changes limits",
    "macro": "macros are not generated",
    "unsafe": "unsafe code is not generated",
}
# Kinds of probe that are the script's own business and match nothing in the target.
OWN_KINDS = frozenset({"begin", "end", "interval", "profile", "i", "p", "self", "bench", "test"})

_TOKEN = re.compile(
    r"""
      (?P<space>[ \t\r\n\f\v]+)
    | (?P<line_comment>//[^\n]*)
    | (?P<block_comment>/\*.*?\*/)
    | (?P<open_comment>/\*)
    | (?P<string>"(?:\\[^\n]|[^"\\\n])*")
    | (?P<open_string>")
    | (?P<hash>\#)
    | (?P<digraph>%:|\?\?)
    | (?P<quote>')
    | (?P<backslash>\\)
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<number>[0-9][A-Za-z0-9_]*)
    | (?P<arrow>->)
    | (?P<sign>[\x21-\x7e])
    | (?P<foreign>.)
    """,
    re.VERBOSE | re.DOTALL,
)
# What may stand right before a path that goes on with // or /*: there a comment could be meant, or a path.
_GLUED = re.compile(r"[A-Za-z0-9_.:/*+\-\"'$?@~%]")


class Token(NamedTuple):
    kind: str
    text: str
    start: int
    line: int
    column: int


def tokens(text: str) -> Iterator[Token]:
    """Every token with its place (1-based), spaces and comments included; never raises."""
    line, begin = 1, 0
    for match in _TOKEN.finditer(text):
        found = match.group()
        yield Token(match.lastgroup or "foreign", found, match.start(), line, match.start() - begin + 1)
        if "\n" in found:
            line += found.count("\n")
            begin = match.start() + found.rindex("\n") + 1


def check(text: str, free: bool) -> tuple[Diagnostic, ...]:
    """What is refused in ``text``, in order; ``free``: the author may write scripts of their own."""
    if len(text) > LONGEST:
        return (Diagnostic(1, 1, 1, "error", f"The script has more than {LONGEST} characters."),)
    if not text.strip():
        return (Diagnostic(1, 1, 1, "error", "The script is empty."),)
    calls = DENIED if free else DENIED | DENIED_TO_GENERATED
    words = DENIED_WORDS if free else DENIED_WORDS | WORDS_DENIED_TO_GENERATED
    found: list[Diagnostic] = []
    seen = [token for token in tokens(text) if token.kind != "space"]
    code = [token for token in seen if not token.kind.endswith("_comment")]
    for token in seen:
        if problem := _unclear(text, token):
            found.append(_at(token, problem))
    for at, token in enumerate(code):
        if token.kind != "name" or (token.text not in calls and token.text not in words):
            continue
        before = code[at - 1].text if at else ""
        called = at + 1 < len(code) and code[at + 1].text == "("
        if before in {"$", "@"} or (not called and (token.text in calls or before in {".", "->", ":"})):
            continue  # a variable, a field, or a part of a probe's name
        why = calls.get(token.text) or words[token.text]
        found.append(_at(token, f"{token.text} is not allowed here: {why}."))
    return tuple(sorted(found, key=lambda entry: (entry.line, entry.column)))


def _unclear(text: str, token: Token) -> str | None:
    if token.kind == "hash" and not (token.start == 0 and text.startswith("#!")):
        return "Lines with # (include, define) are not allowed: they read files of the host."
    if token.kind == "digraph":
        return f"{token.text} is another spelling of # to a C compiler, and not allowed."
    if token.kind in {"quote", "backslash"}:
        return f"The character {token.text} can stand only in strings and comments."
    if token.kind.endswith("_comment") and token.start and _GLUED.match(text[token.start - 1]):
        return "A comment right after a word can be read as part of a path: put a space before it."
    if token.kind == "open_comment":
        return "This comment is never closed."
    if token.kind == "open_string":
        return "This string is not closed on its line."
    if token.kind == "foreign":
        return f"The character {token.text!r} can stand only in strings and comments."
    return None


def own_probes(text: str) -> int:
    """How many probes of a script are its own (BEGIN, END, interval, profile) and no place in a target."""
    return sum(_own(point) for point in _points(text))


def attach_points(text: str) -> list[str]:
    """The attach points of a script that are places outside of it, as written, predicates left out."""
    return [point for point in _points(text) if not _own(point)]


def _own(point: str) -> bool:
    return point.partition(":")[0].lower() in OWN_KINDS


def _points(text: str) -> list[str]:
    found: list[str] = []
    depth, current, ended, previous = 0, "", False, 0
    definition = predicate = False
    for token in tokens(text):
        gap = token.start > previous or token.kind == "space" or token.kind.endswith("_comment")
        previous = token.start + len(token.text)
        if token.kind == "space" or token.kind.endswith("_comment"):
            ended = ended or bool(current)
            continue
        if token.text in {"{", "}"}:
            if token.text == "{" and depth == 0 and current and not definition:
                found.append(current)
            depth = max(0, depth + (1 if token.text == "{" else -1))
            current, ended, predicate = "", False, False
            continue
        predicate = predicate or (bool(current) and (ended or gap) and token.text == "/")
        if depth or predicate:
            continue
        if not current and not ended:
            definition = token.text in {"struct", "union", "enum", "typedef", "config", "fn", "macro", "let"}
        if token.text == "," and not definition:
            if current:
                found.append(current)
            current, ended = "", False
        elif token.text == ";":
            current, ended, definition = "", False, False
        elif not (ended or (gap and current)):
            current += token.text
    return found


def _at(token: Token, message: str) -> Diagnostic:
    width = len(token.text.split("\n", 1)[0])
    return Diagnostic(token.line, token.column, token.column + max(1, width), "error", message)
