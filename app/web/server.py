"""The application and its server: rooms are opened at start, closed at the end, in that order."""

from __future__ import annotations

import secrets
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import replace

import uvicorn
from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware

from app import __version__
from app.config import Settings, export, load, over_ssh
from app.errors import BadInput, StorageFull
from app.index.service import Index
from app.paths import asset_dir
from app.trace.bpftrace import Bpftrace
from app.trace.session import Sessions
from app.web import failures, replay, stream
from app.web.auth import Lock
from app.web.guard import Guard, Origins
from app.web.kept import Kept
from app.web.routes import (
    binaries,
    comparison,
    debuginfo,
    debuginfod,
    difference,
    exports,
    flame,
    functions,
    jobs,
    library,
    places,
    processes,
    scripts,
    search,
    sessions,
    symbols,
    system,
    times,
    types,
    usdt,
)
from app.web.services import Services
from app.web.sockets import Websocket
from app.web.unsigned import Unsigned, access_of

WEBSOCKET_BYTES = 64 * 1024
BACKLOG = 128
# Fixed paths before those with a parameter in the same place: /sessions/new before /sessions/{id}.
ROUTERS = (
    system.router,
    search.router,
    processes.router,
    binaries.router,
    debuginfo.router,
    debuginfod.router,
    functions.router,
    symbols.router,
    types.router,
    places.router,
    usdt.router,
    difference.router,
    jobs.router,
    scripts.router,
    library.router,
    exports.router,
    flame.router,
    comparison.router,
    sessions.router,
    times.router,
    stream.router,
    replay.router,
)


class Rooms:
    """What the routes work with; nothing of it works before ``open``."""

    def __init__(self, settings: Settings) -> None:
        self.bpftrace = Bpftrace(settings)
        self.index = Index(settings, ahead=True)
        self.sessions = Sessions(settings, self.bpftrace, self.index)
        self.opened = False

    async def open(self) -> None:
        """Once; raises AppError where a room cannot be opened, and closes the others."""
        if self.opened:
            return
        # First, because this one sees whether another server uses the same data.
        await self.sessions.start()
        try:
            await run_in_threadpool(self.index.start)
        except BaseException:
            await self.sessions.close()
            raise
        await run_in_threadpool(self.bpftrace.capabilities)
        self.opened = True

    async def close(self) -> None:
        await self.sessions.close()
        await run_in_threadpool(self.index.close)


def create_app(settings: Settings, rooms: Rooms | None = None) -> FastAPI:
    """The ASGI application; its rooms open when it starts up, unless they are open already.

    ``app.state.services`` holds them.
    """
    lock = Lock(settings.token, settings.port, secure=_all_https(settings))
    origins = Origins.of(settings)
    unsigned = Unsigned(access_of(settings), lock.token)
    rooms = rooms or Rooms(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await rooms.open()
        app.state.services = Services(
            settings,
            rooms.index,
            rooms.sessions,
            rooms.bpftrace,
            lock,
            origins,
            unsigned,
            Kept(settings.kept_bytes),
        )
        try:
            yield
        finally:
            await rooms.close()

    app = FastAPI(
        title="Probescope",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=lifespan,
    )
    app.state.lock = lock
    failures.install(app)
    for router in ROUTERS:
        app.include_router(router)
    # Files are given as they are: gdb's are large, and have a length.
    as_it_is = (*DEFAULT_EXCLUDED_CONTENT_TYPES, "application/octet-stream")
    app.add_middleware(GZipMiddleware, minimum_size=1024, exclude_content_types=as_it_is)
    app.add_middleware(Guard, origins=origins, lock=lock, unsigned=unsigned)
    return app


def _all_https(settings: Settings) -> bool:
    return bool(settings.public_urls) and all(url.startswith("https://") for url in settings.public_urls)


def _listen(settings: Settings) -> socket.socket:
    """A bound socket; BadInput with a sentence for a port in use or an address that is not ours."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((settings.host, settings.port))
        # Who comes while the rooms are opened waits, and is not refused.
        found.listen(BACKLOG)
    except OSError as error:
        found.close()
        raise BadInput(
            f"Port {settings.port} on {settings.host} cannot be used: {error.strerror}.",
            "Stop what uses it, or choose another with --port.",
            code="port_in_use",
        ) from error
    return found


def _announce(settings: Settings, token: str) -> None:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    host = "127.0.0.1" if host in {"0.0.0.0", "[::]"} else host  # noqa: S104 - shown, not bound to
    for base in (f"http://{host}:{settings.port}", *settings.public_urls):
        print(f"Probescope is at {base.rstrip('/')}/?token={token}", flush=True)
    if over_ssh():
        print(
            f"From your own machine: ssh -L {settings.port}:127.0.0.1:{settings.port} {socket.gethostname()}",
            flush=True,
        )


class _Server(uvicorn.Server):
    """Opens the rooms before the application starts, so that what fails is one sentence; says where it is
    once it listens, not before."""

    def __init__(self, config: uvicorn.Config, rooms: Rooms, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._rooms = rooms
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await self._rooms.open()
        await super().startup(sockets)
        if self.started:
            self._announce()


def reloaded() -> FastAPI:
    """What ``serve --reload`` starts anew after each change; its settings come by the environment."""
    return create_app(load())


def serve(settings: Settings, reload: bool = False) -> int:
    """Serve until stopped; returns the exit code. Raises AppError when it cannot start."""
    with closing(_listen(settings)) as listener:
        if settings.port == 0:
            settings = replace(settings, port=listener.getsockname()[1])
        try:
            settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise StorageFull(
                f"The data directory {settings.data} cannot be made: {error.strerror}.",
                "Choose another with --data.",
            ) from error
        if not reload:
            return _run(settings, listener)
    token = settings.token or secrets.token_urlsafe(32)
    settings = replace(settings, token=token)
    _announce(settings, token)
    _run_reloading(settings)
    return 0


def _run(settings: Settings, listener: socket.socket) -> int:
    rooms = Rooms(settings)
    app = create_app(settings, rooms)
    config = uvicorn.Config(
        app,
        log_level="warning",
        ws=Websocket,
        ws_max_size=WEBSOCKET_BYTES,
        ws_ping_interval=20.0,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=5,
    )
    server = _Server(config, rooms, lambda: _announce(settings, app.state.lock.token))
    try:
        server.run(sockets=[listener])
    except KeyboardInterrupt:
        return 0
    return 0 if server.started else 1


def _run_reloading(settings: Settings) -> None:
    export(settings)
    uvicorn.run(
        "app.web.server:reloaded",
        factory=True,
        reload=True,
        reload_dirs=[str(asset_dir("static").parent)],
        host=settings.host,
        port=settings.port,
        log_level="info",
    )
