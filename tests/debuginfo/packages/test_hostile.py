"""Archives made to harm: each is harmless entries or a clear problem; no exception, nothing is written."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.debuginfo.packages import Limits
from tests.support.archives import said
from tests.support.archivewriter import (
    CpioFile,
    TarFile,
    ZipFile,
    ar,
    cpio,
    deb,
    deflated,
    pack,
    pax,
    python_tar,
    rpm,
    tar,
    zip_file,
)

NAMES = [
    b"../../../../tmp/escaped",
    b"/tmp/escaped",
    b"a/../../b",
    b"line\nbreak",
    b"\x1b[31mred",
    b"\xff\xfe",
    "\u202egpj.exe".encode(),
    b" ",
    b"-rf",
    b"C:\\windows",
]


@pytest.fixture(autouse=True)
def nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    yield
    assert list(tmp_path.iterdir()) == []
    assert not Path("/tmp/escaped").exists()


def _in_tar(name: bytes) -> bytes:
    return tar(TarFile(name, b"1"))


def _in_pax(name: bytes) -> bytes:
    return tar(pax(path=name), TarFile(b"short", b"1"))


def _in_rpm(name: bytes) -> bytes:
    return rpm(cpio(CpioFile(name, b"1")))


def _in_zip(name: bytes) -> bytes:
    return zip_file(ZipFile(name, b"1"))


def _in_ar(name: bytes) -> bytes:
    return ar((b"//", name + b"/\n"), (b"/0", b"1"))


@pytest.mark.parametrize("made", [_in_tar, _in_pax, _in_rpm, _in_zip, _in_ar])
@pytest.mark.parametrize("name", NAMES)
def test_names_are_only_names(made: object, name: bytes) -> None:
    assert callable(made)
    found = said(made(name))
    assert found.names == [name.decode("utf-8", "backslashreplace")]
    assert found.codes == []


def test_names_with_a_nul() -> None:
    assert said(_in_tar(b"before\0after")).names == ["before"]
    assert said(_in_pax(b"before\0after")).names == ["before\0after"]
    assert said(_in_rpm(b"before\0after")).names == ["before"]
    assert said(_in_zip(b"before\0after")).names == ["before\0after"]


def test_links_are_only_said() -> None:
    files = [
        TarFile(b"etc", b"", b"2", b"/etc"),
        TarFile(b"etc/passwd", b"root"),
        TarFile(b"hard", b"", b"1", b"../../etc/shadow"),
        TarFile(b"itself", b"", b"1", b"itself"),
        TarFile(b"loop", b"", b"2", b"loop"),
        TarFile(b"fifo", b"", b"6"),
        TarFile(b"disk", b"", b"4"),
    ]
    found = said(tar(*files))
    assert [(row.kind, row.link) for row in found.rows] == [
        ("symlink", "/etc"),
        ("file", ""),
        ("hardlink", "../../etc/shadow"),
        ("hardlink", "itself"),
        ("symlink", "loop"),
        ("other", ""),
        ("other", ""),
    ]
    link = said(zip_file(ZipFile(b"etc", b"/etc", mode=0o120777)))
    assert [(row.kind, row.link) for row in link.rows] == [("symlink", "/etc")]
    assert said(zip_file(ZipFile(b"etc", b"/" * 5000, mode=0o120777))).codes == ["limit_name"]


def test_one_name_twice_is_two_members() -> None:
    for made in (tar(*[TarFile(b"a", b"1")] * 2), rpm(cpio(*[CpioFile(b"a", b"1")] * 2))):
        assert said(made).names == ["a", "a"]
    assert said(zip_file(ZipFile(b"a", b"1"), ZipFile(b"a", b"2"))).names == ["a", "a"]


ZEROS = bytes(96 << 20)


@pytest.mark.parametrize("compression", ["gz", "xz", "bz2", "zst", "lzma"])
def test_a_bomb_of_zeros(compression: str) -> None:
    bomb = pack(tar(TarFile(b"good", b"1"), TarFile(b"zeros", ZEROS)), compression)
    found = said(bomb)
    assert found.whole == ["good"]
    assert found.codes == ["limit_ratio"]
    assert said(bomb, Limits(ratio=1 << 20)).codes == []
    assert said(bomb, Limits(ratio=1 << 20, bytes=32 << 20)).codes == ["limit_bytes"]
    assert said(bomb, Limits(file_bytes=1 << 20)).codes == ["limit_bytes"]


def test_a_bomb_in_a_deb_an_rpm_and_a_zip() -> None:
    assert said(deb(tar(TarFile(b"zeros", ZEROS)))).codes == ["limit_ratio"]
    assert said(rpm(pack(cpio(CpioFile(b"zeros", ZEROS)), "zst"))).codes == ["limit_ratio"]
    found = said(zip_file(ZipFile(b"good", b"1"), deflated(b"zeros", ZEROS), ZipFile(b"after", b"2")))
    assert found.whole == ["good"]
    assert found.codes == ["limit_ratio"]


def test_a_bomb_without_an_end_fills_no_memory() -> None:
    """A frame of zstd gives 128 KiB for 4 bytes; said not to end, it is cut by the ratio."""
    header = b"\x28\xb5\x2f\xfd\x00\x88"  # a window of 128 MiB
    block = (128 << 10 << 3 | 1 << 1).to_bytes(3, "little") + b"\0"
    assert said(header + block * 5000).codes == ["limit_ratio"]
    assert said(header + block * 5).codes == ["truncated"]


def test_a_bomb_in_layers() -> None:
    """What no layer alone shows, all together do."""
    bomb = pack(pack(tar(TarFile(b"zeros", ZEROS)), "gz"), "gz")
    assert said(bomb).codes == ["limit_ratio"]
    assert said(pack(pack(pack(bomb, "xz"), "zst"), "gz")).codes == ["limit_nesting"]


def test_a_bomb_of_zips_stays_closed() -> None:
    inner = zip_file(deflated(b"zeros", bytes(1 << 20)))
    found = said(zip_file(*(deflated(b"%d.zip" % number, inner) for number in range(16))))
    assert len(found.names) == 16
    assert found.codes == []


def test_nesting_ends() -> None:
    made = python_tar({"deepest": b"1"})
    for depth in range(6):
        made = python_tar({f"{depth}.tar": made, "beside": b"2"})
    found = said(made)
    assert found.codes == ["limit_nesting"]
    assert [row.inside for row in found.rows] == [("5.tar", "4.tar"), ("5.tar",), ()]
    assert said(made, Limits(nesting=6)).codes == []


def test_the_reader_reads_an_archive_of_itself_only_once() -> None:
    """A quine: a gzip file that unpacks to itself would be nested without end; here as far as is built."""
    made = b"\x7fELF"
    for _ in range(50):
        made = pack(made, "gz")
    assert said(made).codes == ["limit_nesting"]


def _cut(whole: bytes, step: int) -> Iterator[bytes]:
    for size in range(1, len(whole), step):
        yield whole[:size]


@pytest.mark.parametrize("compression", ["none", "gz", "xz", "zst", "bz2"])
def test_a_deb_cut_anywhere(compression: str) -> None:
    whole = deb(tar(TarFile(b"./a", b"1" * 700), TarFile(b"./b", b"2")), compression=compression)
    step = 61 if compression == "none" else 1
    for cut in _cut(whole.removesuffix(b"\n"), step):
        found = said(cut)
        assert found.codes or cut == b"!<arch>\n", len(cut)
        assert set(found.codes) <= {"truncated", "unknown_format", "unknown_compression", "malformed"}


def test_a_tar_cut_at_every_boundary() -> None:
    whole = tar(TarFile(b"a", b"1" * 600), pax(path="long"), TarFile(b"b", b"2"))
    for size in range(512, len(whole) - 1024, 512):
        assert said(whole[:size]).codes == ["truncated"]
        assert said(whole[: size + 100]).codes == ["truncated"]


def test_an_rpm_cut_anywhere() -> None:
    whole = rpm(pack(cpio(CpioFile(b"./a", b"1"), CpioFile(b"./b", b"2")), "gz"))
    for cut in _cut(whole, 1):
        codes = said(cut).codes
        assert codes and set(codes) <= {"truncated", "unknown_format", "unknown_compression", "malformed"}
    plain = cpio(CpioFile(b"./a", b"1"), CpioFile(b"./b", b"2"))
    for cut in _cut(plain, 1):
        assert said(rpm(cut)).codes


def test_a_zip_cut_anywhere() -> None:
    whole = zip_file(ZipFile(b"a", b"1"), deflated(b"b", b"22" * 50))
    for cut in _cut(whole, 1):
        assert said(cut).codes in (["truncated"], ["unknown_format"], ["malformed"])


@pytest.mark.parametrize("size", [b"-1", b"9999999999", b"+5", b"0x10", b"", b"1e3", b"\xff"])
def test_sizes_of_ar_that_are_none(size: bytes) -> None:
    found = said(ar((b"a", b"1"), (b"b", b"22"), sizes=[b"1", size]))
    assert found.whole == ["a"]
    assert found.codes in (["malformed"], ["limit_bytes"])


@pytest.mark.parametrize(
    "size",
    [b"\xff" * 12, b"\x80" + b"\xff" * 11, b"-0000000001\0", b"9999999999\0\0", b"77777777777\0"],
)
def test_sizes_of_tar_that_are_none(size: bytes) -> None:
    found = said(tar(TarFile(b"a", b"1"), TarFile(b"b", b"22", size=size)))
    assert found.whole == ["a"]
    assert found.codes in (["malformed"], ["limit_bytes"], ["truncated"])


def test_a_tar_with_a_wrong_checksum() -> None:
    found = said(tar(TarFile(b"a", b"1"), TarFile(b"b", b"2", checksum=b"000001\0 ")))
    assert found.names == ["a"]
    assert found.codes == ["malformed"]


@pytest.mark.parametrize("size", ["-1", "99999999999999999999999", "1.5", "", "1_0", "0x10"])
def test_sizes_of_pax_that_are_none(size: str) -> None:
    found = said(tar(TarFile(b"a", b"1"), pax(size=size), TarFile(b"b", b"2")))
    assert found.names == ["a"]
    assert found.codes == ["malformed"]


def test_sizes_of_pax_that_hide_a_header() -> None:
    """What the size says is content is no entry, as GNU tar and bsdtar have it."""
    hidden = TarFile(b"hidden", b"3")
    empty = TarFile(b"a", size=b"00000000000\0")
    found = said(deb(tar(pax(size="1024"), empty, hidden, TarFile(b"b", b"2"))))
    assert [(row.name, row.size) for row in found.rows] == [("a", 1024), ("b", 1)]
    assert said(tar(pax(size=str(1 << 62)), TarFile(b"a", b"1"))).codes == ["limit_bytes"]


@pytest.mark.parametrize(
    "record", [b"5 a=b\n", b"99 path=x\n", b"x path=y\n", b"0 =\n", b"\n", b"3 \n", b"-5 a=b\n"]
)
def test_records_of_pax_that_are_none(record: bytes) -> None:
    assert said(tar(TarFile(b"h", record, b"x"), TarFile(b"a", b"1"))).codes == ["malformed"]


def test_headers_of_pax_and_names_of_gnu_without_end() -> None:
    assert said(tar(pax(comment="x" * (1 << 20)), TarFile(b"a", b"1"))).codes == ["limit_name"]
    assert said(tar(TarFile(b"L", b"n" * 5000, b"L"), TarFile(b"a", b"1"))).codes == ["limit_name"]
    assert said(tar(TarFile(b"K", b"n" * 5000, b"K"), TarFile(b"a", b"1"))).codes == ["limit_name"]
    endless = tar(*[pax(path="a")] * 300, end=False)
    assert said(endless, Limits(entries=200)).codes == ["limit_entries"]


def test_entries_of_a_zip_that_share_bytes() -> None:
    """David Fifield's bomb: one kernel, many names."""
    kernel = deflated(b"0", bytes(1 << 20))
    shared = [
        ZipFile(b"%d" % number, kernel.data, 8, size=kernel.size, checksum=kernel.checksum, offset=0)
        for number in range(1, 100)
    ]
    assert said(zip_file(kernel, *shared)).codes == ["malformed"]
    quoted = ZipFile(b"quoted", b"x" * 100, packed=10_000)
    assert said(zip_file(quoted, ZipFile(b"b", b"y" * 20_000))).codes == ["malformed"]


