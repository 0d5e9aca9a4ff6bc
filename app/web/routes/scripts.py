"""The builder: chosen probes into a script that is shown, can be edited, is checked, and then starts."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from app.errors import AppError, BadInput, NotFound, ScriptRefused
from app.host.maps import mapping_processes
from app.host.model import Process
from app.trace.completion import complete
from app.trace.fired import fired
from app.trace.model import Diagnostic, Script
from app.trace.quoting import parse_probe
from app.trace.recipes import WITHOUT_PROBES
from app.trace.script import generate
from app.web.forecasting import last_counts, make_forecast
from app.web.recipes import FIELDS, FILTER_FIELDS, OPTIONS, RECIPES, takes
from app.web.render import build_url, page, wants_part
from app.web.schemas import CheckBody, CompleteBody, ScriptBody
from app.web.services import actor, services

router = APIRouter()
TARGETS = 50


@dataclass(frozen=True, slots=True)
class Form:
    """The builder's fields as the person left them; ``edited``: the script is theirs, not the recipe's."""

    probes: tuple[str, ...]
    recipe: str
    pid: str
    duration: str
    script: str
    edited: bool
    options: dict[str, str] = field(default_factory=dict)
    parent: str = ""  # hash of the library's script that the text came from
    follow: bool = False
    wait_for: str = ""  # the name of a process that is to come

    @property
    def filtered(self) -> bool:
        """Whether any filter is filled in, beside the process."""
        return any(self.options.get(each.name) for each in FILTER_FIELDS)


def _script(request: Request, body: ScriptBody) -> Script:
    found = services(request)
    return generate(body.as_request(), found.bpftrace.capabilities(), found.index)


@router.post("/api/v1/scripts")
async def make_script(request: Request, body: ScriptBody) -> dict[str, Any]:
    made = await run_in_threadpool(_script, request, body)
    wanted = body.forecast and not made.against
    found = await make_forecast(services(request), body.as_request(), actor(request)) if wanted else None
    return {
        "script": made.text,
        "warnings": list(made.warnings),
        "expected_probes": made.expected_probes,
        "verdict": made.verdict,
        "forecast": found.as_dict() if found else None,
    }


@router.post("/api/v1/scripts/check")
async def check_script(request: Request, body: CheckBody) -> dict[str, Any]:
    diagnostics = await services(request).bpftrace.check(body.script)
    ok = not any(entry.severity == "error" for entry in diagnostics)
    return {"ok": ok, "diagnostics": [asdict(entry) for entry in diagnostics]}


@router.post("/api/v1/scripts/complete")
def complete_script(request: Request, body: CompleteBody) -> dict[str, Any]:
    found = complete(body.script, body.place, services(request).index)
    return {"start": found.start, "items": [asdict(item) for item in found.items]}


@router.post("/sessions/forecast")
async def forecast_part(request: Request) -> Response:
    """What the builder's choice costs, as a part of its page."""
    problem: AppError | None = None
    found = None
    form = await _from_body(request)
    try:
        found = await make_forecast(services(request), _body(form).as_request(), actor(request))
    except AppError as error:
        problem = error
    if not wants_part(request):
        context = await _shown(request, form, problem)
        if found is not None:
            context["forecast"] = found
        return page(request, "builder", "New session", "sessions", **context)
    context = {"forecast": found, "problem": problem.as_dict() if problem else None}
    return page(request, "builder", "Forecast", "sessions", part="forecast", **context)


def _from_query(request: Request) -> Form:
    query = request.query_params
    script = query.get("script", "")
    recipe = query.get("recipe") or ("custom" if script else "count")
    return Form(
        tuple(query.getlist("probe")),
        recipe,
        query.get("pid", ""),
        query.get("duration", ""),
        script,
        bool(script),
        {each.name: query.get(f"option.{each.name}", "") for each in FIELDS},
        query.get("parent", ""),
        query.get("follow", "") == "1",
        query.get("wait_for", ""),
    )


