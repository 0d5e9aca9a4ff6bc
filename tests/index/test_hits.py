"""Hits of two parts and of binaries, in one order: that in which they lie when all is one part."""

from __future__ import annotations

import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.elf.search import scan
from app.elf.search.scan import Lines
from app.errors import BadInput
from app.index import everywhere, hits, matching
from app.index.everywhere import Everywhere
from app.index.model import Ask, Hit, Mode
from app.index.names import lines_from
from app.index.query import Selections


class Columns:
    """Those of a binary whose functions and variables have these names; what a name is, its letter says."""

    def __init__(self, names: list[str]) -> None:
        lines = lines_from(names)
        self.meta: dict[str, Any] = {"usdt": [], "header": None}
        self._arrays: dict[str, Any] = {
            "text": lines.text,
            "line_at": lines.line_at,
            "line_name": np.zeros(0, np.uint32),
        }
        for kind, letter in (("function", "f"), ("variable", "v")):
            chosen = np.array([at for at, name in enumerate(names) if letter in name], np.uint32)
            self._arrays |= {
                f"{kind}_name_at": np.arange(len(chosen) + 1, dtype=np.uint32),
                f"{kind}_names": chosen,
                f"{kind}_start": np.arange(len(chosen) + 1, dtype=np.uint32),
                f"{kind}_address": chosen.astype(np.uint64) * np.uint64(16),
                f"{kind}_section": np.zeros(len(chosen), np.uint32),
            }

    def __getitem__(self, name: str) -> Any:
        return self._arrays[name]


class Shelf:
    """Binaries that come and go, and a search over them."""

    def __init__(self, path: Path) -> None:
        self.names: dict[str, list[str]] = {}
        self.search = Everywhere(path, lambda: tuple(self.names), self.rows, self.columns)  # type: ignore[arg-type]

    def rows(self) -> list[Any]:
        return [
            SimpleNamespace(columns=id, id=id, name=id, paths=(f"/{id}",), info={"type": "DYN"})
            for id in self.names
        ]

    def columns(self, row: Any) -> Columns:
        return Columns(self.names[row.columns])

    def hits(self, text: str, mode: Mode = "substring", **filters: str) -> tuple[list[Hit], dict[str, int]]:
        total, found, facets = self.search.ask(Ask(text, mode, limit=10_000, filters=filters), 60)
        assert total == len(found)
        return list(found), facets.get("kind", {})


def names_of(dice: random.Random, count: int) -> list[str]:
    return sorted({"".join(dice.choices("abfvABFV_:", k=dice.randrange(1, 7))) for _ in range(count)})


def alike(ours: list[Hit], others: list[Hit]) -> bool:
    """The same hits in one order; names that differ in case alone may lie either way."""
    folded = [[(hit.kind, hit.name.lower()) for hit in hits] for hits in (ours, others)]
    return folded[0] == folded[1] and sorted(told(ours)) == sorted(told(others))


def told(hits: list[Hit]) -> list[tuple[str, str, int]]:
    return [(hit.kind, hit.name, hit.binaries) for hit in hits]


