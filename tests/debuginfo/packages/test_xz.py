"""Streams of xz with several blocks, with a crew and without: of xz itself, and by hand, which may lie."""

from __future__ import annotations

import functools
import hashlib
import lzma
import random
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.debuginfo.packages import Crew, Limits, crew, members, xz
from tests.support.archives import Said, Unseekable, run, said, said_of
from tests.support.archivewriter import ar, pack, python_tar
from tests.support.xzwriter import Block, size_of, stream

Say = Callable[..., Said]
DATA = random.Random(2).randbytes(70_000) + bytes(30_000)
SUM = hashlib.sha256(DATA).hexdigest()


@pytest.fixture(params=["alone", "crew"])
def say(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Say]:
    """What the reader says by itself, and what with a crew, to which small blocks are worth handing over."""
    monkeypatch.setattr(xz, "_LEAST_AHEAD", 0)
    if request.param == "alone":
        yield said
        return
    with Crew(2) as both:
        yield functools.partial(said, crew=both)


def _packed(tmp_path: Path, *options: str, data: bytes = DATA) -> bytes:
    (tmp_path / "data").write_bytes(data)
    run("xz", "-k", "-f", *options, tmp_path / "data")
    return (tmp_path / "data.xz").read_bytes()


@pytest.mark.parametrize("check", ["none", "crc32", "crc64", "sha256"])
@pytest.mark.parametrize("block", ["100000", "50000", "9999", "1000"])
def test_blocks_that_tell_their_sizes(tmp_path: Path, say: Say, block: str, check: str) -> None:
    whole = _packed(tmp_path, "-T2", f"--block-size={block}", f"--check={check}")
    assert xz.sized(whole)
    for step in (1 << 20, 777):
        found = say(whole, step=step)
        assert (found.rows[0].sha256, found.codes) == (SUM, [])


def test_of_one_thread_they_do_not(tmp_path: Path, say: Say) -> None:
    whole = _packed(tmp_path, "-T1")
    assert not xz.sized(whole)
    assert not xz.sized(_packed(tmp_path, "-T2", data=b""))
    assert say(whole).rows[0].sha256 == SUM
    # Several blocks, of which none does.
    whole = _packed(tmp_path, "-T1", "--block-size=9999")
    assert not xz.sized(whole)
    assert say(whole).rows[0].sha256 == SUM


def test_streams_of_both_kinds_and_padding(tmp_path: Path, say: Say) -> None:
    many, one = _packed(tmp_path, "-T2", "--block-size=9999"), _packed(tmp_path, "-T1")
    for streams in ((many, one), (one, many), (many, many), (many, one, many)):
        for padding in (b"", bytes(8)):
            whole = padding.join(streams) + padding
            found = say(whole)
            by_xz = subprocess.run(["xz", "-dc"], input=whole, capture_output=True, check=True).stdout
            assert found.rows[0].sha256 == hashlib.sha256(by_xz).hexdigest()
            assert by_xz == DATA * len(streams)
            assert found.codes == []
    assert say(many + b"garbage").codes == []


def test_a_debian_package_is_what_dpkg_makes_of_it(tmp_path: Path, say: Say) -> None:
    noise = random.Random(4)
    tree = python_tar({f"./usr/{number}": noise.randbytes(30_000) for number in range(9)})
    for options in (["-T2", "--block-size=50000"], ["-T2"], ["-T1"]):
        data = _packed(tmp_path, *options, data=tree)
        control = pack(python_tar({"./control": b"Package: a\nVersion: 1\nArchitecture: all\n"}), "xz")
        whole = ar((b"debian-binary", b"2.0\n"), (b"control.tar.xz", control), (b"data.tar.xz", data))
        (tmp_path / "a.deb").write_bytes(whole)
        run("dpkg-deb", "-x", tmp_path / "a.deb", tmp_path / "out")
        found = say(whole)
        assert found.codes == []
        assert len(found.whole) == 9
        for row in found.rows:
            assert row.sha256 == hashlib.sha256((tmp_path / "out" / row.name).read_bytes()).hexdigest()


