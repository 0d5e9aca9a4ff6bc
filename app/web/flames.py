"""A session's log to the flame graph that a request asks for: as JSON, as rows of a page, as samples.

The latest print of the map counts, at or before ``t1`` where that is given; with ``t0`` what came since.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson
from fastapi import Request

from app.errors import BadInput, NotFound
from app.trace.heads import Read, Span, numbers
from app.trace.model import Session
from app.trace.prints import Print, latest_print
from app.views import flame
from app.views.samples import (
    FrameSum,
    Samples,
    aligned,
    below,
    has_stacks,
    heaviest,
    increase,
    samples,
    search,
    sum_changes,
    sums,
    turned,
)
from app.web.answers import pack
from app.web.render import build_url
from app.web.services import Services

# Functions in the answer's table, on a page, and stacks there.
MOST_FRAMES, ROWS, STACKS = 20_000, 200, 50
_LONGEST = 4096


@dataclass(frozen=True, slots=True)
class FlameAsk:
    """What a request wants to see; times in ms since the session's start."""

    map: str = ""  # "": the one printed last
    inverted: bool = False
    apart: bool = False
    root: str = ""  # a function: what it calls
    q: str = ""
    t0: float | None = None
    t1: float | None = None


@dataclass(frozen=True, slots=True)
class Profile:
    """One print of a map with stacks; ``print`` without its value."""

    print: Print
    samples: Samples
    cleared: bool  # the map was cleared since t0


def read_ask(request: Request) -> FlameAsk:
    """Raises BadInput."""
    query = request.query_params
    for name in ("map", "root", "q"):
        if len(query.get(name, "")) > _LONGEST:
            raise BadInput(f"{name} is longer than {_LONGEST} characters.", "Give a shorter one.")
    return FlameAsk(
        query.get("map", ""),
        query.get("inverted", "") in {"1", "on", "true"},
        query.get("apart", "") in {"1", "on", "true"},
        query.get("root", ""),
        query.get("q", ""),
        _time(query.get("t0"), "t0"),
        _time(query.get("t1"), "t1"),
    )


def _time(text: str | None, name: str) -> float | None:
    if not text:
        return None
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise BadInput(f"{name}={text[:40]!r} is no time.", "Give milliseconds since the session's start.")
    return found


def profile(found: Services, session: Session, ask: FlameAsk, *, heads: bool = True) -> Profile | None:
    """What the session's log has for it; None where no such map with stacks was printed by then."""
    moments = _moments(found, session, ask)
    key = ("profile", FlameAsk(map=ask.map, apart=ask.apart, t0=ask.t0), heads)
    return found.kept.once(session, key, moments, lambda: _profile(found, session, ask, heads, *moments))


def _moments(found: Services, session: Session, ask: FlameAsk) -> tuple[int, int | None]:
    """The numbers of the last events at or before ``t1`` and ``t0``: all that an answer depends on."""
    return found.kept.once(
        session,
        "moments",
        (session.last, ask.t1, ask.t0),
        lambda: (
            session.last if ask.t1 is None else _last_until(found, session, ask.t1),
            None if ask.t0 is None else _last_until(found, session, ask.t0),
        ),
    )


def _last_until(found: Services, session: Session, t: float) -> int:
    span = Span(None, math.floor(t))
    return numbers(_reader(found, session), session.first, session.last, span)[1]


def _reader(found: Services, session: Session) -> Read:
    return lambda start, limit: found.sessions.read(session.id, start, limit)


def _profile(
    found: Services, session: Session, ask: FlameAsk, heads: bool, last: int, begin: int | None
) -> Profile | None:
    read = _reader(found, session)

    def fits(name: str, value: Any) -> bool:
        return (not ask.map or name == ask.map) and has_stacks(value)

    after = latest_print(read, session.first, last, fits)
    if after is None:
        return None
    value, cleared = after.value, False
    if begin is not None:
        before = latest_print(read, session.first, begin, lambda name, _: name == after.name)
        if before is not None and isinstance(before.value, dict):
            value, cleared = increase(before.value, after.value)
    # The samples are what counts of the value.
    return Profile(replace(after, value=None), samples(value, apart=ask.apart, heads=heads), cleared)


def need_profile(found: Services, session: Session, ask: FlameAsk, *, heads: bool = True) -> Profile:
    """``profile``; raises NotFound with what to do."""
    got = profile(found, session, ask, heads=heads)
    if got is None:
        what = f"map {ask.map} with stacks" if ask.map else "map with stacks"
        raise NotFound(
            f"The session has printed no {what}.",
            "Count by stack and print it: @[ustack(perf)] = count(); interval:s:1 { print(@); }",
        )
    return got


def flame_body(found: Services, session: Session, ask: FlameAsk, zipped: bool) -> bytes:
    """The answer of the API, made once for all who look at the same moment. Raises NotFound."""

    def make() -> bytes:
        body = flame_json(need_profile(found, session, ask), ask)
        return pack(body) if zipped else body

    key = ("flame", replace(ask, t1=None), zipped)
    return found.kept.once(session, key, _moments(found, session, ask), make)


def drawn(found: Samples, ask: FlameAsk) -> Samples:
    """The samples as the picture has them: turned, and below a function."""
    shown = turned(found) if ask.inverted else found
    return below(shown, ask.root) if ask.root else shown


