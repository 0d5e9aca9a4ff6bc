"""Exports: lines as they are, and CSV that no spreadsheet runs."""

from __future__ import annotations

import csv as csv_module
import io
import json

import pytest

from app.trace.export import cell, csv, ndjson


def line(n: int, type: str, data: object, **more: object) -> bytes:
    return json.dumps({"n": n, "t": 5, "type": type, "data": data, **more}).encode()


def table(*lines: bytes) -> list[list[str]]:
    text = b"".join(csv(lines)).decode()
    assert text.endswith("\r\n")
    return list(csv_module.reader(io.StringIO(text)))


def test_ndjson_is_the_lines() -> None:
    lines = [line(n, "printf", "x" * 1000) for n in range(1, 300)]
    chunks = list(ndjson(lines))
    assert len(chunks) > 2
    assert b"".join(chunks) == b"\n".join(lines) + b"\n"
    assert list(ndjson([])) == []


def test_csv_has_a_row_an_event_and_a_row_a_key() -> None:
    assert table(
        line(1, "printf", 'a,"b"\n'),
        line(2, "map", {"@c": {"x": 1, "y": 2}}),
        line(3, "map", {"@n": 7}, key=None),
        line(4, "value", [1, "t"]),
        line(5, "gap", {"from": 1, "to": 4, "count": 4}),
    ) == [
        ["n", "t", "type", "key", "data"],
        ["1", "5", "printf", "", 'a,"b"\n'],
        ["2", "5", "map", "'@c[x]", "1"],
        ["2", "5", "map", "'@c[y]", "2"],
        ["3", "5", "map", "'@n", "7"],
        ["4", "5", "value", "", '[1, "t"]'],
        ["5", "5", "gap", "", '{"from": 1, "to": 4, "count": 4}'],
    ]
    assert table() == [["n", "t", "type", "key", "data"]]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("=1+1", "'=1+1"),
        ("+x", "'+x"),
        ("-x", "'-x"),
        ("@SUM(A1)", "'@SUM(A1)"),
        (" =1", "' =1"),
        ("\t=1", "'\t=1"),
        ("-5", "-5"),
        (-5, "-5"),
        ("a=b", "a=b"),
        ("\x1b[31m", "\\u001b[31m"),
        ("a\u202eb", "a\\u202eb"),
        (None, ""),
    ],
)
def test_cells_are_no_formulas(value: object, shown: str) -> None:
    assert cell(value) == shown
