"""Types of a binary: the list of its structs, classes, unions, enums and typedefs, and one's declaration."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.index.model import with_hex
from app.web.ask import Asked, as_list
from app.web.render import page
from app.web.routes.functions import NOTHING, list_context, or_problem
from app.web.services import services

router = APIRouter()


@router.get("/binaries/{binary_id}/types")
def types_page(request: Request, binary_id: str, ask: Asked) -> Response:
    index = services(request).index
    binary = index.binary(binary_id)
    answer, problem = or_problem(lambda: index.types(binary_id, ask), NOTHING)
    return page(
        request,
        "types",
        f"Types of {binary.name}",
        "binaries",
        part="type_rows",
        **list_context(request, binary, ask, answer, problem),
    )


@router.get("/api/v1/binaries/{binary_id}/types")
def types_list(request: Request, binary_id: str, ask: Asked) -> dict[str, Any]:
    return as_list(services(request).index.types(binary_id, ask))


@router.get("/binaries/{binary_id}/types/{name:path}")
def type_page(request: Request, binary_id: str, name: str) -> Response:
    index = services(request).index
    return page(
        request,
        "type",
        f"{name} · {index.binary(binary_id).name}",
        "binaries",
        binary=index.binary(binary_id),
        wanted=name,
        definitions=index.answers.structs(binary_id, [name]),
    )


@router.get("/api/v1/binaries/{binary_id}/types/{name:path}")
def type_json(request: Request, binary_id: str, name: str) -> dict[str, Any]:
    found = services(request).index.answers.structs(binary_id, [name])
    return {"name": name, "definitions": [with_hex(each) for each in found]}
