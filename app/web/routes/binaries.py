"""Binaries: the list, one's overview, its sections, uploads and indexing."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Form, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, RedirectResponse, Response

from app import audit
from app.errors import AppError, BadInput
from app.host.maps import mapping_processes
from app.host.model import Process
from app.index.model import Binary, Job, with_hex
from app.web.ask import Asked, as_list
from app.web.render import page
from app.web.schemas import IndexBody
from app.web.services import actor, services
from app.web.uploads import receive

router = APIRouter()


def mapped_by(binary: Binary) -> list[Process]:
    """Processes that map a file of this binary, each once."""
    found: dict[str, Process] = {}
    for path in binary.paths:
        try:
            found |= {process.key: process for process in mapping_processes(path)}
        except AppError:
            continue
    return sorted(found.values(), key=lambda process: process.pid)


@router.get("/binaries")
def binaries_page(request: Request, ask: Asked) -> Response:
    answer = services(request).index.binaries(ask)
    return page(
        request, "binaries", "Binaries", "binaries", part="binary_rows", q=ask.q, answer=answer, ask=ask
    )


@router.get("/api/v1/binaries")
def binaries_list(request: Request, ask: Asked) -> dict[str, Any]:
    return as_list(services(request).index.binaries(ask))


@router.get("/binaries/upload")
def upload_page(request: Request) -> Response:
    return page(request, "upload", "Upload", "binaries")


async def _take_in(request: Request) -> list[Job]:
    found = services(request)
    files = await receive(request, found.index.upload_dir, found.settings)
    names = [name for name, _ in files]
    try:
        audit.write(found.settings.data, "upload", actor(request), files=names)
    except AppError:
        for _, path in files:
            path.unlink(missing_ok=True)
        raise
    return await run_in_threadpool(found.index.add_upload, files, actor(request))


@router.post("/api/v1/binaries")
async def upload(request: Request) -> Response:
    return JSONResponse({"jobs": [job.id for job in await _take_in(request)]}, 202)


@router.post("/binaries/upload")
async def upload_form(request: Request) -> Response:
    jobs = await _take_in(request)
    return RedirectResponse(f"/jobs/{jobs[0].id}" if len(jobs) == 1 else "/jobs", 303)


def _index(request: Request, paths: list[str]) -> Job:
    found = services(request)
    audit.write(found.settings.data, "index", actor(request), paths=paths)
    return found.index.add_paths(paths, actor(request))


@router.post("/api/v1/index")
def index_paths(request: Request, body: IndexBody) -> Response:
    return JSONResponse({"job": _index(request, body.paths).id}, 202)


@router.post("/binaries/index")
def index_form(request: Request, paths: str = Form("")) -> Response:
    lines = [line.strip() for line in paths.splitlines() if line.strip()]
    if not lines:
        raise BadInput("No path was given.", "Write a file or directory of the host, one a line.")
    return RedirectResponse(f"/jobs/{_index(request, lines).id}", 303)


@router.get("/binaries/{binary_id}")
def binary_page(request: Request, binary_id: str) -> Response:
    index = services(request).index
    binary = index.binary(binary_id, hashed=True)
    return page(
        request,
        "binary",
        binary.name,
        "binaries",
        binary=binary,
        header=index.header(binary_id),
        sections=index.sections(binary_id),
        segments=index.segments(binary_id),
        mapped_by=mapped_by(binary),
        parts=[each for each in index.of_build(binary.build_id or "") if each.id != binary.id],
    )


@router.get("/api/v1/binaries/{binary_id}")
def binary_json(request: Request, binary_id: str) -> dict[str, Any]:
    binary = services(request).index.binary(binary_id, hashed=True)
    return {**binary.as_dict(), "mapped_by": [process.as_dict() for process in mapped_by(binary)]}


@router.get("/api/v1/binaries/{binary_id}/sections")
def sections(request: Request, binary_id: str) -> dict[str, Any]:
    index = services(request).index
    items = [with_hex(section._asdict()) for section in index.sections(binary_id)]
    return {"total": len(items), "items": items, "next": None, "took_ms": 0.0}
