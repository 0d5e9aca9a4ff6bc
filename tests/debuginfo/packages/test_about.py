"""What packages say of themselves."""

from __future__ import annotations

from app.debuginfo.packages import Package
from app.debuginfo.packages.about import from_control, from_pkginfo


def test_a_control_file() -> None:
    raw = b"package: a\nVersion:1.2\nDescription: x\n Version: 3\nVersion: 4\nnothing\nArchitecture:  all \n"
    assert from_control(raw) == Package("a", "1.2", "all", "deb")


def test_control_files_that_say_nothing() -> None:
    assert from_control(b"") == Package("", "", "", "deb")
    assert from_control(b"Package: \xff\xfe\n").name == "\\xff\\xfe"
    assert len(from_control(b"Package: " + b"x" * 10_000).name) == 256


def test_alpine_and_arch() -> None:
    raw = b"# pkgname = no\npkgname = a\npkgver = 1:2-3\narch = any\npkgdesc = a = b\n"
    assert from_pkginfo(raw, signed=False) == Package("a", "1:2-3", "any", "arch")
    assert from_pkginfo(raw, signed=True).kind == "apk"
    assert from_pkginfo(raw + b"datahash = 00\n", signed=False).kind == "apk"
