"""rpms by rpmbuild, as RHEL 6 to 9 and Fedora have them, against rpm and rpm2cpio; headers by hand."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from app.debuginfo.packages import Package
from tests.support.archives import Said, as_laid_down, laid_down, run, said, tree
from tests.support.archivewriter import CpioFile, cpio, pack, rpm

SPEC = """
Name: made
Version: 1.2
Release: 3.el9
Epoch: 4
Summary: made by a test
License: none
AutoReqProv: no
%define _build_id_links none
%define __os_install_post %{nil}
%description
Made by a test.
%install
cp -a TREE/. %{buildroot}
%files
/usr
%ghost /var/ghost
"""
# The payloads of RHEL 6 and 7 (xz), of RHEL 8 and 9 (xz), Fedora (zstd), SUSE of old (lzma, bzip2), plain.
PAYLOADS = ["w9.gzdio", "w2.xzdio", "w19.zstdio", "w7.lzdio", "w9.bzdio", "w.ufdio"]


def _built(directory: Path, payload: str) -> Path:
    root = tree(directory)
    (root / "var").mkdir()
    (root / "var/ghost").write_text("not in the package")
    spec = directory / "made.spec"
    spec.write_text(SPEC.replace("TREE", str(root)))
    define = ["--define", f"_topdir {directory}/top", "--define", f"_binary_payload {payload}"]
    run("rpmbuild", "-bb", "--target", "x86_64", *define, spec)
    (found,) = (directory / "top/RPMS").rglob("*.rpm")
    return found


def _by_cpio(package: Path, directory: Path) -> dict[str, tuple[str, str]]:
    directory.mkdir()
    with subprocess.Popen(["rpm2cpio", package], stdout=subprocess.PIPE) as unpacking:
        subprocess.run(["cpio", "-id", "--quiet"], stdin=unpacking.stdout, cwd=directory, check=True)
    assert unpacking.returncode == 0
    return laid_down(directory)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_an_rpm_by_rpmbuild(tmp_path: Path, payload: str) -> None:
    package = _built(tmp_path, payload)
    found: Said = said(package.read_bytes(), step=5000)
    assert as_laid_down(found.rows) == _by_cpio(package, tmp_path / "out")
    assert [row.kind for row in found.rows].count("hardlink") == 2
    assert found.codes == []
    assert found.packages == [Package("made", "4:1.2-3.el9", "x86_64", "rpm")]
    sizes = run("rpm", "-qp", "--nosignature", "--qf", "[%{FILENAMES} %{LONGFILESIZES}\\n]", package)
    expected = dict(line.rsplit(" ", 1) for line in sizes.splitlines())
    for row in found.rows:
        if row.kind == "file":
            assert str(row.size) == expected[row.name.removeprefix(".")]


def test_source_packages_say_so() -> None:
    plain = cpio(CpioFile(b"made.spec", b"Name: made\n"))
    found = said(rpm(pack(plain, "gz"), {1044: (6, "")}))
    assert found.names == ["made.spec"]
    assert found.packages == [Package("made", "3:1.0-2.el9", "src", "rpm")]


def test_headers_that_lie() -> None:
    payload = pack(cpio(CpioFile(b"./a", b"1")), "xz")
    assert said(rpm(payload)).names == ["./a"]
    assert said(rpm(payload, {1003: (4, [1])}, {1003: 0xFFFFFFFF})).codes == ["malformed"]
    whole = rpm(payload)
    intro = whole.index(b"\x8e\xad\xe8\x01", whole.index(b"\x8e\xad\xe8\x01") + 4)
    for tags, size in ((0xFFFFFFFF, 10), (0xFFFF, 0xFFFFFFFF), (0x10000, 1), (1, 65 << 20)):
        enormous = (
            whole[: intro + 8] + tags.to_bytes(4, "big") + size.to_bytes(4, "big") + whole[intro + 16 :]
        )
        assert said(enormous).codes == ["malformed"]
    assert said(whole[:96] + b"\x8e\xad\xe8\x02" + whole[100:]).codes == ["malformed"]
    assert said(rpm(b"\x04\x22\x4d\x18 lz4")).codes == ["unknown_compression"]


def test_a_package_that_says_nothing_of_itself() -> None:
    whole = rpm(cpio(CpioFile(b"./a", b"1")), {1000: (4, [1]), 1001: (6, []), 1022: (9, [b"noarch", b"x"])})
    assert said(whole).packages == [Package("", "3:-2.el9", "noarch", "rpm")]
