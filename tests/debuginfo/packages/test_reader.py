"""Packages and archives made by the tools of distributions, against what other tools lay down of them."""

from __future__ import annotations

import io
import lzma
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from app.debuginfo.packages import Limits, Package, members
from tests.support.archives import (
    Unseekable,
    as_laid_down,
    laid_down,
    run,
    said,
    tree,
    unpacked_by_bsdtar,
)
from tests.support.archivewriter import PACKERS, TarFile, ar, deb, pack, python_tar, tar

CONTROL = """Package: made
Version: 1:2.0-3ubuntu1
Architecture: amd64
Maintainer: Nobody <nobody@example.org>
Description: made by a test
 Version: 9 of a continued line is none.
"""
PKGINFO = b"# Generated\npkgname = made\npkgver = 1.2.3-r0\narch = x86_64\n"


@pytest.mark.parametrize("compression", ["gzip", "xz", "zstd", "none"])
def test_a_deb_by_dpkg(tmp_path: Path, compression: str) -> None:
    root, out = tree(tmp_path), tmp_path / "made.deb"
    (root / "DEBIAN").mkdir()
    (root / "DEBIAN/control").write_text(CONTROL)
    run("dpkg-deb", "--root-owner-group", f"-Z{compression}", "-b", root, out)
    found = said(out.read_bytes(), step=10_000)
    run("dpkg-deb", "-x", out, tmp_path / "out")
    assert as_laid_down(found.rows) == laid_down(tmp_path / "out")
    assert found.codes == []
    assert all(row.whole for row in found.rows)
    assert found.packages == [Package("made", "1:2.0-3ubuntu1", "amd64", "deb")]


@pytest.mark.parametrize("compression", sorted(PACKERS))
def test_a_deb_by_hand_whose_names_lie_about_their_compression(compression: str) -> None:
    plain = deb(python_tar({"./a": b"x" * 1000, "./b": b""}), compression=compression)
    found = said(plain.replace(b"data.tar." + compression.encode(), b"data.tar." + b"?" * len(compression)))
    assert found.names == ["./a", "./b"]
    assert found.packages == [Package("made", "1:2-3", "amd64", "deb")]
    assert found.codes == []


def test_a_deb_with_more_than_it_needs() -> None:
    parts = [
        (b"debian-binary/", b"2.1\nmore\n"),
        (b"_gpgorigin", b"signed"),
        (b"data.tar", tar(TarFile(b"a"))),
    ]
    assert said(ar(*parts, (b"extra", b"1"))).names == ["a"]


@pytest.mark.parametrize(
    ("format", "ending"),
    [*((each, "tar") for each in ("v7", "ustar", "gnutar", "pax"))]
    + [("pax", f"tar.{each}") for each in ("gz", "xz", "zst", "bz2", "lzma")],
)
def test_a_tar_by_bsdtar(tmp_path: Path, format: str, ending: str) -> None:
    root, out = tree(tmp_path), tmp_path / f"made.{ending}"
    if format in ("v7", "ustar"):
        run("sh", "-c", "rm -r usr/share/long-directory usr/share/doc/made/gr*", cwd=root)
    run("bsdtar", "-a", "-cf", out, f"--format={format}", ".", cwd=root)
    found = said(out.read_bytes(), step=7777)
    assert as_laid_down(found.rows) == unpacked_by_bsdtar(out, tmp_path / "out")
    assert [row.kind for row in found.rows].count("hardlink") == 2
    assert found.codes == []
    assert found.packages == []


@pytest.mark.parametrize("format", ["gnu", "oldgnu", "pax", "posix", "ustar", "v7"])
def test_a_tar_by_gnu_tar(tmp_path: Path, format: str) -> None:
    root, out = tree(tmp_path), tmp_path / "made.tar"
    if format in ("v7", "ustar"):
        run("sh", "-c", "rm -r usr/share/long-directory", cwd=root)
    run("tar", "-cf", out, f"--format={format}", ".", cwd=root)
    found = said(out.read_bytes())
    assert as_laid_down(found.rows) == unpacked_by_bsdtar(out, tmp_path / "out")
    assert found.codes == []