def test_entries_of_a_zip_that_cannot_be_read() -> None:
    found = said(
        zip_file(
            ZipFile(b"encrypted", b"x" * 20, flags=1),
            ZipFile(b"strongly", b"x" * 20, flags=0x41),
            ZipFile(b"lzma", b"x" * 20, method=14),
            ZipFile(b"wrong-sum", b"x", checksum=1),
            ZipFile(b"not-deflate", b"\xff" * 20, method=8, size=100),
            ZipFile(b"too-long", deflated(b"", b"x" * 99).data, method=8, size=5, checksum=0),
            ZipFile(b"too-short", deflated(b"", b"x").data, method=8, size=99, checksum=0),
            ZipFile(b"good", b"1"),
        )
    )
    assert found.whole == ["good"]
    assert found.codes[:3] == ["encrypted", "encrypted", "unknown_compression"]
    assert found.codes[3:] == ["malformed"] * 4
    assert found.texts[0] == "In encrypted: It is encrypted."


def test_directories_of_zips_that_lie() -> None:
    good = zip_file(ZipFile(b"a", b"1"))
    at = good.rindex(b"PK\x05\x06")
    for places in ((0xFFFF, 46, 40), (1, 0xFFFFFFF0, 0), (1, 46, 0xFFFFFFF0), (1, 10, 0), (2, len(good), 0)):
        lying = good[: at + 8] + struct.pack("<2H2IH", places[0], *places, 0)
        assert said(lying).codes in (["malformed"], ["truncated"]), places
    locator = b"PK\x06\x07" + struct.pack("<IQI", 0, (1 << 64) - 1, 1)
    assert said(good[:at] + locator + good[at:]).codes == ["malformed"]


