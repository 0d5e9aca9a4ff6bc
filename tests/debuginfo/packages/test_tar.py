"""What archivers of today do not write: v7, prefixes, base 256, signed checksums, global headers."""

from __future__ import annotations

from app.debuginfo.packages.tar import is_header
from tests.support.archives import said
from tests.support.archivewriter import TarFile, deb, pax, tar


def test_a_directory_of_v7() -> None:
    found = said(tar(TarFile(b"old/", b"", b"\0"), TarFile(b"old/a", b"1", b"\0"), TarFile(b"b", b"2", b"7")))
    assert [(row.name, row.kind) for row in found.rows] == [
        ("old/", "other"),
        ("old/a", "file"),
        ("b", "file"),
    ]


def test_prefixes_are_of_ustar() -> None:
    assert said(tar(TarFile(b"name", prefix=b"some/where"))).names == ["some/where/name"]
    gnu = bytearray(TarFile(b"name", prefix=b"some/where").written())
    gnu[257:265] = b"ustar  \0"
    gnu[148:156] = b" " * 8
    gnu[148:156] = b"%06o\0 " % sum(gnu)
    assert said(bytes(gnu) + bytes(1024)).names == ["name"]


def test_sizes_in_base_256() -> None:
    found = said(tar(TarFile(b"a", b"12345", size=b"\x80" + (5).to_bytes(11, "big")), TarFile(b"b")))
    assert [(row.name, row.size) for row in found.rows] == [("a", 5), ("b", 0)]


def test_checksums_of_signed_bytes() -> None:
    block = bytearray(TarFile(b"gr\xfc\xdfe").written())
    block[148:156] = b" " * 8
    signed = sum(byte - 256 if byte > 127 else byte for byte in block)
    block[148:156] = b"%06o\0 " % signed
    assert is_header(bytes(block))
    assert said(bytes(block) + bytes(1024)).names == ["gr\\xfc\\xdfe"]
    block[148:156] = b"%06o\0 " % (signed + 1)
    assert not is_header(bytes(block))


def test_global_headers_hold_until_the_next() -> None:
    one = TarFile(b"h", pax(linkpath="everywhere").data, b"g")
    found = said(
        tar(
            one,
            TarFile(b"a", b"", b"2", b"x"),
            pax(linkpath="once"),
            TarFile(b"b", b"", b"2"),
            TarFile(b"c", b"", b"2"),
        )
    )
    assert [row.link for row in found.rows] == ["everywhere", "once", "everywhere"]


def test_links_have_no_bytes_whatever_their_size_says() -> None:
    found = said(tar(TarFile(b"a", b"", b"1", b"b", size=b"00000001000\0"), TarFile(b"c", b"1")))
    assert [(row.name, row.size) for row in found.rows] == [("a", 0), ("c", 1)]


def test_types_that_are_not_known_are_passed_by() -> None:
    assert [row.kind for row in said(tar(TarFile(b"a", b"1" * 600, b"Z"), TarFile(b"b"))).rows] == [
        "other",
        "file",
    ]


def test_an_empty_data_tar() -> None:
    found = said(deb(bytes(10240)))
    assert (found.rows, found.codes) == ([], [])
