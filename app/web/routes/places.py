"""Addresses to functions and lines, and lines to addresses, of one binary."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.errors import AppError, BadInput
from app.index.model import with_hex
from app.trace.quoting import path_problem
from app.web.render import build_url, page
from app.web.services import services

router = APIRouter()
MOST = 1000


def _addresses(texts: list[str]) -> list[int]:
    words = " ".join(texts).replace(",", " ").split()
    if len(words) > MOST:
        raise BadInput(f"More than {MOST:,} addresses were given.", "Ask in parts, or use probescope locate.")
    found = []
    for word in words:
        try:
            number = int(word, 16)
        except ValueError:
            number = -1
        if not 0 <= number < 1 << 64:
            raise BadInput(f"{word[:40]!r} is no address.", "Write it in hex, such as 0x1234.")
        found.append(number)
    return found


@router.get("/api/v1/binaries/{binary_id}/locate")
def locate(request: Request, binary_id: str, address: Annotated[list[str], Query()] = []) -> dict[str, Any]:  # noqa: B006
    found = services(request).index.answers.locate(binary_id, _addresses(address))
    return {"total": len(found), "items": [with_hex(each) for each in found], "next": None, "took_ms": 0.0}


@router.get("/api/v1/binaries/{binary_id}/lines")
def lines(request: Request, binary_id: str, file: str, line: int) -> dict[str, Any]:
    return with_hex(services(request).index.answers.addresses_of(binary_id, file, line))


@router.get("/binaries/{binary_id}/places")
def places_page(request: Request, binary_id: str) -> Response:
    """One box: addresses, or SOURCE:LINE."""
    index = services(request).index
    text = request.query_params.get("q", "").strip()
    binary = index.binary(binary_id)
    found: list[dict[str, Any]] = []
    problem = trace_url = None
    try:
        source, _, line = text.rpartition(":")
        if source and line.isdigit():
            found = index.answers.addresses_of(binary_id, source, int(line))["sites"]
            if binary.path is not None and path_problem(binary.path) is None:
                place = f'line:"{binary.path}":{source}:{line}'
                trace_url = build_url("/sessions/new", probe=place, recipe="log")
        elif text:
            found = index.answers.locate(binary_id, _addresses([text]))
    except AppError as error:
        if error.status >= 500:
            raise
        problem = error.as_dict()
    return page(
        request,
        "places",
        f"Places of {binary.name}",
        "binaries",
        part="place_rows",
        binary=binary,
        trace_url=trace_url,
        q=text,
        found=found,
        problem=problem,
    )
