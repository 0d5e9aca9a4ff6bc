"""A session's log to what its page shows before any script runs: log, maps, timeline, and the chosen view."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from app.trace.heads import Span
from app.trace.model import Session
from app.views.counters import Counters
from app.views.heatmap import Column, Heatmap
from app.views.histogram import Histogram, histograms
from app.views.table import MapView, maps
from app.views.timeline import Timeline
from app.views.window import Spanned
from app.web.past import counters_of, heatmap_of, latest_maps, maps_in, timeline_of
from app.web.reading import LOG_ROWS, rows_of
from app.web.services import Services

BINS = 240
CELLS = 1000
POINTS = 200
SERIES = 10


@dataclass(frozen=True, slots=True)
class Pictures:
    """``heatmap`` and ``counters`` only where they are the chosen view."""

    span: Span
    log: tuple[dict[str, Any], ...]
    whole: dict[str, MapView]  # every map as it was printed last, whatever the span
    maps: dict[str, MapView]  # what they held in the span
    how: dict[str, str]  # of each map: counted in the span, or as printed
    histograms: tuple[Histogram, ...]
    timeline: Timeline
    heatmap: Heatmap | None
    counters: Counters | None

    def cells(self) -> list[tuple[Column, str, int]]:
        """The heatmap's cells, the latest first, as many as a page has room for."""
        return list(islice(reversed(list(self.heatmap.cells())), CELLS)) if self.heatmap else []


def pictures(found: Services, session: Session, view: str, span: Span, query: Mapping[str, str]) -> Pictures:
    """What the session's page shows of ``span``; ``query`` may choose ``hist`` and ``key``, or ``series``."""
    inside = maps_in(found, session, span)
    shown = maps(each.as_event() for each in inside.values())
    series = query.get("series") or query.get("map", "")
    return Pictures(
        span=span,
        log=rows_of(found, session, span, LOG_ROWS),
        whole=latest_maps(found, session),
        maps=shown,
        how={each.name: _how(each, span) for each in inside.values()},
        histograms=tuple(histograms(shown)),
        timeline=timeline_of(found, session, BINS, Span()),
        heatmap=_heatmap(found, session, span, query) if view == "heatmap" else None,
        counters=counters_of(found, session, series, span) if view == "counters" else None,
    )


def _heatmap(found: Services, session: Session, span: Span, query: Mapping[str, str]) -> Heatmap:
    drawn = heatmap_of(found, session, query.get("hist") or query.get("map", ""), query.get("key"), span)
    if drawn.maps and drawn.map not in drawn.maps:
        # A name that was chosen for another view.
        drawn = heatmap_of(found, session, "", None, span)
    return drawn


def _how(each: Spanned, span: Span) -> str:
    if span.whole:
        return ""
    end = "the end" if span.t1 is None else f"{span.t1:,} ms"
    if each.how == "counted":
        return f"what came from {span.t0:,} ms to {end}"
    return f"as printed at {each.t:,} ms"
