"""A picture at the bottom of a terminal, seen as a terminal shows it."""

from __future__ import annotations

import io
import os
import re

import pytest

from app.cli.screen import Screen


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    def lines(self) -> list[str]:
        """What is seen after all that was written: cursor up and erase below are all that is used."""
        seen = [""]
        for part in re.split(r"(\x1b\[\d+A\r\x1b\[J|\n)", self.getvalue()):
            if part == "\n":
                seen.append("")
            elif part.startswith("\x1b"):
                up = int(part[2:].partition("A")[0])
                seen = [*seen[: len(seen) - 1 - up], ""]
            else:
                assert "\x1b" not in part
                seen[-1] += part
        return seen


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((20, 6)))
    return Terminal()


def test_a_picture_takes_the_place_of_the_one_before(terminal: Terminal) -> None:
    screen = Screen(terminal)
    screen.picture(["a 1", "b 1"])
    screen.picture(["a 2"])
    assert terminal.lines() == ["a 2", ""]
    screen.text("said\n")
    screen.picture(["a 3", "b 3"])
    assert terminal.lines() == ["said", "a 3", "b 3", ""]


def test_a_picture_is_cut_to_the_terminal_but_for_the_last(terminal: Terminal) -> None:
    screen = Screen(terminal)
    lines = [f"{number} " + "x" * 40 for number in range(10)]
    screen.picture(lines)
    seen = terminal.lines()
    assert len(seen) == 6 and all(len(line) < 20 for line in seen)
    assert seen[-2] == "… 6 more lines"
    screen.picture(lines, last=True)
    assert terminal.lines() == [*lines, ""]
    screen.text("after\n")
    assert terminal.lines() == [*lines, "after", ""]


def test_a_text_without_an_end_of_line_is_ended_before_a_picture(terminal: Terminal) -> None:
    screen = Screen(terminal)
    screen.text("no end")
    screen.picture(["a"])
    assert terminal.lines() == ["no end", "a", ""]


def test_elsewhere_nothing_moves() -> None:
    out = io.StringIO()
    screen = Screen(out)
    assert not screen.live
    screen.text("x\n")
    screen.picture(["a"])
    screen.picture(["b"], last=True)
    assert out.getvalue() == "x\na\nb\n"
