"""The library of scripts: the list, one with its sessions and forks, titles, removal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from app.errors import BadInput
from app.trace.library import sha_of
from app.trace.model import SavedScript, Session
from app.web.render import build_url, page
from app.web.routes.sessions import as_row
from app.web.schemas import SavedBody
from app.web.services import Services, actor, services

router = APIRouter()
SHORT = 16


def _ran(found: Services) -> dict[str, list[Session]]:
    """Sessions by the hash of their script, the newest first."""
    ran: dict[str, list[Session]] = {}
    for session in found.sessions.list(limit=1000):
        ran.setdefault(sha_of(session.script), []).append(session)
    return ran


def _row(script: SavedScript, sessions: Sequence[Session]) -> dict[str, Any]:
    first = script.text.strip().partition("\n")[0][:120]
    last = sessions[0].started if sessions else None
    return {
        **script.as_dict(),
        "name": script.title or first,
        "url": f"/scripts/{script.sha[:SHORT]}",
        "sessions": len(sessions),
        "last": last,
    }


@router.get("/scripts")
async def scripts_page(request: Request) -> Response:
    found = services(request)
    ran = _ran(found)
    rows = [_row(script, ran.get(script.sha, ())) for script in found.sessions.library.all()]
    return page(request, "scripts", "Scripts", "scripts", scripts=rows)


@router.get("/api/v1/scripts")
async def scripts_list(request: Request) -> dict[str, Any]:
    found = services(request)
    ran = _ran(found)
    rows = [_row(script, ran.get(script.sha, ())) for script in found.sessions.library.all()]
    return {"total": len(rows), "items": rows, "next": None, "took_ms": 0.0}


@router.get("/scripts/{name}")
async def script_page(request: Request, name: str) -> Response:
    found = services(request)
    script = found.sessions.library.get(name)
    forks = found.sessions.library.forks(script.sha)
    ran = _ran(found)
    return page(
        request,
        "script",
        script.title or f"Script {script.sha[:SHORT]}",
        "scripts",
        script=_row(script, ran.get(script.sha, ())),
        forks=[_row(fork, ran.get(fork.sha, ())) for fork in forks],
        sessions=[as_row(session) for session in ran.get(script.sha, ())[:50]],
        use_url=build_url("/sessions/new", recipe="custom", script=script.text, parent=script.sha),
    )


@router.get("/api/v1/scripts/{name}")
async def script_json(request: Request, name: str) -> dict[str, Any]:
    found = services(request)
    script = found.sessions.library.get(name)
    forks = found.sessions.library.forks(script.sha)
    ran = _ran(found).get(script.sha, [])
    return {
        **_row(script, ran),
        "forks": [fork.sha for fork in forks],
        "session_ids": [each.id for each in ran],
    }


@router.put("/api/v1/scripts/{sha}")
async def save(request: Request, sha: str, body: SavedBody) -> Response:
    """Keeps a text under its own hash, with a title; or gives a kept one another title."""
    library = services(request).sessions.library
    if body.script is None:
        kept = library.get(sha)
        made = library.keep(kept.text, body.title, kept.recipe, actor(request))
        return JSONResponse(_row(made, ()))
    if sha != sha_of(body.script):
        raise BadInput("The hash is not that of the text.", "Put it to the SHA-256 of the script, in hex.")
    made = library.keep(body.script, body.title, "custom", actor(request), body.parent)
    return JSONResponse(_row(made, ()), 201)


@router.delete("/api/v1/scripts/{name}")
def forget(request: Request, name: str) -> Response:
    services(request).sessions.library.forget(name, actor(request))
    return Response(status_code=204)


@router.post("/scripts")
async def save_form(request: Request) -> Response:
    """The builder's *Save*: the text as it stands there."""
    data = await request.form(max_files=0, max_fields=600, max_part_size=128 * 1024)
    text = str(data.get("script") or "").replace("\r\n", "\n")
    if not text.strip():
        raise BadInput("There is no script to save yet.", "Choose a probe, or write one.")
    own = str(data.get("edited") or "") in {"1", "on", "true"}
    recipe = "custom" if own else str(data.get("recipe") or "custom")[:32]
    parent = str(data.get("parent") or "") or None
    title = str(data.get("title") or "")
    made = services(request).sessions.library.keep(text, title, recipe, actor(request), parent)
    return RedirectResponse(f"/scripts/{quote(made.sha[:SHORT])}", 303)


@router.post("/scripts/{name}/title")
async def title_form(request: Request, name: str) -> Response:
    data = await request.form(max_files=0, max_fields=4, max_part_size=4096)
    library = services(request).sessions.library
    kept = library.get(name)
    library.keep(kept.text, str(data.get("title") or ""), kept.recipe, actor(request))
    return RedirectResponse(f"/scripts/{quote(kept.sha[:SHORT])}", 303)


@router.post("/scripts/{name}/delete")
def forget_form(request: Request, name: str) -> Response:
    services(request).sessions.library.forget(name, actor(request))
    return RedirectResponse("/scripts", 303)
