"""Functions of a binary: the list and one function with its verdict, aliases and disassembly."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from app import audit
from app.errors import AppError
from app.index.model import MODES, Ask, Binary, Function, Page, with_hex
from app.index.sources import Source
from app.trace.model import Verdict
from app.trace.verdict import function_verdict
from app.web.ask import Asked, as_list
from app.web.listing import excerpt, groups
from app.web.recipes import choices, copies_of
from app.web.render import build_url, page
from app.web.routes.binaries import mapped_by
from app.web.schemas import SourceBody
from app.web.services import actor, services

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Row:
    function: Function
    verdict: Verdict
    url: str
    trace_url: str | None

    def as_dict(self) -> dict[str, Any]:
        return {
            **self.function.as_dict(),
            "verdict": self.verdict.as_dict(),
            "url": self.url,
            "trace_url": self.trace_url,
        }


def _row(request: Request, binary: Binary, function: Function) -> Row:
    verdict = function_verdict(function, binary, services(request).bpftrace.capabilities())
    url = f"/binaries/{quote(binary.id)}/functions/{function.key}"
    trace = build_url("/sessions/new", probe=verdict.probe) if verdict.attachable else None
    return Row(function, verdict, url, trace)


def _rows(request: Request, binary: Binary, ask: Ask) -> Page[Row]:
    found = services(request).index.functions(binary.id, ask)
    items = tuple(_row(request, binary, function) for function in found.items)
    return Page(found.total, items, found.next, found.took_ms, found.facets)


def or_problem(get: Any, empty: Page[Any]) -> tuple[Page[Any], dict[str, str] | None]:
    """The page of a list, or an empty one with the problem, which is shown beside the search box."""
    try:
        return get(), None
    except AppError as error:
        if error.status != 400:
            raise
        return empty, error.as_dict()


NOTHING: Page[Any] = Page(0, (), None, 0.0)


@router.get("/binaries/{binary_id}/functions")
def functions_page(request: Request, binary_id: str, ask: Asked) -> Response:
    binary = services(request).index.binary(binary_id)
    answer, problem = or_problem(lambda: _rows(request, binary, ask), NOTHING)
    return page(
        request,
        "functions",
        f"Functions of {binary.name}",
        "binaries",
        part="function_rows",
        **list_context(request, binary, ask, answer, problem),
    )


def list_context(
    request: Request, binary: Binary, ask: Ask, answer: Page[Any], problem: dict[str, str] | None
) -> dict[str, Any]:
    """What the pages of functions, symbols, variables and USDT probes share."""
    return {
        "binary": binary,
        "ask": ask,
        "modes": MODES,
        "raw": request.query_params.get("raw") == "1",
        "answer": answer,
        "problem": problem,
    }


@router.get("/api/v1/binaries/{binary_id}/functions")
def functions_list(request: Request, binary_id: str, ask: Asked) -> dict[str, Any]:
    binary = services(request).index.binary(binary_id)
    return as_list(_rows(request, binary, ask))


def _details(request: Request, binary_id: str, key: str) -> tuple[dict[str, Any], dict[str, str] | None]:
    """What the debug information says of a function, and why it says nothing where it should."""
    nothing: dict[str, Any] = {"parameters": [], "variables": [], "lines": [], "inline_sites": []}
    try:
        return services(request).index.details(binary_id, key) or nothing, None
    except AppError as error:
        return nothing, error.as_dict()


def _places(details: dict[str, Any]) -> dict[int, str]:
    """For each address of the function where a source line begins, ``file:line``."""
    return {
        each["address"]: f"{str(each['file'] or '').rsplit('/', 1)[-1]}:{each['line']}"
        for each in details["lines"]
        if each["line"]
    }


@router.get("/binaries/{binary_id}/functions/{key}")
def function_page(request: Request, binary_id: str, key: str) -> Response:
    index = services(request).index
    binary = index.binary(binary_id)
    function = index.function(binary_id, key)
    row = _row(request, binary, function)
    details, problem = _details(request, binary_id, key)
    code = index.code(binary_id, key)
    get = partial(index.source, binary_id)
    mixed = request.query_params.get("view") == "mixed" and bool(details["lines"])
    return page(
        request,
        "function",
        f"{function.demangled} · {binary.name}",
        "binaries",
        binary=binary,
        function=function,
        verdict=row.verdict,
        code=code,
        mixed=groups(code, details["lines"], get) if mixed else (),
        source=excerpt(function.file, function.line, details["lines"], get),
        may_fetch_source=bool(function.file) and index.may_fetch_source(binary_id),
        recipes=choices(row.verdict, "function", copies=copies_of(function, binary, row.verdict)),
        mapped_by=mapped_by(binary),
        details=details,
        places=_places(details),
        problem=problem,
        sites=index.inline_sites(binary_id, key),
        raw=request.query_params.get("raw") == "1",
    )


def _fetch_source(request: Request, binary_id: str, file: str) -> Source:
    found = services(request)
    audit.write(found.settings.data, "fetch", actor(request), binary=binary_id, file=file)
    return found.index.fetch_source(binary_id, file)


@router.post("/binaries/{binary_id}/functions/{key}/source")
def fetch_source_form(request: Request, binary_id: str, key: str) -> Response:
    file = services(request).index.function(binary_id, key).file
    _fetch_source(request, binary_id, file or "")
    return RedirectResponse(f"/binaries/{quote(binary_id)}/functions/{quote(key)}#h-source", 303)


@router.post("/api/v1/binaries/{binary_id}/source")
def fetch_source(request: Request, binary_id: str, wanted: SourceBody) -> dict[str, Any]:
    found = _fetch_source(request, binary_id, wanted.file)
    return {"file": found.path, "origin": found.origin, "lines": len(found.lines)}


@router.get("/api/v1/binaries/{binary_id}/functions/{key}")
def function_json(request: Request, binary_id: str, key: str) -> dict[str, Any]:
    index = services(request).index
    binary = index.binary(binary_id)
    function = index.function(binary_id, key)
    row = _row(request, binary, function)
    disassembly = [
        {**with_hex(asdict(entry)), "target_hex": None if entry.target is None else f"{entry.target:#x}"}
        for entry in index.code(binary_id, key)
    ]
    details, problem = _details(request, binary_id, key)
    source = excerpt(row.function.file, row.function.line, details["lines"], partial(index.source, binary_id))
    return {
        **row.as_dict(),
        "disassembly": disassembly,
        "inline_sites_list": [site.as_dict() for site in index.inline_sites(binary_id, key)],
        "inlined_here": [with_hex(site) for site in details["inline_sites"]],
        "lines": [with_hex(line) for line in details["lines"]],
        "entry": [with_hex(each) for each in details["parameters"]],
        "variables": [with_hex(each) for each in details["variables"]],
        "source": None if source is None else asdict(source),
        "details_problem": problem,
    }
