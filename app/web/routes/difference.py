"""What differs between two builds of a binary, and the choice of the other one."""

from __future__ import annotations

import csv
import io
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from app.index.difference import CHANGES, Build, Change
from app.index.model import MODES, Ask, Binary, Page
from app.web.ask import Asked, as_list
from app.web.render import page
from app.web.routes.functions import NOTHING, or_problem
from app.web.services import services

router = APIRouter()
_WORDS = {"functions": "function", "variables": "variable", "usdt": "usdt"}
_ROWS = 1_000_000


def _compared(
    request: Request, binary_id: str, other: str, ask: Ask
) -> tuple[Binary, Binary, Page[Change], dict[str, dict[str, int]]]:
    index = services(request).index
    found, counts = index.difference(binary_id, other, ask)
    return index.binary(binary_id), index.binary(other), found, counts


@router.get("/api/v1/binaries/{binary_id}/diff/{other}")
def difference(request: Request, binary_id: str, other: str, ask: Asked) -> dict[str, Any]:
    """Also which of the probes in ``probe`` (may repeat) do not fit the other build."""
    before, after, found, counts = _compared(request, binary_id, other, ask)
    probes = request.query_params.getlist("probe")
    unfit = services(request).index.unfit(probes, binary_id, other) if probes else ()
    return {
        **as_list(found),
        "counts": counts,
        "before": before.as_dict(),
        "after": after.as_dict(),
        "unfit": [each.as_dict() for each in unfit],
    }


@router.get("/binaries/{binary_id}/diff/{other}.csv")
def difference_csv(request: Request, binary_id: str, other: str, ask: Asked) -> Response:
    everything = Ask(ask.q, ask.mode, limit=_ROWS, filters=ask.filters)
    _, _, found, _ = _compared(request, binary_id, other, everything)
    out = io.StringIO()
    writer = csv.writer(out)
    fields = ("address", "size", "signature", "file", "line", "sites")
    sides = [f"{side}_{field}" for side in ("before", "after") for field in fields]
    writer.writerow(["what", "changes", "name", "demangled", "growth", *sides])
    for change in found.items:
        cells = [_cell(build, field) for build in (change.before, change.after) for field in fields]
        names = [_safe(change.name), _safe(change.demangled)]
        writer.writerow([change.what, " ".join(change.changes), *names, change.growth, *cells])
    return Response(out.getvalue(), media_type="text/csv; charset=utf-8")


def _cell(build: Build | None, field: str) -> object:
    value = getattr(build, field) if build is not None else None
    if field == "address" and value is not None:
        return f"{value:#x}"
    return _safe(value) if isinstance(value, str) else value


def _safe(text: str) -> str:
    """A spreadsheet takes what begins so for a formula."""
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text


@router.get("/binaries/{binary_id}/diff/{other}")
def difference_page(request: Request, binary_id: str, other: str, ask: Asked) -> Response:
    index = services(request).index
    before, after = index.binary(binary_id), index.binary(other)
    counts: dict[str, dict[str, int]] = {}

    def get() -> Page[Change]:
        found, told = index.difference(binary_id, other, ask)
        counts.update(told)
        return found

    answer, problem = or_problem(get, NOTHING)
    if not counts:
        counts = index.difference(binary_id, other, Ask(limit=0))[1]
    return page(
        request,
        "difference",
        f"{before.name}: what differs",
        "binaries",
        part="difference_rows",
        before=before,
        after=after,
        answer=answer,
        counts=counts,
        words=_WORDS,
        changes=CHANGES,
        ask=ask,
        modes=MODES,
        problem=problem,
    )


@router.get("/binaries/{binary_id}/diff")
def choice_page(request: Request, binary_id: str) -> Response:
    """The other build by ``other``, an id or a path; without one a page to choose it."""
    index = services(request).index
    binary = index.binary(binary_id)
    other = request.query_params.get("other", "").strip()
    if other:
        chosen = index.binary_at(other).id if other.startswith("/") else index.binary(other).id
        return RedirectResponse(f"/binaries/{quote(binary_id)}/diff/{quote(chosen)}", 303)
    return page(
        request,
        "difference_choice",
        f"Compare {binary.name}",
        "binaries",
        binary=binary,
        relatives=index.relatives(binary_id),
    )
