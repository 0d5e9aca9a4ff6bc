"""Sources of packages: kept as one blob each, shown for the package's own binaries, gone with them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from app.config import Settings
from app.index import source_packs
from app.index.service import Index
from app.index.source_packs import are_of_one, is_named
from tests.index.test_debug_files import SOURCE, Build, build, functions
from tests.index.test_intake import nothing_left, upload

DIRECTORY = "/usr/src/debug/shop-1.2-3.el9.x86_64"
SPEC = """
Name: shop
Version: 1.2
Release: 3.el9
Summary: made by a test
License: none
AutoReqProv: no
%define _build_id_links none
%define __os_install_post %{nil}
%define debug_package %{nil}
%description
Made by a test.
%package debuginfo
Summary: its debug file
%description debuginfo
Made by a test.
%package debugsource
Summary: its sources
%description debugsource
Made by a test.
%install
cp -a TREE/. %{buildroot}
%files
/usr/bin
%files debuginfo
/usr/lib/debug
%files debugsource
/usr/src
"""


def compiled(folder: Path, name: str = "checkout") -> Build:
    """Its debug information names the source below /usr/src/debug, as rpm writes it."""
    return build(folder, SOURCE.replace("checkout", name), f"-ffile-prefix-map={folder}/away={DIRECTORY}")


def packages(folder: Path, made: Build) -> dict[str, Path]:
    """The program, its debug file and its sources, each in a package, by rpmbuild."""
    root = folder / "root"
    for place, source in (
        ("usr/bin/app", made.stripped),
        (f"usr/lib/debug/.build-id/{made.build_id[:2]}/{made.build_id[2:]}.debug", made.debug),
        (f"{DIRECTORY[1:]}/app.c", made.debug.parent / "app.c"),
        (f"{DIRECTORY[1:]}/other/notes.txt", made.debug.parent / "app.c"),
    ):
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, root / place)
    spec = folder / "shop.spec"
    spec.write_text(SPEC.replace("TREE", str(root)))
    command = ["rpmbuild", "-bb", "--target", "x86_64", "--define", f"_topdir {folder}/top", str(spec)]
    subprocess.run(command, check=True, capture_output=True)
    found = (folder / "top/RPMS").rglob("*.rpm")
    return {path.name.partition("-1.2")[0]: path for path in found}


def source_of(index: Index, binary_id: str, name: str = "checkout") -> tuple[str, ...] | None:
    """The lines that a function's page has."""
    file = functions(index, binary_id)[name].file
    assert file == f"{DIRECTORY}/app.c"
    found = index.source(binary_id, file)
    return None if found is None else found.lines


@pytest.mark.parametrize(
    "order", [("shop", "debuginfo", "debugsource"), ("debugsource", "debuginfo", "shop")]
)
def test_the_sources_of_an_rpm(index: Index, tmp_path: Path, order: tuple[str, ...]) -> None:
    made = compiled(tmp_path)
    found = packages(tmp_path, made)
    for name in order:
        job = upload(index, found["shop" if name == "shop" else f"shop-{name}"])
        assert job.state == "done", job.results
    assert source_of(index, made.build_id) == tuple((made.debug.parent / "app.c").read_text().split("\n"))
    shown = index.source(made.build_id, f"{DIRECTORY}/./other/../app.c")
    assert shown is not None
    assert (shown.origin, shown.newer) == ("shop-debugsource 1.2-3.el9 (x86_64)", False)
    # What is no source by its name is not kept, nor is what nobody has.
    assert index.source(made.build_id, f"{DIRECTORY}/other/notes.txt") is None
    assert index.source(made.build_id, f"{DIRECTORY}/nothing.c") is None
    assert nothing_left(index)


def test_a_binary_of_the_host_whose_debug_file_names_the_package(index: Index, tmp_path: Path) -> None:
    made = compiled(tmp_path)
    found = packages(tmp_path, made)
    job = upload(index, found["shop-debugsource"])
    assert (job.state, "1 source files" in job.results[0]["message"]) == ("done", True), job.results
    subprocess.run(["objcopy", f"--add-gnu-debuglink={made.debug}", made.stripped], check=True)
    shutil.copy(made.debug, tmp_path / "kept")
    binary = index.binary_at(str(made.stripped))
    assert binary.debug.kind == "separate"
    assert source_of(index, binary.id) is not None


