"""What is kept of selections: the last ones, up to a number and to a size."""

from __future__ import annotations

import numpy as np
import pytest

from app.index import query
from app.index.query import Selection, Selections


def selection(rows: int) -> Selection:
    return Selection(np.zeros(rows, np.int64), {})


def test_kept_ones_are_not_made_again_and_the_oldest_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query, "_KEPT_BYTES", 800)
    selections: Selections[Selection] = Selections()
    made: list[str] = []

    def ask(key: str, rows: int) -> None:
        def make() -> Selection:
            made.append(key)
            return selection(rows)

        assert len(selections.get(key, make).rows) == rows

    for key in ("a", "b", "a", "b"):
        ask(key, 40)
    assert made == ["a", "b"]
    ask("c", 40)
    assert made == ["a", "b", "c"]
    ask("b", 40)
    assert made == ["a", "b", "c"]
    ask("a", 40)
    assert made == ["a", "b", "c", "a"]
    # One that is larger than all that is kept is kept alone: its next part is asked for next.
    ask("large", 1000)
    ask("large", 1000)
    assert made == ["a", "b", "c", "a", "large"]
    ask("b", 40)
    assert made[-1] == "b"


def test_no_more_than_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query, "_KEPT", 3)
    selections: Selections[Selection] = Selections()
    kept = [selections.get(number, lambda: selection(1)) for number in range(5)]
    assert selections.get(4, lambda: selection(1)) is kept[4]
    assert selections.get(0, lambda: selection(1)) is not kept[0]
