"""The prints of a session's maps to what each map held in a span of time.

Maps that count up tell what came in the span: the sum of the increases between its prints. The others tell
what was printed last in it. A span without a beginning tells every map as it was printed last before its end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from app.trace.decode import MAP_TYPES
from app.trace.heads import Span
from app.trace.usage import Usage
from app.views.increments import by_key, countable, increase, total
from app.views.table import weight

How = Literal["counted", "printed"]


@dataclass(frozen=True, slots=True)
class Spanned:
    """One map; ``data`` is shaped as the map's value in an event of this ``type``."""

    name: str
    type: str
    data: Any
    how: How  # counted: what came in the span; printed: as it was printed last in it
    n: int  # of the last print that was taken
    t: int

    def as_event(self) -> dict[str, Any]:
        """An event as if the map had been printed so."""
        return {"n": self.n, "t": self.t, "type": self.type, "data": {self.name: self.data}}

    def as_dict(self) -> dict[str, Any]:
        return {**self.as_event(), "how": self.how}


@dataclass(slots=True)
class _Map:
    kind: str
    counted: bool
    before: dict[str | None, Any] = field(default_factory=dict)
    sums: dict[str | None, Any] = field(default_factory=dict)
    latest: Any = None
    inside: bool = False
    n: int = 0
    t: int = 0


class Window:
    """Takes events in their order; ``maps`` gives what they came to."""

    def __init__(self, span: Span, usage: Usage) -> None:
        self._span = span
        self._usage = usage
        self._maps: dict[str, _Map] = {}

    def add(self, event: Mapping[str, Any]) -> None:
        """Takes an event; what is no print of a map, or past the span, changes nothing."""
        kind, data, t = event.get("type"), event.get("data"), int(event.get("t") or 0)
        if kind not in MAP_TYPES or not isinstance(data, dict) or not self._span.before(t):
            return
        for name, value in data.items():
            self._take(name, str(kind), value, int(event.get("n") or 0), t)

    def maps(self) -> dict[str, Spanned]:
        """The maps that were printed in the span; counted ones without the keys that did not grow."""
        return {name: self._spanned(name, each) for name, each in self._maps.items() if each.inside}

    def _take(self, name: str, kind: str, value: Any, n: int, t: int) -> None:
        found = self._maps.get(name)
        if found is None or found.kind != kind:
            found = self._maps[name] = _Map(kind, self._span.t0 is not None)
        now = by_key(kind, value)
        listed = name in self._usage.counted
        found.counted = found.counted and all(countable(kind, each, listed) for each in now.values())
        if self._span.after(t):
            found.inside, found.latest, found.n, found.t = True, value, n, t
            if found.counted:
                self._sum(found, now, name in self._usage.cleared)
        found.before = now

    @staticmethod
    def _sum(found: _Map, now: Mapping[str | None, Any], cleared: bool) -> None:
        for key, each in now.items():
            came = increase(found.kind, each, None if cleared else found.before.get(key))
            if key in found.sums:
                came = total(found.kind, found.sums[key], came)
            found.sums[key] = came

    @staticmethod
    def _spanned(name: str, found: _Map) -> Spanned:
        if not found.counted:
            return Spanned(name, found.kind, found.latest, "printed", found.n, found.t)
        sums = found.sums
        data = sums[None] if None in sums else {key: each for key, each in sums.items() if weight(each)}
        return Spanned(name, found.kind, data, "counted", found.n, found.t)


def in_span(events: Iterable[Mapping[str, Any]], span: Span, usage: Usage) -> dict[str, Spanned]:
    """Each map's content in the span by its name."""
    window = Window(span, usage)
    for event in events:
        window.add(event)
    return window.maps()