def flame_json(got: Profile, ask: FlameAsk) -> bytes:
    """The answer of the API; docs/reference/http.md has its fields."""
    rows = sums(got.samples)[:MOST_FRAMES]
    frames: dict[str, list[Any]] = {
        "name": [row.at for row in rows],
        "self": [_number(row.own) for row in rows],
        "total": [_number(row.total) for row in rows],
    }
    shown = drawn(got.samples, ask)
    return _answer(got, ask, shown, flame.layout(flame.tree(shown)), frames, {})


def difference_json(before: Profile, after: Profile, ask: FlameAsk) -> bytes:
    """The same for the difference of two; what was before is scaled to the total after."""
    one, two = aligned(before.samples, after.samples)
    rows = sum_changes(one, two)[:MOST_FRAMES]
    frames: dict[str, list[Any]] = {
        "name": [row.at for row in rows],
        "before": [round(row.before, 2) for row in rows],
        "self": [_number(row.own) for row in rows],
        "total_before": [round(row.total_before, 2) for row in rows],
        "total": [_number(row.total) for row in rows],
        "delta": [round(row.delta, 2) for row in rows],
    }
    shown = drawn(two, ask)
    laid = flame.layout(flame.difference(drawn(one, ask), shown))
    totals = {"before_total": _number(one.total), "after_total": _number(two.total)}
    return _answer(after, ask, shown, laid, frames, totals)


def _answer(
    got: Profile,
    ask: FlameAsk,
    shown: Samples,
    laid: flame.Layout,
    frames: dict[str, list[Any]],
    more: dict[str, Any],
) -> bytes:
    found: dict[str, Any] = {
        "map": got.print.name,
        "n": got.print.n,
        "t": got.print.t,
        "cleared": got.cleared,
        "inverted": ask.inverted,
        "apart": shown.apart,
        "total": _number(shown.total),
        "stacks": len(shown.paths),
        "passed": shown.passed,
        "nodes": laid.nodes,
        "cut": {"nodes": laid.cut, "widest": laid.widest_cut},
        "names": [name.text for name in shown.names],
        "modules": [name.module for name in shown.names],
        "heads": [at for at, name in enumerate(shown.names) if name.head],
        "columns": laid.columns(),
        "frames": frames,
        **more,
    }
    if ask.q:
        hits, covered = search(shown, ask.q)
        found["match"] = {"q": ask.q, "names": list(hits), "value": _number(covered)}
    return orjson.dumps(found, option=orjson.OPT_SERIALIZE_NUMPY)


def flame_part(found: Services, session: Session, ask: FlameAsk, maps: Sequence[str]) -> dict[str, Any]:
    """What the page shows without JavaScript: functions and the heaviest stacks.

    ``maps``: those to choose from, of which the first is shown where none is asked for.
    """
    if not ask.map and maps:
        ask = replace(ask, map=maps[0])
    key = ("flame part", replace(ask, t1=None), tuple(maps))
    made = found.kept.once(
        session, key, _moments(found, session, ask), lambda: _part(found, session, ask, maps)
    )
    return {**made, "t1": ask.t1}


def _part(found: Services, session: Session, ask: FlameAsk, maps: Sequence[str]) -> dict[str, Any]:
    part = _controls(ask, maps)
    got = profile(found, session, ask)
    if got is None:
        return part
    shown = drawn(got.samples, ask)
    hits, covered = search(shown, ask.q)
    kept = set(hits)
    rows = [row for row in sums(got.samples) if row.at in kept]
    return {
        **part,
        "map": got.print.name,
        "samples": shown,
        "total": shown.total,
        "stacks": len(shown.paths),
        "cleared": got.cleared,
        "matches": len(hits),
        "covered": covered,
        "rows": [_row(session, got.samples, row) for row in rows[:ROWS]],
        "more": max(0, len(rows) - ROWS),
        "heaviest": [
            {"names": [shown.label(at) for at in path], "value": value}
            for path, value in heaviest(shown, STACKS)
        ],
    }


def difference_part(before: Profile, after: Profile, ask: FlameAsk, maps: Sequence[str]) -> dict[str, Any]:
    """The same for the difference of two: functions with what they were before."""
    one, two = aligned(before.samples, after.samples)
    kept = set(search(two, ask.q)[0])
    rows = [row for row in sum_changes(one, two) if row.at in kept]
    return {
        **_controls(ask, maps),
        "map": after.print.name,
        "before_total": one.total,
        "after_total": two.total,
        "rows": [{"label": two.label(row.at), "change": row} for row in rows[:ROWS]],
        "more": max(0, len(rows) - ROWS),
    }


def _controls(ask: FlameAsk, maps: Sequence[str]) -> dict[str, Any]:
    return {
        "maps": maps,
        "map": ask.map,
        "q": ask.q,
        "inverted": ask.inverted,
        "apart": ask.apart,
        "t0": ask.t0,
        "t1": ask.t1,
        "samples": None,
    }


def frame_url(session: Session, name: str, module: str | None) -> str | None:
    """Where the function of a frame is traced; None for what has no name of its own."""
    if name.startswith("["):
        return None
    return build_url(f"/sessions/{session.id}/frame", name=name, module=module)


def _row(session: Session, found: Samples, row: FrameSum) -> dict[str, Any]:
    name = found.names[row.at]
    return {
        "text": name.text,
        "label": found.label(row.at),
        "module": name.module or "",
        "own": row.own,
        "total": row.total,
        "url": frame_url(session, name.text, name.module),
    }


def _number(value: int) -> int | float:
    """Larger ones than JSON's readers take as whole are told roughly."""
    return value if abs(value) < flame.EXACT else float(value)
