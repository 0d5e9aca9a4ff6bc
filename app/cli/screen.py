"""A picture that stays at the bottom of a terminal while lines scroll above it; plain text elsewhere.

Uses cursor movements that every terminal since the VT100 knows (ECMA-48: CUU, ED); the picture is cut to the
terminal's size, so that it can always be taken back.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from typing import TextIO

_TAKE_BACK = "\x1b[{}A\r\x1b[J"


class Screen:
    """Writes to ``out`` (standard output); ``live`` when that is a terminal."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = sys.stdout if out is None else out
        self.live = self._out.isatty()
        self._shown = 0  # lines of the picture that stand at the bottom
        self._middle = False  # the last text ended in the middle of a line

    def text(self, text: str) -> None:
        """Text that stays: above the picture, which is put back by the next one."""
        if not text:
            return
        self._take_back()
        self._out.write(text)
        self._middle = not text.endswith("\n")

    def picture(self, lines: Sequence[str], *, last: bool = False) -> None:
        """Puts ``lines`` in place of the picture before; ``last``: whole, and it stays."""
        self._take_back()
        if self._middle:
            self._out.write("\n")
            self._middle = False
        if last or not self.live:
            shown = list(lines)
        else:
            columns, rows = shutil.get_terminal_size()
            shown = [line[: columns - 1] for line in lines]
            if len(shown) > rows - 1:
                shown = [*shown[: rows - 2], f"… {len(lines) - rows + 2} more lines"]
            self._shown = len(shown)
        self._out.write("".join(f"{line}\n" for line in shown))
        self._out.flush()

    def _take_back(self) -> None:
        if self._shown:
            self._out.write(_TAKE_BACK.format(self._shown))
            self._shown = 0
