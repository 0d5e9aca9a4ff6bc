"""Which process a map's key with a stack is about: what a script says of its maps, and what stands in a key.

A key is ``PARTS,\\n\\tframes``. Recipes have the pid first; a script of somebody's own may have it anywhere,
or not at all: then a session of one process is about that one.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.trace.policy import Token, tokens

_PIDS = frozenset({"pid", "tid"})
_OPENING, _CLOSING = frozenset("([{"), frozenset(")]}")


@dataclass(frozen=True, slots=True)
class Shape:
    """Of the ``parts`` of a key before its stack, the one that is the pid, from 0; None: none is."""

    parts: int
    pid: int | None


@dataclass(frozen=True, slots=True)
class Head:
    """What stands before a stack: the process, and the direct caller where it is among the parts."""

    pid: int | None
    caller: int | None
    text: str  # without the caller


def shapes(script: str) -> dict[str, Shape]:
    """The maps that a script keys by a user stack, by their names with the ``@``."""
    code = [
        token for token in tokens(script) if token.kind != "space" and not token.kind.endswith("_comment")
    ]
    found: dict[str, Shape] = {}
    for at, token in enumerate(code):
        if token.text != "@":
            continue
        named = at + 1 < len(code) and code[at + 1].kind == "name"
        begin = at + (2 if named else 1)
        if begin >= len(code) or code[begin].text != "[":
            continue
        parts = _parts(code, begin + 1)
        # What comes after a stack could not be told from a frame.
        if parts[-1][:1] == ["ustack"]:
            pids = [index for index, part in enumerate(parts[:-1]) if part and part[0] in _PIDS]
            name = f"@{code[at + 1].text}" if named else "@"
            found[name] = Shape(len(parts) - 1, pids[0] if pids else None)
    return found


def _parts(code: list[Token], at: int) -> list[list[str]]:
    """The arguments from ``at`` up to the bracket that closes them."""
    parts: list[list[str]] = [[]]
    depth = 0
    for token in code[at:]:
        if token.text in _CLOSING and depth == 0:
            break
        depth += (token.text in _OPENING) - (token.text in _CLOSING)
        if token.text == "," and depth == 0:
            parts.append([])
        else:
            parts[-1].append(token.text)
    return parts


def head(text: str, shape: Shape | None, recipe: str, only: int | None) -> Head:
    """What ``text``, the part of a key before its stack, says; ``only``: the one process of a session."""
    parts = text.split(",")
    if recipe == "stacks" and len(parts) == 2 and all(_is_number(part) for part in parts):
        return Head(int(parts[0]), int(parts[1]), parts[0])
    if shape is None or shape.pid is None:
        return Head(only, None, text)
    at: int | None = shape.pid
    if len(parts) != shape.parts and at != 0:
        # A text among the parts may have commas: then only the ends can be told.
        at = -1 if at == shape.parts - 1 else None
    pid = int(parts[at]) if at is not None and _is_number(parts[at]) else only
    return Head(pid, None, text)


def _is_number(part: str) -> bool:
    return part.isascii() and part.isdecimal() and len(part) <= 20
