"""Segments packed and read again; a log whose parts are packed while it is read."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
import zstandard

from app.trace.decode import Decoded
from app.trace.log import SEGMENTS, Log
from app.trace.segment import FRAME_LINES, PACKED, Segment, pack, scan
from tests.trace.test_log import fill, numbers


def plain(directory: Path, count: int, first: int = 1) -> Segment:
    path = directory / f"{first:016d}.log"
    path.write_bytes(b"".join(b'{"n":%d}\n' % number for number in range(first, first + count)))
    found = scan(path)
    assert found is not None
    return found


@pytest.mark.parametrize("count", [1, FRAME_LINES - 1, FRAME_LINES, FRAME_LINES + 1, 3 * FRAME_LINES + 5])
def test_a_packed_segment_has_the_same_lines(tmp_path: Path, count: int) -> None:
    segment = plain(tmp_path, count, first=501)
    packed = pack(segment)
    again = scan(packed.path)
    assert again is not None
    for each in (packed, again):
        assert (each.first, each.count, each.size, each.packed) == (501, count, segment.size, True)
        for start in {501, 501 + count // 2, 500 + count}:
            for wanted in (1, 700, 10**6):
                assert each.lines(start, wanted) == segment.lines(start, wanted)
    assert [path.name for path in tmp_path.iterdir() if "part" in path.name] == []


def test_a_packed_segment_is_a_zstd_file_to_others(tmp_path: Path) -> None:
    segment = plain(tmp_path, 2 * FRAME_LINES)
    packed = pack(segment)
    with packed.path.open("rb") as file:
        reader = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
        assert reader.read() == segment.path.read_bytes()


@pytest.mark.parametrize("kept", [0, 1, 10, -1, -20])
def test_a_packed_file_that_is_not_whole_is_none(tmp_path: Path, kept: int) -> None:
    packed = pack(plain(tmp_path, 2000)).path
    data = packed.read_bytes()
    packed.write_bytes(data[:kept])
    assert scan(packed) is None
    packed.write_bytes(os.urandom(len(data)))
    assert scan(packed) is None


def test_a_full_segment_is_packed_and_nothing_of_the_log_changes(tmp_path: Path) -> None:
    log = Log(tmp_path / "s", 1 << 30, SEGMENTS * 3000)
    fill(log, 10_000, size=60)
    log.close()
    kinds = sorted(path.suffix for path in (tmp_path / "s").iterdir())
    assert kinds == [".log", ".zst", ".zst", ".zst"]
    assert numbers(log.read(1, 20_000)) == list(range(1, 10_001))
    assert numbers(log.read(2999, 3)) == [2999, 3000, 3001]
    again = Log(tmp_path / "s", 1 << 30, SEGMENTS * 3000)
    assert again.read(1, 20_000) == log.read(1, 20_000)
    fill(again, 10, size=60)
    assert again.last == 10_010
    again.seal()
    again.close()
    assert {path.suffix for path in (tmp_path / "s").iterdir()} == {".zst"}
    sealed = Log(tmp_path / "s", 1 << 30, SEGMENTS * 3000)
    fill(sealed, 5)
    assert numbers(sealed.read(10_008, 9)) == list(range(10_008, 10_016))
    packed = sum(path.stat().st_size for path in (tmp_path / "s").glob(f"*{PACKED}"))
    assert packed < 0.3 * sum(len(line) + 1 for line in sealed.read(1, 20_000))
    sealed.delete()


def test_a_crash_between_packing_and_removing_leaves_every_event_once(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    pack(plain(tmp_path / "s", 2000))
    (tmp_path / "s" / "0000000000000001.log.part").write_bytes(b"torn")
    log = Log(tmp_path / "s", 1 << 30, 1 << 30)
    assert numbers(log.read(1, 9999)) == list(range(1, 2001))
    assert [path.name for path in (tmp_path / "s").iterdir()] == ["0000000000000001.log.zst"]
    log.delete()


def test_a_reader_misses_nothing_while_segments_are_packed(tmp_path: Path) -> None:
    log = Log(tmp_path / "s", 1 << 30, SEGMENTS * 10**6)
    log._segment_events = 500
    done = threading.Event()

    def write() -> None:
        for at in range(40):
            log.append([(0, Decoded("printf", f"{at} {number}" + "y" * 50, None)) for number in range(100)])
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen: list[int] = []
    while not done.is_set() or len(seen) < log.last:
        seen += numbers(log.read(len(seen) + 1, 333))
    writer.join()
    log.close()
    assert seen == list(range(1, 4001))


def test_a_file_that_was_taken_away_ends_the_reading(tmp_path: Path) -> None:
    log = Log(tmp_path / "s", 1 << 20, 1000)
    fill(log, 100)
    log.seal()
    next((tmp_path / "s").iterdir()).unlink()
    assert log.read(1, 10) == []
    log.close()
