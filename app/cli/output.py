"""Objects and rows to lines: JSON one object a line, or columns of fixed width that need no second pass.

Names come out of files that nobody vouches for: control characters and those that turn the direction of
text are printed escaped, so that no symbol can write to a terminal what it likes.
"""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

_LINES = 500  # written at once
# Control, format (bidi marks and joiners among them), private use, surrogates, line and paragraph ends.
_HIDDEN = {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}


def shown(text: str, keep: str = "") -> str:
    """``text`` with what cannot be seen escaped as Python spells it, but the characters of ``keep``."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        ascii(char)[1:-1] if unicodedata.category(char) in _HIDDEN and char not in keep else char
        for char in text
    )


def put(text: str = "") -> None:
    """One line on stdout."""
    sys.stdout.write(text + "\n")


def note(text: str) -> None:
    """One line on stderr, whatever ``text`` holds."""
    sys.stderr.write("probescope: " + shown(" ".join(text.split())) + "\n")
    sys.stderr.flush()


def put_json(value: dict[str, Any]) -> None:
    """One object on a line of its own, in ASCII: what is no letter of it is escaped."""
    put_json_lines([value])


def put_json_lines(values: Iterable[dict[str, Any]]) -> int:
    """``put_json`` of each, many at a time; how many they were."""
    # Few commands print it, and it takes long to load.
    import orjson

    count = 0
    values = iter(values)
    while part := [orjson.dumps(value) for value in islice(values, _LINES)]:
        count += len(part)
        put_json_text(b"\n".join(part).decode() + "\n")
    return count


def put_json_text(text: str) -> None:
    """Lines of JSON, in ASCII."""
    if not text.isascii():
        text = "\n".join(
            line if line.isascii() else json.dumps(json.loads(line), separators=(",", ":"))
            for line in text.split("\n")
        )
    sys.stdout.write(text)


def columns(cells: Sequence[Any], widths: Sequence[int]) -> str:
    """Cells padded to ``widths``, the last one free; a negative width aligns to the right."""
    out = []
    for cell, width in zip(cells, [*widths, *[0] * (len(cells) - len(widths))], strict=True):
        text = "-" if cell is None or cell == "" else shown(str(cell))
        out.append(text.rjust(-width) if width < 0 else text.ljust(width))
    return " ".join(out).rstrip()


def size(count: float) -> str:
    """Bytes in the unit that fits: ``1.4 MiB``."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    raise AssertionError
