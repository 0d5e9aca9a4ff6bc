"""A session's numbered log to one browser: text frames at 20 Hz, from the number that the viewer asks for.

A viewer is a reader of the log, not a queue: nothing grows with a slow one. One that lags gets maps and
histograms collapsed to their latest (counted in loss.viewer); one that takes no frame within the send timeout
is closed. Close codes are in docs/reference/stream.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from typing import Any

from fastapi import APIRouter, WebSocket
from starlette.websockets import WebSocketDisconnect, WebSocketState

from app.errors import Busy, NotFound
from app.trace.model import Session
from app.web.services import Services, services

router = APIRouter()
FRAME_SECONDS = 0.05
FRAME_EVENTS = 4000
HEARTBEAT_SECONDS = 10.0
LAG_SECONDS = 0.5
OVER = ("ended", "failed")
COLLAPSED = (b'"type":"map"', b'"type":"hist"', b'"type":"stats"')
BAD_REQUEST, NO_SESSION, TOO_SLOW, TOO_MANY = 4400, 4404, 4408, 4429


@router.websocket("/ws/sessions/{session_id}")
async def session_stream(websocket: WebSocket, session_id: str) -> None:
    found = services(websocket)
    await websocket.accept()
    text = websocket.query_params.get("from", "1")
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        await websocket.close(BAD_REQUEST, "from is not a number")
        return
    try:
        with found.sessions.viewer(session_id):
            await Viewer(websocket, found, session_id, max(1, int(text))).run()
    except NotFound as error:
        await close(websocket, NO_SESSION, error.message)
    except Busy as error:
        await close(websocket, TOO_MANY, error.message)


class Viewer:
    """One open websocket: where it is in the log, and whether it is paused."""

    def __init__(self, websocket: WebSocket, found: Services, session_id: str, start: int) -> None:
        self._socket = websocket
        self._sessions = found.sessions
        self._timeout = found.settings.send_timeout
        self._id = session_id
        self._next = start
        self._going = asyncio.Event()
        self._going.set()

    async def run(self) -> None:
        listener = asyncio.create_task(self._listen())
        sender = asyncio.create_task(self._send())
        try:
            await asyncio.wait({listener, sender}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (listener, sender):
                task.cancel()
            results = await asyncio.gather(listener, sender, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, WebSocketDisconnect | RuntimeError):
                raise result

    async def _listen(self) -> None:
        while True:
            text = await self._socket.receive_text()
            with contextlib.suppress(ValueError):
                message = json.loads(text)
                if isinstance(message, dict):
                    self._hear(message)

    def _hear(self, message: dict[str, Any]) -> None:
        """Does what the viewer says; what is not understood is ignored."""
        if "pause" in message:
            self._going.clear() if message["pause"] else self._going.set()

    async def _send(self) -> None:
        lagging, shown = False, ""
        heartbeat = time.monotonic()
        while True:
            await self._going.wait()
            session = self._sessions.get(self._id)
            lines = self._sessions.read(self._id, self._next, FRAME_EVENTS)
            told = status(session)
            if lines or told != shown or time.monotonic() - heartbeat >= HEARTBEAT_SECONDS:
                first = self._next
                if lines:
                    self._next = _last_number(lines[-1]) + 1
                if lagging and session.state not in OVER:
                    lines = self._collapse(lines)
                heartbeat, shown = time.monotonic(), told
                await self._put(frame(_elapsed(session), first, self._next - 1, lines, told))
                lagging = time.monotonic() - heartbeat > LAG_SECONDS
            if session.state in OVER and not lines:
                await self._socket.close(1000, "all sent")
                return
            if len(lines) < FRAME_EVENTS:
                await asyncio.sleep(FRAME_SECONDS)
                await self._sessions.changed(self._id, self._next - 1, HEARTBEAT_SECONDS)

    async def _put(self, text: str) -> None:
        try:
            await asyncio.wait_for(self._socket.send_text(text), self._timeout)
        except TimeoutError:
            await close(self._socket, TOO_SLOW, "the viewer took no frame in time")
            raise WebSocketDisconnect(TOO_SLOW) from None

    def _collapse(self, lines: list[bytes]) -> list[bytes]:
        """The lines without the maps that a later line of the same maps makes old."""
        kept: list[bytes] = []
        seen: set[tuple[str, ...]] = set()
        for line in reversed(lines):
            if any(mark in line[:120] for mark in COLLAPSED):
                event = json.loads(line)
                data = event["data"]
                names = (event["type"], *sorted(data)) if isinstance(data, dict) else (event["type"],)
                if names in seen:
                    continue
                seen.add(names)
            kept.append(line)
        if dropped := len(lines) - len(kept):
            self._sessions.add_viewer_loss(self._id, dropped)
        return kept[::-1]


def _last_number(line: bytes) -> int:
    """The number after which to go on: an event's own, or the end of a gap."""
    event = json.loads(line)
    if event["type"] == "gap":
        return int(event["data"]["to"])
    return int(event["n"])


def status(session: Session) -> str:
    """The end of a frame: the session as it stands, and what was lost."""
    loss = session.loss
    parts: dict[str, Any] = {
        "session": {
            "id": session.id,
            "state": session.state,
            "reason": session.reason,
            "code": session.code,
            "expected_probes": session.expected_probes,
            "attached_probes": session.attached_probes,
            "still_attached": session.still_attached,
            "pid": session.pid,
            "wait_for": session.wait_for,
            "events": session.events,
            "viewers": session.viewers,
            "started": session.started,
            "ended": session.ended,
        },
        "loss": {"kernel": loss.kernel, "server": loss.server, "viewer": loss.viewer},
    }
    return json.dumps(parts, separators=(",", ":"))[1:-1]


def _elapsed(session: Session) -> int:
    until = session.ended if session.ended is not None else time.time()
    return max(0, int((until - session.started) * 1000))


def frame(t: int, first: int, last: int, lines: list[bytes], told: str) -> str:
    """Joins the log's own lines, which are JSON already; ``t`` in ms, ``told``: see ``status``."""
    events = b",".join(lines).decode("utf-8", "replace")
    return f'{{"v":1,"first":{first},"last":{last},"t":{t},"events":[{events}],{told}}}'


async def close(websocket: WebSocket, code: int, reason: str) -> None:
    if websocket.application_state is not WebSocketState.DISCONNECTED:
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):
            await websocket.close(code, reason[:120])
