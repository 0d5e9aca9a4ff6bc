"""The payload of an rpm: both spellings of cpio, hard links, and rpm's own without names and sizes."""

from __future__ import annotations

import hashlib

import pytest

from app.debuginfo.packages import Limits
from tests.support.archives import said
from tests.support.archivewriter import CpioFile, Value, cpio, rpm, stripped_cpio

LINK, DIRECTORY, FILE = 0o120777, 0o040755, 0o100644
TABLE: dict[int, tuple[int, Value]] = {
    1116: (4, [0, 0, 1, 1, 1, 0]),
    1117: (8, [b"lib", b"a", b"to-a", b"other-b", b"b", b"ghost"]),
    1118: (8, [b"/usr/", b"/usr/lib/"]),
    5008: (5, [4096, 5, 4, 3, 3, 9]),
    1030: (3, [DIRECTORY, FILE, LINK, FILE, FILE, FILE]),
    1036: (8, [b"", b"", b"../a", b"", b"", b""]),
    1037: (4, [0, 0, 0, 0, 0, 64]),
    1095: (4, [1] * 6),
    1096: (4, [1, 2, 3, 7, 7, 7]),
}
ROWS = [(0, b""), (1, b"first"), (2, b"../a"), (3, b""), (4, b"bbb")]


@pytest.mark.parametrize("magic", [b"070701", b"070702"])
def test_kinds_links_and_padding(magic: bytes) -> None:
    files = [
        CpioFile(b"./usr", mode=DIRECTORY, links=2),
        CpioFile(b"./usr/a", b"12345"),
        CpioFile(b"./usr/l", b"a/b", LINK),
        CpioFile(b"./usr/one", inode=9, links=3),
        CpioFile(b"./usr/two", inode=9, links=3),
        CpioFile(b"./usr/three", b"content", inode=9, links=3),
        CpioFile(b"./usr/none", inode=10, links=2),
        CpioFile(b"./usr/neither", inode=10, links=2),
        CpioFile(b"./usr/device", mode=0o020644),
    ]
    found = said(rpm(cpio(*files, magic=magic)))
    assert [(row.name, row.kind, row.size, row.link) for row in found.rows] == [
        ("./usr", "other", 0, ""),
        ("./usr/a", "file", 5, ""),
        ("./usr/l", "symlink", 0, "a/b"),
        ("./usr/three", "file", 7, ""),
        ("./usr/one", "hardlink", 0, "./usr/three"),
        ("./usr/two", "hardlink", 0, "./usr/three"),
        ("./usr/device", "other", 0, ""),
        ("./usr/none", "file", 0, ""),
        ("./usr/neither", "hardlink", 0, "./usr/none"),
    ]
    assert found.codes == []


def test_names_and_sizes_of_the_rpm_header() -> None:
    """Of hard links the last has the content; ghosts are not in the payload and are no link of any."""
    found = said(rpm(stripped_cpio(*ROWS), TABLE), step=100)
    assert [(row.name, row.kind, row.size, row.link) for row in found.rows] == [
        ("/usr/lib", "other", 0, ""),
        ("/usr/a", "file", 5, ""),
        ("/usr/lib/to-a", "symlink", 0, "../a"),
        ("/usr/lib/b", "file", 3, ""),
        ("/usr/lib/other-b", "hardlink", 0, "/usr/lib/b"),
    ]
    assert found.rows[3].sha256 == hashlib.sha256(b"bbb").hexdigest()
    assert found.codes == []


def test_names_in_the_old_spelling_and_sizes_of_32_bits() -> None:
    table: dict[int, tuple[int, Value]] = {
        1027: (8, [b"/a", b"/b"]),
        1028: (4, [1, 2]),
        1030: (3, [FILE, FILE]),
    }
    found = said(rpm(stripped_cpio((1, b"bb"), (0, b"a")), table))
    assert [(row.name, row.size) for row in found.rows] == [("/b", 2), ("/a", 1)]


@pytest.mark.parametrize(
    "table",
    [
        {},
        {**TABLE, 5008: (5, [4096])},
        {**TABLE, 1030: (3, [DIRECTORY])},
        {**TABLE, 1116: (4, [0])},
        {**TABLE, 1116: (4, [9] * 6)},
        {**TABLE, 1117: (8, [b"only"])},
    ],
)
def test_fewer_of_them_than_entries(table: dict[int, tuple[int, Value]]) -> None:
    assert said(rpm(stripped_cpio(*ROWS), table)).codes == ["malformed"]


def test_a_size_beyond_the_end() -> None:
    found = said(rpm(cpio(CpioFile(b"./a", b"1"), CpioFile(b"./b", b"22", size=0xFFFFFFF0))))
    assert found.whole == ["./a"]
    assert found.codes == ["truncated"]
    huge = {**TABLE, 5008: (5, [4096, (1 << 64) - 1, 4, 3, 3, 9])}
    assert said(rpm(stripped_cpio(*ROWS), huge)).codes == ["limit_bytes"]


def test_headers_that_are_none() -> None:
    good = cpio(CpioFile(b"./a", b"1"), end=False)
    for bad in (
        b"070701 1234567" + b"0" * 96,
        b"070703" + b"0" * 104,
        b"07070Xxxxxxxxx",
        good[:20] + b"+" + good[21:],
    ):
        found = said(rpm(good + bad + bytes(100)))
        assert found.names == ["./a"]
        assert found.codes == ["malformed"]


def test_names_and_links_have_limits() -> None:
    assert said(rpm(cpio(CpioFile(b"n" * 4096))), Limits()).codes == []
    assert said(rpm(cpio(CpioFile(b"n" * 4097)))).codes == ["limit_name"]
    assert said(rpm(cpio(CpioFile(b"l", b"t" * 4097, LINK)))).codes == ["limit_name"]
    waiting = [CpioFile(b"n" * 4000, inode=1, links=2)] * 5000
    assert said(rpm(cpio(*waiting))).codes == ["limit_name"]


def test_a_name_without_its_bytes() -> None:
    whole = cpio(CpioFile(b"./a", b"1"))
    assert said(rpm(whole[:94] + b"00000000" + whole[102:])).codes == ["malformed"]


def test_one_long_directory_of_many_files_takes_no_memory() -> None:
    long = {**TABLE, 1118: (8, [b"/" * 5_000_000, b"/"])}
    assert said(rpm(stripped_cpio(*ROWS), long)).codes == ["limit_name"]


def test_more_files_in_the_header_than_entries_may_be() -> None:
    assert said(rpm(stripped_cpio(*ROWS), TABLE), Limits(entries=5)).codes == ["malformed"]
