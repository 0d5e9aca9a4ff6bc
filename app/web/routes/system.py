"""Health, metrics, the host's facts, signing in and out, the files of static/."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import APIRouter, Form, Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response

from app import __version__
from app.errors import NotFound
from app.host.machine import machine
from app.index.model import Ask
from app.paths import asset_dir
from app.web.guard import set_cookie
from app.web.render import THEMES, asset_version, environment, page
from app.web.services import services

router = APIRouter()
STATES = ("starting", "running", "stopping", "ended", "failed")


@router.get("/healthz")
def healthz() -> dict[str, Any]:
    return {"ok": True, "version": __version__}


@router.get("/readyz")
def readyz(request: Request) -> Response:
    found = services(request)
    found.index.binaries(Ask(limit=1))
    able = found.bpftrace.capabilities()
    return JSONResponse({"ok": True, "tracing": able.available and not found.settings.read_only})


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Counters in the Prometheus text format."""
    found = services(request)
    sessions = found.sessions.list(limit=10_000)
    lines = ["# TYPE probescope_sessions gauge"]
    for state in STATES:
        count = sum(session.state == state for session in sessions)
        lines.append(f'probescope_sessions{{state="{state}"}} {count}')
    lines += [
        "# TYPE probescope_events gauge",
        f"probescope_events {sum(session.events for session in sessions)}",
        "# TYPE probescope_viewers gauge",
        f"probescope_viewers {sum(session.viewers for session in sessions)}",
        "# TYPE probescope_lost_events gauge",
    ]
    for kind in ("kernel", "server", "viewer"):
        lost = sum(getattr(session.loss, kind) for session in sessions)
        lines.append(f'probescope_lost_events{{where="{kind}"}} {lost}')
    lines.append("# TYPE probescope_debuginfod_given counter")
    for kind in ("debuginfo", "executable", "section", "source"):
        lines.append(f'probescope_debuginfod_given{{kind="{kind}"}} {found.index.artifacts.given[kind]}')
    return PlainTextResponse("\n".join(lines) + "\n", media_type="text/plain; version=0.0.4")


@router.get("/api/v1/host")
def host(request: Request) -> dict[str, Any]:
    found = services(request)
    return {
        **machine().as_dict(),
        "version": __version__,
        "read_only": found.settings.read_only,
        "roots": list(found.settings.roots),
        "tracing": found.bpftrace.capabilities().as_dict(),
    }


def _local(target: str) -> str:
    """A path of our own to go on to; anything that could leave the site becomes the start page."""
    inside = (
        target.startswith("/") and not target.startswith(("//", "/\\", "/login")) and target.isprintable()
    )
    return target if inside and "\\" not in target else "/"


def _login(problem: str | None, target: str, status: int = 200) -> Response:
    text = (
        environment()
        .get_template("pages/login.html")
        .render(
            page={"title": "Sign in", "section": "", "path": "/login"},
            problem=problem,
            next=_local(target),
            theme="auto",
            chip=None,
            host="",
            live=0,
            request_path="/login",
            status=status,
        )
    )
    return Response(text, status, media_type="text/html")


@router.get("/login")
def login(request: Request) -> Response:
    token = request.query_params.get("token")
    target = request.query_params.get("next", "/")
    found = services(request)
    if token is not None and found.lock.token_fits(token):
        response = RedirectResponse(_local(target), 303)
        set_cookie(response, found.lock)
        return response
    return _login("That token does not fit." if token else None, target)


@router.post("/login")
def login_post(request: Request, token: str = Form(""), next: str = Form("/")) -> Response:
    found = services(request)
    if not found.lock.token_fits(token.strip()):
        return _login("That token does not fit. The server printed it when it started.", next, 401)
    response = RedirectResponse(_local(next), 303)
    set_cookie(response, found.lock)
    return response


@router.post("/logout")
def logout(request: Request) -> Response:
    found = services(request)
    found.lock.revoke(request.headers.get("cookie", ""))
    response = RedirectResponse("/login", 303)
    response.delete_cookie(found.lock.cookie_name)
    return response


@router.post("/theme")
def theme(request: Request, theme: str = Form("auto"), next: str = Form("/")) -> Response:
    response = RedirectResponse(_local(next), 303)
    response.set_cookie("theme", theme if theme in THEMES else "auto", max_age=31_536_000, samesite="lax")
    return response


@router.get("/static/{version}/{path:path}")
def static_file(version: str, path: str) -> Response:
    """A file of static/; its answers never change under the current version, so browsers keep them."""
    top = asset_dir("static").resolve()
    file = Path(top, path).resolve()
    if not file.is_relative_to(top) or not file.is_file():
        raise NotFound("There is no such file.")
    fresh = version == asset_version()
    return FileResponse(
        file,
        headers={"cache-control": "public, max-age=31536000, immutable" if fresh else "no-cache"},
    )


@router.get("/favicon.ico")
def favicon() -> Response:
    return Response(status_code=204)


@router.get("/help")
def help_page(request: Request) -> Response:
    return page(request, "help", "Help", "help")
