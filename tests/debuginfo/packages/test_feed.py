"""Reads of any length from chunks of any length."""

from __future__ import annotations

import pytest

from app.debuginfo.packages.feed import Feed, Part
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
