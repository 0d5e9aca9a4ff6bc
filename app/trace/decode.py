"""A line of ``bpftrace -f json`` to (type, data, key): what 0.17 to 0.27 print, mended where it is no JSON.

Mended: bytes from 0x80 on, printed as ``\\uffffffXX``; values of strftime and macaddr without quotes; keys
escaped twice; the last bucket of 0.17's hist, printed as -2147483648. Nothing is refused: a line that stays
unreadable is an event of type ``text`` with the line as its data; only a blank line is none.
Source: output.cpp of bpftrace 0.17, 0.23, 0.27, and what they printed for tests/recordings/*.bt.
"""

from __future__ import annotations

import json
import re
from collections.abc import Container
from typing import Any, NamedTuple

import orjson

Version = tuple[int, int, int]
MAP_TYPES = frozenset({"map", "hist", "stats"})
# The fields of stats() without a key; with keys they stand one level deeper.
STATS = frozenset({"count", "average", "total"})
# Versions whose map keys go through the escaping twice.
DOUBLED_FROM, DOUBLED_UNTIL = (0, 20, 0), (0, 27, 0)
# 0.17 takes log2 of what exceeds an int for the bucket's bounds.
OVERFLOWN = -(1 << 31)
TEXT_LONGEST = 16 * 1024

# How all three begin a line of printf, which is most of what they print when they print much.
_PRINTF = b'{"type": "printf", "data": "'
_BYTES = re.compile(r"((?:\\uffffff[89a-f][0-9a-f])+)|\\.", re.DOTALL)
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_RAW = re.compile(r"[^,\]}]*")
_FLAT = re.compile(r'(\{"type": *"[a-z_]+", *"data": *)(\{"(?:[^"\\]|\\.)*": *)?(.*?)(\})?\}', re.DOTALL)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")


class Decoded(NamedTuple):
    type: str
    data: Any
    key: str | None


def decode(line: bytes, version: Version | None = None) -> Decoded | None:
    """One line, with or without its newline; None for a blank one. Never raises."""
    said = _printf(line)
    if said is not None:
        return Decoded("printf", said, None)
    text = line.decode("utf-8", "backslashreplace").strip("\r\n \t")
    if not text:
        return None
    found = _parse(text)
    if not isinstance(found, dict) or not isinstance(found.get("type"), str):
        return Decoded("text", text[:TEXT_LONGEST], None)
    kind = found.pop("type")
    # helper_error has its fields beside the type; 0.27 repeats the count of attached_probes there.
    data = found.get("data", found)
    if kind in MAP_TYPES and isinstance(data, dict):
        if version is None or DOUBLED_FROM <= version < DOUBLED_UNTIL:
            data = {name: _unescape_keys(kind, value) for name, value in data.items()}
        if kind == "hist":
            data = {name: _mend_buckets(value) for name, value in data.items()}
        return Decoded(kind, data, single_key(kind, data))
    return Decoded(kind, data, None)


def keyed(kind: str, value: Any) -> bool:
    """Whether the value of a map in an event of type ``kind`` is {key: value}, and not one value."""
    if not isinstance(value, dict):
        return False
    return not (kind == "stats" and set(value) == STATS)


def _printf(line: bytes) -> str | None:
    """The text of a line of printf that needs no mending; None for any other line."""
    if not line.startswith(_PRINTF) or not line.endswith(b"}") or b"\\uffffff" in line:
        return None
    try:
        return str(orjson.loads(line[len(_PRINTF) - 1 : -1]))
    except orjson.JSONDecodeError:
        return None


def _parse(text: str) -> Any:
    if "\\uffffff" in text:
        text = _BYTES.sub(_bytes, text)
    for mend in (_as_it_is, _quote_bare, _quote_flat):
        try:
            return _JSON.decode(mend(text))
        except (ValueError, RecursionError):
            continue
    return None


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Keys of processes that print alike stay apart: ``work``, ``work #2``."""
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    found = {}
    for key, value in pairs:
        found[apart(key, found)] = value
    return found


_JSON = json.JSONDecoder(strict=False, parse_constant=str, object_pairs_hook=_pairs)


def apart(key: str, others: Container[str]) -> str:
    """The key itself, or with a number where one of the others is it."""
    found, number = key, 1
    while found in others:
        number += 1
        found = f"{key} #{number}"
    return found


def _as_it_is(text: str) -> str:
    return text


def _bytes(match: re.Match[str]) -> str:
    if match[1] is None:
        return match[0]
    found = bytes(int(part, 16) for part in match[1].split("\\uffffff")[1:])
    return json.dumps(found.decode("utf-8", "backslashreplace"))[1:-1]


def _quote_bare(text: str) -> str:
    """Puts quotes around values that are no JSON, each up to the next comma or bracket."""
    out, at = [], 0
    while at < len(text):
        sign = text[at]
        if sign == '"':
            match = _STRING.match(text, at)
            if match is None:
                raise ValueError("an open string")
            out.append(match[0])
            at = match.end()
        elif sign in "{}[],: \t":
            out.append(sign)
            at += 1
        else:
            bare = _RAW.match(text, at)
            assert bare is not None  # matches the empty string too
            word = bare[0].rstrip()
            known = word in {"true", "false", "null"} or _NUMBER.fullmatch(word)
            out.append(word if known else json.dumps(word))
            at = bare.end()
    return "".join(out)


def _quote_flat(text: str) -> str:
    """The same for a line with one value, whose text may hold commas and brackets."""
    match = _FLAT.fullmatch(text)
    if match is None:
        raise ValueError("not one value")
    head, name, value, tail = match.groups(default="")
    return f"{head}{name}{json.dumps(value)}{tail}}}"


def _unescape_keys(kind: str, value: Any) -> Any:
    if not keyed(kind, value):
        return value
    return {_unescape(key): inner for key, inner in value.items()}


def _unescape(key: str) -> str:
    if "\\" not in key:
        return key
    try:
        found = json.loads(f'"{_BYTES.sub(_bytes, key)}"', strict=False)
    except ValueError:
        return key
    return str(found)


def _mend_buckets(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _mend_buckets(inner) for key, inner in value.items()}
    if not isinstance(value, list):
        return value
    return [
        {"min": 1 << 31, "count": entry.get("count")}
        if isinstance(entry, dict) and entry.get("min") == OVERFLOWN
        else entry
        for entry in value
    ]


def single_key(kind: str, data: dict[str, Any]) -> str | None:
    """The key of an event about one map with one key."""
    if len(data) != 1:
        return None
    (value,) = data.values()
    if keyed(kind, value) and len(value) == 1:
        return str(next(iter(value)))
    return None