def test_the_largest_directory_is_not_read_into_memory() -> None:
    many = zip_file(*(ZipFile(b"%d" % number) for number in range(300)))
    assert said(many, Limits(entries=100)).codes == ["limit_entries"]


def test_archives_of_too_many_entries() -> None:
    for whole in (
        tar(*(TarFile(b"%d" % number) for number in range(300))),
        rpm(cpio(*(CpioFile(b"%d" % number) for number in range(300)))),
        ar(*((b"%d" % number, b"") for number in range(300))),
        pack(b"1", "gz") * 300,
        pack(b"1", "zst") * 300,
        pack(b"", "xz") * 300,
    ):
        assert said(whole, Limits(entries=100)).codes == ["limit_entries"]


def test_streams_one_after_the_other() -> None:
    whole = tar(TarFile(b"a", b"1" * 5000))
    for compression in ("gz", "xz", "bz2", "zst"):
        parts = pack(whole[:3000], compression) + pack(b"", compression) + pack(whole[3000:], compression)
        found = said(parts)
        assert (found.whole, found.codes) == (["a"], [])
    skippable = b"\x50\x2a\x4d\x18" + struct.pack("<I", 100) + bytes(100)
    assert said(skippable + pack(whole, "zst") + skippable).whole == ["a"]


def test_garbage_behind_an_archive_is_left_alone() -> None:
    whole = tar(TarFile(b"a", b"1"))
    for compression in ("none", "gz", "xz", "bz2", "zst", "lzma"):
        for garbage in (b"garbage", bytes(1000), bytes(20) + b"garbage", b"\x7fELF"):
            found = said(pack(whole, compression) + garbage)
            assert (found.whole, found.codes) == (["a"], []), (compression, garbage)
    assert said(deb(whole) + b"\n").codes == []
    assert said(deb(whole) + b"garbage").codes == ["truncated"]


def test_what_asks_for_more_memory_than_there_is() -> None:
    whole = pack(tar(TarFile(b"a", b"1")), "xz")
    assert said(whole, Limits(memory=1 << 20)).codes == ["limit_memory"]
    lzma_of_4_gib = b"\x5d" + struct.pack("<IQ", 1 << 31, 1000) + bytes(1000)
    assert said(lzma_of_4_gib).codes == ["limit_memory"]
    for window in (0xA8, 0xFF):
        assert said(b"\x28\xb5\x2f\xfd\x00" + bytes([window]) + bytes(1000)).codes == ["limit_memory"]


def test_zstd_that_is_none() -> None:
    for broken in (
        b"\x00\x00" + b"\x07\x00\x00" + bytes(20),  # a reserved block type
        b"\x00\x00" + b"\xf9\xff\xff" + bytes(20),  # a block of 2 MiB
        b"\x08\x00" + b"\x01\x00\x00" + bytes(20),  # a reserved bit
    ):
        assert said(b"\x28\xb5\x2f\xfd" + broken).codes == ["malformed"]
    good = pack(b"12345" * 1000, "zst")
    assert said(good[:-1]).codes in (["malformed"], ["truncated"])
