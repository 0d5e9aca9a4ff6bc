"""What views show of a log that grows: the same as if it were read anew, without reading it anew."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest

from app.trace.decode import Decoded
from app.trace.heads import Span
from app.trace.log import Log
from app.trace.model import Session
from app.views import flame
from app.web.flames import FlameAsk, flame_body, flame_part, profile
from app.web.kept import Kept
from app.web.past import counters_of, heatmap_of, latest_maps, maps_in, timeline_of
from app.web.pictures import pictures
from app.web.reading import end_of, numbers_in, rows_of
from app.web.services import Services
from tests.web.test_kept import SESSION

SCRIPT = "interval:s:1 { @n = count(); @us = hist(1); @w = count(); print(@us); print(@w); clear(@w); }"
SPANS = [Span(), Span(None, 3000), Span(900, None), Span(900, 3000), Span(2000, 10**9)]
Look = Callable[[Services, Session], Any]
LOOKS: dict[str, Look] = {
    **{f"timeline {span}": partial(timeline_of, bins=240, span=span) for span in SPANS},
    **{f"heatmap {span}": partial(heatmap_of, name="", key=None, span=span) for span in SPANS},
    **{f"one key {span}": partial(heatmap_of, name="@by", key="a", span=span) for span in SPANS},
    **{f"counters {span}": partial(counters_of, name="@n", span=span) for span in SPANS},
    **{f"emptied {span}": partial(counters_of, name="@w", span=span) for span in SPANS},
    **{f"maps {span}": partial(maps_in, span=span) for span in SPANS},
    **{f"rows {span}": partial(rows_of, span=span, most=50) for span in SPANS},
    **{f"numbers {span}": partial(numbers_in, span=span) for span in SPANS},
    "no such map": lambda f, s: heatmap_of(f, s, "@none", None, Span()),
    "latest": latest_maps,
    "end": end_of,
    "profile": lambda f, s: profile(f, s, FlameAsk()),
    "profile of a time": lambda f, s: profile(f, s, FlameAsk("@stacks", t0=500.5, t1=2500.0)),
    "profile before all": lambda f, s: profile(f, s, FlameAsk(t1=0.0)),
    "flame": lambda f, s: flame_body(f, s, FlameAsk("@stacks"), False),
    "packed flame": lambda f, s: flame_body(f, s, FlameAsk("@stacks", inverted=True, q="lea"), True),
    "part": lambda f, s: flame_part(f, s, FlameAsk(), ["@stacks"]),
    "page": lambda f, s: pictures(f, s, "heatmap", Span(), {}),
    "page of a time": lambda f, s: pictures(f, s, "counters", Span(900, 3000), {"series": "@n"}),
}


class Source:
    """A session whose log is here; the lines that are read of it are counted."""

    def __init__(self, directory: Path, events_kept: int = 1_000_000) -> None:
        self.log = Log(directory, 1 << 30, events_kept)
        self.lines = 0
        self.t = 0
        self.chance = random.Random(11)
        self.counts = {"@n": 0, "leaf": 0, "work": 0}
        self.buckets = [0] * 8

    @property
    def session(self) -> Session:
        first, last = self.log.first, self.log.last
        return replace(SESSION, state="ended", script=SCRIPT, first=first, last=last, events=last)

    def get(self, id: str) -> Session:
        return self.session

    def read(self, id: str, start: int, limit: int) -> list[bytes]:
        found = self.log.read(start, limit)
        self.lines += len(found)
        return found

    def grow(self, count: int) -> None:
        for _ in range(count):
            self.t += self.chance.choice([0, 1, 5, 20])
            self.log.append([(self.t, self._event())])

    def _event(self) -> Decoded:
        kind = self.chance.choice(["printf", "printf", "n", "w", "us", "by", "stacks", "stats", "marker"])
        self.counts["@n"] += 1
        self.counts[self.chance.choice(["leaf", "work"])] += 3
        self.buckets[self.chance.randrange(8)] += 1
        hist = [{"min": 1 << at, "max": (2 << at) - 1, "count": n} for at, n in enumerate(self.buckets)]
        found: dict[str, tuple[str, Any]] = {
            "printf": ("printf", f"line {self.t}\n"),
            "marker": ("marker", "here"),
            "n": ("map", {"@n": self.counts["@n"]}),
            "w": ("map", {"@w": {"a": self.chance.randrange(9), "b": 2}}),
            "us": ("hist", {"@us": hist}),
            "by": ("hist", {"@by": {"a": hist, "b": hist[:3]}}),
            "stacks": (
                "map",
                {"@stacks": {f"\n{name}+4\nmain+2\n": self.counts[name] for name in ("leaf", "work")}},
            ),
            "stats": ("stats", {"@s": {"count": 3, "average": 2, "total": 6}}),
        }
        return Decoded(*found[kind], None)


def services(source: Source, ceiling: int) -> Services:
    nothing = cast(Any, None)
    return Services(nothing, nothing, cast(Any, source), nothing, nothing, nothing, nothing, Kept(ceiling))


@pytest.mark.parametrize("name", LOOKS)
@pytest.mark.parametrize("events_kept", [1_000_000, 240])
def test_a_second_look_reads_nothing_and_is_what_a_first_would_be(
    tmp_path: Path, name: str, events_kept: int
) -> None:
    look, source = LOOKS[name], Source(tmp_path / "log", events_kept)
    kept = services(source, 1 << 26)
    for size in (60, 1, 7, 200, 0, 90):
        source.grow(size)
        first = look(kept, source.session)
        read = source.lines
        assert look(kept, source.session) == first
        assert source.lines == read, "a second look read lines"
        assert first == look(services(source, 0), source.session)
    source.log.close()


@pytest.mark.parametrize("name", ["timeline", "heatmap", "one key", "counters", "emptied", "maps"])
def test_of_a_log_that_grew_only_what_came_is_read(tmp_path: Path, name: str) -> None:
    look, source = LOOKS[f"{name} {Span()}"], Source(tmp_path / "log")
    kept = services(source, 1 << 26)
    source.grow(500)
    look(kept, source.session)
    for size in (1, 30, 400):
        source.grow(size)
        read = source.lines
        look(kept, source.session)
        # And the line at the end, for its time.
        assert source.lines - read <= size + 1
    source.log.close()


def test_an_answer_stays_as_it_was_when_more_comes(tmp_path: Path) -> None:
    source = Source(tmp_path / "log")
    kept = services(source, 1 << 26)
    source.grow(300)
    before = {name: look(kept, source.session) for name, look in LOOKS.items()}
    told = {name: repr(each) for name, each in before.items()}
    source.grow(300)
    for look in LOOKS.values():
        look(kept, source.session)
    assert {name: repr(each) for name, each in before.items()} == told
    source.log.close()


def test_viewers_of_one_moment_share_a_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Source(tmp_path / "log")
    kept = services(source, 1 << 26)
    source.grow(300)
    laid: list[int] = []
    layout = flame.layout

    def noted(*words: Any) -> flame.Layout:
        laid.append(1)
        return layout(*words)

    monkeypatch.setattr(flame, "layout", noted)
    t1 = float(source.t // 2)
    bodies = {flame_body(kept, source.session, FlameAsk("@stacks", t1=t1), True) for _ in range(3)}
    assert (len(laid), len(bodies)) == (1, 1)
    # Lines that come change nothing about that moment.
    source.grow(20)
    assert flame_body(kept, source.session, FlameAsk("@stacks", t1=t1), True) in bodies
    assert len(laid) == 1
    flame_body(kept, source.session, FlameAsk("@stacks"), True)
    assert len(laid) == 2
    source.log.close()
