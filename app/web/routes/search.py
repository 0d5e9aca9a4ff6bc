"""The start page and the search over everything."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.errors import AppError
from app.host.model import Process
from app.host.processes import processes
from app.index.model import Ask, Hit, Page
from app.web.ask import Asked, as_list
from app.web.render import hit_url, page
from app.web.routes.sessions import as_row
from app.web.services import services

router = APIRouter()
START_ROWS = 12
HITS = 100


def matching(q: str, limit: int) -> list[Process]:
    """Processes whose command, arguments or executable contain the text, busiest in memory first."""
    text = q.lower()
    found = [
        process
        for process in processes()
        if not text
        or text in process.command.lower()
        or text in (process.executable or "").lower()
        or any(text in argument.lower() for argument in process.arguments[:8])
    ]
    return sorted(found, key=lambda process: -process.rss_bytes)[:limit]


@router.get("/")
def start(request: Request) -> Response:
    found = services(request)
    return page(
        request,
        "start",
        "Start",
        "start",
        sessions=[as_row(session) for session in found.sessions.list(limit=START_ROWS)],
        processes=[process for process in matching("", 200) if process.executable][:START_ROWS],
        binaries=found.index.binaries(Ask(sort="-indexed", limit=START_ROWS)).items,
        jobs=[job for job in found.index.jobs() if job.state in {"queued", "running"}],
    )


def _ask(request: Request, ask: Ask) -> tuple[Page[Hit] | None, list[Process], AppError | None]:
    if not ask.q.strip():
        return None, [], None
    # Processes stand above the first part of the answer.
    people = matching(ask.q, START_ROWS) if not ask.offset and not ask.filters else []
    try:
        return services(request).index.search(ask), people, None
    except AppError as error:
        return None, people, error


@router.get("/search")
def search_page(request: Request, ask: Asked) -> Response:
    ask = replace(ask, limit=min(ask.limit, HITS))
    hits, found, problem = _ask(request, ask)
    return page(
        request,
        "search",
        f"{ask.q} · Search" if ask.q else "Search",
        "search",
        part="search_results",
        q=ask.q,
        mode=ask.mode,
        ask=ask,
        hits=hits,
        processes=found,
        problem=problem.as_dict() if problem else None,
    )


@router.get("/api/v1/search")
def search(request: Request, ask: Asked) -> dict[str, Any]:
    hits, found, problem = _ask(request, ask)
    if problem:
        raise problem
    if hits is None:
        return {"total": 0, "items": [], "next": None, "took_ms": 0.0, "facets": {}, "processes": []}
    items = [{**hit.as_dict(), "url": hit_url(hit)} for hit in hits.items]
    return {**as_list(hits, items), "processes": [process.as_dict() for process in found]}
