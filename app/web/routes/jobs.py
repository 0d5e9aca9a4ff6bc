"""Index jobs: what they have done, and cancelling them."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from app.web.render import page
from app.web.services import services

router = APIRouter()


@router.get("/jobs")
def jobs_page(request: Request) -> Response:
    return page(request, "jobs", "Jobs", "jobs", part="job_rows", jobs=services(request).index.jobs())


@router.get("/jobs/{job_id}")
def job_page(request: Request, job_id: str) -> Response:
    return page(request, "job", "Job", "jobs", part="job", job=services(request).index.job(job_id))


@router.post("/jobs/{job_id}/cancel")
def cancel_form(request: Request, job_id: str) -> Response:
    services(request).index.cancel(job_id)
    return RedirectResponse(f"/jobs/{job_id}", 303)


@router.get("/api/v1/jobs")
def jobs_list(request: Request) -> dict[str, Any]:
    jobs = services(request).index.jobs()
    return {"total": len(jobs), "items": [job.as_dict() for job in jobs], "next": None, "took_ms": 0.0}


@router.get("/api/v1/jobs/{job_id}")
def job_json(request: Request, job_id: str) -> dict[str, Any]:
    return services(request).index.job(job_id).as_dict()


@router.delete("/api/v1/jobs/{job_id}")
def cancel(request: Request, job_id: str) -> dict[str, Any]:
    return services(request).index.cancel(job_id).as_dict()
