"""What every route needs: settings, index, sessions, bpftrace and the locks, made once at start."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import HTTPConnection

from app.config import Settings
from app.index.service import Index
from app.trace.bpftrace import Bpftrace
from app.trace.session import Sessions
from app.web.auth import Lock
from app.web.guard import Origins
from app.web.kept import Kept
from app.web.unsigned import Unsigned


@dataclass(frozen=True, slots=True)
class Services:
    settings: Settings
    index: Index
    sessions: Sessions
    bpftrace: Bpftrace
    lock: Lock
    origins: Origins
    unsigned: Unsigned
    kept: Kept


def services(connection: HTTPConnection) -> Services:
    """The services of the application that this request or websocket belongs to."""
    found = connection.app.state.services
    assert isinstance(found, Services)
    return found


def actor(connection: HTTPConnection) -> str:
    """Who asks: the role that the credential stands for, as the guard found it."""
    return str(connection.scope.get("state", {}).get("actor", ""))
