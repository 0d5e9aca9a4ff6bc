"""A session's log read again: what its last lines and the latest prints of its maps are."""

from __future__ import annotations

import json
from typing import Any

from app.trace.model import Session
from app.views.table import MapView, maps
from app.web.reading import lines_of
from app.web.services import Services

LOG_ROWS = 200


def replayed(found: Services, session: Session) -> tuple[list[dict[str, Any]], dict[str, MapView]]:
    """(last rows of the log, maps by name) of what is kept."""
    rows: list[dict[str, Any]] = []
    latest: dict[str, dict[str, Any]] = {}
    for line in lines_of(found, session.id, 1):
        event = json.loads(line)
        if event["type"] in {"map", "hist", "stats"} and isinstance(event["data"], dict):
            for name in event["data"]:
                latest[name] = event
        else:
            rows.append(event)
            if len(rows) > 4 * LOG_ROWS:
                del rows[:-LOG_ROWS]
    return rows[-LOG_ROWS:], maps(latest.values())