@pytest.mark.parametrize("seed", range(4))
def test_a_part_that_came_later_is_laid_among_the_others(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    binaries = {f"bin{number}f": names_of(dice, 120) for number in range(5)}
    apart, whole = Shelf(tmp_path / "apart"), Shelf(tmp_path / "whole")
    apart.names = dict(list(binaries.items())[:3])
    apart.hits("a")
    apart.names = whole.names = binaries
    assert isinstance(whole.search.refresh().binaries, Lines)  # type: ignore[union-attr]
    for text, mode in (
        ("a", "substring"),
        ("f", "prefix"),
        ("*b*v", "glob"),
        ("a.*f", "regex"),
        ("av", "fuzzy"),
    ):
        for kind in ("", "function", "variable", "binary"):
            ours, facets = apart.hits(text, mode, kind=kind)  # type: ignore[arg-type]
            expected, counted = whole.hits(text, mode, kind=kind)  # type: ignore[arg-type]
            assert alike(ours, expected)
            assert facets == counted
        ours, facets = apart.hits(text, mode, each="1")  # type: ignore[arg-type]
        expected, counted = whole.hits(text, mode, each="1")  # type: ignore[arg-type]
        assert sorted((hit.name, hit.kind, hit.binary) for hit in ours) == sorted(
            (hit.name, hit.kind, hit.binary) for hit in expected
        )
        assert alike(ours, expected)
        assert facets == counted


@pytest.mark.parametrize("most", [1, 7, 40])
def test_the_first_part_is_that_of_the_whole_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """Whether or not all was put in order: of two parts, and with binaries that are gone."""
    dice = random.Random(most)
    shelf = Shelf(tmp_path / "names")
    shelf.names = {f"bin{number}": names_of(dice, 60) for number in range(4)}
    shelf.hits("a")
    shelf.names = {id: names for id, names in shelf.names.items() if id != "bin2"}
    shelf.names |= {f"fav{number}": names_of(dice, 30) for number in range(2)}
    now = shelf.search.refresh()
    assert now is not None
    assert len(now.sides) == 2
    for text, mode in (
        ("a", "substring"),
        ("f", "prefix"),
        ("*b*v", "glob"),
        ("a.*f", "regex"),
        ("av", "fuzzy"),
    ):
        for filters in ({}, {"kind": "function"}, {"kind": "variable"}, {"kind": "binary"}, {"each": "1"}):
            ordered, facets = shelf.hits(text, mode, **filters)  # type: ignore[arg-type]
            monkeypatch.setattr(everywhere, "FIRST", most)
            monkeypatch.setattr(hits, "FIRST", most)
            shelf.search._selections = Selections()
            for at, limit in ((0, most), (most // 2, most - most // 2), (most, 5), (len(ordered), 5)):
                ask = Ask(text, mode, offset=at, limit=limit, filters=dict(filters))  # type: ignore[arg-type]
                total, found, counted = shelf.search.ask(ask, 60)
                assert list(found) == ordered[at : at + limit]
                assert (total, counted.get("kind", {})) == (len(ordered), facets)
            monkeypatch.undo()


def test_what_is_gone_is_in_no_answer_and_in_no_count(tmp_path: Path) -> None:
    shelf, dice = Shelf(tmp_path / "names"), random.Random(9)
    shelf.names = {f"bin{number}": names_of(dice, 60) for number in range(6)}
    shelf.hits("f")
    gone = ("bin1", "bin4")
    shelf.names = {id: names for id, names in shelf.names.items() if id not in gone}
    found, facets = shelf.hits("f", each="1")
    assert not {hit.binary for hit in found} & set(gone)
    functions = [hit for hit in shelf.hits("f")[0] if hit.kind == "function"]
    assert {hit.name for hit in functions} == {
        name for names in shelf.names.values() for name in names if "f" in name
    }
    assert facets["function"] == sum(hit.binaries for hit in functions)


def test_a_catalogue_whose_binaries_have_no_names_and_one_that_gets_some(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "names")
    assert shelf.hits("f") == ([], {})
    shelf.names = {"nameless": []}
    assert told(shelf.hits("name")[0]) == [("binary", "nameless", 1)]
    assert shelf.hits("f") == ([], {})
    shelf.names = {"nameless": [], "bin": ["f"]}
    assert told(shelf.hits("f")[0]) == [("function", "f", 1)]
    assert told(shelf.hits("f", each="1")[0]) == [("function", "f", 1)]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.text("ab_: \t\x01é", max_size=8), min_size=1, max_size=9, unique=True),
    st.text("abA_: \t*?[]()^$.|", min_size=1, max_size=5),
    st.sampled_from(["substring", "prefix", "glob", "regex", "fuzzy"]),
)
def test_what_matches_in_a_part_is_what_matches_in_any_lines(names: list[str], text: str, mode: Mode) -> None:
    lines = lines_from(sorted(names))
    try:
        ranks = matching.line_ranks(lines, text, mode, 60)
    except BadInput:
        return
    found = matching.found(scan.grow(lines), text, mode, 60)
    assert (found.names.tolist(), found.ranks.tolist()) == (
        np.flatnonzero(ranks != matching.NONE).tolist(),
        ranks[ranks != matching.NONE].tolist(),
    )
