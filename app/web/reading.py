"""A session's log as its views want it: its lines, those of a span of time, the prints of its maps."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from app.errors import BadInput
from app.trace.heads import Span, head, is_print, numbers, prints
from app.trace.live import OVER
from app.trace.model import Session
from app.web.services import Services

READ_LINES = 5000
LOG_ROWS = 200  # of a page
_LONGEST_MS = 10**12


def batches_of(
    found: Services, session_id: str, start: int, last: int | None = None
) -> Iterator[list[bytes]]:
    """The kept lines of the log from number ``start`` to ``last``, as far as it goes now, many at a time."""
    while last is None or start <= last:
        limit = READ_LINES if last is None else min(READ_LINES, last - start + 1)
        lines = found.sessions.read(session_id, start, limit)
        if not lines:
            return
        yield lines
        # A gap is numbered like the last event it stands for.
        start = head(lines[-1]).n + 1


def lines_of(found: Services, session_id: str, start: int, last: int | None = None) -> Iterator[bytes]:
    """The same, one at a time."""
    for lines in batches_of(found, session_id, start, last):
        yield from lines


def map_events(lines: Sequence[bytes]) -> Iterator[dict[str, Any]]:
    """The prints among the lines, parsed."""
    return (json.loads(line) for line in prints(lines))


def rows_of(found: Services, session: Session, span: Span, most: int) -> tuple[dict[str, Any], ...]:
    """The last events of a span that are no prints of maps, at most so many."""
    key = ("rows", span, most)
    return found.kept.once(session, key, session.last, lambda: _rows(found, session, span, most))


def _rows(found: Services, session: Session, span: Span, most: int) -> tuple[dict[str, Any], ...]:
    first, last = numbers_in(found, session, span)
    rows: list[bytes] = []
    if span.t0 is None and session.first > 1:
        # Told before anything else: what is not kept any more.
        rows += found.sessions.read(session.id, 1, 1)
    taken: list[bytes] = []
    while last >= first and len(taken) < most:
        start = max(first, last - READ_LINES + 1)
        lines = [
            line for line in found.sessions.read(session.id, start, last - start + 1) if not is_print(line)
        ]
        taken = [*lines, *taken][-most:]
        last = start - 1
    if len(taken) < most:
        taken = [*rows, *taken]
    return tuple(json.loads(line) for line in taken)


def numbers_in(found: Services, session: Session, span: Span) -> tuple[int, int]:
    """First and last number of the session's kept events in a span; the last is lower where there is none."""

    def read(start: int, limit: int) -> list[bytes]:
        return found.sessions.read(session.id, start, limit)

    if span.whole:
        return session.first, session.last
    return found.kept.once(
        session,
        ("numbers", span),
        session.last,
        lambda: numbers(read, session.first, session.last, span),
    )


def end_of(found: Services, session: Session) -> int:
    """Until when the session's line of time goes: its last event once it is over, else now; in ms."""
    if session.state not in OVER:
        return max(0, round((time.time() - session.started) * 1000))

    def last() -> int:
        lines = found.sessions.read(session.id, session.last, 1)
        return head(lines[-1]).t if lines else 0

    return found.kept.once(session, "end", session.last, last)


def span_of(query: Mapping[str, str]) -> Span:
    """The span of ``t0`` and ``t1`` in ms; ``at``, a place of the replay, is an end. Raises BadInput."""
    t0, t1 = whole_number(query, "t0"), whole_number(query, "t1")
    t1 = whole_number(query, "at") if t1 is None else t1
    if t0 is not None and t1 is not None and t0 >= t1:
        raise BadInput(f"The time from {t0} to {t1} ms is none.", "Let t0 be less than t1.")
    # Nothing comes before 0.
    return Span(t0 or None, t1)


def whole_number(query: Mapping[str, str], name: str, most: int = _LONGEST_MS) -> int | None:
    """A whole number from 0, or None where it is not given. Raises BadInput."""
    text = query.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 16 and int(text) <= most):
        raise BadInput(
            f"{name}={text[:40]!r} is not a whole number from 0 to {most:,}.", "Leave it out, or give one."
        )
    return int(text)


def value_bound(query: Mapping[str, str], name: str) -> int | None:
    """A bound of values, which may be negative; None: open. Raises BadInput."""
    text = query.get(name, "")
    if not text:
        return None
    try:
        return int(text[:24])
    except ValueError:
        raise BadInput(f"{name}={text[:40]!r} is not a whole number.", "Leave it out, or give one.") from None
