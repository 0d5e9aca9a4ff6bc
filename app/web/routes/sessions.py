"""Sessions: the list, one as it stands or as its log replays it, exports, stopping and removing."""

from __future__ import annotations

import json
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
from app.views.histogram import histograms
from app.views.table import maps
from app.web.recipes import as_text
from app.web.render import build_url, page
from app.web.schemas import ScriptBody
from app.web.services import Services, actor, services

router = APIRouter()
# Each has its panel in templates/parts/view_NAME.html and its class in static/js/live.
VIEWS = {"log": "Log", "table": "Table", "histogram": "Histogram"}
DEFAULT_VIEW = {"count": "table", "latency": "histogram"}
READ_LINES = 5000
LOG_ROWS = 200
FORMATS = {"ndjson": "application/x-ndjson", "json": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}


def as_row(session: Session) -> dict[str, Any]:
    """A session for a list: what the contract has, and a title."""
    probe = session.probes[0] if session.probes else session.script.strip().partition("\n")[0][:120]
    more = f" and {len(session.probes) - 1} more" if len(session.probes) > 1 else ""
    return {
        **session.as_dict(),
        "title": f"{session.recipe}: {probe}{more}",
        "url": f"/sessions/{quote(session.id)}",
        "script_sha": sha_of(session.script),
    }


def lines_of(found: Services, session_id: str, start: int) -> Iterator[bytes]:
    """The kept lines of the log from number ``start``, as far as it goes now."""
    while lines := found.sessions.read(session_id, start, READ_LINES):
        yield from lines
        last = json.loads(lines[-1])
        start = int(last["data"]["to"] if last["type"] == "gap" else last["n"]) + 1


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
    lines = lines_of(found, session_id, _start(request))
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
        raise NotFound(f"A session cannot be exported as {form!r}.", "Use csv, json, ndjson or bt.")
    lines = lines_of(found, session_id, 1)
    chunks = export.csv(lines) if form == "csv" else export.ndjson(lines)
    return _download(name, chunks, FORMATS[form])


def _replayed(found: Services, session: Session) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """(last rows of the log, maps by name) of what is kept, for pages that are read without JavaScript."""
    rows: list[dict[str, Any]] = []
    latest: dict[str, dict[str, Any]] = {}
    for line in lines_of(found, session.id, 1):
        event = json.loads(line)
        if event["type"] in {"map", "hist", "stats"} and isinstance(event["data"], dict):
            for name in event["data"]:
                latest[name] = event
        else:
            rows.append(event)
            if len(rows) > 4 * LOG_ROWS:
                del rows[:-LOG_ROWS]
    return rows[-LOG_ROWS:], maps(latest.values())


@router.get("/sessions/{session_id}")
async def session_page(request: Request, session_id: str) -> Response:
    found = services(request)
    session = found.sessions.get(session_id)
    view = request.query_params.get("view") or DEFAULT_VIEW.get(session.recipe, "log")
    if view not in VIEWS:
        raise BadInput(f"There is no view called {view!r}.", "Use one of: " + ", ".join(VIEWS) + ".")
    rows, found_maps = await run_in_threadpool(_replayed, found, session)
    again = build_url(
        "/sessions/new",
        recipe=session.recipe,
        probe=list(session.probes),
        pid=session.pid,
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
        map=request.query_params.get("map", ""),
        maps=found_maps,
        histograms=histograms(found_maps),
        log=rows,
        again_url=again,
    )
