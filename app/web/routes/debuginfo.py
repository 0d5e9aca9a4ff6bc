"""Where a binary's debug information was looked for: the panel that says the truth, and the next step."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from app import audit
from app.debuginfo.advice import Step, steps
from app.debuginfo.matching import Found
from app.host.packages import distribution, owner
from app.index.model import Binary, Job
from app.web.render import page
from app.web.services import actor, services

router = APIRouter()


def _steps(binary: Binary, found: tuple[Found, ...], may_fetch: bool) -> tuple[Step, ...]:
    """None where DWARF is at hand."""
    if any(each.state == "matched" and (each.has or {}).get("dwarf") for each in found):
        return ()
    here = distribution(binary.path or "/")
    package = owner(binary.path, here) if binary.path else None
    return steps(
        (here.id, *here.like), package, binary.build_id, (binary.path or binary.name) if may_fetch else None
    )


@router.get("/binaries/{binary_id}/debuginfo")
def debuginfo_page(request: Request, binary_id: str) -> Response:
    index = services(request).index
    binary = index.binary(binary_id)
    found = index.debug_places(binary_id)
    may_fetch = index.may_fetch(binary_id)
    return page(
        request,
        "debuginfo",
        f"Debug information of {binary.name}",
        "binaries",
        binary=binary,
        places=found,
        steps=_steps(binary, found, may_fetch),
        may_fetch=may_fetch,
        given_at=services(request).unsigned.url(f"{request.url.scheme}://{request.headers['host']}"),
    )


def _fetch(request: Request, binary_id: str) -> Job:
    found = services(request)
    audit.write(found.settings.data, "fetch", actor(request), binary=binary_id)
    return found.index.add_fetch(binary_id, actor(request))


@router.post("/binaries/{binary_id}/debuginfo")
def fetch_form(request: Request, binary_id: str) -> Response:
    return RedirectResponse(f"/jobs/{_fetch(request, binary_id).id}", 303)


@router.post("/api/v1/binaries/{binary_id}/debuginfo")
def fetch(request: Request, binary_id: str) -> Response:
    return JSONResponse({"job": _fetch(request, binary_id).id}, 202)


@router.get("/api/v1/binaries/{binary_id}/debuginfo")
def debuginfo(request: Request, binary_id: str) -> dict[str, Any]:
    index = services(request).index
    binary = index.binary(binary_id)
    found = index.debug_places(binary_id)
    return {
        "total": len(found),
        "items": [each._asdict() for each in found],
        "next": None,
        "took_ms": 0.0,
        "debug": asdict(binary.debug),
        "steps": [asdict(each) for each in _steps(binary, found, index.may_fetch(binary_id))],
    }
