"""This server as a debuginfod: gdb, elfutils and others fetch what is in the catalogue by build-id.

The contract is that of debuginfod(8); who may ask is decided before, by the guard and ``unsigned``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from email.utils import formatdate
from typing import Any
from urllib.parse import quote

import zstandard
from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from app.errors import Conflict, NotFound, TooLarge
from app.index.artifacts import Artifact, Artifacts
from app.web.services import services

router = APIRouter()
_CHUNK = 1 << 18
_LEVEL = 3  # of zstd: faster than most lines
METHODS = ["GET", "HEAD"]


class Given(StreamingResponse):
    """The bytes of an artifact in parts, which it closes; compressed where the client asks for that."""

    def __init__(self, request: Request, artifact: Artifact) -> None:
        self._artifact = artifact
        packed = "zstd" in _accepted(request)
        headers = {
            "last-modified": formatdate(artifact.modified, usegmt=True),
            "x-debuginfod-size": str(artifact.size),
            "x-debuginfod-file": quote(artifact.name, safe="/:+,=@~ "),
            "vary": "accept-encoding",
            **({"content-encoding": "zstd"} if packed else {"content-length": str(artifact.size)}),
        }
        body = _nothing() if request.method == "HEAD" else self._parts(packed)
        super().__init__(body, headers=headers, media_type="application/octet-stream")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._artifact.close()

    async def _parts(self, packed: bool) -> AsyncIterator[bytes]:
        compressor = zstandard.ZstdCompressor(level=_LEVEL).compressobj() if packed else None

        def part(at: int) -> bytes:
            data = self._artifact.read(at, _CHUNK)
            if not data:
                # The answer breaks off, so that nobody takes it for whole.
                raise Conflict(f"{self._artifact.name} changes while it is read.", "Ask again.")
            return data if compressor is None else compressor.compress(data)

        for at in range(0, self._artifact.size, _CHUNK):
            yield await run_in_threadpool(part, at)
        if compressor is not None:
            yield compressor.flush()


async def _nothing() -> AsyncIterator[bytes]:
    """The body of an answer to HEAD."""
    for part in tuple[bytes, ...]():
        yield part


def _accepted(request: Request) -> set[str]:
    words = ",".join(request.headers.getlist("accept-encoding")).lower().split(",")
    return {word.partition(";")[0].strip() for word in words if not word.replace(" ", "").endswith(";q=0")}


def _given(request: Request, artifact: Artifact) -> Response:
    most = request.headers.get("x-debuginfod-maxsize", "").strip()
    if most.isascii() and most.isdigit() and 0 < int(most) < artifact.size:
        artifact.close()
        error = TooLarge(
            f"It has {artifact.size:,} bytes, more than the {int(most):,} that were asked for.",
            "Raise DEBUGINFOD_MAXSIZE.",
            code="max_size",
        )
        error.status = 406
        raise error
    return Given(request, artifact)


def _artifacts(request: Request) -> Artifacts:
    """Raises NotFound where this is switched off."""
    found = services(request)
    if found.unsigned.access == "off":
        raise NotFound("This server is no debuginfod.", "Set PROBESCOPE_DEBUGINFOD to open or token.")
    return found.index.artifacts


@router.api_route("/buildid/{build_id}/debuginfo", methods=METHODS)
def debuginfo(request: Request, build_id: str) -> Response:
    return _given(request, _artifacts(request).debuginfo(build_id))


@router.api_route("/buildid/{build_id}/executable", methods=METHODS)
def executable(request: Request, build_id: str) -> Response:
    return _given(request, _artifacts(request).executable(build_id))


@router.api_route("/buildid/{build_id}/section/{name:path}", methods=METHODS)
def section(request: Request, build_id: str, name: str) -> Response:
    return _given(request, _artifacts(request).section(build_id, name))


@router.api_route("/buildid/{build_id}/source/{path:path}", methods=METHODS)
def source(request: Request, build_id: str, path: str) -> Response:
    return _given(request, _artifacts(request).source(build_id, f"/{path}"))


@router.get("/metadata")
def metadata(request: Request, key: str = "", value: str = "") -> dict[str, Any]:
    limit = services(request).settings.page_limit
    found, complete = _artifacts(request).metadata(key, value, limit)
    return {
        "results": [{"type": each.type, "buildid": each.buildid, "file": each.file} for each in found],
        "complete": complete,
    }
