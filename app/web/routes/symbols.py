"""The whole symbol tables of a binary, and its variables."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.web.ask import Asked, as_list
from app.web.render import page
from app.web.routes.functions import NOTHING, list_context, or_problem
from app.web.services import services

router = APIRouter()


@router.get("/binaries/{binary_id}/symbols")
def symbols_page(request: Request, binary_id: str, ask: Asked) -> Response:
    index = services(request).index
    binary = index.binary(binary_id)
    answer, problem = or_problem(lambda: index.symbols(binary_id, ask), NOTHING)
    return page(
        request,
        "symbols",
        f"Symbols of {binary.name}",
        "binaries",
        part="symbol_rows",
        **list_context(request, binary, ask, answer, problem),
    )


@router.get("/api/v1/binaries/{binary_id}/symbols")
def symbols_list(request: Request, binary_id: str, ask: Asked) -> dict[str, Any]:
    return as_list(services(request).index.symbols(binary_id, ask))


@router.get("/binaries/{binary_id}/variables")
def variables_page(request: Request, binary_id: str, ask: Asked) -> Response:
    index = services(request).index
    binary = index.binary(binary_id)
    answer, problem = or_problem(lambda: index.variables(binary_id, ask), NOTHING)
    return page(
        request,
        "variables",
        f"Variables of {binary.name}",
        "binaries",
        part="variable_rows",
        **list_context(request, binary, ask, answer, problem),
    )


@router.get("/api/v1/binaries/{binary_id}/variables")
def variables_list(request: Request, binary_id: str, ask: Asked) -> dict[str, Any]:
    return as_list(services(request).index.variables(binary_id, ask))
