"""Heads of the log's lines, and the numbers of a span."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.trace.decode import MAP_TYPES, Decoded
from app.trace.heads import Head, Span, head, is_print, numbers, prints, tally
from app.trace.log import Log


def test_a_head_is_read_without_the_rest(tmp_path: Path) -> None:
    log = Log(tmp_path, 1 << 20, 1000)
    log.append([(7, Decoded("printf", '"type":"map"', None)), (9, Decoded('od"d', {}, None))])
    assert [head(line) for line in log.read(1, 10)] == [Head(1, 7, "printf"), Head(2, 9, 'od"d')]
    # All at once it is the same, whatever the types are.
    assert tally(log.read(1, 10)) == {(7, "printf"): 1, (9, 'od"d'): 1}
    assert tally(log.read(1, 1) * 3) == {(7, "printf"): 3}
    assert tally([]) == {}
    log.close()


@pytest.mark.parametrize("kind", ["map", "hist", "stats", "printf", "value", "mapper"])
def test_prints_of_maps_are_told_by_the_head(tmp_path: Path, kind: str) -> None:
    log = Log(tmp_path, 1 << 20, 1000)
    log.append([(7, Decoded(kind, '"type":"map"', None))])
    assert is_print(log.read(1, 1)[0]) is (kind in MAP_TYPES)
    log.close()


def test_of_many_lines_the_prints_are_those_that_each_alone_is_told_to_be(tmp_path: Path) -> None:
    log = Log(tmp_path, 1 << 20, 1000)
    nested = {"type": "map", "more": [{"a": 1, "type": "hist"}]}
    kinds = ["printf", "map", "value", "hist", "mapper", "stats", "printf", "map"]
    log.append([(n, Decoded(kind, nested, None)) for n, kind in enumerate(kinds)])
    lines = log.read(1, 100)
    for batch in (lines, lines[:1], lines[-1:], []):
        assert prints(batch) == [line for line in batch if is_print(line)]
    assert len(prints(lines)) == 4
    log.close()


@pytest.mark.parametrize(
    ("span", "found"),
    [
        (Span(), (1, 300)),
        (Span(0, 10), (1, 1)),
        (Span(None, 9), (1, 0)),
        (Span(10, 30), (2, 3)),
        (Span(15, 30), (2, 3)),
        (Span(2995, None), (300, 300)),
        (Span(3000, 9000), (301, 300)),
    ],
)
def test_the_numbers_of_a_span(tmp_path: Path, span: Span, found: tuple[int, int]) -> None:
    log = Log(tmp_path, 1 << 20, 1000)
    log.append([(10 * n, Decoded("printf", "x", None)) for n in range(1, 301)])
    assert numbers(log.read, log.first, log.last, span) == found
    log.close()


def test_a_span_that_begins_before_what_is_kept(tmp_path: Path) -> None:
    log = Log(tmp_path, 1 << 20, 80)
    log.append([(10 * n, Decoded("printf", "x", None)) for n in range(1, 301)])
    assert log.first > 200
    assert numbers(log.read, 1, log.last, Span(1000, None)) == (log.first, 300)
    log.close()
