"""Lines for a terminal: nothing that a file names reaches it raw."""

from __future__ import annotations

import json

import pytest

from app.cli.output import columns, note, put_json, shown, size


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("readline", "readline"),
        ("größe_名前", "größe_名前"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("a\u202eb", "a\\u202eb"),
        ("a\nb", "a\\nb"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("half\udcff", "half\\udcff"),
    ],
)
def test_what_cannot_be_seen_is_escaped(text: str, expected: str) -> None:
    assert shown(text) == expected


def test_some_may_be_kept() -> None:
    assert shown("a\n\tb\r", keep="\n\t") == "a\n\tb\\r"


def test_a_note_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    note("first\nsecond \x1b[31m")
    assert capsys.readouterr().err == "probescope: first second \\x1b[31m\n"


def test_json_is_one_line_in_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    put_json({"name": "a\nb\u202e"})
    out = capsys.readouterr().out
    assert out.isascii()
    assert out.count("\n") == 1
    assert json.loads(out) == {"name": "a\nb\u202e"}


def test_columns_align_and_say_what_is_absent() -> None:
    assert columns(("a", 12, None, "name"), (3, -5, 4)) == "a      12 -    name"


@pytest.mark.parametrize(("count", "text"), [(0, "0 B"), (1536, "1.5 KiB"), (5 << 40, "5120.0 GiB")])
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text
