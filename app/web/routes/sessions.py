"""Sessions: the list, one as it stands or as its log replays it, exports, stopping and removing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse

from app.errors import BadInput, NotFound
from app.trace import export
from app.trace.library import sha_of
from app.trace.model import Session
from app.views.samples import by_stack
from app.web.flames import flame_part, read_ask
from app.web.pictures import pictures
from app.web.reading import lines_of, span_of, value_bound, whole_number
from app.web.recipes import as_text
from app.web.render import build_url, page
from app.web.schemas import ScriptBody
from app.web.services import actor, services

router = APIRouter()
# Each has its panel in templates/parts/view_NAME.html and its class in static/js/live.
VIEWS = {
    "log": "Log",
    "table": "Table",
    "histogram": "Histogram",
    "heatmap": "Heatmap",
    "flame": "Flame graph",
    "counters": "Counters",
}
# By recipe; a view that is not there is the log.
DEFAULT_VIEW = {
    "count": "table",
    "top": "table",
    "latency": "histogram",
    "offcpu": "histogram",
    "heatmap": "heatmap",
    "stacks": "flame",
    "profile": "flame",
}
TABLE_ROWS = {"10": 10, "50": 50, "1000": 1000}
TABLE_DEFAULT = "50"
FORMATS = {"ndjson": "application/x-ndjson", "json": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}


def first_view(recipe: str) -> str:
    """The view that a session of this recipe opens with."""
    view = DEFAULT_VIEW.get(recipe, "log")
    return view if view in VIEWS else "log"


def as_row(session: Session) -> dict[str, Any]:
    """A session for a list: what the contract has, and a title."""
    about = session.probes[0] if session.probes else session.script.strip().partition("\n")[0][:120]
    if session.recipe == "profile" and session.pid is not None:
        about = f"process {session.pid}"
    more = f" and {len(session.probes) - 1} more" if len(session.probes) > 1 else ""
    return {
        **session.as_dict(),
        "title": f"{session.recipe}: {about}{more}",
        "url": f"/sessions/{quote(session.id)}",
        "script_sha": sha_of(session.script),
    }


@router.get("/sessions")
async def sessions_page(request: Request) -> Response:
    rows = [as_row(session) for session in services(request).sessions.list()]
    return page(request, "sessions", "Sessions", "sessions", part="session_rows", sessions=rows)


@router.get("/api/v1/sessions")
async def sessions_list(request: Request) -> dict[str, Any]:
    rows = [as_row(session) for session in services(request).sessions.list(limit=1000)]
    return {"total": len(rows), "items": rows, "next": None, "took_ms": 0.0}


@router.post("/api/v1/sessions")
async def create(request: Request, body: ScriptBody) -> Response:
    session = await services(request).sessions.create(body.as_request(), actor(request))
    return JSONResponse({**as_row(session)}, 201, headers={"location": f"/api/v1/sessions/{session.id}"})


@router.get("/api/v1/sessions/{session_id}")
async def session_json(request: Request, session_id: str) -> dict[str, Any]:
    return as_row(services(request).sessions.get(session_id))


@router.delete("/api/v1/sessions/{session_id}")
async def delete(request: Request, session_id: str) -> Response:
    await services(request).sessions.delete(session_id)
    return Response(status_code=204)


@router.post("/api/v1/sessions/{session_id}/stop")
async def stop(request: Request, session_id: str) -> dict[str, Any]:
    return as_row(await services(request).sessions.stop(session_id))


@router.post("/sessions/{session_id}/stop")
async def stop_form(request: Request, session_id: str) -> Response:
    await services(request).sessions.stop(session_id)
    return RedirectResponse(f"/sessions/{quote(session_id)}", 303)


def _start(request: Request) -> int:
    text = request.query_params.get("from") or "1"
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise BadInput(
            f"from={text[:40]!r} is not a number.", "Give the number of the first event wanted, from 1."
        )
    return max(1, int(text))


def _download(name: str, chunks: Iterator[bytes], kind: str) -> Response:
    disposition = {"content-disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(iterate_in_threadpool(chunks), media_type=kind, headers=disposition)


@router.get("/api/v1/sessions/{session_id}/events")
def events(request: Request, session_id: str) -> Response:
    found = services(request)
    found.sessions.get(session_id)
    last = whole_number(request.query_params, "to")
    lines = lines_of(found, session_id, _start(request), last)
    return StreamingResponse(iterate_in_threadpool(export.ndjson(lines)), media_type=FORMATS["ndjson"])


@router.get("/api/v1/sessions/{session_id}/export.{form}")
def export_session(request: Request, session_id: str, form: str) -> Response:
    found = services(request)
    session = found.sessions.get(session_id)
    name = f"probescope-{session_id}.{form}"
    if form == "bt":
        return PlainTextResponse(
            session.script, headers={"content-disposition": f'attachment; filename="{name}"'}
        )
    if form not in FORMATS:
        raise NotFound(
            f"A session cannot be exported as {form!r}.",
            "Use csv, json, ndjson, bt, folded, svg, speedscope.json or html.",
        )
    lines = lines_of(found, session_id, 1)
    chunks = export.csv(lines) if form == "csv" else export.ndjson(lines)
    return _download(name, chunks, FORMATS[form])


@router.get("/sessions/{session_id}")
async def session_page(request: Request, session_id: str) -> Response:
    found = services(request)
    session = found.sessions.get(session_id)
    query = dict(request.query_params)
    view = query.get("view") or first_view(session.recipe)
    if view not in VIEWS:
        raise BadInput(f"There is no view called {view!r}.", "Use one of: " + ", ".join(VIEWS) + ".")
    drawn = await run_in_threadpool(pictures, found, session, view, span_of(query), query)
    stack_maps = [name for name, each in drawn.whole.items() if by_stack(each)]
    flame = None
    if view == "flame":
        flame = await run_in_threadpool(flame_part, found, session, read_ask(request), stack_maps)
    low, high = value_bound(query, "low"), value_bound(query, "high")
    top = query.get("top", "")
    again = build_url(
        "/sessions/new",
        recipe=session.recipe,
        probe=list(session.probes),
        pid=None if session.wait_for else session.pid,
        follow=1 if session.follow else None,
        wait_for=session.wait_for,
        duration=session.duration,
        script=session.script if session.recipe == "custom" else None,
        **{f"option.{name}": as_text(value) for name, value in session.options.items()},
    )
    return page(
        request,
        "session",
        as_row(session)["title"],
        "sessions",
        session=as_row(session),
        view=view,
        views=list(VIEWS.items()),
        query=query,
        map=query.get("map", ""),
        drawn=drawn,
        box=drawn.heatmap.box(low, high) if drawn.heatmap and (low, high) != (None, None) else None,
        maps=drawn.maps,
        tops=TABLE_ROWS,
        top=top if top in TABLE_ROWS else TABLE_DEFAULT,
        histograms=drawn.histograms,
        log=drawn.log,
        flame=flame,
        stack_maps=stack_maps,
        again_url=again,
    )
