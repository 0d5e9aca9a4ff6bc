"""The core's search against the plain one, over names and texts of all kinds, with SIMD and without."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.elf.search import scan, scan_plain
from app.elf.search.scan import CLOSED, INSIDE, NONE, OPENED, Choice, Found, Letter, Lines, Way

_search = pytest.importorskip("app.elf._search", reason="the core is not compiled")

# Few letters, so that texts are found; what decides ranks; bytes of hostile names.
BYTES = st.sampled_from(list(b"aabbBA_::(<> 0\x01\x7f\xc3\xa9\xff\x00"))
NAME = st.one_of(
    st.lists(BYTES, max_size=12), st.lists(BYTES, min_size=60, max_size=140), st.just(list(b"ab::ba(aa)"))
).map(bytes)
NEEDLE = st.lists(st.sampled_from(list(b"aabb_:( \xc3\xa9")), min_size=1, max_size=5).map(bytes)


def lines_of(names: Sequence[bytes], further: Sequence[tuple[int, bytes]] = ()) -> Lines:
    every = [*names, *(text for _, text in further)]
    ends = np.cumsum([0, *(len(name) + 1 for name in every)]).astype(np.uint32)
    text = np.frombuffer(b"".join(name + b"\n" for name in every), np.uint8)
    return Lines(text, ends, np.array([name for name, _ in further], np.uint32))


def ranked(call: Any, lines: Lines, *arguments: Any) -> list[int]:
    ranks = np.full(lines.names, NONE, np.uint16)
    call(lines, *arguments[:4], ranks, *arguments[4:])
    return ranks.tolist()


def in_core(portable: bool) -> Any:
    def call(
        lines: Lines, needle: bytes, way: Way, fold: bool, until: float, ranks: Any, sides: int = 0
    ) -> None:
        function = getattr(_search, way)
        function(lines.text, lines.line_at, lines.further, needle, fold, sides, portable, until, ranks)

    return call


@st.composite
def some_lines(draw: st.DrawFn) -> Lines:
    names = draw(st.lists(NAME, min_size=1, max_size=12))
    further = draw(st.lists(st.tuples(st.integers(0, len(names) - 1), NAME), max_size=4))
    return lines_of(names, further)


@settings(max_examples=150, deadline=None)
@given(
    some_lines(), NEEDLE, st.sampled_from(["substring", "prefix", "fuzzy"]), st.booleans(), st.integers(0, 3)
)
def test_ranks_are_those_of_the_plain_search(
    lines: Lines, needle: bytes, way: Way, fold: bool, sides: int
) -> None:
    sides = 0 if way == "fuzzy" else sides
    expected = ranked(scan_plain.rank, lines, needle, way, fold, 0.0, sides)
    assert ranked(in_core(portable=False), lines, needle, way, fold, 0.0, sides) == expected
    assert ranked(in_core(portable=True), lines, needle, way, fold, 0.0, sides) == expected


PLACE = st.one_of(
    st.sampled_from([Letter(ord("a")), Letter(ord("b"), True), Letter(ord(":")), Letter(ord("B"))]),
    st.just((1 << 256) - 1 - (1 << 10)),
    st.just(1 << ord("a") | 1 << ord("_") | 1 << 0xFF),
)
CHOICE = st.builds(
    lambda segments, start, end: Choice(tuple(map(tuple, segments)) or ((),), start, end),
    st.lists(st.lists(PLACE, min_size=1, max_size=4), max_size=3),
    st.booleans(),
    st.booleans(),
)


@settings(max_examples=150, deadline=None)
@given(some_lines(), st.lists(CHOICE, min_size=1, max_size=3))
def test_marks_are_those_of_the_plain_search(lines: Lines, choices: list[Choice]) -> None:
    expected = scan_plain.mark(lines, choices, 0.0).tolist()
    for portable in (False, True):
        marks = np.zeros(lines.count, np.uint8)
        _search.mark(lines.text, lines.line_at, lines.further, scan.program(choices), portable, 0.0, marks)
        assert np.flatnonzero(marks).tolist() == expected


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 1 << 64) | st.integers(0, 300), max_size=60))
def test_keys_are_sorted_and_equal_ones_stay(keys: list[int]) -> None:
    array = np.array([min(key, (1 << 64) - 1) for key in keys], np.uint64)
    assert scan.order(array).tolist() == np.argsort(array, kind="stable").tolist()


@pytest.mark.parametrize("range_of_keys", [1 << 10, 1 << 20, 1 << 40])
def test_many_keys_are_sorted_whether_they_lie_near_or_far(range_of_keys: int) -> None:
    keys = np.random.default_rng(3).integers(0, range_of_keys, 200_000).astype(np.uint64)
    for array in (keys, keys << np.uint64(17), keys + np.uint64(1 << 50)):
        assert np.array_equal(scan.order(array), np.argsort(array, kind="stable"))


def found_of(ranks: Sequence[int]) -> Found:
    return Found.of(np.array(ranks, np.uint16))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([NONE, NONE, NONE, 0, 1, 3, 300, NONE - 1]), st.integers(0, 3)),
        max_size=30,
    ),
    st.lists(st.sampled_from([0, 1, 2, 3, 4, 255]), min_size=90, max_size=90),
    st.sampled_from([None, 0, 1, 3]),
    st.none() | st.integers(0, 40),
)
def test_entries_are_chosen_as_the_plain_search_does(
    names: list[tuple[int, int]], kinds: list[int], wanted: int | None, most: int | None
) -> None:
    found = found_of([rank for rank, _ in names])
    at = np.cumsum([0, *(entries for _, entries in names)]).astype(np.uint32)
    of = np.array(kinds[: int(at[-1])], np.uint8)
    entries, counts = scan.select(found, at, of, wanted, most)
    expected, counted = scan_plain.select(found, at, of, wanted, most)
    assert (entries.tolist(), tuple(counts)) == (expected.tolist(), counted)


@pytest.mark.parametrize("wanted", [None, 2])
@pytest.mark.parametrize("most", [None, 1, 4096, 100_000])
def test_entries_of_many_names_are_chosen_by_all_cores(wanted: int | None, most: int | None) -> None:
    random = np.random.default_rng(5)
    ranks = random.choice(np.array([NONE, NONE, 0, 1, 3, 16, NONE - 1], np.uint16), 900_001)
    at = np.cumsum([0, *random.integers(0, 4, len(ranks)).tolist()]).astype(np.uint32)
    kinds = random.integers(0, 5, int(at[-1])).astype(np.uint8)
    entries, counts = scan.select(Found.of(ranks), at, kinds, wanted, most)
    expected, counted = scan_plain.select(Found.of(ranks), at, kinds, wanted, most)
    assert np.array_equal(entries, expected)
    assert tuple(counts) == counted


def test_entries_that_do_not_fit_the_names_are_harmless() -> None:
    found, kinds = found_of([0, 0, 0]), np.array([0, 1, 2], np.uint8)
    for at in ([0, 9, 2, 3], [3, 2, 1, 0], [0, 3, 0, 3], [7, 7, 7, 7], [0]):
        entries, _ = scan.select(found, np.array(at, np.uint32), kinds)
        assert len(entries) <= 3
        assert entries.max(initial=0) < 3
    with pytest.raises(ValueError, match="fit"):
        scan.select(Found(found.names, found.ranks[:2]), np.zeros(4, np.uint32), kinds)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(NAME, NAME.map(lambda name: b"a" * 61 + name)), max_size=40))
def test_the_alphabet(names: list[bytes]) -> None:
    names = [name.replace(b"\0", b"\1") for name in names]
    assert scan.alphabet(lines_of(names)).tolist() == scan_plain.alphabet(lines_of(names)).tolist()


@settings(max_examples=40, deadline=None)
@given(st.lists(some_lines(), min_size=1, max_size=3))
def test_names_are_kept_once(several: list[Lines]) -> None:
    ours, plain = scan.Names(), scan_plain.Names()
    for lines in several:
        which = np.arange(lines.count, dtype=np.uint32)
        assert ours.add(lines, which).tolist() == plain.add(lines, which)
    text, starts = plain.lines()
    assert (ours.lines().text.tobytes(), ours.lines().line_at.tobytes()) == (text, starts)


def test_names_that_are_looked_at_stay_where_they_are() -> None:
    names, lines = scan.Names(), lines_of([b"one", b"two"])
    first, every = np.zeros(1, np.uint32), np.arange(2, dtype=np.uint32)
    assert names.add(lines, first).tolist() == [0]
    kept = names.lines()
    with pytest.raises(BufferError):
        names.add(lines, every)
    del kept
    assert names.add(lines, every).tolist() == [0, 1]
    assert names.lines().text.tobytes() == b"one\ntwo\n"


def test_a_place_at_the_very_end_of_the_text_and_across_blocks() -> None:
    for length in range(1, 200):
        lines = lines_of([b"x" * length + b"needle", b"y" * length, b"needl"])
        assert ranked(scan.rank, lines, b"needle", "substring", True, 0.0) == [INSIDE, NONE, NONE]
        assert ranked(scan.rank, lines, b"ndl", "fuzzy", True, 0.0)[1] == NONE


def test_how_a_text_has_to_lie() -> None:
    lines = lines_of([b"add", b"add_all", b"ns::add(int)", b"padd", b"add<int>"])
    assert ranked(scan.rank, lines, b"add", "substring", True, 0.0) == [0, 2, 1, 3, 1]
    assert ranked(scan.rank, lines, b"add", "substring", True, 0.0, CLOSED) == [0, NONE, 1, 3, 1]
    assert ranked(scan.rank, lines, b"add", "substring", True, 0.0, OPENED) == [0, 2, 1, NONE, 1]


def test_fuzzy_takes_near_letters_and_the_starts_of_words_before() -> None:
    lines = lines_of([b"read_line", b"reallylongdline", b"xread_line", b"line_reader"])
    near, far, inside, turned = ranked(scan.rank, lines, b"rdline", "fuzzy", True, 0.0)
    assert near < inside < NONE
    assert near < far < NONE
    assert turned == NONE
    assert ranked(scan.rank, lines, b"line read", "fuzzy", True, 0.0)[3] < NONE


def test_time_is_kept() -> None:
    names = [b"a" * 60_000] * 40
    lines = lines_of(names)
    segment = (*[Letter(ord("a"))] * 4000, Letter(ord("b")))
    over = time.monotonic() - 1
    with pytest.raises(TimeoutError):
        scan.mark(lines, [Choice((segment,), False, False)], over)
    with pytest.raises(TimeoutError):
        scan.rank(lines, b"a" * 100 + b"b", "substring", True, over, np.full(40, NONE, np.uint16))
    with pytest.raises(TimeoutError):
        scan.rank(lines, b"ab", "fuzzy", True, over, np.full(40, NONE, np.uint16))


@pytest.mark.parametrize(
    "line_at", [[0, 5, 3, 9], [7, 2, 900, 4], [0, 0, 0, 0], [1 << 31, 1 << 31, 4, 0xFFFFFFFF]]
)
def test_lines_that_do_not_fit_the_text_are_harmless(line_at: list[int]) -> None:
    text = np.frombuffer(b"abab\nba\n", np.uint8)
    lines = Lines(text, np.array(line_at, np.uint32), np.array([7], np.uint32))
    for way in ("substring", "prefix", "fuzzy"):
        scan.rank(lines, b"ab", way, True, 0.0, np.full(2, NONE, np.uint16))
    scan.mark(lines, [Choice(((Letter(ord("a")),),), False, False)], 0.0)
    scan.gather(lines, np.array([0, 1, 2, 99], np.uint32))
    scan.alphabet(lines)
    scan.Names().add(lines, np.array([0, 1, 2, 99], np.uint32))


def test_buffers_of_wrong_sizes_are_refused() -> None:
    lines = lines_of([b"a", b"b"])
    wrong: list[scan.Array] = [np.zeros(1, np.uint16), np.zeros(3, np.uint16), np.zeros(1, np.uint8)]
    for ranks in wrong:
        with pytest.raises(ValueError, match=r"buffer|rank"):
            scan.rank(lines, b"a", "substring", True, 0.0, ranks)
    for program in (b"", b"\0\0", b"\1\0\0\1\0\1\0\7", b"\1\0\0\xff\xff", b"\1\0\0\1\0\xff\xff\0a"):
        with pytest.raises(ValueError, match="program"):
            _search.mark(lines.text, lines.line_at, lines.further, program, False, 0.0, np.zeros(2, np.uint8))
    read_only = np.frombuffer(bytes(4), np.uint16)
    with pytest.raises(ValueError, match="read-only"):
        scan.rank(lines, b"a", "substring", True, 0.0, read_only)


@pytest.mark.parametrize(
    ("way", "needle"), [("substring", b"name_1"), ("prefix", b"x::name_7"), ("fuzzy", b"xnm99")]
)
def test_parts_on_threads_give_one_answer(way: Way, needle: bytes) -> None:
    names = [b"x::name_%d(%s)" % (number, b"int, " * (number % 20)) for number in range(150_000)]
    lines = lines_of(names, [(number, b"_raw_name_%d" % number) for number in range(0, 150_000, 7)])
    assert len(lines.text) > 8 << 20
    few = np.arange(0, 150_000, 997)
    expected = ranked(
        scan_plain.rank,
        lines_of(
            [names[i] for i in few], [(at, b"_raw_name_%d" % i) for at, i in enumerate(few) if i % 7 == 0]
        ),
        needle,
        way,
        True,
        0.0,
        0,
    )
    found = ranked(scan.rank, lines, needle, way, True, 0.0)
    assert [found[i] for i in few] == expected
    if way == "substring":
        choice = Choice((tuple(map(Letter, needle)),), False, False)
        marked = np.unique(lines.name_of(scan.mark(lines, [choice], 0.0)))
        assert marked.tolist() == np.flatnonzero(np.array(found) != NONE).tolist()


def test_many_names_are_sorted_and_gathered_side_by_side() -> None:
    dice = np.random.default_rng(7)
    starts = [b"std::", b"Std::", b"_Z", b"llvm::", b"", b"\xff", b"z"]
    names = [
        starts[start] + b"%x" % number * (1 + number % 9)
        for start, number in zip(
            dice.integers(0, len(starts), 250_000), dice.integers(0, 1 << 40, 250_000), strict=True
        )
    ]
    lines = lines_of(names)
    assert len(lines.text) > 8 << 20
    place = scan.alphabet(lines)
    assert np.array_equal(place, scan_plain.alphabet(lines))
    which = np.argsort(place).astype(np.uint32)
    assert scan.gather(lines, which).tobytes() == b"".join(names[number] + b"\n" for number in which.tolist())
