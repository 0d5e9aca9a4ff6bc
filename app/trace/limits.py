"""What stands against a session before it starts: what the instance allows, how much, and how long."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence

from app.config import Settings
from app.errors import BadInput, Busy, Forbidden, ScriptRefused, StorageFull, TooLarge
from app.trace import policy
from app.trace.model import Script, ScriptRequest

SESSIONS_AN_ACTOR = 3


def allow(request: ScriptRequest, settings: Settings) -> None:
    """Raises Forbidden for what this instance does not do at all."""
    if settings.read_only:
        raise Forbidden("This server is for exploring only.", "Start it without --read-only to trace.")
    if request.recipe == "custom" and not settings.free_scripts:
        raise Forbidden(
            "Scripts of one's own are switched off here.", "Use a recipe, or set PROBESCOPE_FREE_SCRIPTS."
        )


def duration(asked: float | None, settings: Settings) -> float:
    """How many seconds it runs. Raises BadInput."""
    most = settings.session_duration_max
    found = min(settings.session_duration, most) if asked is None else asked
    if not math.isfinite(found) or found <= 0:
        raise BadInput(f"A duration of {found} s makes no sense.", "Give seconds, more than 0.")
    if found > most:
        raise BadInput(f"{found:g} s is too long.", f"At most {most:g} s.")
    return found


def accept(request: ScriptRequest, made: Script) -> None:
    """Raises ScriptRefused for what the policy denies, TooLarge for too many probes."""
    for reason in made.against:
        raise TooLarge(reason.text, reason.hint, code=reason.code)
    refused = policy.check(made.text, free=request.recipe == "custom")
    if refused:
        place = f"Line {refused[0].line}, column {refused[0].column}: "
        raise ScriptRefused(place + refused[0].message, "Take it out; docs/reference lists what is allowed.")


def room(owner: str, owners: Sequence[str], settings: Settings) -> None:
    """Raises Busy when too many run already (``owners``: of those), StorageFull when the disk is full."""
    if len(owners) >= settings.sessions:
        raise Busy(f"{len(owners)} sessions run already, the most that may.", "Stop one first.")
    if owner and owners.count(owner) >= SESSIONS_AN_ACTOR:
        raise Busy(f"{owner} runs {SESSIONS_AN_ACTOR} sessions already.", "Stop one of them first.")
    try:
        free = shutil.disk_usage(settings.data).free
    except OSError:
        free = 0
    if free < settings.free_disk:
        wanted = settings.free_disk >> 20
        raise StorageFull(
            f"Only {free >> 20} MiB of disk are free; a session wants {wanted} MiB.",
            f"Make room in {settings.data}.",
        )
