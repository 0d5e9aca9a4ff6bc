"""A session over time, as JSON: heatmap, counters, timeline, what its maps held in a span; and markers."""

from __future__ import annotations

import json
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Form, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from app.views.counters import MOST_SERIES
from app.views.timeline import MOST_BINS
from app.web.answers import packed
from app.web.past import counters_of, heatmap_of, maps_in, timeline_of
from app.web.reading import numbers_in, span_of, value_bound, whole_number
from app.web.schemas import MarkerBody
from app.web.services import services

router = APIRouter()
BINS = 240


@router.get("/api/v1/sessions/{session_id}/heatmap")
def heatmap_json(request: Request, session_id: str) -> Response:
    found, query = services(request), request.query_params
    session = found.sessions.get(session_id)
    drawn = heatmap_of(found, session, query.get("map", ""), query.get("key"), span_of(query))
    low, high = value_bound(query, "low"), value_bound(query, "high")
    box = drawn.box(low, high) if low is not None or high is not None else None
    inside = {"low": box.low, "high": box.high, "count": box.count, "share": box.share} if box else None
    return _answer(request, {**drawn.as_dict(), "box": inside})


@router.get("/api/v1/sessions/{session_id}/counters")
def counters_json(request: Request, session_id: str) -> Response:
    found, query = services(request), request.query_params
    session = found.sessions.get(session_id)
    top = whole_number(query, "top", MOST_SERIES) or MOST_SERIES
    drawn = counters_of(found, session, query.get("map", ""), span_of(query))
    return _answer(request, drawn.as_dict(top))


@router.get("/api/v1/sessions/{session_id}/timeline")
def timeline_json(request: Request, session_id: str) -> Response:
    found, query = services(request), request.query_params
    session, span = found.sessions.get(session_id), span_of(query)
    bins = whole_number(query, "bins", MOST_BINS) or BINS
    return _answer(request, timeline_of(found, session, bins, span).as_dict())


@router.get("/api/v1/sessions/{session_id}/maps")
def maps_json(request: Request, session_id: str) -> dict[str, Any]:
    """What each map held in the span, and the numbers of the events in it."""
    found = services(request)
    session, span = found.sessions.get(session_id), span_of(request.query_params)
    first, last = numbers_in(found, session, span)
    return {
        "t0": span.t0,
        "t1": span.t1,
        "first": first,
        "last": last,
        "maps": [each.as_dict() for each in maps_in(found, session, span).values()],
    }


def _answer(request: Request, body: dict[str, Any]) -> Response:
    """As JSON, without the copy that a route's own answer is checked by: it may have many numbers."""
    return packed(request, json.dumps(body, separators=(",", ":"), allow_nan=False).encode())


@router.post("/api/v1/sessions/{session_id}/markers")
async def mark(request: Request, session_id: str, body: MarkerBody) -> Response:
    return JSONResponse({"n": services(request).sessions.mark(session_id, body.text)}, 201)


@router.post("/sessions/{session_id}/markers")
async def mark_form(request: Request, session_id: str, text: Annotated[str, Form()] = "") -> Response:
    services(request).sessions.mark(session_id, text)
    return RedirectResponse(f"/sessions/{quote(session_id)}?view=log", 303)
