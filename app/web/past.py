"""What a session's views show of its log: read once, kept, and gone on with as the log grows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from app.trace.heads import Span
from app.trace.model import Session
from app.trace.usage import usage
from app.views.counters import Counters, CountersReader
from app.views.heatmap import Heatmap, HeatmapReader
from app.views.table import MapView, maps
from app.views.timeline import Timeline, TimelineReader
from app.views.window import Spanned, Window
from app.web.kept import M, T
from app.web.reading import batches_of, end_of, map_events, numbers_in
from app.web.services import Services


class _Taker(Protocol):
    def add(self, event: Mapping[str, Any]) -> None: ...


Taker = TypeVar("Taker", bound=_Taker)


class _Prints:
    """Gives the prints among lines to who takes events."""

    def __init__(self, taker: _Taker) -> None:
        self.taker = taker

    def add(self, lines: Sequence[bytes]) -> None:
        for event in map_events(lines):
            self.taker.add(event)


class _Whole:
    """All of a log at one go: when how much came, what the maps held, and how each was printed last."""

    def __init__(self, session: Session) -> None:
        self.timeline = TimelineReader()
        self.window = Window(Span(), usage(session.script))
        self.latest: dict[str, dict[str, Any]] = {}

    def add(self, lines: Sequence[bytes]) -> None:
        self.timeline.add(lines)
        for event in map_events(lines):
            self.window.add(event)
            if isinstance(event["data"], dict):
                self.latest |= dict.fromkeys(event["data"], event)


def timeline_of(found: Services, session: Session, bins: int, span: Span) -> Timeline:
    end = end_of(found, session)
    if span.whole:
        return _whole(found, session, lambda each: each.timeline.timeline(end, bins))

    def start() -> int:
        # From 1 where it has no beginning, so that what is not kept any more is told.
        return 1 if span.t0 is None else numbers_in(found, session, span)[0]

    def tell(reader: TimelineReader) -> Timeline:
        return reader.timeline(end, bins)

    return _told(found, session, ("timeline", span), lambda: TimelineReader(span), tell, span, start)


def heatmap_of(found: Services, session: Session, name: str, key: str | None, span: Span) -> Heatmap:
    """``name`` "": the first histogram; ``key`` None: all keys."""
    cleared = usage(session.script).cleared
    return _of_prints(
        found,
        session,
        ("heatmap", name, key, span),
        lambda: HeatmapReader(name, key, cleared, span),
        HeatmapReader.drawn,
        span,
    )


def counters_of(found: Services, session: Session, name: str, span: Span) -> Counters:
    """``name`` "": the first map that is printed."""
    use = usage(session.script)
    return _of_prints(
        found,
        session,
        ("counters", name, span),
        lambda: CountersReader(use, name, span),
        CountersReader.drawn,
        span,
    )


def maps_in(found: Services, session: Session, span: Span) -> dict[str, Spanned]:
    """What each map held in the span, by its name."""
    if span.whole:
        return _whole(found, session, lambda each: each.window.maps())
    use = usage(session.script)
    key = ("maps", span)
    return _of_prints(found, session, key, lambda: Window(span, use), Window.maps, span)


def latest_maps(found: Services, session: Session) -> dict[str, MapView]:
    """Each map as it was printed last."""

    def make() -> dict[str, MapView]:
        return _whole(found, session, lambda each: maps(each.latest.values()))

    return found.kept.once(session, "latest", session.last, make)


def _whole(found: Services, session: Session, tell: Callable[[_Whole], T]) -> T:
    return _told(found, session, "whole", lambda: _Whole(session), tell)


def _of_prints(
    found: Services,
    session: Session,
    key: tuple[Any, ...],
    make: Callable[[], Taker],
    tell: Callable[[Taker], T],
    span: Span,
) -> T:
    def told(model: _Prints) -> T:
        taker: Any = model.taker
        return tell(taker)

    return _told(found, session, key, lambda: _Prints(make()), told, span)


def _told(
    found: Services,
    session: Session,
    key: Any,
    make: Callable[[], M],
    tell: Callable[[M], T],
    span: Span | None = None,
    start: Callable[[], int] = lambda: 1,
) -> T:
    def batches(first: int, last: int) -> Any:
        return batches_of(found, session.id, first, last)

    return found.kept.told(session, key, make, batches, tell, span, start)
