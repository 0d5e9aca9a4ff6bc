"""Threads that make parts ahead of who takes them."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from app.debuginfo.packages import Crew, crew


def _parts(*parts: bytes, error: Exception | None = None) -> Iterator[bytes]:
    yield from parts
    if error is not None:
        raise error


def test_the_parts_in_their_order_then_what_was_raised() -> None:
    with Crew(2) as both:
        rows = [both.ahead(_parts(b"1", b"2")), both.ahead(_parts(b"3", error=MemoryError()))]
        assert list(rows[0]) == [b"1", b"2"]
        assert next(rows[1]) == b"3"
        for _ in range(2):
            with pytest.raises(MemoryError):
                next(rows[1])
        assert list(both.ahead(_parts())) == []


def test_as_many_at_once_as_there_are() -> None:
    met = threading.Barrier(3, timeout=30)

    def meeting() -> Iterator[bytes]:
        met.wait()
        yield b"met"

    with Crew(3) as three:
        assert [list(row) for row in [three.ahead(meeting()) for _ in range(3)]] == [[b"met"]] * 3


def test_they_wait_where_nobody_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "_MOST_AHEAD", 10)
    made = []
    fourth = threading.Event()

    def counted() -> Iterator[bytes]:
        for number in range(100):
            made.append(number)
            if number == 3:
                fourth.set()
            yield b"12345"

    with Crew(1) as one:
        row = one.ahead(counted())
        assert not fourth.wait(0.1)
        assert next(row) == b"12345"
        assert fourth.wait(30)
        assert len(made) <= 4
        assert len(list(row)) == 99


def test_rows_that_are_left_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "_MOST_AHEAD", 1)
    ended = threading.Event()

    def endless() -> Iterator[bytes]:
        try:
            while True:
                yield b"1"
        finally:
            ended.set()

    with Crew(1) as one:
        left = one.ahead(endless())
        assert next(left) == b"1"
        left.close()
        with pytest.raises(ValueError, match="nothing more"):
            next(left)
        assert list(one.ahead(_parts(b"2"))) == [b"2"]
        del left
        assert ended.wait(30)
        # What is begun, and what waits for its turn, when the crew ends.
        taken, waiting = one.ahead(endless()), one.ahead(endless())
        assert next(taken) == b"1"
    for row in (taken, waiting):
        with pytest.raises(ValueError, match="nothing more"):
            next(row)
    assert not [thread for thread in threading.enumerate() if thread.name == "crew"]
