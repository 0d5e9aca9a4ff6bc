"""What the debug information says of one place or type: locate, lines, structs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from app.cli.catalogue import opened
from app.cli.output import put, put_json, shown
from app.config import Settings
from app.errors import BadInput, NotFound
from app.index.model import with_hex
from app.index.service import Index


@contextmanager
def _binary(options: argparse.Namespace, settings: Settings) -> Iterator[tuple[Index, str]]:
    with opened(Index, settings) as index:
        yield index, index.binary_at(str(Path(options.file).absolute())).id


def locate(options: argparse.Namespace, settings: Settings) -> int:
    """``locate FILE ADDRESS…``; an address in no function is an answer, too, unless all are."""
    addresses = [_address(text) for text in _given(options.addresses)]
    with _binary(options, settings) as (index, binary):
        found = index.answers.locate(binary, addresses)
    for each in found:
        if options.json:
            put_json(with_hex(each))
        else:
            put(shown(_place(each)))
            for call in each["inlined"]:
                place = f"{call['call_file'] or '??'}:{call['call_line'] or '?'}"
                put(shown(f"    {call['function'] or '??'} inlined at {place}"))
    if not any(each["function"] or each["file"] for each in found):
        raise NotFound(
            f"{options.file} has no function at {'that address' if len(found) == 1 else 'these addresses'}.",
            "Give virtual addresses, as nm prints them; of a running process, take its base away.",
        )
    return 0


def lines(options: argparse.Namespace, settings: Settings) -> int:
    """``lines FILE SOURCE:LINE``."""
    source, _, line = options.place.rpartition(":")
    if not source or not line.isdigit():
        raise BadInput(f"{options.place} is no place.", "Write SOURCE:LINE, such as main.c:42.")
    with _binary(options, settings) as (index, binary):
        answer = index.answers.addresses_of(binary, source, int(line))
    for each in answer["sites"]:
        if options.json:
            put_json(with_hex(each))
        else:
            put(shown(f"{_place(each)}"))
    return 0


def structs(options: argparse.Namespace, settings: Settings) -> int:
    """``structs FILE NAME…``."""
    with _binary(options, settings) as (index, binary):
        found = index.answers.structs(binary, options.names)
    for number, each in enumerate(found):
        if options.json:
            put_json(with_hex(each))
        else:
            if number:
                put()
            for line in each["declaration"].split("\n"):
                put(shown(line, "\t"))
    missing = [name for name in options.names if not any(each["asked"] == name for each in found)]
    if missing:
        raise NotFound(
            f"{options.file} defines no {', '.join(missing)}.", "Look for it with: probescope info FILE"
        )
    return 0


def _given(addresses: list[str]) -> list[str]:
    if addresses and addresses != ["-"]:
        return addresses
    return sys.stdin.read().split()


def _address(text: str) -> int:
    try:
        number = int(text, 16)
    except ValueError:
        number = -1
    if not 0 <= number < 1 << 64:
        raise BadInput(f"{text} is no address.", "Write it in hex, such as 0x1234.")
    return number


def _place(each: dict[str, Any]) -> str:
    function = each["function"] or "??"
    if each["function"] and each["offset_in_function"]:
        function += f"+{each['offset_in_function']:#x}"
    return f"{each['address']:#x} {function} {_line(each)}"


def _line(each: dict[str, Any]) -> str:
    return f"{each['file'] or '??'}:{each['line'] or '?'}"


COMMANDS: dict[str, Callable[[argparse.Namespace, Settings], int]] = {
    "locate": locate,
    "lines": lines,
    "structs": structs,
}
