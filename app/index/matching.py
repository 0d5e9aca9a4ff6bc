"""A text and a kind of match over a binary's names to a rank for each name.

Names are searched as one blob, a line each, demangled and raw. Capital letters count only when the text has
one. Regular expressions and globs are RE2's, whose time is linear in the names, whatever the expression.
"""

from __future__ import annotations

import re
import time
from typing import Any

import numpy as np
import numpy.typing as npt
import re2

from app.errors import BadInput, Busy
from app.index.columns import Columns
from app.index.model import Mode

NONE = 0xFFFF
EXACT, UNQUALIFIED, PREFIX, INSIDE = 0, 1, 2, 3
_FUZZY = 16  # ranks from here on say how far apart the letters are
_CHECK_EVERY = 4096
_NEWLINE = 10
Ranks = npt.NDArray[np.uint16]
Places = npt.NDArray[np.int64]


def ranks(columns: Columns, text: str, mode: Mode, seconds: float) -> Ranks:
    """The rank of each name id, ``NONE`` where it does not match; lower is better.

    Raises BadInput for an expression that is none, and Busy when it takes longer than ``seconds``.
    """
    deadline = time.monotonic() + seconds
    out = np.full(columns.count("name"), NONE, np.uint16)
    if mode == "substring":
        _substring(columns, text, out)
    elif mode == "prefix":
        _prefix(columns, text, out)
    elif mode == "fuzzy":
        _fuzzy(columns, text, out, deadline)
    else:
        _expression(columns, text, mode, out, deadline)
    return out


def folds(text: str) -> bool:
    """Whether case is ignored for this text."""
    return text == text.lower()


def _encoded(text: str) -> bytes:
    # A name is one line: what would match across lines cannot match at all.
    return text.encode("utf-8", "surrogateescape").replace(b"\n", b"\x01")


def _blob(columns: Columns, text: str) -> npt.NDArray[np.uint8]:
    found: npt.NDArray[np.uint8] = columns["text"]
    return np.frombuffer(found.tobytes().lower(), np.uint8) if folds(text) else found


def _names(columns: Columns, line: Places) -> Places:
    """The name of each line: behind the lines of all names lie the linkage names of some."""
    count = columns.count("name")
    out = line.astype(np.int64)
    out[line >= count] = columns["line_name"][line[line >= count] - count]
    return out


def _substring(columns: Columns, text: str, out: Ranks) -> None:
    blob, needle = _blob(columns, text), _encoded(text)
    if len(needle) == 1:
        places = np.flatnonzero(blob == needle[0])
    else:
        found = re.finditer(re.escape(needle), blob.data)
        places = np.fromiter((match.start() for match in found), np.int64)
    if not len(places):
        return
    lines = columns["line_at"]
    line = np.searchsorted(lines, places.astype(lines.dtype), side="right") - 1
    start, last = lines[line], lines[line + 1].astype(np.int64) - 1
    end = places + len(needle)
    before = blob[np.maximum(places - 1, 0)]
    after = blob[np.minimum(end, len(blob) - 1)]
    at_start = places == start
    # A name is exact, too, without what qualifies it before and its parameters behind.
    opens = at_start | (before == ord(":")) | (before == ord(" "))
    closes = (end == last) | (after == ord("(")) | (after == ord("<"))
    rank = np.full(len(places), INSIDE, np.uint16)
    rank[at_start] = PREFIX
    rank[opens & closes] = UNQUALIFIED
    rank[at_start & (end == last)] = EXACT
    np.minimum.at(out, _names(columns, line), rank)


def _prefix(columns: Columns, text: str, out: Ranks) -> None:
    blob, lines = _blob(columns, text), columns["line_at"]
    needle = _encoded(text)
    line = np.flatnonzero(np.diff(lines) > len(needle))
    for index, byte in enumerate(needle):
        line = line[blob[lines[line] + np.uint32(index)] == byte]
    whole = lines[line + 1] - lines[line] - 1 == len(needle)
    np.minimum.at(out, _names(columns, line), np.where(whole, EXACT, PREFIX).astype(np.uint16))


def _expression(columns: Columns, text: str, mode: Mode, out: Ranks, deadline: float) -> None:
    if mode == "glob":
        pattern = b"^(?:" + glob_pattern(_encoded(text)) + b")$"
    else:
        _compiled(_encoded(text))
        pattern = b"^.*?(?:" + _encoded(text) + b")"
    # An expression's own escapes (\\S, \\W) have capitals, which say nothing about the case of names.
    letters = re.sub(r"\\[A-Za-z]", "", text) if mode == "regex" else text
    line, _, _ = _lines(columns, pattern, not folds(letters), deadline)
    np.minimum.at(out, _names(columns, line), np.full(len(line), INSIDE, np.uint16))


def _fuzzy(columns: Columns, text: str, out: Ranks, deadline: float) -> None:
    _substring(columns, text, out)
    letters = [bytes([byte]) for byte in _encoded(text) if byte != ord(" ")]
    pattern = b"^.*?(" + b".*?".join(re2.escape(letter) for letter in letters) + b")"
    line, begins, ends = _lines(columns, pattern, not folds(text), deadline, group=1)
    rank = (_FUZZY + np.minimum(ends - begins, NONE - _FUZZY - 1)).astype(np.uint16)
    np.minimum.at(out, _names(columns, line), rank)


def _lines(
    columns: Columns, pattern: bytes, case: bool, deadline: float, group: int = 0
) -> tuple[Places, Places, Places]:
    """Each line that has a match, and where in the blob the match starts and ends."""
    compiled = _compiled(b"(?m)" + pattern, case)
    lines = columns["line_at"]
    spans: list[tuple[int, int]] = []
    for count, match in enumerate(compiled.finditer(columns["text"].tobytes())):
        if count % _CHECK_EVERY == 0 and time.monotonic() > deadline:
            raise Busy(
                "The search took too long and was stopped.",
                "Use a longer text, or a simpler kind of match.",
                code="search_time",
            )
        spans.append(match.span(group))
    # Behind the last newline there is one empty line more, which is no name.
    if spans and spans[-1][0] >= lines[-1]:
        spans.pop()
    begins, ends = np.array(spans, np.int64).reshape(-1, 2).T
    return np.searchsorted(lines, begins.astype(lines.dtype), side="right") - 1, begins, ends


def _compiled(pattern: bytes, case: bool = True) -> Any:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.never_nl = True
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


def glob_pattern(text: bytes) -> bytes:
    """``*``, ``?`` and ``[...]`` of the shell as an expression; everything else is itself."""
    out, at = [], 0
    while at < len(text):
        sign = text[at : at + 1]
        at += 1
        if sign == b"*":
            out.append(b".*")
        elif sign == b"?":
            out.append(b".")
        elif sign == b"[" and (close := text.find(b"]", at + 1)) > 0:
            inside = text[at:close].replace(b"\\", b"\\\\").replace(b"[", b"\\[")
            if inside[:1] in (b"!", b"^"):
                inside = b"^" + inside[1:]
            out.append(b"[" + inside + b"]")
            at = close + 1
        else:
            out.append(re2.escape(sign))
    return b"".join(out)


def wildcard(pattern: str) -> re.Pattern[str]:
    """bpftrace's own wildcard, in which ``*`` alone is special."""
    return re.compile(".*".join(re.escape(part) for part in pattern.split("*")), re.DOTALL)
