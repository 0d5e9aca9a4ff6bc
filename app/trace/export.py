"""Lines of a session's log to files: NDJSON as they are, CSV with one row an event.

CSV columns are n, t (ms), type, key, data; a cell that a spreadsheet could take for a formula gets a ' before
it (OWASP, CSV injection), and control and direction-changing characters are shown escaped.
"""

from __future__ import annotations

import csv as csv_module
import io
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

COLUMNS = ("n", "t", "type", "key", "data")
_CHUNK = 64 * 1024
_FORMULA = re.compile(r"\s*[=+\-@\t\r]")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_HIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def ndjson(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The lines in larger chunks, each with its newline."""
    kept: list[bytes] = []
    size = 0
    for line in lines:
        kept.append(line if line.endswith(b"\n") else line + b"\n")
        size += len(line)
        if size >= _CHUNK:
            yield b"".join(kept)
            kept, size = [], 0
    if kept:
        yield b"".join(kept)


def csv(lines: Iterable[bytes]) -> Iterator[bytes]:
    """CSV in UTF-8 as RFC 4180 has it, first row the columns; maps give a row for each key."""
    out = io.StringIO()
    writer = csv_module.writer(out)
    writer.writerow(COLUMNS)
    for line in lines:
        for row in _rows(json.loads(line)):
            writer.writerow([cell(value) for value in row])
        if out.tell() >= _CHUNK:
            yield out.getvalue().encode()
            out.seek(0)
            out.truncate()
    yield out.getvalue().encode()


def cell(value: Any) -> str:
    """One cell's text that no spreadsheet runs."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = _HIDDEN.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
    if _FORMULA.match(text) and not _NUMBER.fullmatch(text):
        return "'" + text
    return text


def _rows(event: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    head = (event.get("n"), event.get("t"), event.get("type"))
    data = event.get("data")
    if event.get("type") != "map" or not isinstance(data, dict):
        yield (*head, event.get("key"), data)
        return
    for name, value in data.items():
        if not isinstance(value, dict):
            yield (*head, name, value)
            continue
        for key, inner in value.items():
            yield (*head, f"{name}[{key}]", inner)
