"""Streams of xz with several blocks, by xz itself; blocks and indexes that lie."""

from __future__ import annotations

import hashlib
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.debuginfo.packages import Limits, members, xz
from tests.support.archives import Unseekable, run, said
from tests.support.archivewriter import pack, python_tar

DATA = random.Random(2).randbytes(70_000) + bytes(30_000)
SUM = hashlib.sha256(DATA).hexdigest()


@pytest.fixture(autouse=True)
def small_blocks_are_worth_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xz, "_LEAST_BESIDE", 0)


def _packed(tmp_path: Path, *options: str, data: bytes = DATA) -> bytes:
    (tmp_path / "data").write_bytes(data)
    run("xz", "-k", "-f", *options, tmp_path / "data")
    return (tmp_path / "data.xz").read_bytes()


@pytest.mark.parametrize("check", ["none", "crc32", "crc64", "sha256"])
@pytest.mark.parametrize("block", ["100000", "50000", "9999", "1000"])
def test_blocks_that_tell_their_sizes(tmp_path: Path, block: str, check: str) -> None:
    whole = _packed(tmp_path, "-T2", f"--block-size={block}", f"--check={check}")
    assert xz.sized(whole)
    for step in (1 << 20, 777):
        found = said(whole, step=step)
        assert (found.rows[0].sha256, found.codes) == (SUM, [])


def test_of_one_thread_they_do_not(tmp_path: Path) -> None:
    whole = _packed(tmp_path, "-T1")
    assert not xz.sized(whole)
    assert not xz.sized(_packed(tmp_path, "-T2", data=b""))
    assert said(whole).rows[0].sha256 == SUM


def test_streams_of_both_kinds_and_padding(tmp_path: Path) -> None:
    many, one = _packed(tmp_path, "-T2", "--block-size=9999"), _packed(tmp_path, "-T1")
    for streams in ((many, one), (one, many), (many, many), (many, one, many)):
        for padding in (b"", bytes(8)):
            found = said(padding.join(streams) + padding)
            assert found.rows[0].sha256 == hashlib.sha256(DATA * len(streams)).hexdigest()
            assert found.codes == []
    assert said(many + b"garbage").codes == []


def test_blocks_that_are_too_large_to_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = _packed(tmp_path, "-T2", "--block-size=30000")
    for most in (0, 45_000):
        monkeypatch.setattr(xz, "_MOST_HELD", most)
        found = said(whole)
        assert (found.rows[0].sha256, found.codes) == (SUM, [])


def test_without_a_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(ThreadPoolExecutor, "submit", refuse)
    assert said(_packed(tmp_path, "-T2", "--block-size=30000")).rows[0].sha256 == SUM


def test_no_thread_is_left(tmp_path: Path) -> None:
    reader = members(Unseekable(_packed(tmp_path, "-T2", "--block-size=9999")))
    assert next(reader).read(10) == DATA[:10]
    started = [thread for thread in threading.enumerate() if thread.name.startswith("xz")]
    del reader
    for thread in started:
        thread.join(30)
        assert not thread.is_alive()


def test_cut_or_changed_anywhere(tmp_path: Path) -> None:
    whole = _packed(tmp_path, "-T2", "--block-size=300", data=DATA[:700])
    for size in range(12, len(whole), 3):
        assert said(whole[:size]).codes in (["truncated"], ["malformed"]), size
    for at in range(6, len(whole), 2):
        for bit in (1, 0x80):
            changed = whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :]
            assert set(said(changed).codes) & {"truncated", "malformed", "limit_memory"}, at


def test_blocks_count_as_streams(tmp_path: Path) -> None:
    whole = _packed(tmp_path, "-T2", "--block-size=100")
    assert said(whole, Limits(entries=100)).codes == ["limit_entries"]


def test_a_bomb_of_blocks(tmp_path: Path) -> None:
    whole = _packed(tmp_path, "-T2", "--block-size=8MiB", data=bytes(100 << 20))
    assert said(whole).codes == ["limit_ratio"]
    assert said(whole, Limits(memory=1 << 20)).codes == ["limit_memory"]
    assert pack(b"", "xz")[:6] == whole[:6]


@pytest.mark.parametrize("where", [0.3, 0.6, 0.72, 0.9])
def test_what_came_before_a_broken_place_stays_good(tmp_path: Path, where: float) -> None:
    noise = random.Random(3)
    files = {f"{number}": noise.randbytes(10_000) for number in range(40)}
    whole = _packed(tmp_path, "-T2", "--block-size=60000", data=python_tar(files))
    at = int(len(whole) * where)
    for broken in (whole[:at], whole[:at] + bytes(200) + whole[at + 200 :]):
        found = said(broken)
        assert found.codes in (["truncated"], ["malformed"])
        assert len(found.whole) >= int(40 * where) - 3
        assert all(
            row.sha256 == hashlib.sha256(files[row.name]).hexdigest() for row in found.rows if row.whole
        )
