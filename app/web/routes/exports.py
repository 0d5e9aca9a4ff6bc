"""Exports of a session that are made from its maps: folded stacks, SVG, speedscope, one HTML file."""

from __future__ import annotations

import json

from fastapi import APIRouter, Request
from starlette.responses import Response

from app import __version__
from app.errors import NotFound
from app.views import flame
from app.views.flame_svg import flame_svg
from app.views.histogram import histograms
from app.views.histogram_svg import histograms_svg
from app.views.profiles import folded, speedscope
from app.web.document import PICTURES, session_document
from app.web.flames import Profile, drawn, need_profile, profile, read_ask
from app.web.past import latest_maps
from app.web.services import services

router = APIRouter()


def _profile(request: Request, session_id: str) -> Profile:
    found = services(request)
    return need_profile(found, found.sessions.get(session_id), read_ask(request))


def _file(session_id: str, form: str, text: str, kind: str) -> Response:
    disposition = f'attachment; filename="probescope-{session_id}.{form}"'
    return Response(
        text.encode("utf-8", "backslashreplace"),
        media_type=kind,
        headers={"content-disposition": disposition},
    )


@router.get("/api/v1/sessions/{session_id}/export.folded")
def folded_stacks(request: Request, session_id: str) -> Response:
    got = _profile(request, session_id)
    return _file(session_id, "folded", folded(got.samples), "text/plain; charset=utf-8")


@router.get("/api/v1/sessions/{session_id}/export.svg")
def svg_picture(request: Request, session_id: str) -> Response:
    """The flame graph; of a map with histograms, or a session that has no other picture, these."""
    found = services(request)
    session = found.sessions.get(session_id)
    ask = read_ask(request)
    got = profile(found, session, ask)
    if got is None:
        pictures = histograms(latest_maps(found, session))
        pictures = [each for each in pictures if not ask.map or each.name == ask.map]
        if not pictures:
            raise NotFound(
                "The session has printed no map with stacks or histograms.",
                "Print one: @[ustack(perf)] = count(), or @ = hist(…).",
            )
        text = histograms_svg(pictures[:PICTURES], f"Histograms of session {session_id}")
    else:
        shown = drawn(got.samples, ask)
        title = f"{got.print.name} of session {session_id}"
        text = flame_svg(flame.layout(flame.tree(shown)), shown, title)
    return _file(session_id, "svg", text, "image/svg+xml")


@router.get("/api/v1/sessions/{session_id}/export.speedscope")
@router.get("/api/v1/sessions/{session_id}/export.speedscope.json")
def speedscope_file(request: Request, session_id: str) -> Response:
    got = _profile(request, session_id)
    name = f"{got.print.name} of session {session_id}"
    text = json.dumps(speedscope(got.samples, name, f"probescope@{__version__}"), separators=(",", ":"))
    return _file(session_id, "speedscope.json", text, "application/json")


@router.get("/api/v1/sessions/{session_id}/export.html")
def html_document(request: Request, session_id: str) -> Response:
    text = session_document(request, services(request).sessions.get(session_id))
    return _file(session_id, "html", text, "text/html; charset=utf-8")
