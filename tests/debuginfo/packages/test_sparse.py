"""Sparse files in each of their forms by GNU tar and bsdtar; maps that lie."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.debuginfo.packages import Limits
from tests.support.archives import as_laid_down, laid_down, run, said
from tests.support.archivewriter import TarFile, pax, tar

GNU = ["--format=gnu", "--format=oldgnu"] + [
    f"--format=posix --sparse-version={version}" for version in ("0.0", "0.1", "1.0")
]


def _sparse(directory: Path, parts: int) -> Path:
    """A file with holes before, between and behind its parts, one without an end, and one without a hole."""
    root = directory / "tree"
    root.mkdir()
    with (root / "holes").open("wb") as out:
        for number in range(parts):
            out.seek((number * 3 + 1) * 65536)
            out.write(b"%d" % number * 500)
        out.truncate((parts * 3 + 5) * 65536)
    with (root / "empty").open("wb") as out:
        out.truncate(200_000)
    (root / "full").write_bytes(b"full" * 1000)
    return root


@pytest.mark.parametrize("parts", [1, 3, 40])
@pytest.mark.parametrize("options", GNU)
def test_by_gnu_tar(tmp_path: Path, options: str, parts: int) -> None:
    root, out = _sparse(tmp_path, parts), tmp_path / "made.tar"
    run("tar", "-S", *options.split(), "-cf", out, ".", cwd=root)
    assert out.stat().st_size < 300_000
    found = said(out.read_bytes(), step=3000)
    assert as_laid_down(found.rows) == laid_down(root)
    assert found.codes == []


def test_by_bsdtar(tmp_path: Path) -> None:
    root, out = _sparse(tmp_path, 40), tmp_path / "made.tar"
    run("bsdtar", "--format=pax", "--read-sparse", "-cf", out, ".", cwd=root)
    assert b"GNU.sparse.major" in out.read_bytes()
    found = said(out.read_bytes())
    assert as_laid_down(found.rows) == laid_down(root)
    assert found.codes == []


def _newest(numbers: bytes, content: bytes = b"", realsize: int = 100) -> bytes:
    about = {"GNU__sparse__major": "1", "GNU__sparse__minor": "0", "GNU__sparse__name": "new"}
    data = numbers + bytes(-len(numbers) % 512) + content
    return tar(pax(**about, GNU__sparse__realsize=str(realsize)), TarFile(b"GNUSparseFile.1/new", data))


def test_the_newest_form() -> None:
    found = said(_newest(b"2\n1\n2\n50\n1\n", b"abc"))
    assert [(row.name, row.size) for row in found.rows] == [("new", 100)]
    (expected,) = said(tar(TarFile(b"x", b"\0ab".ljust(50, b"\0") + b"c".ljust(50, b"\0")))).rows
    assert found.rows[0].sha256 == expected.sha256


@pytest.mark.parametrize(
    "numbers",
    [
        b"1\n0\n101\n",
        b"2\n50\n1\n1\n2\n",
        b"2\n0\n5\n4\n2\n",
        b"x\n",
        b"-1\n",
        b"1\n-5\n5\n",
        b"999999999\n",
        b"9" * 600,
    ],
)
def test_maps_that_are_none(numbers: bytes) -> None:
    assert said(_newest(numbers)).codes == ["malformed"]


def test_maps_that_end_or_promise_too_much() -> None:
    assert said(_newest(b"3\n0\n1\n")).codes == ["truncated"]
    found = said(_newest(b"1\n0\n5\n", b"abc"))
    assert (found.whole, found.codes) == ([], ["malformed"])


def test_holes_are_bytes_too() -> None:
    assert said(_newest(b"0\n", realsize=1 << 40)).codes == ["limit_bytes"]
    assert said(_newest(b"0\n", realsize=4 << 30)).codes == ["limit_ratio"]
    assert said(_newest(b"0\n", realsize=4 << 20), Limits(bytes=2 << 20)).codes == ["limit_bytes"]


def test_older_forms_that_lie() -> None:
    size = {"GNU__sparse__size": "9999999999"}
    assert said(tar(pax(**size, GNU__sparse__map="0,9999999999"), TarFile(b"a", b"1"))).codes == [
        "limit_bytes"
    ]
    assert said(tar(pax(**size, GNU__sparse__map="0"), TarFile(b"a", b"1"))).codes == ["malformed"]
    assert said(tar(pax(GNU__sparse__map="0,1"), TarFile(b"a", b"1"))).codes == ["malformed"]
    old = bytearray(TarFile(b"a", b"12345", b"S").written())
    assert said(bytes(old) + bytes(1024)).rows[0].size == 0
    old[482] = 1
    old[148:156] = b" " * 8
    old[148:156] = b"%06o\0 " % sum(old[:512])
    endless = (b"1".ljust(24, b"\0") * 21 + b"\1").ljust(512, b"\0")
    assert said(bytes(old[:512]) + endless * 5000).codes == ["malformed"]


def test_many_records_take_no_time_and_no_file_is_sparse_because_all_are() -> None:
    many = pax(GNU__sparse__size="9").data + pax(GNU__sparse__offset="1").data * 30_000
    found = said(tar(TarFile(b"h", many, b"g"), TarFile(b"a", b"1")))
    assert [(row.name, row.size) for row in found.rows] == [("a", 1)]
    assert said(tar(TarFile(b"h", many, b"x"), TarFile(b"a", b"1"))).codes == ["malformed"]
