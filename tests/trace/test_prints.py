"""The latest print of a map at a moment, out of a log with other things in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.trace import prints
from app.trace.decode import Decoded
from app.trace.log import Log
from app.trace.prints import BLOCK, latest_print


def log(tmp_path: Path, events: list[tuple[int, str, Any]], events_kept: int = 1_000_000) -> Log:
    found = Log(tmp_path / "log", 1 << 30, events_kept)
    found.append([(t, Decoded(kind, data, None)) for t, kind, data in events])
    return found


def latest(found: Log, name: str, until: float | None = None) -> tuple[int, int, Any] | None:
    got = latest_print(found.read, found.first, found.last, lambda each, _: each == name, until)
    return None if got is None else (got.n, got.t, got.value)


@pytest.fixture
def filled(tmp_path: Path) -> Log:
    events: list[tuple[int, str, Any]] = [(1, "attached_probes", {"probes": 1})]
    for at in range(3):
        events.append((1000 * at + 500, "map", {"@c": at}))
        events += [(1000 * at + 501, "printf", 'a "type":"map" of words')] * BLOCK
    events.append((2900, "hist", {"@h": []}))
    return log(tmp_path, events)


def test_the_last_one_before_a_moment(filled: Log) -> None:
    assert latest(filled, "@c") == (2 * BLOCK + 4, 2500, 2)
    assert latest(filled, "@c", 2499.5) == (BLOCK + 3, 1500, 1)
    assert latest(filled, "@c", 500) == (2, 500, 0)
    assert latest(filled, "@c", 499) is None
    assert latest(filled, "@c", 1e9) == latest(filled, "@c")
    assert latest(filled, "@h") == (3 * BLOCK + 5, 2900, [])
    assert latest(filled, "@nothing") is None


def test_an_empty_log_and_one_whose_begin_is_gone(tmp_path: Path) -> None:
    assert latest(log(tmp_path, []), "@c") is None
    kept = log(tmp_path / "kept", [(at, "map", {"@c": at}) for at in range(100)], events_kept=16)
    assert kept.first > 1
    assert latest(kept, "@c", 98.5) == (99, 98, 98)
    assert latest(kept, "@c", 3) is None
    # Asked for from a number that has gone meanwhile, the log tells of a gap first.
    got = latest_print(kept.read, 1, kept.last, lambda name, _: name == "@c", 98)
    assert got is not None and got.value == 98


def test_data_of_another_shape_is_passed_over(tmp_path: Path) -> None:
    odd = log(tmp_path, [(1, "map", {"@c": 1}), (2, "map", 5), (3, "hist", None)])
    assert latest(odd, "@c") == (1, 1, 1)


def test_long_lines_are_read_a_few_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prints, "CHUNK", 4000)
    long = {"x" * 1000: 1}
    found = log(tmp_path, [(0, "map", {"@c": 1}), *((at, "map", {"@long": long}) for at in range(200))])
    sizes = []

    def read(start: int, limit: int) -> list[bytes]:
        lines = found.read(start, limit)
        sizes.append(sum(map(len, lines)))
        return lines

    got = latest_print(read, found.first, found.last, lambda name, _: name == "@c")
    assert got is not None and got.value == 1
    assert max(sizes) < 8000
    # What was printed last needs one line.
    sizes.clear()
    assert latest_print(read, found.first, found.last, lambda name, _: name == "@long") is not None
    assert len(sizes) == 1
