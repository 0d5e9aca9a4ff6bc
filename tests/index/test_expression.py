"""What the core is told of an expression, against RE2 and the shell's globs."""

from __future__ import annotations

import fnmatch
import time
from typing import Any

import numpy as np
import pytest
import re2
from hypothesis import given, settings
from hypothesis import strategies as st

from app.elf.search import scan
from app.errors import BadInput, Busy
from app.index import expression, matching
from app.index.model import Mode
from tests.elf.search.test_scan import lines_of

NAMES = st.lists(st.text("abAB_:(x1. ", max_size=9).map(str.encode), min_size=1, max_size=8)
ATOM = st.sampled_from(
    [
        "a",
        "b",
        "A",
        "ab",
        "_",
        ":",
        "x",
        "1",
        r"\.",
        r"\(",
        ".",
        r"\d",
        r"\w",
        r"\S",
        "[ab]",
        "[^a]",
        "[a-b_]",
        "^",
        "$",
        r"\b",
    ]
)
REGEX = st.recursive(
    ATOM,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: "(" + "|".join(parts) + ")"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,2}", "{1,}", "*?"])).map(
            lambda pair: f"(?:{pair[0]}){pair[1]}"
        ),
        st.tuples(ATOM, st.sampled_from(["*", "+", "?"])).map("".join),
    ),
    max_leaves=6,
)


def by_re2(pattern: str, names: list[bytes], fold: bool) -> list[int]:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.case_sensitive = not fold
    compiled = re2.compile(b"(?m)" + pattern.encode(), options)
    return [index for index, name in enumerate(names) if compiled.search(name)]


@settings(max_examples=500, deadline=None)
@given(REGEX, NAMES, st.booleans())
def test_a_plan_holds_what_re2_finds_and_nothing_else_when_it_is_exact(
    pattern: str, names: list[bytes], fold: bool
) -> None:
    try:
        expected = by_re2(pattern, names, fold)
    except re2.error:
        return
    plan = expression.of_regex(pattern.encode(), fold)
    if plan is None:
        return
    found = scan.mark(lines_of(names), plan.choices, 0.0).tolist()
    assert set(expected) <= set(found)
    if plan.exact:
        assert found == expected


@settings(max_examples=300, deadline=None)
@given(REGEX, NAMES)
def test_a_search_finds_what_re2_finds(pattern: str, names: list[bytes]) -> None:
    try:
        expected = by_re2(pattern, names, matching.folds(pattern.replace(r"\S", "")))
    except re2.error:
        return
    found = matching.line_ranks(lines_of(names), pattern, "regex", 60)
    assert np.flatnonzero(found != matching.NONE).tolist() == expected


@settings(max_examples=300, deadline=None)
@given(st.text("ab*?[]!-x_", max_size=8), NAMES)
def test_globs_are_the_shells(pattern: str, names: list[bytes]) -> None:
    plan = expression.of_glob(pattern.encode(), False)
    found = scan.mark(lines_of(names), plan.choices, 0.0).tolist()
    expected = [i for i, name in enumerate(names) if fnmatch.fnmatchcase(name.decode(), pattern)]
    assert found == expected


@pytest.mark.parametrize(
    ("pattern", "exact"),
    [
        ("^read.*_hook$", True),
        ("St.*t$", True),
        ("mutex_(un)?lock", True),
        ("(alloc|free)_pages?$", True),
        ("^std::.+::[a-z]{3}", True),
        ("[a-z]+_init", True),
        (r"_v\d+$", False),
        (r"foo\w+bar", False),
        (r"\bmain\b", False),
        ("(?i)ReadLine", True),
        ("(ab|c)+d", False),
    ],
)
def test_what_people_write_is_mostly_exact(pattern: str, exact: bool) -> None:
    plan = expression.of_regex(pattern.encode(), True)
    assert plan is not None
    assert plan.exact is exact


@pytest.mark.parametrize("pattern", [r"\pL", r"(?i:a)b", r"\Qa.b\E", r"[[:alpha:]]x", r"\Aa", "x{600}{2}"])
def test_what_is_not_understood_is_left_to_re2(pattern: str) -> None:
    assert expression.of_regex(pattern.encode(), True) is None


@pytest.mark.parametrize(
    ("mode", "text", "found"),
    [
        ("substring", "ns::func", ["ns::func(int)"]),
        ("substring", "func(", ["func", "ns::func(int)"]),
        ("substring", "func()", ["func", "ns::func(int)"]),
        ("substring", " func ", ["func", "ns::func(int)", "func_all"]),
        ("substring", "::func(", ["func", "ns::func(int)"]),
        ("substring", "unc(", ["func", "ns::func(int)"]),
        ("prefix", "func(", ["func"]),
        ("fuzzy", "func ns", ["ns::func(int)"]),
        ("fuzzy", "nsf", ["ns::func(int)"]),
        ("substring", "operator()", ["ns::operator()(int)"]),
        ("regex", r"^func\b", ["func"]),
        ("regex", "[[:upper:]]", ["Upper"]),
        ("regex", "a\nb", []),
        ("glob", "*::*(int)", ["ns::func(int)", "ns::operator()(int)"]),
        ("substring", "\x01", ["bad\x01name"]),
    ],
)
def test_what_people_write(mode: Mode, text: str, found: list[str]) -> None:
    names = ["func", "ns::func(int)", "func_all", "ns::operator()(int)", "Upper", "bad\x01name"]
    ranks = matching.line_ranks(lines_of([name.encode() for name in names]), text, mode, 60)
    order = np.argsort(ranks, kind="stable")
    assert [names[i] for i in order if ranks[i] != matching.NONE] == found


EXPLOSIVE = ["(a*)*b", "(a|aa)+$", "(.*)(.*)(.*)(.*)x{50}", "a{200}b", "(?:a?){200}a{200}"]


@pytest.mark.parametrize("pattern", EXPLOSIVE)
def test_expressions_that_explode_elsewhere_end_in_time(pattern: str) -> None:
    lines = lines_of([b"a" * 5000] * 200)
    began = time.monotonic()
    try:
        matching.line_ranks(lines, pattern, "regex", 0.3)
    except (Busy, BadInput) as error:
        assert error.code in {"search_time", "bad_regex"}
    assert time.monotonic() - began < 20


def test_time_is_kept() -> None:
    lines = lines_of([b"name_%d" % number for number in range(200_000)])
    for mode, text in (("regex", r"\w+\d\b"), ("substring", "_"), ("fuzzy", "nm"), ("glob", "*[0-9]")):
        with pytest.raises(Busy) as caught:
            matching.line_ranks(lines, text, mode, -1)  # type: ignore[arg-type]
        assert caught.value.code == "search_time"


@pytest.mark.parametrize("mode", ["substring", "prefix", "glob", "regex", "fuzzy"])
def test_without_the_core_the_answers_are_the_same(monkeypatch: pytest.MonkeyPatch, mode: Mode) -> None:
    names = [b"read", b"ns::read(int)", b"bread", b"Read", b"r_e_a_d", b"", b"x\xff\x01", b"readline"]
    lines: Any = lines_of(names, [(1, b"_ZN2ns4readEi")])
    texts = ["read", "Read", "re*", "[a-r]ea", "^r.*d", "r.d|x", "ns read", "\udcff", "4read", "re\\w+d"]
    ours = [matching.line_ranks(lines, text, mode, 60).tolist() for text in texts]
    monkeypatch.setattr(scan, "_search", None)
    assert [matching.line_ranks(lines, text, mode, 60).tolist() for text in texts] == ours
