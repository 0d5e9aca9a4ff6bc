"""Two sessions side by side: maps, histograms, stacks and scripts; and the choice of the other one."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from markupsafe import Markup
from starlette.responses import RedirectResponse, Response

from app.errors import NotFound
from app.trace.model import Session
from app.views.comparison import (
    HistogramPair,
    MapChange,
    histogram_pairs,
    map_changes,
    script_lines,
)
from app.views.flame import difference, layout
from app.views.flame_svg import flame_svg
from app.views.histogram import Histogram
from app.views.histogram_svg import histogram_svg
from app.views.samples import by_stack
from app.views.table import MapView
from app.web.answers import packed
from app.web.flames import (
    FlameAsk,
    Profile,
    difference_json,
    difference_part,
    drawn,
    need_profile,
    read_ask,
)
from app.web.past import latest_maps
from app.web.render import page
from app.web.routes.sessions import as_row
from app.web.services import Services, services

router = APIRouter()
OTHERS = 200
PICTURES = 30


def _stack_maps(before: dict[str, MapView], after: dict[str, MapView]) -> list[str]:
    """Maps with stacks that both have."""
    return [name for name in before if name in after and by_stack(before[name]) and by_stack(after[name])]


def _compared(
    found: Services, before: Session, after: Session
) -> tuple[list[MapChange], list[HistogramPair], list[str]]:
    one, two = latest_maps(found, before), latest_maps(found, after)
    return map_changes(one, two), histogram_pairs(one, two), _stack_maps(one, two)


@router.get("/api/v1/sessions/{session_id}/compare/{other}")
def compare(request: Request, session_id: str, other: str) -> dict[str, Any]:
    found = services(request)
    before, after = found.sessions.get(session_id), found.sessions.get(other)
    maps, histograms, stacks = _compared(found, before, after)
    return {
        "before": as_row(before),
        "after": as_row(after),
        "script": [asdict(line) for line in script_lines(before.script, after.script)],
        "maps": [each.as_dict() for each in maps],
        "histograms": [each.as_dict() for each in histograms],
        "stacks": stacks,
    }


@router.get("/api/v1/sessions/{session_id}/compare/{other}/flame")
def compare_flame(request: Request, session_id: str, other: str) -> Response:
    """The difference of two flame graphs; processes and threads before the stacks are left out."""
    before, after, ask = _profiles(request, session_id, other)
    return packed(request, difference_json(before, after, ask))


@router.get("/api/v1/sessions/{session_id}/compare/{other}/export.svg")
def compare_svg(request: Request, session_id: str, other: str) -> Response:
    """The difference of two flame graphs as a picture."""
    before, after, ask = _profiles(request, session_id, other)
    found = difference(drawn(before.samples, ask), drawn(after.samples, ask))
    text = flame_svg(layout(found), found.samples, f"{ask.map}: session {other} against {session_id}")
    name = f'attachment; filename="probescope-{session_id}-{other}.svg"'
    return Response(text, media_type="image/svg+xml", headers={"content-disposition": name})


def _profiles(request: Request, session_id: str, other: str) -> tuple[Profile, Profile, FlameAsk]:
    """Raises NotFound where they have no map with stacks in common."""
    found = services(request)
    ask = read_ask(request)
    before, after = (found.sessions.get(each) for each in (session_id, other))
    if not ask.map:
        common = _stack_maps(latest_maps(found, before), latest_maps(found, after))
        if not common:
            raise NotFound(
                "The two sessions have no map with stacks in common.", "Count by stack in both, and print it."
            )
        ask = replace(ask, map=common[0])
    one, two = (need_profile(found, side, ask, heads=False) for side in (before, after))
    return one, two, ask


def _picture(each: Histogram | None) -> Markup | None:
    # Made by us, each text in it escaped.
    return None if each is None else Markup(histogram_svg(each))  # noqa: S704


@router.get("/sessions/{session_id}/vs/{other}")
def compare_page(request: Request, session_id: str, other: str) -> Response:
    found = services(request)
    before, after = found.sessions.get(session_id), found.sessions.get(other)
    maps, histograms, stacks = _compared(found, before, after)
    return page(
        request,
        "comparison",
        "Two sessions compared",
        "sessions",
        before=as_row(before),
        after=as_row(after),
        script=script_lines(before.script, after.script),
        maps=maps,
        histograms=[(each, *map(_picture, each.pictured())) for each in histograms[:PICTURES]],
        more_histograms=max(0, len(histograms) - PICTURES),
        flame=_flame_part(request, session_id, other, stacks) if stacks else None,
    )


def _flame_part(request: Request, session_id: str, other: str, stacks: list[str]) -> dict[str, Any]:
    one, two, ask = _profiles(request, session_id, other)
    return difference_part(one, two, ask, stacks)


@router.get("/sessions/{session_id}/vs")
def choice_page(request: Request, session_id: str) -> Response:
    """The other session by ``other``; without one a page to choose it, those most alike first."""
    found = services(request)
    session = found.sessions.get(session_id)
    other = request.query_params.get("other", "").strip()
    if other:
        chosen = found.sessions.get(other)
        return RedirectResponse(f"/sessions/{quote(session_id)}/vs/{quote(chosen.id)}", 303)
    others = [each for each in found.sessions.list(limit=1000) if each.id != session_id]
    others.sort(key=lambda each: (each.script != session.script, each.recipe != session.recipe))
    rows = [{**as_row(each), "alike": _alike(session, each)} for each in others[:OTHERS]]
    return page(
        request, "comparison_choice", "Compare with…", "sessions", session=as_row(session), others=rows
    )


def _alike(one: Session, two: Session) -> str:
    if one.script == two.script:
        return "the same script"
    return f"also {two.recipe}" if one.recipe == two.recipe else two.recipe
