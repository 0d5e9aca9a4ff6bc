"""The numbered log: numbers without holes, gaps told, torn lines cut, a full disk survived."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.errors import StorageFull
from app.trace import log as log_module
from app.trace.decode import Decoded
from app.trace.log import TAIL_BYTES, Log
from app.trace.segment import Segment


@pytest.fixture(autouse=True, params=[0, 300, TAIL_BYTES])
def tail(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Whether the newest lines come from the disk, partly, or from memory changes nothing."""
    monkeypatch.setattr(log_module, "TAIL_BYTES", request.param)
    return int(request.param)


def fill(log: Log, count: int, size: int = 10, batch: int = 7) -> None:
    begin = log.last
    while log.last < begin + count:
        part = min(batch, begin + count - log.last)
        log.append([(5, Decoded("printf", f"{log.last + at + 1}:" + "x" * size, None)) for at in range(part)])


def numbers(lines: list[bytes]) -> list[int]:
    return [json.loads(line)["n"] for line in lines]


def test_events_are_numbered_and_read_from_any_number(tmp_path: Path) -> None:
    log = Log(tmp_path / "s", 1 << 20, 1000)
    assert (log.first, log.last, log.read(1, 10)) == (1, 0, [])
    fill(log, 500)
    assert (log.first, log.last) == (1, 500)
    assert numbers(log.read(1, 1000)) == list(range(1, 501))
    for start in (1, 2, 63, 64, 65, 124, 125, 126, 300, 499, 500):
        assert numbers(log.read(start, 3)) == [n for n in range(start, start + 3) if n <= 500]
    assert log.read(501, 5) == []
    event = json.loads(log.read(9, 1)[0])
    assert event == {"n": 9, "t": 5, "type": "printf", "data": "9:xxxxxxxxxx"}
    assert log.read(1, 1)[0].startswith(b'{"n":1,"t":5,"type":"printf","data":')
    log.close()


@pytest.mark.parametrize(("kept_bytes", "kept_events"), [(1 << 30, 80), (4000, 1 << 30)])
def test_old_events_become_one_gap(tmp_path: Path, kept_bytes: int, kept_events: int) -> None:
    log = Log(tmp_path / "s", kept_bytes, kept_events)
    fill(log, 1000)
    assert log.last == 1000
    assert 850 < log.first < 995
    lines = log.read(1, 2000)
    assert json.loads(lines[0]) == {
        "n": log.first - 1,
        "t": 0,
        "type": "gap",
        "data": {"from": 1, "to": log.first - 1, "count": log.first - 1},
    }
    assert numbers(lines[1:]) == list(range(log.first, 1001))
    assert json.loads(log.read(log.first - 5, 2)[0])["data"]["count"] == 5
    assert sum(path.stat().st_size for path in (tmp_path / "s").iterdir()) < kept_bytes + 8 * 400
    log.close()


def test_a_log_goes_on_after_a_crash(tmp_path: Path) -> None:
    log = Log(tmp_path / "s", 1 << 20, 800)
    fill(log, 250)
    log.close()
    newest = max((tmp_path / "s").iterdir())
    with newest.open("ab") as file:
        file.write(b'{"n":251,"t":9,"ty')
    again = Log(tmp_path / "s", 1 << 20, 800)
    assert again.last == 250
    assert numbers(again.read(1, 999)) == list(range(1, 251))
    fill(again, 100)
    assert numbers(again.read(240, 999)) == list(range(240, 351))
    again.delete()
    assert not (tmp_path / "s").exists()


def test_what_json_cannot_say_is_text(tmp_path: Path) -> None:
    log = Log(tmp_path / "s", 1 << 20, 800)
    log.append([(1, Decoded("map", {"@a": float("inf")}, None)), (1, Decoded("printf", "\ud800\u2028", "k"))])
    first, second = (json.loads(line) for line in log.read(1, 9))
    assert first["data"] == "{'@a': inf}"
    assert (second["data"], second["key"]) == ("\ud800\u2028", "k")
    log.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "none", place]).returncode:
        pytest.skip("tmpfs cannot be mounted here")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_full_disk_is_told_and_what_was_written_stays(small_disk: Path) -> None:
    log = Log(small_disk / "s", 1 << 30, 1 << 30)
    with pytest.raises(StorageFull) as caught:
        fill(log, 10_000, size=100)
    assert caught.value.hint
    last = log.last
    assert last > 100
    assert numbers(log.read(1, 99_999)) == list(range(1, last + 1))
    log.close()
    again = Log(small_disk / "s", 1 << 30, 1 << 30)
    assert again.last == last
    again.delete()


def test_who_reads_what_came_last_opens_no_file(
    tmp_path: Path, tail: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Log(tmp_path / "s", 1 << 20, 1000)
    fill(log, 300)
    opened: list[int] = []
    read = Segment.lines

    def noted(segment: Segment, start: int, wanted: int) -> list[bytes]:
        opened.append(start)
        return read(segment, start, wanted)

    monkeypatch.setattr(Segment, "lines", noted)
    assert numbers(log.read(300, 10)) == [300]
    assert bool(opened) == (tail == 0)
    # It is of bounded size, and given back once nothing more comes.
    assert sum(map(len, log._tail)) <= tail
    log.seal()
    assert numbers(log.read(298, 10)) == [298, 299, 300]
    assert opened
    log.close()
