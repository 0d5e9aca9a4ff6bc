"""USDT probes of a binary: the list, and one with its sites and decoded arguments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.index.model import Ask, Binary, Page, Usdt
from app.trace.model import Verdict
from app.trace.verdict import usdt_verdict
from app.web.ask import Asked, as_list
from app.web.recipes import choices
from app.web.render import build_url, page
from app.web.routes.binaries import mapped_by
from app.web.routes.functions import NOTHING, list_context, or_problem
from app.web.services import services

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Row:
    usdt: Usdt
    verdict: Verdict
    url: str
    trace_url: str | None

    def as_dict(self) -> dict[str, Any]:
        return {
            **self.usdt.as_dict(),
            "verdict": self.verdict.as_dict(),
            "url": self.url,
            "trace_url": self.trace_url,
        }


def _row(request: Request, binary: Binary, usdt: Usdt) -> Row:
    verdict = usdt_verdict(usdt, binary, services(request).bpftrace.capabilities())
    url = f"/binaries/{quote(binary.id)}/usdt/{quote(usdt.provider, safe='')}/{quote(usdt.name, safe='')}"
    trace = build_url("/sessions/new", probe=verdict.probe) if verdict.attachable else None
    return Row(usdt, verdict, url, trace)


def _rows(request: Request, binary: Binary, ask: Ask) -> Page[Row]:
    found = services(request).index.usdt(binary.id, ask, types=True)
    items = tuple(_row(request, binary, usdt) for usdt in found.items)
    return Page(found.total, items, found.next, found.took_ms, found.facets)


@router.get("/binaries/{binary_id}/usdt")
def usdt_list_page(request: Request, binary_id: str, ask: Asked) -> Response:
    binary = services(request).index.binary(binary_id)
    answer, problem = or_problem(lambda: _rows(request, binary, ask), NOTHING)
    return page(
        request,
        "usdt_list",
        f"USDT probes of {binary.name}",
        "binaries",
        part="usdt_rows",
        **list_context(request, binary, ask, answer, problem),
    )


@router.get("/api/v1/binaries/{binary_id}/usdt")
def usdt_list(request: Request, binary_id: str, ask: Asked) -> dict[str, Any]:
    return as_list(_rows(request, services(request).index.binary(binary_id), ask))


@router.get("/binaries/{binary_id}/usdt/{provider}/{name:path}")
def usdt_page(request: Request, binary_id: str, provider: str, name: str) -> Response:
    index = services(request).index
    binary = index.binary(binary_id)
    row = _row(request, binary, index.usdt_probe(binary_id, provider, name))
    return page(
        request,
        "usdt",
        f"{provider}:{name} · {binary.name}",
        "binaries",
        binary=binary,
        usdt=row.usdt,
        verdict=row.verdict,
        recipes=choices(row.verdict, "usdt"),
        mapped_by=mapped_by(binary),
    )


@router.get("/api/v1/binaries/{binary_id}/usdt/{provider}/{name:path}")
def usdt_json(request: Request, binary_id: str, provider: str, name: str) -> dict[str, Any]:
    index = services(request).index
    return _row(request, index.binary(binary_id), index.usdt_probe(binary_id, provider, name)).as_dict()
