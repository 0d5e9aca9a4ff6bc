"""Reads of any length from chunks of any length."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.debuginfo.packages.feed import STEP, Feed, FileFeed, Part
from app.debuginfo.packages.model import Broken


def _feed(*chunks: bytes) -> Feed:
    left = list(chunks)
    return Feed(lambda: left.pop(0) if left else b"")


def test_chunks_pass_whole_where_they_may() -> None:
    chunk = b"12345"
    feed = _feed(chunk, b"67")
    assert feed.take(100) is chunk
    assert (feed.take(1), feed.take(9), feed.take(9)) == (b"6", b"7", b"")
    assert feed.position == 7


def test_reads_over_several_chunks() -> None:
    feed = _feed(b"12", b"34", b"56", b"78")
    assert feed.peek(3) == b"123"
    assert feed.exactly(5) == b"12345"
    feed.give_back(b"45")
    assert feed.position == 3
    feed.skip(1)
    assert feed.some(99) == b"5678"
    assert feed.ended()
    assert feed.peek(1) == b""
    with pytest.raises(Broken, match="ends before"):
        feed.skip(1)


def test_what_is_broken_stays_so() -> None:
    left = [b"12"]

    def pull() -> bytes:
        if left:
            return left.pop()
        raise Broken("malformed", "It is broken.")

    feed = Feed(pull)
    assert feed.peek(9) == b"12"
    assert feed.some(2) == b"12"
    for _ in range(2):
        with pytest.raises(Broken, match="It is broken"):
            feed.take(1)
        with pytest.raises(Broken, match="It is broken"):
            feed.peek(1)


def test_a_part_ends_where_it_does() -> None:
    whole = _feed(b"1234567890")
    part = Part(whole, 4)
    assert part.peek(9) == b"1234"
    assert part.some(9) == b"1234"
    part.finish()
    assert whole.take(1) == b"5"
    unread = Part(whole, 3)
    unread.finish()
    assert whole.take(9) == b"90"
    with pytest.raises(Broken, match="ends before"):
        Part(whole, 1).take(1)


NUMBERS = bytes(range(256)) * 4096  # a mebibyte


@pytest.fixture
def file(tmp_path: Path) -> Iterator[io.BufferedReader]:
    (tmp_path / "file").write_bytes(NUMBERS)
    with (tmp_path / "file").open("rb") as file:
        yield file


def test_a_file_is_read_in_two_places(file: io.BufferedReader) -> None:
    counted: list[int] = []
    feed = FileFeed(file.fileno(), 3, counted.append)
    assert feed.exactly(10) == NUMBERS[3:13]
    whole = Part(feed, 900_000)
    assert whole.peek(4) == NUMBERS[13:17]
    small = whole.apart(20)
    large = whole.apart(600_000)
    assert small is not None
    assert large is not None
    assert whole.exactly(5) == NUMBERS[600_033:600_038]
    assert large.some(1 << 20) == NUMBERS[33:600_033]
    assert small.some(1 << 20) == NUMBERS[13:33]
    assert (whole.position, feed.position >= 600_035) == (600_025, True)
    whole.finish()
    assert feed.exactly(5) == NUMBERS[900_013:900_018]
    assert sum(counted) <= len(NUMBERS)
    feed.drain()
    assert (sum(counted), feed.position) == (len(NUMBERS) - 3, len(NUMBERS) - 3)


def test_what_is_not_there_is_not_taken_apart(file: io.BufferedReader) -> None:
    feed = FileFeed(file.fileno(), 0, lambda _: None)
    part = Part(feed, 1000)
    assert part.peek(1) == NUMBERS[:1]
    assert part.apart(1001) is None
    assert part.some(2000) == NUMBERS[:1000]
    assert feed.apart(len(NUMBERS) - 999) is None
    assert feed.exactly(3) == NUMBERS[1000:1003]
    assert _feed(b"123").apart(1) is None
    assert Part(_feed(b"123"), 3).apart(2) is None


def test_what_was_looked_at_is_not_lost(file: io.BufferedReader) -> None:
    """Neither at the end of a part, nor where the file breaks off."""
    whole = Part(FileFeed(file.fileno(), 0, lambda _: None), 100)
    assert whole.peek(200) == NUMBERS[:100]
    first = whole.apart(30)
    assert first is not None
    assert first.some(99) == NUMBERS[:30]
    assert whole.apart(71) is None
    assert whole.some(99) == NUMBERS[30:100]
    cut = Part(FileFeed(file.fileno(), len(NUMBERS) - 100, lambda _: None), 1000)
    assert cut.peek(200) == NUMBERS[-100:]
    assert cut.apart(500) is None
    assert cut.some(100) == NUMBERS[-100:]
    with pytest.raises(Broken, match="ends before"):
        cut.take(1)


def test_a_file_that_was_cut_meanwhile(file: io.BufferedReader) -> None:
    feed = FileFeed(file.fileno(), 0, lambda _: None)
    apart = feed.apart(len(NUMBERS))
    assert apart is not None
    os.truncate(file.name, STEP)
    with pytest.raises(Broken, match="ends before"):
        apart.drain()


def test_what_is_taken_apart_is_counted_first(file: io.BufferedReader) -> None:
    def refuse(count: int) -> None:
        raise Broken("limit_bytes", f"It is larger than {count}.")

    feed = FileFeed(file.fileno(), 0, refuse)
    with pytest.raises(Broken, match="larger than 500000"):
        feed.apart(500_000)
    assert feed.position == 0
