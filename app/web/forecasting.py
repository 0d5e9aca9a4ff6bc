"""A forecast out of a session that counts for a moment, and is removed again."""

from __future__ import annotations

import json
from typing import Any

from starlette.concurrency import run_in_threadpool

from app.errors import Conflict, Unreachable
from app.trace.forecast import SECONDS, Forecast, bounded, counting, counts_of, forecast
from app.trace.limits import accept
from app.trace.model import ScriptRequest
from app.trace.script import generate
from app.web.services import Services

# Attaching and detaching up to forecast.MOST_PROBES of them takes that long with old versions.
PATIENCE = 60.0
_PART = 5000


async def make_forecast(found: Services, request: ScriptRequest, who: str) -> Forecast:
    """Counts the hits of what ``request`` chose. Raises what stands against such a session, and Conflict
    where it did not come to an end as it should."""
    able = await run_in_threadpool(found.bpftrace.require)
    counted = counting(request, able)
    made = await run_in_threadpool(generate, request, able, found.index)
    accept(request, made)
    bounded((await run_in_threadpool(generate, counted, able, found.index)).expected_probes, able)
    session = await found.sessions.create(counted, who)
    try:
        session = await found.sessions.wait(session.id, PATIENCE)
        if session.state == "failed":
            raise Conflict(f"Nothing could be counted: {session.reason}", "Look at the probes' verdicts.")
        if session.state != "ended":
            raise Unreachable("The probes took too long to attach and detach.", "Choose fewer.")
        counts = await run_in_threadpool(last_counts, found, session.id)
    finally:
        await found.sessions.delete(session.id, who)
    return forecast(request.recipe, able.version, counts, SECONDS)


def last_counts(found: Services, session_id: str) -> dict[str, int]:
    """Hits by probe as a session of the recipe count printed them last."""
    latest: Any = None
    start = 1
    while lines := found.sessions.read(session_id, start, _PART):
        for line in lines:
            event = json.loads(line)
            start = int(event["data"]["to"] if event["type"] == "gap" else event["n"]) + 1
            latest = event["data"] if event["type"] == "map" else latest
    return counts_of(latest)
