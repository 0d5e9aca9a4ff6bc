"""Search over lines as they grow: the answers of the search over the same lines whole."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.elf.search import scan, scan_plain
from app.elf.search.scan import CLOSED, NONE, OPENED, Choice, Found, Grown, Letter, Lines, Way
from tests.elf.search.test_scan import BYTES, CHOICE, lines_of

_search = pytest.importorskip("app.elf._search", reason="the core is not compiled")

WAYS: list[Way] = ["substring", "prefix", "fuzzy"]
# Names that share much with their neighbours, up to more than what is counted of it.
STEM = st.sampled_from([b"", b"ab", b"ab::ab(", b"abababab", b"ab::abcdefghijk", b"ba" * 124, b"ba" * 130])
NAME = st.tuples(STEM, st.lists(BYTES, max_size=9).map(bytes)).map(b"".join)
NEEDLE = st.one_of(
    st.lists(st.sampled_from(list(b"aabb_:( ")), min_size=1, max_size=5).map(bytes),
    st.sampled_from(
        [b"ab::ab", b"b::abab", b"abababab", b"babababab", b"ab::abcdefghijk", b"ba" * 125, b"a:bk"]
    ),
)


@st.composite
def sorted_lines(draw: st.DrawFn) -> Lines:
    names = sorted(draw(st.lists(NAME, min_size=1, max_size=12)))
    further = sorted(draw(st.lists(st.tuples(st.integers(0, len(names) - 1), NAME), max_size=6)))
    return lines_of(names, further)


def found_in_core(grown: Grown, needle: bytes, way: Way, fold: bool, sides: int, portable: bool) -> Found:
    lines = grown.lines
    names, ranks = _search.find(
        *(lines.text, lines.line_at, lines.further, grown.text, grown.at, grown.shared),
        *(WAYS.index(way), needle, fold, sides, portable, 0.0),
    )
    return Found(np.frombuffer(names, np.uint32), np.frombuffer(ranks, np.uint16))


def told(found: Found) -> list[tuple[int, int]]:
    return list(zip(found.names.tolist(), found.ranks.tolist(), strict=True))


def expected(lines: Lines, needle: bytes, way: Way, fold: bool, sides: int) -> list[tuple[int, int]]:
    ranks = np.full(lines.names, NONE, np.uint16)
    scan_plain.rank(lines, needle, way, fold, 0.0, ranks, sides)
    return [(name, rank) for name, rank in enumerate(ranks.tolist()) if rank != NONE]


@settings(max_examples=300, deadline=None)
@given(sorted_lines(), NEEDLE, st.sampled_from(WAYS), st.booleans(), st.integers(0, 3))
def test_what_is_found_is_what_the_plain_search_ranks(
    lines: Lines, needle: bytes, way: Way, fold: bool, sides: int
) -> None:
    if way == "fuzzy":
        # The plain search tries a long row of letters in all ways.
        needle, sides = needle[:6], 0
    wanted = expected(lines, needle, way, fold, sides)
    for portable in (False, True):
        assert told(found_in_core(scan.grow(lines), needle, way, fold, sides, portable)) == wanted


@settings(max_examples=200, deadline=None)
@given(sorted_lines(), st.lists(CHOICE, min_size=1, max_size=3))
def test_lines_are_those_that_the_plain_search_marks(lines: Lines, choices: list[Choice]) -> None:
    grown = scan.grow(lines)
    for portable in (False, True):
        found, _ = _search.find_lines(
            *(lines.text, lines.line_at, lines.further, grown.text, grown.at, grown.shared),
            *(scan.program(choices), portable, 0.0),
        )
        assert np.frombuffer(found, np.uint32).tolist() == scan_plain.mark(lines, choices, 0.0).tolist()


def grown_as(lines: Lines) -> tuple[bytes, list[int], list[int]]:
    grown = scan.grow(lines)
    return grown.text.tobytes(), grown.at.tolist(), grown.shared.tolist()


@settings(max_examples=100, deadline=None)
@given(sorted_lines())
def test_lines_grow_as_the_plain_ones_do(lines: Lines) -> None:
    text, at, shared = scan_plain.grow(lines)
    assert grown_as(lines) == (text.tobytes(), at.tolist(), shared.tolist())


def test_what_a_line_has_more_and_what_it_shares() -> None:
    lines = lines_of([b"abc", b"abcd", b"abcdefghijk", b"abcdefghijkl", b"b"])
    text, at, shared = grown_as(lines)
    assert shared == [0, 3, 4, 11, 0]
    assert text == b"abc\nabcd\nabcdefghijk\ndefghijkl\nb\n"
    assert text[at[3] : at[4]] == b"defghijkl\n"


def names_of(count: int, seed: int) -> list[bytes]:
    dice = random.Random(seed)
    words = [b"std::", b"Map", b"map", b"_alloc", b"<int>", b"(char*)", b"get", b"::", b"x", b"Reader", b"_Z"]
    return sorted({b"".join(dice.choices(words, k=dice.randrange(1, 9))) for _ in range(count)})


@pytest.mark.parametrize(
    ("way", "sides"),
    [(way, sides) for way in WAYS for sides in range(4) if way != "fuzzy" or not sides],
)
def test_many_lines_by_many_chunks(way: Way, sides: int) -> None:
    """More than are looked through at once, with other spellings behind, whose names come twice."""
    dice = random.Random(3)
    names = names_of(60_000, 2)
    further = sorted((number, dice.choice(names)) for number in dice.choices(range(len(names)), k=20_000))
    lines = lines_of(names, further)
    grown = scan.grow(lines)
    assert lines.count > 3 * 16_384
    for needle in (b"m", b"map", b"std::map", b"alloc<int>std", b"get(char*)", b"std::std::map::", b"q"):
        for fold in (True, False):
            ranks = np.full(lines.names, NONE, np.uint16)
            scan.rank(lines, needle, way, fold, 0.0, ranks, sides)
            assert told(scan.find(grown, needle, way, fold, 0.0, sides)) == told(Found.of(ranks))
            if way == "substring" and not sides:
                choice = Choice(
                    (tuple(Letter(byte, fold and chr(byte).islower()) for byte in needle),), False, False
                )
                marked = scan.find_lines(grown, [choice], 0.0)
                assert np.array_equal(marked, scan.mark(lines, [choice], 0.0))


@pytest.mark.parametrize(("way", "needle"), [("substring", b"e_1"), ("prefix", b"0a"), ("fuzzy", b"fnm99")])
def test_chunks_on_threads_give_one_answer(way: Way, needle: bytes) -> None:
    dice = random.Random(4)
    names = sorted(
        b"%08x::name_%d(%s)" % (dice.getrandbits(32), at, b"int, " * (at % 20)) for at in range(150_000)
    )
    lines = lines_of(names, [(at, b"_raw_%d" % at) for at in range(0, 150_000, 7)])
    grown = scan.grow(lines)
    assert len(grown.text) > 8 << 20
    ranks = np.full(lines.names, NONE, np.uint16)
    scan.rank(lines, needle, way, True, 0.0, ranks)
    assert told(scan.find(grown, needle, way, True, 0.0)) == told(Found.of(ranks))


def test_spellings_in_no_order_are_names_in_order() -> None:
    lines = lines_of([b"a", b"b", b"c"], [(2, b"xq"), (0, b"q"), (2, b"q"), (1, b"yq"), (0, b"zq")])
    assert told(scan.find(scan.grow(lines), b"q", "substring", True, 0.0)) == [(0, 0), (1, 3), (2, 0)]


def test_a_match_that_ends_where_the_shared_part_does() -> None:
    """Whether it is whole is another question in each of these."""
    names = sorted(
        [b"get", b"get(int)", b"get_all", b"ns::get", b"ns::get(int)", b"ns::get<int>", b"ns::getter"]
    )
    lines = lines_of(names)
    for sides in (0, CLOSED, OPENED | CLOSED):
        assert told(scan.find(scan.grow(lines), b"get", "substring", True, 0.0, sides)) == expected(
            lines, b"get", "substring", True, sides
        )


def test_time_is_kept() -> None:
    grown = scan.grow(lines_of([b"%d" % at + b"a" * 60_000 for at in range(60)]))
    over = time.monotonic() - 1
    for way in WAYS:
        with pytest.raises(TimeoutError):
            scan.find(grown, b"9" * 2000 if way == "prefix" else b"a" * 100 + b"b", way, True, over)
    segment = (*[Letter(ord("a"))] * 4000, Letter(ord("b")))
    with pytest.raises(TimeoutError):
        scan.find_lines(grown, [Choice((segment,), False, False)], over)


@pytest.mark.parametrize(
    "line_at", [[0, 5, 3, 9], [7, 2, 900, 4], [0, 0, 0, 0], [1 << 31, 1 << 31, 4, 0xFFFFFFFF]]
)
@pytest.mark.parametrize("grown_at", [[0, 5, 9, 9], [9, 0, 3, 1 << 31], [0, 0, 0, 0], [4, 0xFFFFFFFF, 2, 9]])
@pytest.mark.parametrize("shared", [[0, 0, 0], [255, 255, 255], [9, 1, 200]])
def test_columns_that_do_not_fit_each_other_are_harmless(
    line_at: list[int], grown_at: list[int], shared: list[int]
) -> None:
    lines = Lines(
        np.frombuffer(b"abab\nba\n", np.uint8), np.array(line_at, np.uint32), np.array([7], np.uint32)
    )
    scan.grow(lines)
    text = np.frombuffer(b"ab\naab\nb\n"[:9], np.uint8)
    grown = Grown(lines, text, np.array(grown_at, np.uint32), np.array(shared, np.uint8))
    for way in WAYS:
        for needle in (b"a", b"ab", b"b" * 20):
            assert set(scan.find(grown, needle, way, True, 0.0).names.tolist()) <= {0, 1}
    found = scan.find_lines(grown, [Choice(((Letter(ord("a")),),), False, False)], 0.0)
    assert set(found.tolist()) <= {0, 1, 2}


def test_buffers_of_wrong_sizes_are_refused() -> None:
    grown = scan.grow(lines_of([b"a", b"b"]))
    lines = grown.lines
    wrong: Sequence[tuple[Any, Any]] = [(grown.at[:2], grown.shared), (grown.at, grown.shared[:1])]
    for at, shared in wrong:
        with pytest.raises(ValueError, match="fit"):
            scan.find(Grown(lines, grown.text, at, shared), b"a", "substring", True, 0.0)
    with pytest.raises(ValueError, match="way"):
        _search.find(
            *(lines.text, lines.line_at, lines.further, grown.text, grown.at, grown.shared),
            *(7, b"a", True, 0, False, 0.0),
        )


def test_what_is_kept_for_the_next_question_can_be_let_go() -> None:
    grown = scan.grow(lines_of([b"a", b"b"]))
    for _ in range(2):
        assert told(scan.find(grown, b"a", "substring", True, 0.0)) == [(0, 0)]
        scan.let_go()


def test_the_rank_of_names_that_were_not_found() -> None:
    found = Found.of(np.array([NONE, 3, NONE, 16], np.uint16))
    assert found.ranks_of(np.array([3, 0, 1, 2], np.uint32)).tolist() == [16, NONE, 3, NONE]
    assert Found.of(np.full(3, NONE, np.uint16)).ranks_of(np.array([1], np.uint32)).tolist() == [NONE]
    assert found.nbytes == 12