def test_a_package_of_both_shows_its_own_alone(index: Index, tmp_path: Path) -> None:
    """As Arch has it; another upload that has a file of that path is not of this package."""
    mine, theirs = compiled(tmp_path / "mine"), compiled(tmp_path / "theirs", "refund")
    for number, made in enumerate((mine, theirs)):
        # No package is named by this path.
        with tarfile.open(tmp_path / f"{number}.tar", "w") as file:
            for each in (made.stripped, made.debug):
                file.add(each, each.name)
            text = tmp_path / "text.c"
            text.write_text(f"source {number}\n")
            file.add(text, f".{DIRECTORY}/app.c")
        upload(index, tmp_path / f"{number}.tar")
    assert source_of(index, mine.build_id) == ("source 0", "")
    assert source_of(index, theirs.build_id, "refund") == ("source 1", "")
    # Nor is it for a binary that came alone.
    alone = compiled(tmp_path / "alone", "alone")
    upload(index, alone.debug.parent / "app")
    assert source_of(index, alone.build_id, "alone") is None


def test_an_upload_is_never_shown_a_file_of_the_host(index: Index, tmp_path: Path) -> None:
    made = build(tmp_path)
    with tarfile.open(tmp_path / "a.tar", "w") as file:
        file.add(made.debug.parent / "app", "app")
    upload(index, tmp_path / "a.tar")
    file_ = functions(index, made.build_id)["checkout"].file
    assert file_ is not None
    assert Path(file_).exists()
    assert index.source(made.build_id, file_) is None


def test_they_go_with_their_binaries(
    index: Index, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = compiled(tmp_path)
    found = packages(tmp_path, made)
    for path in found.values():
        upload(index, path)
    blobs = index.upload_dir.parent / "blobs"
    assert len(list(blobs.glob("*.zst"))) == 3
    index.remove(made.build_id)
    assert source_packs_of(index) == ["shop-debugsource"]
    index.remove(f"debug-{made.build_id}")
    assert source_packs_of(index) == []
    assert list(blobs.glob("*.zst")) == []
    # Those that came alone go when nobody has looked at them for long.
    upload(index, found["shop-debugsource"])
    index.close()
    for idle, left in ((3600.0, 1), (-1.0, 0)):
        monkeypatch.setattr(source_packs, "IDLE_SECONDS", idle)
        index.start()
        assert len(source_packs_of(index)) == len(list(blobs.glob("*.zst"))) == left
        index.close()
    index.start()


def source_packs_of(index: Index) -> list[str]:
    return sorted(package["name"] for _, package, _ in index._catalogue.source_packs())


def test_a_full_store_says_so_and_keeps_nothing(settings: Settings, tmp_path: Path) -> None:
    small = Index(replace(settings, blob_bytes=100))
    small.start()
    try:
        (tmp_path / "app.c").write_text(os.urandom(4000).hex())
        with tarfile.open(tmp_path / "s.tar", "w") as file:
            file.add(tmp_path / "app.c", f".{DIRECTORY}/app.c")
        job = upload(small, tmp_path / "s.tar")
        assert job.state == "failed"
        assert "used up" in json.dumps([job.message, job.results])
        assert source_packs_of(small) == []
        assert list((small.upload_dir.parent / "blobs").iterdir()) == []
        assert nothing_left(small)
    finally:
        small.close()


def test_too_many_are_left_out(index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_packs, "MOST_FILES", 2)
    with tarfile.open(tmp_path / "many.tar", "w") as file:
        for number in range(5):
            text = tmp_path / f"{number}.c"
            text.write_text(f"{number}")
            file.add(text, f"usr/src/debug/x/{number}.c")
    job = upload(index, tmp_path / "many.tar")
    assert "2 source files" in job.results[0]["message"]
    assert "3 more source files were left out" in job.results[0]["message"]
    assert nothing_left(index)


def package(
    name: str, version: str = "4:1.2-3.el9", architecture: str = "x86_64", kind: str = "rpm"
) -> dict[str, str]:
    return {"name": name, "version": version, "architecture": architecture, "kind": kind}


def test_packages_that_belong_together() -> None:
    sources = package("shop-debugsource")
    for name in ("shop", "shop-debuginfo", "shop-libs-debuginfo", "shop-debugsource"):
        assert are_of_one(sources, package(name)), name
    for other in (
        package("shopper"),
        package("shop", "4:1.2-4.el9"),
        package("shop", architecture="aarch64"),
        package("shop", kind="deb"),
    ):
        assert not are_of_one(sources, other), other
    archives = package("a.tar", "", "", "archive"), package("a-b.tar", "", "", "archive")
    assert are_of_one(archives[0], archives[0])
    assert not are_of_one(*archives)


def test_packages_that_a_path_names() -> None:
    sources = package("shop-debugsource")
    assert is_named(sources, f"{DIRECTORY}/app.c")
    assert is_named(sources, "/usr/src/debug/shop-1.2-3.el9/app.c")
    for path in (
        "/usr/src/debug/shop/app.c",
        "/usr/src/debug/shop-1.2-4.el9.x86_64/a.c",
        "/etc/a.c",
        "/usr/src/a",
    ):
        assert not is_named(sources, path), path
    assert not is_named(package("x.tar", "", "", "archive"), "/usr/src/debug/x.tar/a.c")
