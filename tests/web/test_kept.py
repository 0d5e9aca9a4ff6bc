"""What was read of a log is gone on with, told no differently, and dropped where there is no room for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from app.trace.heads import Span, head
from app.trace.model import Loss, Session
from app.web.kept import Kept, size_of

SESSION = Session(
    id="one",
    state="running",
    reason=None,
    code=None,
    script="",
    recipe="custom",
    probes=(),
    pid=None,
    duration=60.0,
    owner="admin",
    started=0.0,
    ended=None,
    expected_probes=None,
    attached_probes=None,
    events=0,
    first=1,
    last=0,
    loss=Loss(),
)


class Lines:
    """A log whose event n is at 10 n ms; what is read of it is counted."""

    def __init__(self) -> None:
        self.first, self.last, self.read = 1, 0, 0

    @property
    def session(self) -> Session:
        return replace(SESSION, first=self.first, last=self.last)

    def batches(self, start: int, last: int) -> Iterator[list[bytes]]:
        start = max(start, self.first)
        while start <= last:
            end = min(last, start + 6)
            self.read += end - start + 1
            yield [b'{"n":%d,"t":%d,"type":"printf","data":"x"}' % (n, 10 * n) for n in range(start, end + 1)]
            start = end + 1


class Numbers:
    """The numbers of all lines; ``ballast`` is what it holds besides."""

    def __init__(self, ballast: int = 0) -> None:
        self.found: list[int] = []
        self.ballast = bytes(ballast)

    def add(self, lines: Sequence[bytes]) -> None:
        self.found += [head(line).n for line in lines]

    def told(self) -> list[int]:
        return list(self.found)


def ask(kept: Kept, lines: Lines, key: str = "numbers", span: Span | None = None) -> list[int]:
    return kept.told(lines.session, key, Numbers, lines.batches, Numbers.told, span)


def test_no_line_is_read_twice() -> None:
    kept, lines = Kept(1 << 20), Lines()
    assert ask(kept, lines) == []
    for last in (1, 5, 5, 40, 41, 200):
        lines.last = last
        assert ask(kept, lines) == list(range(1, last + 1))
        assert lines.read == last


def test_it_never_tells_more_than_the_log_has() -> None:
    kept, lines = Kept(1 << 20), Lines()
    lines.last = 50
    ask(kept, lines)
    lines.first, lines.last = 21, 60
    assert ask(kept, lines) == list(range(21, 61))


def test_nothing_is_read_past_the_end_of_a_span() -> None:
    kept, lines = Kept(1 << 20), Lines()
    lines.last = 100
    found = ask(kept, lines, span=Span(None, 200))
    assert found[-1] >= 20
    read = lines.read
    lines.last = 1000
    assert ask(kept, lines, span=Span(None, 200)) == found
    assert lines.read == read < 40


def test_a_model_begins_where_it_is_told_to() -> None:
    kept, lines = Kept(1 << 20), Lines()
    lines.last = 30
    found = kept.told(lines.session, "late", Numbers, lines.batches, Numbers.told, None, lambda: 21)
    assert found == list(range(21, 31))
    assert lines.read == 10


def test_what_was_used_longest_ago_goes_when_there_is_no_room() -> None:
    kept, lines = Kept(100_000), Lines()
    lines.last = 10

    def look(key: str) -> None:
        kept.told(lines.session, key, lambda: Numbers(40_000), lines.batches, Numbers.told)

    for key in ("a", "b", "a", "c"):
        look(key)
        assert kept.size <= 100_000
    read = lines.read
    look("a")
    look("c")
    assert lines.read == read
    look("b")
    assert lines.read == read + 10


def test_what_has_no_room_at_all_is_told_and_not_kept() -> None:
    kept, lines = Kept(0), Lines()
    lines.last = 10
    assert ask(kept, lines) == ask(kept, lines) == list(range(1, 11))
    assert kept.once(lines.session, "k", 1, lambda: "made") == "made"
    assert (lines.read, kept.size) == (20, 0)


def test_what_grows_is_weighed_again() -> None:
    kept, lines = Kept(1 << 30), Lines()
    for last in (10, 1000, 50_000):
        lines.last = last
        ask(kept, lines)
        # Between half of it and all of it.
        whole = size_of(list(range(1, last + 1)))
        assert whole // 4 < kept.size < 2 * whole + 4000


def test_a_value_is_made_once_for_a_version_of_the_log() -> None:
    kept, lines = Kept(1 << 20), Lines()
    made: list[int] = []

    def make() -> int:
        made.append(len(made))
        return made[-1]

    def look(version: int) -> int:
        return kept.once(lines.session, "k", version, make)

    assert [look(1), look(1), look(2), look(2)] == [0, 0, 1, 1]
    lines.first = 5
    assert look(2) == 2


def test_several_who_ask_at_once_wait_for_the_one_who_makes_it() -> None:
    kept, lines = Kept(1 << 20), Lines()
    lines.last = 100
    made: list[int] = []

    def make() -> int:
        time.sleep(0.1)
        made.append(1)
        return 7

    found: list[object] = []

    def look() -> None:
        found.append(kept.once(lines.session, "k", 1, make))
        found.append(ask(kept, lines))

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [1]
    assert lines.read == 100
    assert found.count(7) == found.count(list(range(1, 101))) == 8


def test_what_fails_leaves_nothing_half_done() -> None:
    kept, lines = Kept(1 << 20), Lines()
    lines.last = 20
    fails = [True]

    class Fragile(Numbers):
        def add(self, lines: Sequence[bytes]) -> None:
            super().add(lines)
            if fails[0] and len(self.found) > 10:
                raise ValueError("broken")

    def look() -> list[int]:
        return kept.told(lines.session, "k", Fragile, lines.batches, Fragile.told)

    def make() -> int:
        if fails[0]:
            raise ValueError("broken")
        return 1

    for _ in range(2):
        with pytest.raises(ValueError, match="broken"):
            look()
        with pytest.raises(ValueError, match="broken"):
            kept.once(lines.session, "o", 1, make)
    fails[0] = False
    assert look() == list(range(1, 21))
    assert kept.once(lines.session, "o", 1, make) == 1


def test_the_size_of_a_value_counts_each_part_once() -> None:
    shared = "x" * 1000
    assert 1000 < size_of(shared) < 1100
    assert size_of([shared, shared]) < 1300
    assert size_of({"a": [bytes(5000)], "b": (Numbers(3000), {1, 2})}) > 8000
    loop: list[object] = []
    loop.append(loop)
    assert size_of(loop) < 200
    assert size_of(SESSION) > 500
