"""A text and a kind of match over a binary's names to a rank for each name.

Names are searched as one text, a line each, demangled and raw. Capital letters count only when the text has
one. Globs and most regular expressions are the core's, which knows the lines that can match; where that is
not the whole answer RE2 decides, whose time is linear in the names, whatever the expression.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import re2

from app.elf.search import scan
from app.elf.search.scan import EXACT, INSIDE, NONE, PREFIX, UNQUALIFIED, Choice, Found, Grown, Lines, Ranks
from app.errors import BadInput, Busy
from app.index import expression
from app.index.columns import Columns
from app.index.model import Mode
from app.index.rows import lines_of

__all__ = [
    "EXACT",
    "INSIDE",
    "NONE",
    "PREFIX",
    "UNQUALIFIED",
    "Ranks",
    "folds",
    "found",
    "line_ranks",
    "ranks",
    "wildcard",
]
Mark = Callable[[Sequence[Choice], float], npt.NDArray[np.uint32]]
_AT_ONCE = 1 << 22  # bytes between two looks at the clock
_CHECK_EVERY = 4096


def ranks(columns: Columns, text: str, mode: Mode, seconds: float) -> Ranks:
    """The rank of each name id, ``NONE`` where it does not match; lower is better.

    Raises BadInput for an expression that is none, and Busy when it takes longer than ``seconds``.
    """
    return line_ranks(lines_of(columns), text, mode, seconds)


def line_ranks(lines: Lines, text: str, mode: Mode, seconds: float) -> Ranks:
    """As ``ranks``, of any names."""
    out = np.full(lines.names, NONE, np.uint16)
    with _in_time():
        until = time.monotonic() + seconds
        if mode in ("glob", "regex"):
            out[lines.name_of(_expression(lines, partial(scan.mark, lines), text, mode, until))] = INSIDE
        else:
            needle, sides = (_encoded(text), 0) if mode == "fuzzy" else written(text)
            if mode == "fuzzy":
                scan.rank(lines, needle.strip(), "substring", folds(text), until, out)
            scan.rank(lines, needle, mode, folds(text), until, out, sides)  # type: ignore[arg-type]
    return out


def found(grown: Grown, text: str, mode: Mode, seconds: float) -> Found:
    """The names of a part that match; raises what ``ranks`` raises."""
    with _in_time():
        until = time.monotonic() + seconds
        if mode in ("glob", "regex"):
            marked = _expression(grown.lines, partial(scan.find_lines, grown), text, mode, until)
            names = grown.lines.name_of(marked)
            if (names[1:] <= names[:-1]).any():  # spellings of one name, or an expression that matches twice
                names = np.unique(names)
            return Found(names.astype(np.uint32), np.full(len(names), INSIDE, np.uint16))
        needle, sides = (_encoded(text), 0) if mode == "fuzzy" else written(text)
        matched = scan.find(grown, needle, mode, folds(text), until, sides)  # type: ignore[arg-type]
        if mode == "fuzzy":
            matched = _better(matched, scan.find(grown, needle.strip(), "substring", folds(text), until))
    return matched


def _better(many: Found, few: Found) -> Found:
    """The better rank of each name; mostly those of ``few`` are among the others."""
    here = many.ranks_of(few.names)
    if (here == NONE).any():
        names = np.union1d(many.names, few.names)
        return Found(names, np.minimum(many.ranks_of(names), few.ranks_of(names)))
    ranks = many.ranks.copy()
    ranks[np.searchsorted(many.names, few.names)] = np.minimum(here, few.ranks)
    return Found(many.names, ranks)


@contextmanager
def _in_time() -> Iterator[None]:
    try:
        yield
    except TimeoutError:
        raise Busy(
            "The search took too long and was stopped.",
            "Use a longer text, or a simpler kind of match.",
            code="search_time",
        ) from None


def folds(text: str) -> bool:
    """Whether case is ignored for this text."""
    return text == text.lower()


def _encoded(text: str) -> bytes:
    # A name is one line: what would match across lines cannot match at all.
    return text.encode("utf-8", "surrogateescape").replace(b"\n", b"\x01")


def written(text: str) -> tuple[bytes, int]:
    """What people write to a text and how it has to lie: ``f(``, ``f()`` are f whole, ``::f`` not ``xf``."""
    text, sides = text.strip(), 0
    plain = re.sub(r"\(\)?$", "", text)
    if plain != text and plain.strip(":"):
        text, sides = plain.rstrip(), scan.CLOSED
    if text.startswith("::") and len(text) > 2:
        text, sides = text[2:], sides | scan.OPENED
    return _encoded(text), sides


def _expression(lines: Lines, mark: Mark, text: str, mode: Mode, until: float) -> npt.NDArray[np.uint32]:
    """The lines that match, in order."""
    needle = _encoded(text)
    if mode == "glob":
        plan: expression.Plan | None = expression.of_glob(needle, folds(text))
        compiled = None
    else:
        # An expression's own escapes (\\S, \\W) have capitals, which say nothing about the case of names.
        fold = folds(re.sub(r"\\[A-Za-z]", "", text)) and not re.search(r"\[:(upper|lower):", text)
        _compiled(needle)
        compiled = _compiled(b"(?m)^.*?(?:" + needle + b")", not fold)
        plan = expression.of_regex(needle, fold)
    if plan is None or not (plan.exact or plan.selective):
        return _matched(compiled, lines.text.data, lines.line_at, until)
    marked = mark(plan.choices, until)
    if plan.exact:
        return marked
    if 2 * len(marked) >= lines.count:
        return _matched(compiled, lines.text.data, lines.line_at, until)
    few = scan.gather(lines, marked)
    ends = np.cumsum(lines.line_at[marked + 1] - lines.line_at[marked], dtype=np.uint32)
    return marked[_matched(compiled, few.data, np.append(np.uint32(0), ends), until)]


def _matched(
    compiled: Any, text: bytes | memoryview, line_at: npt.NDArray[np.uint32], until: float
) -> npt.NDArray[np.uint32]:
    """The lines of ``text`` that RE2 finds a match in."""
    size, begin = int(line_at[-1]), 0
    found: list[npt.NDArray[np.uint32]] = []
    while begin < size:
        # A part ends with a line.
        part = int(np.searchsorted(line_at, np.uint32(min(begin + _AT_ONCE, size)), side="left"))
        end = max(int(line_at[min(part, len(line_at) - 1)]), begin + 1)
        places = []
        for count, match in enumerate(compiled.finditer(text, begin, end)):
            if count % _CHECK_EVERY == 0 and time.monotonic() > until:
                raise TimeoutError
            if match.start() < end:
                places.append(match.start())
        found.append(
            (np.searchsorted(line_at, np.array(places, np.uint32), side="right") - 1).astype(np.uint32)
        )
        begin = end
        if time.monotonic() > until:
            raise TimeoutError
    return np.concatenate(found) if found else np.zeros(0, np.uint32)


def _compiled(pattern: bytes, case: bool = True) -> Any:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.never_nl = True
    options.never_capture = True
    options.case_sensitive = case
    options.log_errors = False
    options.max_mem = 64 << 20
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        reason = (
            error.args[0].decode("utf-8", "replace")
            if error.args and isinstance(error.args[0], bytes)
            else error
        )
        raise BadInput(
            f"This regular expression is not understood: {reason}.",
            "Back-references and look-around are not part of RE2; see https://github.com/google/re2/wiki/Syntax.",
            code="bad_regex",
        ) from error


def wildcard(pattern: str) -> re.Pattern[str]:
    """bpftrace's own wildcard, in which ``*`` alone is special."""
    return re.compile(".*".join(re.escape(part) for part in pattern.split("*")), re.DOTALL)
