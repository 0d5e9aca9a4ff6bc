"""The shape that a reader's words must have before they are believed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.elf.reader import read_facts
from app.index.meta import fitting, is_summary, summary
from app.index.tables import tables


@pytest.fixture(scope="module")
def good() -> dict[str, Any]:
    return summary(tables(read_facts(Path("/bin/bash").read_bytes()))[1])


def test_what_readers_say_fits(good: dict[str, Any]) -> None:
    assert is_summary(good)
    assert is_summary(summary(tables(read_facts(b"\x7fELF"))[1]))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("build_id", "../../etc/passwd"),
        ("build_id", ""),
        ("build_id", "AB"),
        ("build_id", 7),
        ("state", "great"),
        ("bits", True),
        ("bits", "64"),
        ("needed", ["a", 1]),
        ("needed", ["a"] * 1000),
        ("counts", {"symbols": 1}),
        ("problems", [{"code": "x"}]),
        ("problems", {}),
        ("stripped", None),
    ],
)
def test_what_does_not_is_refused(good: dict[str, Any], key: str, value: Any) -> None:
    assert not is_summary({**good, key: value})


def test_one_without_a_word_why_is_refused(good: dict[str, Any]) -> None:
    assert not is_summary({**good, "state": "malformed", "problems": []})
    assert not is_summary({**good, "more": 1})
    assert not is_summary([])
    assert not is_summary({key: value for key, value in good.items() if key != "bits"})


def test_a_long_one_is_cut(good: dict[str, Any]) -> None:
    meta = tables(read_facts(Path("/bin/bash").read_bytes()))[1]
    meta |= {"needed": ["x" * 10_000] * 10_000, "problems": [{"code": "c", "text": "t" * 9999}] * 100}
    found = summary(meta)
    assert is_summary(found)
    assert len(str(found)) < 200_000


@pytest.mark.parametrize(
    ("shape", "fit", "unfit"),
    [
        (int, [0, 7], [1.0, True, None, "1", [1]]),
        ((int, None), [3, None], ["", False]),
        ([int], [[], [1, 2]], [[1, "a"], (1,), {}, None]),
        ({"a": int, "b": [str]}, [{"a": 1, "b": ["x"]}], [{"a": 1}, {"a": 1, "b": [], "c": 2}, [], "a"]),
        (frozenset({"ok"}), ["ok"], ["other", None, ["ok"]]),
        ([(str, int)], [["a", 1]], [["a", None]]),
    ],
)
def test_shapes(shape: Any, fit: list[Any], unfit: list[Any]) -> None:
    fits = fitting(shape)
    assert all(fits(value) for value in fit)
    assert not any(fits(value) for value in unfit)
