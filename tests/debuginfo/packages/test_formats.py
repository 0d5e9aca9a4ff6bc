"""First bytes to formats, by files of the tools themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.debuginfo.packages.formats import HEAD, gzip_name, refused, told
from tests.support.archives import run
from tests.support.archivewriter import PACKERS, ar, cpio, pack, python_tar, rpm, zip_file


@pytest.mark.parametrize("compression", sorted(set(PACKERS) - {"none"}))
@pytest.mark.parametrize("data", [b"", b"1", bytes(100_000)])
def test_compressions(compression: str, data: bytes) -> None:
    assert told(pack(data, compression)[:HEAD]) == compression


def test_archives() -> None:
    assert told(ar()) == "ar"
    assert told(rpm(b"")[:HEAD]) == "rpm"
    assert told(zip_file()) == "zip"
    assert told(python_tar({"a": b""})[:HEAD]) == "tar"
    assert told(b"\x5a\x2a\x4d\x18\0\0\0\0") == "zst"


def test_what_only_looks_like_one() -> None:
    assert told(b"") is None
    assert told(b"BZhello, world") is None
    assert told(b"\x5d\0\0" + bytes(30)) is None
    assert told(b"]" * 100) is None
    assert told(bytes(HEAD)) is None
    assert told(b"\x7fELF" + bytes(HEAD)) is None
    assert told(cpio()[:HEAD]) is None
    assert told(python_tar({"a": b""})[: HEAD - 1]) is None


def test_why_not() -> None:
    assert refused(b"LZIP\x01").code == "unknown_compression"
    assert refused(b"7z\xbc\xaf\x27\x1c").code == "unknown_format"


def test_the_name_in_gzip(tmp_path: Path) -> None:
    (tmp_path / "some name").write_bytes(b"1")
    run("gzip", "-N", tmp_path / "some name")
    whole = (tmp_path / "some name.gz").read_bytes()
    assert gzip_name(whole) == b"some name"
    extra = whole[:3] + b"\x0c" + whole[4:10] + b"\x03\0abc" + whole[10:]
    assert gzip_name(extra) == b"some name"
    assert gzip_name(pack(b"1", "gz")) == b""
    assert gzip_name(whole[:9]) == b""
