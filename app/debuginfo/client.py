"""Asks debuginfod servers for a debug file or a source, one after the other, and keeps what proves to be it.

The only module that speaks to other machines. A server is trusted with nothing: no redirect is followed, its
bytes are counted as they come, compressed or not, silence and slowness end it, and a file that is not the
one is dropped before anybody sees it. Source: debuginfod(8), Webapi.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import httpx2

from app import __version__
from app.debuginfo.cache import DEBUGINFO, Cache, Incoming, source_entry
from app.debuginfo.encoding import ACCEPTED, BadEncoding, decoder
from app.debuginfo.servers import Said, Server, Servers
from app.errors import AppError, Conflict, NotFound, Unreachable

_LEAST = 16 << 10  # bytes that come in ``silence`` seconds, or it is too slow
_CONNECT_SECONDS = 5.0
_LOOK_SECONDS = 0.1
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Limits:
    silence: float  # seconds to connect, to answer, to send a little
    wall: float  # seconds for one file, over all servers
    size: int  # bytes of it


@dataclass(frozen=True, slots=True)
class Watch:
    """Who waits: told of (server, bytes so far, bytes in all if known), asked whether to stop."""

    progress: Callable[[str, int, int | None], None] = lambda server, size, total: None
    stopped: Callable[[], bool] = lambda: False


@dataclass(frozen=True, slots=True)
class Part:
    """What is wanted of a build: its place on a server, its name in the cache, what people call it."""

    path: str
    entry: str
    called: str


DEBUG_FILE = Part("debuginfo", DEBUGINFO, "debug file")


def source(path: str) -> Part | None:
    """A source file by its path in debug information; None for one that the cache has no name for."""
    entry = source_entry(path)
    return None if entry is None else Part(f"source{quote(path)}", entry, "source file")


class _Failed(Exception):
    """A server that did not answer as it should, in a sentence."""


class _Stopped(Exception):
    pass


def fetch(
    servers: Servers,
    cache: Cache,
    build_id: str,
    fits: Callable[[int, str], str | None],
    limits: Limits,
    watch: Watch,
    transport: httpx2.AsyncBaseTransport | None = None,
    part: Part = DEBUG_FILE,
) -> Path:
    """The path in the cache of the debug file, or another ``part``, of a build, fetched unless it is there.

    ``fits`` looks at what came (its descriptor, the server) and says why it is not the one. Raises NotFound
    when no server has it, Unreachable when one of them failed, Conflict when stopped, StorageFull.
    """
    entry, called = part.entry, part.called
    if not servers.acquire(f"{build_id}/{entry}", watch.stopped):
        raise _cancelled()
    try:
        cache.clean()
        if cache.holds(build_id, entry):
            return cache.path(build_id, entry)
        missed = cache.missed(build_id, entry)
        if missed is not None:
            raise NotFound(
                f"No server had the {called} {missed / 60:.0f} minutes ago.",
                "They are asked again ten minutes after the last time.",
            )
        with cache.incoming(build_id, entry) as file:
            asking = _all(servers, build_id, part, file, fits, limits, watch, transport)
            said = asyncio.run(_watched(asking, watch.stopped))
            file.kept = said[-1][1].state == "matched" if said else False
        if file.kept:
            return cache.path(build_id, entry)
        if said and all(not each.failed and each.state == "missing" for _, each in said):
            cache.miss(build_id, entry)
            raise NotFound(f"No server has the {called}.", "Upload it, or install the package that has it.")
        told = " ".join(f"{server.shown}: {each.why}" for server, each in said)
        raise Unreachable(f"No server gave the {called}. {told}", "Try again later, or upload it.")
    except _Stopped:
        raise _cancelled() from None
    finally:
        servers.release(f"{build_id}/{entry}")


async def _watched(work: Coroutine[Any, Any, T], stopped: Callable[[], bool]) -> T:
    """Ends it, wherever it waits, when ``stopped``."""
    task = asyncio.ensure_future(work)
    try:
        while not task.done():
            if stopped():
                raise _Stopped
            await asyncio.wait({task}, timeout=_LOOK_SECONDS)
        return task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _all(
    servers: Servers,
    build_id: str,
    part: Part,
    file: Incoming,
    fits: Callable[[int, str], str | None],
    limits: Limits,
    watch: Watch,
    transport: httpx2.AsyncBaseTransport | None,
) -> list[tuple[Server, Said]]:
    """What each said, until one has it."""
    found: list[tuple[Server, Said]] = []
    timeout = httpx2.Timeout(limits.silence, connect=min(_CONNECT_SECONDS, limits.silence))
    clock = asyncio.get_running_loop().time
    end = clock() + limits.wall
    headers = {"user-agent": f"probescope/{__version__}", "accept-encoding": ACCEPTED}
    async with httpx2.AsyncClient(
        timeout=timeout, follow_redirects=False, headers=headers, transport=transport
    ) as client:
        for server in servers.all:
            if clock() >= end:
                found.append((server, Said("missing", "It was not asked: the time was over.", failed=True)))
                continue
            if not server.breaker.enter():
                found.append((server, Said("missing", server.said(build_id, None).why, failed=True)))
                continue
            try:
                async with asyncio.timeout_at(end):
                    said = await _one(client, server, f"{build_id}/{part.path}", file, limits, watch)
            except TimeoutError:
                said = Said("missing", f"It took more than {limits.wall:g} s.", failed=True)
            except BaseException:
                # Cancelled, or the disk is full: which says nothing of the server.
                server.breaker.gave_up()
                raise
            if said.state == "matched":
                wrong = await asyncio.to_thread(fits, file.descriptor, server.shown)
                if wrong is not None:
                    said = Said("mismatched", f"What it sent was dropped. {wrong}", failed=True)
            server.breaker.left(said.failed)
            if part is DEBUG_FILE:
                server.say(build_id, said)
            found.append((server, said))
            if said.state == "matched":
                break
            file.empty()
    return found


async def _one(
    client: httpx2.AsyncClient, server: Server, place: str, file: Incoming, limits: Limits, watch: Watch
) -> Said:
    watch.progress(server.shown, 0, None)
    try:
        request = client.build_request("GET", f"{server.url}/buildid/{place}")
        # Each read has its time limit; headers that come letter by letter need one over all.
        async with asyncio.timeout(limits.silence):
            answer = await client.send(request, stream=True)
        async with aclosing(answer):
            if answer.status_code == 404:
                return Said("missing", "It has none.")
            if answer.status_code != 200:
                return Said("missing", _status(answer), failed=True)
            await _receive(answer, server, file, limits, watch)
        return Said("matched", "It has it.")
    except (_Failed, BadEncoding) as error:
        return Said("missing", str(error), failed=True)
    except (httpx2.TimeoutException, TimeoutError):
        return Said("missing", f"It said nothing for {limits.silence:g} s.", failed=True)
    except httpx2.RemoteProtocolError:
        return Said("missing", "It broke off, or does not speak HTTP.", failed=True)
    except (httpx2.HTTPError, httpx2.InvalidURL, ssl.SSLError, OSError) as error:
        reason = re.sub(r"^\[Errno -?\d+\] ", "", str(error)).rstrip(".") or type(error).__name__
        return Said("missing", f"It cannot be reached: {reason}.", failed=True)


async def _receive(
    answer: httpx2.Response, server: Server, file: Incoming, limits: Limits, watch: Watch
) -> None:
    """The body to ``file``. Raises _Failed, BadEncoding, StorageFull."""
    encoding = answer.headers.get("content-encoding", "")
    unpack = decoder(encoding)
    total = _number(answer, "x-debuginfod-size")
    if total is None and encoding.strip().lower() in {"", "identity"}:
        total = _number(answer, "content-length")
    if total is not None:
        _check(total, limits)
        file.expect(total)
    clock = asyncio.get_running_loop().time
    since, came = clock(), 0
    async for raw in answer.aiter_raw():
        came += len(raw)
        for part in unpack(raw):
            _check(file.size + len(part), limits)
            file.write(part)
        watch.progress(server.shown, file.size, total)
        if clock() - since > limits.silence:
            if came < _LEAST:
                raise _Failed(f"It sent {came:,} bytes in {limits.silence:g} s, which is too slow.")
            since, came = clock(), 0
    if total is not None and file.size != total:
        raise _Failed(f"It said {total:,} bytes, and sent {file.size:,}.")
    if not file.size:
        raise _Failed("It sent an empty file.")


def _check(size: int, limits: Limits) -> None:
    if size > limits.size:
        raise _Failed(f"Its file has more than {limits.size:,} bytes, the most that are taken.")


def _number(answer: httpx2.Response, name: str) -> int | None:
    text = answer.headers.get(name, "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


def _status(answer: httpx2.Response) -> str:
    if answer.is_redirect:
        place = answer.headers.get("location", "")[:200]
        return f"It leads to {place!r}; no redirect is followed: name that server itself."
    return f"It answered with the status {answer.status_code}."


def _cancelled() -> AppError:
    return Conflict("Fetching the debug file was cancelled.", "Ask for it again.", code="cancelled")
