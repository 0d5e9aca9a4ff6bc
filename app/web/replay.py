"""A session that is over, played again from its log: the frames of the stream, as they came or faster.

``WS /ws/sessions/{id}/replay?at=MS&speed=X&paused=0``. What came up to ``at`` is sent at once, the rest by
the clock. A frame's ``t`` is the place that the replay has come to. One that cannot be sent as fast as it is
asked to is slower, and leaves nothing out.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from typing import Any

from fastapi import APIRouter, WebSocket

from app.errors import Busy, NotFound
from app.trace.heads import Head, Span, head, numbers
from app.trace.model import Session
from app.web.services import Services, services
from app.web.stream import (
    BAD_REQUEST,
    FRAME_EVENTS,
    FRAME_SECONDS,
    NO_SESSION,
    OVER,
    TOO_MANY,
    Viewer,
    close,
    frame,
    status,
)

router = APIRouter()
RUNNING = 4409
FASTEST = 100.0
# Lines that the page keeps: what lies further back need not be sent again.
SENT_BEFORE = 100_000
SILENT_SECONDS = 0.25


@router.websocket("/ws/sessions/{session_id}/replay")
async def session_replay(websocket: WebSocket, session_id: str) -> None:
    found = services(websocket)
    await websocket.accept()
    at, speed = _number(websocket, "at", 0.0), _number(websocket, "speed", 1.0)
    if at is None or speed is None or not 0 < speed <= FASTEST:
        await close(websocket, BAD_REQUEST, "at or speed is not a number that fits")
        return
    try:
        session = found.sessions.get(session_id)
        if session.state not in OVER:
            await close(websocket, RUNNING, "the session runs still")
            return
        with found.sessions.viewer(session_id):
            viewer = Replay(websocket, found, session, at, speed)
            if websocket.query_params.get("paused") == "1":
                viewer.pause()
            await viewer.run()
    except NotFound as error:
        await close(websocket, NO_SESSION, error.message)
    except Busy as error:
        await close(websocket, TOO_MANY, error.message)


class Replay(Viewer):
    """One open replay: its place, in ms since the session's start, and its speed."""

    def __init__(
        self, websocket: WebSocket, found: Services, session: Session, at: float, speed: float
    ) -> None:
        super().__init__(websocket, found, session.id, session.first)
        self._session = session
        self._place = at
        self._speed = speed
        self._ahead: deque[tuple[Head, bytes]] = deque()
        self._read = session.first

    def pause(self) -> None:
        """Stands still at its place, until the viewer goes on."""
        self._going.clear()

    def _hear(self, message: dict[str, Any]) -> None:
        super()._hear(message)
        speed = message.get("speed")
        if isinstance(speed, int | float) and 0 < speed <= FASTEST:
            self._speed = float(speed)

    async def _send(self) -> None:
        self._skip()
        shown = time.monotonic()
        while True:
            lines = self._due()
            if lines or time.monotonic() - shown >= SILENT_SECONDS or self._at_end():
                shown = time.monotonic()
                await self._show(lines)
            if self._at_end():
                await self._socket.close(1000, "all sent")
                return
            # The place stands still while there is more to send than a frame takes.
            if len(lines) < FRAME_EVENTS:
                await self._pass()

    def _skip(self) -> None:
        """Leaves out what a viewer who comes at this place would not keep."""
        session = self._session
        _, last = numbers(
            lambda start, limit: self._sessions.read(session.id, start, limit),
            session.first,
            session.last,
            Span(None, int(self._place)),
        )
        self._next = self._read = max(session.first, last - SENT_BEFORE + 1)

    async def _pass(self) -> None:
        """Waits for a frame's time, and while the viewer pauses."""
        await self._going.wait()
        begun = time.monotonic()
        await asyncio.sleep(FRAME_SECONDS)
        self._place += (time.monotonic() - begun) * 1000 * self._speed

    def _due(self) -> list[bytes]:
        """The lines up to the place, as many as a frame takes."""
        lines: list[bytes] = []
        while len(lines) < FRAME_EVENTS and self._fill():
            found, line = self._ahead[0]
            if found.t > self._place:
                break
            self._ahead.popleft()
            self._next = found.n + 1
            lines.append(line)
        return lines

    def _fill(self) -> bool:
        """Whether there is a line ahead."""
        if not self._ahead and self._read <= self._session.last:
            lines = self._sessions.read(self._id, self._read, FRAME_EVENTS)
            self._ahead.extend((head(line), line) for line in lines)
            self._read = self._ahead[-1][0].n + 1 if lines else self._session.last + 1
        return bool(self._ahead)

    def _at_end(self) -> bool:
        return not self._fill()

    async def _show(self, lines: list[bytes]) -> None:
        first = head(lines[0]).n if lines else self._next
        await self._put(frame(int(self._place), first, self._next - 1, lines, status(self._session)))


def _number(websocket: WebSocket, name: str, default: float) -> float | None:
    """A finite number from 0 of the query, None where it is none."""
    try:
        found = float(websocket.query_params.get(name) or default)
    except ValueError:
        return None
    return found if math.isfinite(found) and found >= 0 else None
