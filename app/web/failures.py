"""Errors into answers: one JSON shape for the API, a page or a part with the same words for people."""

from __future__ import annotations

import errno
import logging
from typing import cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from app.errors import AppError, BadInput, NotFound, StorageFull
from app.web.render import page
from app.web.unsigned import is_debuginfod

log = logging.getLogger("probescope")


def answer(request: Request, error: AppError) -> Response:
    """The answer for one error, in the form that the asker reads."""
    path = request.url.path
    if path.startswith(("/api/", "/metrics", "/readyz", "/healthz")) or is_debuginfod(path):
        return JSONResponse({"error": error.as_dict()}, error.status)
    return page(request, "error", "Error", "", part="error", status=error.status, error=error.as_dict())


def _from_http(error: HTTPException) -> AppError:
    if error.status_code == 404:
        return NotFound("There is no such page.", "Start from the search.")
    out = BadInput(f"{str(error.detail).rstrip('.')}.", "See the reference of the HTTP interface.")
    if error.status_code == 405:
        out = BadInput("This address does not take that method.", out.hint, code="method_not_allowed")
    out.status = error.status_code
    return out


def _from_validation(error: RequestValidationError) -> AppError:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"] if part != "body") or "the body"
    return BadInput(f"{place}: {first['msg']}.", "See the reference of the HTTP interface.")


def install(app: FastAPI) -> None:
    """Registers the handlers; nothing that a route raises reaches a person in another shape."""

    async def on_app_error(request: Request, error: Exception) -> Response:
        return answer(request, cast("AppError", error))

    async def on_http(request: Request, error: Exception) -> Response:
        return answer(request, _from_http(cast("HTTPException", error)))

    async def on_validation(request: Request, error: Exception) -> Response:
        return answer(request, _from_validation(cast("RequestValidationError", error)))

    async def on_os_error(request: Request, error: Exception) -> Response:
        if cast("OSError", error).errno in {errno.ENOSPC, errno.EDQUOT}:
            full = StorageFull("The disk has no room left.", "Free some space in the data directory.")
            return answer(request, full)
        return on_unknown_sync(request, error)

    def on_unknown_sync(request: Request, error: Exception) -> Response:
        log.error("unexpected failure of %s %s", request.method, request.url.path, exc_info=error)
        return answer(request, AppError("Something failed inside the server.", "Its log says more."))

    async def on_unknown(request: Request, error: Exception) -> Response:
        return on_unknown_sync(request, error)

    app.add_exception_handler(AppError, on_app_error)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(OSError, on_os_error)
    app.add_exception_handler(Exception, on_unknown)
