"""Zip files by Python and bsdtar, and by hand where they are larger than a test should be."""

from __future__ import annotations

import hashlib
import io
import struct
import zipfile
from pathlib import Path

from app.debuginfo.packages import Limits
from tests.support.archives import as_laid_down, run, said, tree, unpacked_by_bsdtar
from tests.support.archivewriter import ZipFile, zip_file


def test_a_zip_by_bsdtar(tmp_path: Path) -> None:
    root, out = tree(tmp_path), tmp_path / "made.zip"
    run("bsdtar", "-a", "-cf", out, ".", cwd=root)
    found = said(out.read_bytes())
    assert as_laid_down(found.rows) == unpacked_by_bsdtar(out, tmp_path / "out")
    assert found.codes == []


def test_a_zip_by_python() -> None:
    """Stored, deflated, streamed with its sizes behind it; a comment that looks like an end."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("stored", b"1" * 100, zipfile.ZIP_STORED)
        archive.writestr("deflated", b"2" * 1_000_000)
        archive.writestr("directory/", b"")
        with archive.open("streamed", "w", force_zip64=True) as part:
            part.write(b"4" * 1000)
        archive.writestr("by bzip2", b"3", zipfile.ZIP_BZIP2)
        archive.comment = b"PK\x05\x06 is no end" * 20
    found = said(out.getvalue())
    assert [(row.name, row.kind, row.size) for row in found.rows] == [
        ("stored", "file", 100),
        ("deflated", "file", 1_000_000),
        ("directory/", "other", 0),
        ("streamed", "file", 1000),
    ]
    assert found.rows[3].sha256 == hashlib.sha256(b"4" * 1000).hexdigest()
    assert found.codes == ["unknown_compression"]
    assert found.texts == ["In by bzip2: It is compressed by zip's method 12."]


def test_an_empty_zip() -> None:
    found = said(zip_file())
    assert (found.rows, found.codes) == ([], [])


def test_numbers_of_64_bits() -> None:
    """Sizes and place in the extra field, behind another; the directory's place in the record of zip64."""
    extra = struct.pack("<HHI", 0x5455, 4, 0) + struct.pack("<HH3Q", 1, 24, 5, 5, 0)
    full = ZipFile(b"a", b"12345", size=0xFFFFFFFF, packed=0xFFFFFFFF)
    plain = zip_file(full, extra=extra)
    directory = plain.index(b"PK\x01\x02")
    end = plain.index(b"PK\x05\x06")
    plain = plain[: directory + 42] + b"\xff" * 4 + plain[directory + 46 :]
    assert said(plain).whole == ["a"]
    size = end - directory
    record = b"PK\x06\x06" + struct.pack("<Q2H2I4Q", 44, 45, 45, 0, 0, 1, 1, size, directory)
    locator = b"PK\x06\x07" + struct.pack("<IQI", 0, end, 1)
    last = b"PK\x05\x06" + struct.pack("<4H2IH", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    large = plain[:end] + record + locator + last
    assert said(large).whole == ["a"]
    many = large.replace(struct.pack("<2Q", 1, 1), struct.pack("<2Q", 1 << 40, 1 << 40))
    assert said(many).codes == ["malformed"]


def test_an_entry_larger_than_the_limit() -> None:
    huge = ZipFile(b"a", b"1", size=100_000)
    assert said(zip_file(huge), Limits(file_bytes=99_999)).codes == ["limit_bytes"]
