"""The flame graph of a session as JSON, and from one of its frames to the page that traces the function."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from app.errors import AppError, BadInput, Conflict, NotFound
from app.host.processes import process
from app.index.model import Binary, Function
from app.trace.catalogue import function_named
from app.trace.model import Session, Verdict
from app.trace.policy import attach_points
from app.trace.quoting import parse_probe
from app.trace.verdict import function_verdict
from app.web.answers import json_answer, takes_gzip
from app.web.flames import flame_body, read_ask
from app.web.render import build_url
from app.web.services import Services, services

router = APIRouter()
_LONGEST = 4096
_PID = re.compile(r"\bpid *== *([0-9]{1,7})\b")
_PIDS = 8


@dataclass(frozen=True, slots=True)
class Traceable:
    """The function of a frame, whether it can be traced, and where that begins."""

    binary: Binary
    function: Function
    verdict: Verdict
    url: str | None  # None where it cannot be attached
    function_url: str

    def as_dict(self) -> dict[str, Any]:
        return {
            "binary": self.binary.id,
            "path": self.binary.path,
            "function": self.function.as_dict(),
            "verdict": self.verdict.as_dict(),
            "url": self.url,
            "function_url": self.function_url,
        }


@router.get("/api/v1/sessions/{session_id}/flame")
def flame(request: Request, session_id: str) -> Response:
    found = services(request)
    session = found.sessions.get(session_id)
    zipped = takes_gzip(request)
    return json_answer(flame_body(found, session, read_ask(request), zipped), zipped)


@router.get("/api/v1/sessions/{session_id}/frame")
def frame(request: Request, session_id: str) -> dict[str, Any]:
    """By ``name``, and ``module``: the path of the file it is in, where that is known."""
    return _traceable(request, session_id).as_dict()


@router.get("/sessions/{session_id}/frame")
def frame_page(request: Request, session_id: str) -> Response:
    """To the builder with the function's probe; what stands against it is an error with a sentence."""
    found = _traceable(request, session_id)
    if found.url is None:
        reasons = found.verdict.reasons
        raise Conflict(
            f"{found.function.name} cannot be traced. " + " ".join(reason.text for reason in reasons),
            " ".join(reason.hint for reason in reasons if reason.hint),
        )
    return RedirectResponse(found.url, 303)


def _traceable(request: Request, session_id: str) -> Traceable:
    """Raises NotFound and BadInput."""
    found = services(request)
    session = found.sessions.get(session_id)
    name, module = request.query_params.get("name", ""), request.query_params.get("module", "")
    if not name or len(name) > _LONGEST or len(module) > _LONGEST:
        raise BadInput("name is missing, or too long.", "Give the name of a function as a stack has it.")
    paths = [module] if module else _paths(session)
    binary, function = _function(found, name, paths)
    verdict = function_verdict(function, binary, found.bpftrace.capabilities())
    url = build_url("/sessions/new", probe=verdict.probe, pid=session.pid) if verdict.attachable else None
    return Traceable(
        binary, function, verdict, url, f"/binaries/{quote(binary.id)}/functions/{quote(function.key)}"
    )


def _function(found: Services, name: str, paths: list[str]) -> tuple[Binary, Function]:
    """The first of these files that has it; a file that is not indexed yet is read."""
    problem: AppError | None = None
    for path in paths:
        try:
            binary = found.index.binary_at(path)
        except AppError as error:
            problem = problem or error
            continue
        function = function_named(found.index, binary.id, name)
        if function is not None:
            return binary, function
    if problem is not None and len(paths) == 1:
        raise problem
    where = paths[0] if len(paths) == 1 else "the files that this session is about"
    raise NotFound(
        f"There is no function {name[:200]} in {where}.",
        "Search for it in all binaries; count by ustack(perf), so that stacks name their files.",
    )


def _paths(session: Session) -> list[str]:
    """The files that the session's probes name, then those of the processes that it or its script names."""
    found: list[str] = []
    for text in (*session.probes, *attach_points(session.script)):
        try:
            found.append(parse_probe(text).path)
        except BadInput:
            continue  # interval, profile and the like
    pids = [session.pid] if session.pid is not None else []
    pids += [int(text) for text in _PID.findall(session.script)[:_PIDS]]
    for pid in pids:
        try:
            target = process(pid)
        except NotFound:
            continue
        # Not one that got the number of one that ended.
        if target.executable and target.started <= session.started:
            found.append(target.executable)
    return list(dict.fromkeys(found))
