"""A script to what it does with its maps: which it counts up, and which it empties as it goes.

Reads the text with the policy's lexer and never refuses one; what it does not understand is not counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from app.trace.policy import Token, tokens

COUNTING = frozenset({"count", "sum", "hist", "lhist", "stats"})
EMPTYING = frozenset({"clear", "zero"})
# Probes that come by the clock: what is emptied there is printed right before.
CLOCKS = frozenset({"interval", "i", "profile", "p"})
_SILENT = frozenset({"space", "line_comment", "block_comment"})


@dataclass(frozen=True, slots=True)
class Usage:
    """Names of maps with their @."""

    counted: frozenset[str]  # by count, sum, hist, lhist, stats, ++ or +=: later values hold earlier ones
    cleared: frozenset[str]  # emptied by the clock: each print stands for itself


@lru_cache(maxsize=256)
def usage(script: str) -> Usage:
    found = [token for token in tokens(script) if token.kind not in _SILENT]
    counted: set[str] = set()
    cleared: set[str] = set()
    depth, clock = 0, False
    for at, token in enumerate(found):
        if token.text == "{":
            depth += 1
        elif token.text == "}":
            depth = max(0, depth - 1)
            clock = clock and depth > 0
        elif depth == 0 and token.text in CLOCKS and _text(found, at + 1) == ":":
            clock = True
        elif token.text == "@" and _counts(found, at):
            counted.add(_name(found, at))
        elif clock and token.text in EMPTYING and _text(found, at + 1) == "(" and _text(found, at + 2) == "@":
            cleared.add(_name(found, at + 2))
    return Usage(frozenset(counted), frozenset(cleared))


def _text(found: Sequence[Token], at: int) -> str:
    return found[at].text if 0 <= at < len(found) else ""


def _named(found: Sequence[Token], at: int) -> bool:
    """Whether a name belongs to the @ at this place; the map without one is called @."""
    after = found[at + 1] if at + 1 < len(found) else None
    return after is not None and after.kind == "name" and after.start == found[at].start + 1


def _name(found: Sequence[Token], at: int) -> str:
    return "@" + found[at + 1].text if _named(found, at) else "@"


def _counts(found: Sequence[Token], at: int) -> bool:
    """Whether the map whose @ stands here is counted up by this statement."""
    if _text(found, at - 1) == "+" and _text(found, at - 2) == "+":
        return True
    after = at + (2 if _named(found, at) else 1)
    if _text(found, after) == "[":
        depth = 1
        while depth and after + 1 < len(found):
            after += 1
            depth += {"[": 1, "]": -1}.get(found[after].text, 0)
        after += 1
    sign, then = _text(found, after), _text(found, after + 1)
    if sign == "+":
        return then in {"+", "="}
    return sign == "=" and then in COUNTING and _text(found, after + 2) == "("