async def _from_body(request: Request) -> Form:
    data = await request.form(max_files=0, max_fields=600, max_part_size=128 * 1024)

    def text(name: str) -> str:
        return str(data.get(name) or "").strip()

    probes = tuple(str(value).strip() for value in data.getlist("probe") if str(value).strip())
    return Form(
        probes,
        text("recipe") or "count",
        text("pid"),
        text("duration"),
        str(data.get("script") or "").replace("\r\n", "\n"),
        text("edited") in {"1", "on", "true"},
        {each.name: text(f"option.{each.name}") for each in FIELDS},
        text("parent"),
        text("follow") == "1",
        text("wait_for"),
    )


def _body(form: Form) -> ScriptBody:
    """The form as a request of the API; raises BadInput that names the field."""
    own = form.edited or form.recipe == "custom"
    try:
        return ScriptBody(
            recipe="custom" if own else form.recipe,
            probes=list(form.probes),
            script=form.script if own and form.script else None,
            pid=int(form.pid) if form.pid else None,
            duration=float(form.duration) if form.duration else None,
            options={
                name: value
                for name, value in form.options.items()
                if value and not own and takes(form.recipe, name)
            },
            parent=form.parent or None,
            follow=form.follow,
            wait_for=form.wait_for or None,
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise BadInput(
            f"{'.'.join(map(str, first['loc']))}: {first['msg']}.", "Correct the field."
        ) from error
    except ValueError as error:
        raise BadInput(
            "The PID and the duration are numbers.", "Leave them empty, or give a number."
        ) from error


def _targets(form: Form) -> list[Process]:
    found: dict[str, Process] = {}
    for text in form.probes[:8]:
        try:
            found |= {entry.key: entry for entry in mapping_processes(parse_probe(text).path)}
        except AppError:
            continue
    return sorted(found.values(), key=lambda entry: -entry.rss_bytes)[:TARGETS]


async def _shown(request: Request, form: Form, problem: AppError | None = None) -> dict[str, Any]:
    """The context of the builder: the generated or own script, checked by bpftrace itself."""
    found = services(request)
    able = await run_in_threadpool(found.bpftrace.capabilities)
    script: Script | None = None
    diagnostics: tuple[Diagnostic, ...] = ()
    try:
        body = _body(form)
        if form.probes or body.script or form.recipe in WITHOUT_PROBES:
            script = await run_in_threadpool(_script, request, body)
            if able.available and not script.against:
                diagnostics = await found.bpftrace.check(script.text)
    except AppError as error:
        problem = problem or error
    return {
        "form": form,
        "recipes": RECIPES,
        "options": OPTIONS,
        "filters": FILTER_FIELDS,
        "targets": await run_in_threadpool(_targets, form),
        "script": script,
        "diagnostics": diagnostics,
        "problem": problem.as_dict() if problem else None,
        "tracing": able,
        "read_only": found.settings.read_only,
    }


@router.get("/sessions/new")
async def builder(request: Request) -> Response:
    context = await _shown(request, _from_query(request))
    return page(request, "builder", "New session", "sessions", part="script_preview", **context)


@router.get("/sessions/{session_id}/fired")
async def keep_fired(request: Request, session_id: str) -> Response:
    """The builder with those probes of a counting session that were hit."""
    found = services(request)
    session = found.sessions.get(session_id)
    counts = await run_in_threadpool(last_counts, found, session_id)
    probes = await run_in_threadpool(fired, session.probes, counts, found.index)
    if not probes:
        raise NotFound("None of its probes has fired yet.", "Let the program do what it is asked about.")
    return RedirectResponse(
        build_url("/sessions/new", recipe="count", probe=list(probes), pid=session.pid), 303
    )


@router.post("/sessions/preview")
async def preview(request: Request) -> Response:
    context = await _shown(request, await _from_body(request))
    return page(request, "builder", "New session", "sessions", part="script_preview", **context)


@router.post("/sessions/new")
async def start(request: Request) -> Response:
    form = await _from_body(request)
    try:
        if not form.probes and not form.script and form.recipe not in WITHOUT_PROBES:
            raise ScriptRefused("There is nothing to trace yet.", "Choose a probe, or write a script.")
        session = await services(request).sessions.create(_body(form).as_request(), actor(request))
    except AppError as error:
        context = await _shown(request, form, error)
        return page(
            request,
            "builder",
            "New session",
            "sessions",
            part="script_preview",
            status=error.status,
            **context,
        )
    return RedirectResponse(f"/sessions/{quote(session.id)}", 303)
