"""Sessions that are over, written as a server leaves them: their row and their log."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.trace.decode import Decoded
from app.trace.log import Log
from app.trace.model import Loss, Session
from app.trace.store import Store

Told = tuple[int, str, Any]  # t in ms, type, data


def left(data: Path, id: str, events: Sequence[Told], **fields: Any) -> Session:
    """A session below ``data`` that ended with these events; a server started there has it."""
    log = Log(data / "sessions" / id, 1 << 30, 1_000_000)
    log.append([(t, Decoded(kind, told, None)) for t, kind, told in events])
    now = time.time()
    given: dict[str, Any] = {
        "state": "ended",
        "reason": "It was stopped.",
        "code": "stopped",
        "script": "interval:s:1 { print(@); }",
        "recipe": "custom",
        "probes": (),
        "pid": None,
        "duration": 60.0,
        "owner": "admin",
        "started": now - 60,
        "ended": now - 30,
        "expected_probes": 1,
        "attached_probes": 1,
        "events": len(events),
        "first": log.first,
        "last": log.last,
        "loss": Loss(),
        **fields,
    }
    session = Session(id=id, **given)
    log.close()
    store = Store(data)
    store.put(session)
    store.close()
    return session
