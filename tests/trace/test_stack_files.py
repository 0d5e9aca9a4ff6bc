"""Addresses in files: looked up once, in time or later, of the file that was mapped and no other."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from app.trace import stack_files
from app.trace.stack_files import Place, StackFiles, placed, virtual
from tests.trace.stack_doubles import SEGMENTS, Known, Names, mapped

NAMES: Known = {0x401010: [("inner", "/s/a.c", 3), ("outer", "/s/a.c", 9)], 0x401020: [("plain", None, None)]}
INNER = Place((("inner", "/s/a.c:3"), ("outer", "/s/a.c:9")), 0x10)


def descriptors() -> int:
    """How many files of a catalogue made up are open."""
    found = 0
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            found += str(entry.readlink()).startswith("/memfd:stack-double")
    return found


def test_each_address_is_looked_up_once() -> None:
    index = Names(names=NAMES)
    files = StackFiles(index)
    file = mapped()
    before = descriptors()
    files.want(file, [0x1010, 0x1020, 0x1030, 0x10])
    assert files.wait(20)
    assert files.place(file, 0x1010) == (INNER, True)
    assert files.place(file, 0x1020) == (Place((("plain", None),), 0x20), True)
    # Code without a name, and what is no code.
    assert files.place(file, 0x1030) == files.place(file, 0x10) == (None, True)
    files.want(file, [0x1010, 0x1040])
    assert files.wait(20)
    assert index.asked == [[0x401010, 0x401020, 0x401030], [0x401040]]
    assert descriptors() == before + 1
    files.close()
    assert descriptors() == before
    assert files.warnings == []


def test_who_waits_does_so_for_a_time() -> None:
    index = Names(names=NAMES, slow=threading.Event())
    files = StackFiles(index)
    files.want(mapped(), [0x1010])
    assert not files.wait(0.05)
    assert files.place(mapped(), 0x1010) == (None, False)
    assert index.slow is not None
    index.slow.set()
    assert files.wait(20)
    assert files.place(mapped(), 0x1010) == (INNER, True)
    files.close()


def test_another_file_at_its_path_is_never_used() -> None:
    index = Names(names=NAMES, stamps={"/opt/app": (1, 2, 100, 6)})
    files = StackFiles(index)
    for file in (mapped(), mapped(9, "/gone")):
        files.want(file, [0x1010])
        assert files.wait(20)
        assert files.place(file, 0x1010) == (None, True)
    assert index.asked == []
    assert files.warnings == ["Frames in it are as bpftrace named them. /opt/app was replaced meanwhile."]
    files.close()


def test_ceilings_are_told_and_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack_files, "MOST_PLACES", 3)
    monkeypatch.setattr(stack_files, "MOST_FILES", 2)
    monkeypatch.setattr(stack_files, "MOST_OPEN", 1)
    index = Names(names=NAMES)
    files = StackFiles(index)
    before = descriptors()
    for number in (1, 2, 3):
        files.want(mapped(number, f"/opt/{number}"), [0x1010, 0x1020])
        assert files.wait(20)
    assert sum(map(len, index.asked)) == 3
    assert len(files.warnings) == 2
    assert "3 addresses" in files.warnings[0]
    assert "2 files" in files.warnings[1]
    assert descriptors() == before + 1
    # One that was let go is opened again.
    files.close()
    files.want(mapped(4), [0x1010])
    assert files.place(mapped(4), 0x1010) == (None, True)
    assert descriptors() == before


def test_addresses_of_segments() -> None:
    assert virtual(SEGMENTS, 0x1000) == 0x401000
    assert virtual(SEGMENTS, 0x2FFF) == 0x402FFF
    # Data, and what lies behind the segment.
    assert virtual(SEGMENTS, 0x10) is virtual(SEGMENTS, 0x3000) is virtual((), 0) is None


def test_a_location_without_a_function_is_no_place() -> None:
    location: dict[str, Any] = {
        "demangled": None,
        "file": "a.c",
        "line": 1,
        "inlined": [],
        "offset_in_function": None,
    }
    assert placed(location) is None
    assert placed(location | {"demangled": "f", "offset_in_function": 4}) == Place((("f", "a.c:1"),), 4)