def _alpine(tmp_path: Path, signed: bool = True) -> bytes:
    """Three streams; the first two are tars without an end."""
    root = tree(tmp_path)
    run("tar", "-cf", tmp_path / "data.tar", "--format=pax", "usr", cwd=root)
    info = PKGINFO + b"datahash = 00\n"
    signature = tar(TarFile(b".SIGN.RSA.somebody.pub", b"signature"), end=False)
    control = tar(TarFile(b".PKGINFO", info), TarFile(b".pre-install", b"#!/bin/sh\n"), end=False)
    parts = [signature, control, (tmp_path / "data.tar").read_bytes()]
    return b"".join(pack(part, "gz") for part in parts[not signed :])


@pytest.mark.parametrize("signed", [True, False])
def test_an_apk(tmp_path: Path, signed: bool) -> None:
    out = tmp_path / "made.apk"
    out.write_bytes(_alpine(tmp_path, signed))
    found = said(out.read_bytes())
    assert as_laid_down(found.rows) == unpacked_by_bsdtar(out, tmp_path / "out")
    assert found.packages == [Package("made", "1.2.3-r0", "x86_64", "apk")]
    assert found.codes == []


@pytest.mark.parametrize("ending", ["zst", "xz", "gz"])
def test_a_package_of_arch(tmp_path: Path, ending: str) -> None:
    """As makepkg makes it: what is about it first, .MTREE compressed."""
    root, out = tree(tmp_path), tmp_path / f"made.pkg.tar.{ending}"
    (root / ".PKGINFO").write_bytes(PKGINFO.replace(b"1.2.3-r0", b"1:1.2.3-1"))
    (root / ".BUILDINFO").write_text("format = 2\n")
    run("sh", "-c", "bsdtar -cf - --format=mtree usr | gzip -c >.MTREE", cwd=root)
    run("bsdtar", "-a", "-cf", out, ".BUILDINFO", ".MTREE", ".PKGINFO", "usr", cwd=root)
    found = said(out.read_bytes())
    assert as_laid_down(found.rows) == unpacked_by_bsdtar(out, tmp_path / "out")
    assert found.packages == [Package("made", "1:1.2.3-1", "x86_64", "arch")]
    assert {row.inside for row in found.rows} == {()}


def test_a_tar_is_only_a_package_where_it_begins_as_one() -> None:
    assert said(tar(TarFile(b"./"), TarFile(b".PKGINFO", PKGINFO))).packages == []


@pytest.mark.parametrize("compression", ["gz", "xz", "lzma", "bz2", "zst"])
def test_a_file_compressed_alone(compression: str) -> None:
    data = b"\x7fELF" + bytes(range(256)) * 5000
    found = said(pack(data, compression), step=999)
    (row,) = found.rows
    assert (row.name, row.kind, row.size, row.whole) == ("", "file", None, True)
    assert row.sha256 == said(tar(TarFile(b"a", data))).rows[0].sha256
    assert found.codes == []


def test_gzip_keeps_a_name(tmp_path: Path) -> None:
    (tmp_path / "vmlinux.debug").write_bytes(b"\x7fELF")
    run("gzip", "-N", tmp_path / "vmlinux.debug")
    assert said((tmp_path / "vmlinux.debug.gz").read_bytes()).names == ["vmlinux.debug"]


def test_packages_inside_archives_and_nothing_inside_packages() -> None:
    inner = deb(
        python_tar({"./usr/lib/a.a": ar((b"a.o/", b"\x7fELF")), "./usr/share/man/a.1.gz": pack(b"m", "gz")})
    )
    outer = pack(
        python_tar({"pool/made.deb": inner, "pool/readme": b"text", "pool/a.a": ar((b"b.o/", b"1"))}), "xz"
    )
    found = said(outer)
    assert [(row.name, row.inside) for row in found.rows] == [
        ("./usr/lib/a.a", ("pool/made.deb",)),
        ("./usr/share/man/a.1.gz", ("pool/made.deb",)),
        ("pool/readme", ()),
        ("b.o", ("pool/a.a",)),
    ]
    assert found.packages[0].name == "made"
    assert found.codes == []