def test_two_blocks_are_unpacked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    met = threading.Barrier(2, timeout=30)

    class Meeting:
        """Goes on when another has begun, too."""

        needs_input = True

        def __init__(self, memory: int) -> None:
            self._inner = lzma.LZMADecompressor(lzma.FORMAT_XZ, memory)
            self._met = False

        def decompress(self, data: bytes, most: int) -> bytes:
            if not self._met:
                met.wait()
                self._met = True
            return self._inner.decompress(data, most)

    monkeypatch.setattr(xz, "_LEAST_AHEAD", 0)
    monkeypatch.setattr(xz, "unpacker", Meeting)
    blocks = [Block(DATA[at : at + 25_000]) for at in range(0, 100_000, 25_000)]
    with Crew(2) as both:
        found = said(stream(blocks), crew=both)
        assert (found.rows[0].sha256, found.codes) == (SUM, [])


def test_a_block_is_not_unpacked_far_ahead(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of what is larger than what is kept, only that is there before it is asked for."""
    monkeypatch.setattr(crew, "_MOST_AHEAD", 1 << 20)
    made = [0, 0]
    unpacked = xz._unpacked

    def counted(header: bytes, block: xz._Block, memory: int) -> Iterator[bytes]:
        number = 0 if block.size == 8 << 20 else 1
        for part in unpacked(header, block, memory):
            made[number] += len(part)
            yield part

    monkeypatch.setattr(xz, "_unpacked", counted)
    path = tmp_path / "two.xz"
    path.write_bytes(stream([Block(bytes(8 << 20)), Block(bytes(9 << 20))]))
    with Crew(2) as both, path.open("rb") as file:
        reader = members(file, None, both)
        member = next(reader)
        assert member.read(10) == bytes(10)
        assert sum(map(len, member.chunks())) == (17 << 20) - 10
        assert made == [8 << 20, 9 << 20]
        made[:] = 0, 0
        file.seek(0)
        again = next(members(file, None, both))
        assert again.read(4 << 20) == bytes(4 << 20)
        assert 4 << 20 <= made[0] < 6 << 20
        assert made[1] < 2 << 20


def test_a_crew_is_free_again_when_a_reader_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xz, "_LEAST_AHEAD", 0)
    (tmp_path / "many.xz").write_bytes(_packed(tmp_path, "-T2", "--block-size=9999"))
    with (tmp_path / "many.xz").open("rb") as file, Crew(2) as both:
        for _ in range(5):
            file.seek(0)
            reader = members(file, None, both)
            assert next(reader).read(10) == DATA[:10]
            del reader
        file.seek(0)
        assert said_of(members(file, None, both)).rows[0].sha256 == SUM
    assert not [thread for thread in threading.enumerate() if thread.name == "crew"]


def test_what_comes_but_once_is_read_without_the_crew(tmp_path: Path) -> None:
    """In another archive: the crew cannot be further on than the reader."""
    inner = _packed(tmp_path, "-T2", "--block-size=9999")
    with Crew(2) as both:
        found = said(pack(python_tar({"a.xz": inner, "b.xz": inner}), "xz"), crew=both)
    assert [row.sha256 for row in found.rows] == [SUM, SUM]
    assert found.codes == []
    assert next(members(Unseekable(inner))).read(10) == DATA[:10]


def test_cut_or_changed_anywhere(tmp_path: Path, say: Say) -> None:
    whole = _packed(tmp_path, "-T2", "--block-size=300", data=DATA[:700])
    for size in range(12, len(whole), 3):
        assert say(whole[:size]).codes in (["truncated"], ["malformed"]), size
    for at in range(6, len(whole), 2):
        for bit in (1, 0x80):
            changed = whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :]
            assert set(say(changed).codes) & {"truncated", "malformed", "limit_memory"}, at


GOOD, SECOND = Block(DATA[:60_000]), Block(DATA[60_000:])
LIES: dict[str, dict[str, Any]] = {
    "more packed": {"packed": 4},
    "less packed": {"packed": -4},
    "far more packed": {"packed": 1 << 40},
    "larger": {"size": 1},
    "smaller": {"size": -1},
    "far larger": {"size": 1 << 40},
    "checksum": {"checksum": 1},
    "unsized": {"sized": False},
}


@pytest.mark.parametrize("lie", LIES)
def test_a_block_that_lies(say: Say, lie: str) -> None:
    """What came before it stays good, whoever unpacked it."""
    whole = python_tar({"first": DATA[:50_000], "second": DATA[:40_000]})
    found = say(stream([Block(whole[:51_200]), Block(whole[51_200:], **LIES[lie])]))
    assert (found.rows[0].name, found.rows[0].whole) == ("first", True)
    assert found.rows[0].sha256 == hashlib.sha256(DATA[:50_000]).hexdigest()
    assert found.codes in (["malformed"], ["truncated"])
    lying = Block(SECOND.data, **LIES[lie])
    assert say(stream([GOOD, lying, SECOND])).codes in (["malformed"], ["truncated"])
    # Where the first does not tell its sizes, liblzma reads the stream, and minds none that does.
    assert say(stream([lying, GOOD])).codes in ([["malformed"], ["truncated"]] if lying.sized else [[]])


def test_an_index_that_disagrees(say: Say) -> None:
    blocks = [GOOD, SECOND]
    assert say(stream(blocks)).codes == []
    records = [(size_of(block), len(block.data)) for block in blocks]
    assert say(stream(blocks, records)).codes == []
    for lying in (
        [],
        [(1, 1)],
        [*records, (1, 1)],
        records[::-1],
        [records[0], (records[1][0], records[1][1] + 1)],
        [(1 << 62, 1 << 62)] * 2,
    ):
        assert say(stream(blocks, lying)).codes == ["malformed"], lying
    for backward in (1, -1, 1000):
        assert say(stream(blocks, backward=backward)).codes == ["malformed"]


def test_blocks_count_as_streams(tmp_path: Path, say: Say) -> None:
    whole = _packed(tmp_path, "-T2", "--block-size=100")
    assert say(whole, Limits(entries=100)).codes == ["limit_entries"]


def test_a_bomb_of_blocks(tmp_path: Path, say: Say) -> None:
    whole = _packed(tmp_path, "-T2", "--block-size=8MiB", data=bytes(100 << 20))
    assert say(whole).codes == ["limit_ratio"]
    assert say(whole, Limits(memory=1 << 20)).codes == ["limit_memory"]
    assert pack(b"", "xz")[:6] == whole[:6]


def test_a_bomb_in_one_of_two_blocks(say: Say) -> None:
    """The ceilings hold for what the crew unpacks as for what the reader does."""
    tight = Limits(bytes=1 << 20)
    assert say(stream([GOOD, Block(bytes(2 << 20))]), tight).codes == ["limit_bytes"]
    assert say(stream([Block(bytes(2 << 20)), GOOD]), tight).codes == ["limit_bytes"]
    ratio = Limits(ratio_from=1 << 20)
    assert say(stream([GOOD, Block(bytes(40 << 20))]), ratio).codes == ["limit_ratio"]
    whole = stream([GOOD, Block(DATA)])
    assert say(whole, Limits(bytes=len(whole) - 60_000)).codes == ["limit_bytes"]


@pytest.mark.parametrize("where", [0.3, 0.6, 0.72, 0.9])
def test_what_came_before_a_broken_place_stays_good(tmp_path: Path, say: Say, where: float) -> None:
    noise = random.Random(3)
    files = {f"{number}": noise.randbytes(10_000) for number in range(40)}
    whole = _packed(tmp_path, "-T2", "--block-size=60000", data=python_tar(files))
    at = int(len(whole) * where)
    for broken in (whole[:at], whole[:at] + bytes(200) + whole[at + 200 :]):
        found = say(broken)
        assert found.codes in (["truncated"], ["malformed"])
        assert len(found.whole) >= int(40 * where) - 3
        assert all(
            row.sha256 == hashlib.sha256(files[row.name]).hexdigest() for row in found.rows if row.whole
        )
