"""Each recorded line of three versions becomes one event; hostile lines never raise."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from app.trace import decode as decoding
from app.trace.decode import Decoded, decode

RECORDINGS = Path(__file__).resolve().parents[1] / "recordings"
VERSIONS = {"0.17": (0, 17, 0), "0.23": (0, 23, 2), "0.27": (0, 27, 1)}


def recorded(name: str, version: str) -> list[Decoded]:
    lines = (RECORDINGS / f"{name}.{version}.json").read_bytes().splitlines()
    found = [(line, decode(line, VERSIONS[version])) for line in lines]
    assert all((event is None) == (not line.strip()) for line, event in found)
    return [event for _, event in found if event is not None]


def last_maps(events: list[Decoded]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for event in events:
        if event.type in {"map", "hist", "stats"}:
            found |= event.data
    return found


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ["all", "edge"])
def test_every_recorded_line_is_an_event_of_a_known_type(name: str, version: str) -> None:
    events = recorded(name, version)
    known = {
        "attached_probes", "printf", "time", "value", "map", "hist", "stats", "cat", "join", "helper_error"
    }  # fmt: skip
    assert {event.type for event in events} <= known
    assert events[0].type == "attached_probes"
    assert events[0].data["probes"] in {3, 6}


@pytest.mark.parametrize("version", VERSIONS)
def test_values_without_quotes_are_mended(version: str) -> None:
    found = last_maps(recorded("all", version))
    assert found["@mac"] == "68:65:6C:6C:6F:00"
    assert len(found["@ts"].split(":")) == 3
    assert found["@tk"] == {"1,x": 5}
    assert found["@neg"] == -5


@pytest.mark.parametrize("version", VERSIONS)
def test_bytes_that_are_no_text_are_shown_escaped(version: str) -> None:
    events = recorded("edge", version)
    assert any(event.type == "printf" and event.data.startswith("A\\xff\\xfeB|-5|") for event in events)
    assert "A\\xff\\xfeB" in last_maps(events)["@k"]


def test_keys_escaped_twice_are_read_once() -> None:
    stacks = [last_maps(recorded("all", version))["@stk"] for version in VERSIONS]
    assert [[part.split() for part in found] for found in stacks] == [[["work+0", "0x65"]]] * 3


def test_the_overflown_bucket_is_open_above() -> None:
    hist = last_maps(recorded("edge", "0.17"))["@h"]
    assert hist[-1] == {"min": 1 << 31, "count": 4}
    assert hist[0] == {"max": -1, "count": 2}


def test_utf8_comes_back_as_it_was() -> None:
    line = b'{"type": "printf", "data": "gr\\uffffffc3\\uffffffb6\\uffffffc3\\uffffff9fe \\\\uffffffff"}'
    assert decode(line) == Decoded("printf", "größe \\uffffffff", None)


@pytest.mark.parametrize(
    ("line", "data", "key"),
    [
        (b'{"type": "map", "data": {"@a": {"k": 1}}}', {"@a": {"k": 1}}, "k"),
        (b'{"type": "map", "data": {"@a": {"k": 1, "l": 2}}}', {"@a": {"k": 1, "l": 2}}, None),
        (b'{"type": "map", "data": {"@a": 1}}', {"@a": 1}, None),
        (b'{"type": "hist", "data": {"@a": {"k": []}}}', {"@a": {"k": []}}, "k"),
        (b'{"type": "map", "data": {"@a": {"k": 05:30:58, "l": 05:31:00}}}',
         {"@a": {"k": "05:30:58", "l": "05:31:00"}}, None),
        (b'{"type": "map", "data": {"@a": Mon, 3 {x} "y"}}', {"@a": 'Mon, 3 {x} "y"'}, None),
        (b'{"type": "value", "data": 05:30:58}', "05:30:58", None),
        (b'{"type": "value", "data": [1,05:30:58,"x"]}', [1, "05:30:58", "x"], None),
        (b'{"type": "map", "data": {"@a": {"f": 1, "f": 2, "f": 3}}}',
         {"@a": {"f": 1, "f #2": 2, "f #3": 3}}, None),
        (b'{"type": "map", "data": {"@a": NaN}}', {"@a": "NaN"}, None),
    ],
)  # fmt: skip
def test_shapes(line: bytes, data: Any, key: str | None) -> None:
    found = decode(line, (0, 17, 0))
    assert found is not None
    assert (found.data, found.key) == (data, key)


@pytest.mark.parametrize(
    "line",
    [b"__BPFTRACE_NOTIFY_PROBES_ATTACHED", b"[1,2]", b'{"data": 1}', b'{"type": 5}', b"[" * 9000, b"\xff"],
)
def test_lines_that_are_no_event_stay_as_text(line: bytes) -> None:
    found = decode(line)
    assert found is not None
    assert found.type == "text"


def test_nothing_raises_and_all_can_be_written_again() -> None:
    rng = random.Random(3)
    lines = [
        line for path in sorted(RECORDINGS.glob("*.json")) for line in path.read_bytes().splitlines() if line
    ]
    for _ in range(4000):
        line = bytearray(rng.choice(lines)[:2000])
        for _ in range(rng.randint(1, 6)):
            at = rng.randrange(len(line))
            line[at : at + rng.randint(0, 3)] = rng.choice(
                [b"", b'"', b"\\", b"{", b"\\ud800", b"1e999", b"\xc3"]
            )
            if not line:
                break
        found = decode(bytes(line), rng.choice([None, (0, 17, 0), (0, 23, 0)]))
        if found is not None:
            json.dumps(found._asdict()).encode()


def test_a_hundred_thousand_random_lines_never_raise() -> None:
    rng = random.Random(7)
    alphabet = b'{}[]":,\\ \t0123456789-+.eEtrufalsn@\x00\x1b\x7f\x80\xc3\xff' + b'"type""data""map""hist"'
    for number in range(100_000):
        size = rng.randrange(60)
        line = rng.randbytes(size) if number % 2 else bytes(rng.choices(alphabet, k=size))
        found = decode(line, (0, 23, 0) if number % 3 else None)
        assert (found is None) == (not line.decode("utf-8", "backslashreplace").strip("\r\n \t"))


@pytest.mark.parametrize(
    "told",
    [
        *(
            r"text\n",
            r"\"q\" \\ \/ \u00e9 \ud800 \ud83d\ude00",
            "\t\x01é",
            "",
            r"\uffffff9f",
            r"\u12",
            r"\q",
            'a", "b": "c',
        )
    ],
)
@pytest.mark.parametrize("end", ["}", "", " }", "}}", ', "more": 1}', "} x"])
def test_lines_of_printf_are_what_the_parser_makes_of_them(
    told: str, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = f'{{"type": "printf", "data": "{told}"{end}'.encode()
    found = decode(line)
    monkeypatch.setattr(decoding, "_PRINTF", b"no line begins so")
    assert found == decode(line)