def test_a_zip_of_packages_and_a_zip_inside_it() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("artifact/made.deb", deb(python_tar({"./a": b"1"})))
        archive.writestr("artifact/inner.zip", zipped := b"PK\x03\x04 is not looked into")
    found = said(out.getvalue())
    assert [(row.name, row.inside) for row in found.rows] == [
        ("./a", ("artifact/made.deb",)),
        ("artifact/inner.zip", ()),
    ]
    assert found.rows[1].size == len(zipped)


def test_a_broken_archive_inside_leaves_the_others() -> None:
    inner = deb(python_tar({"./a": b"1" * 5000}), compression="none")
    found = said(python_tar({"1.deb": inner[:-8000], "2.deb": inner, "3.gz": b"\x1f\x8b\x08" + b"x" * 99}))
    assert [row.inside for row in found.rows] == [("1.deb",), ("2.deb",)]
    assert found.codes == ["truncated", "malformed"]
    assert found.texts[0] == "In ./a in 1.deb: It ends before its contents do."
    assert found.texts[1].startswith("In 3.gz: Its compressed data are broken")


def test_members_may_be_skipped_peeked_and_read_in_part() -> None:
    data = bytes(range(256)) * 4000
    reader = members(Unseekable(python_tar({"a": data, "b": data, "c": data}), 1000))
    first = next(reader)
    second = next(reader)
    assert second.peek(4) == data[:4]
    assert second.read(300_000) == data[:300_000]
    assert not second.whole
    third = next(reader)
    assert b"".join(third.chunks()) == data
    assert third.whole
    assert third.read(1) == b""
    for passed in (first, second):
        assert not passed.whole
        with pytest.raises(ValueError, match="passed"):
            passed.read(1)
    assert list(reader) == []
    assert reader.problem is None


def test_what_is_no_archive() -> None:
    assert said(b"").codes == ["unknown_format"]
    assert said(b"\x7fELF" + bytes(2000)).codes == ["unknown_format"]
    assert said(bytes(2000)).codes == ["unknown_format"]
    assert said(b"\x04\x22\x4d\x18" + bytes(20)).codes == ["unknown_compression"]
    lz4 = ar((b"debian-binary", b"2.0\n"), (b"data.tar.lz4", b"\x04\x22\x4d\x18" + bytes(20)))
    assert said(lz4).codes == ["unknown_compression"]


def test_a_zip_must_be_seekable() -> None:
    reader = members(Unseekable(b"PK\x03\x04" + bytes(100)))
    assert list(reader) == []
    assert reader.problem is not None
    assert reader.problem.code == "unknown_format"


def test_errors_of_the_file_itself_pass_through() -> None:
    class Failing:
        def read(self, size: int, /) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(OSError, match="Input/output"):
        list(members(Failing()))


def test_memory_does_not_grow_with_a_package(tmp_path: Path) -> None:
    """Measured in a process of its own: 200 MB that are read take less than 100 MB."""
    plain = tarfile.TarInfo("./a")
    plain.size = 200 << 20
    packer = lzma.LZMACompressor(preset=0)
    with (tmp_path / "made.tar.xz").open("wb") as out:
        out.write(packer.compress(plain.tobuf()))
        for number in range(200):
            out.write(packer.compress(bytes(range(256)) * 4092 + number.to_bytes(4, "big") * 256))
        out.write(packer.compress(bytes(1024)) + packer.flush())
    program = (
        "import sys; from app.debuginfo.packages import Limits, members\n"
        "reader = members(open(sys.argv[1], 'rb'), Limits(ratio=1 << 20))\n"
        "print(sum(len(chunk) for member in reader for chunk in member.chunks()), reader.problems,"
        " *[line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')])"
    )
    size, problems, peak = run(sys.executable, "-c", program, tmp_path / "made.tar.xz").split()
    assert (int(size), problems) == (200 << 20, "[]")
    assert int(peak) < 100 << 10


def test_limits_have_the_ceilings_of_the_design() -> None:
    limits = Limits()
    assert (limits.bytes, limits.file_bytes, limits.entries) == (16 << 30, 8 << 30, 200_000)
    assert (limits.nesting, limits.ratio) == (2, 200)
