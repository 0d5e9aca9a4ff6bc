"""Packages of every kind into the catalogue: every ELF file inside, matched with the others."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from app.index.model import Ask
from app.index.records import Job
from app.index.service import Index
from tests.index.test_debug_files import SOURCE, Build, build, functions


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Build:
    return build(tmp_path_factory.mktemp("packaged"))


def tree(made: Build, folder: Path) -> Path:
    """As a distribution lays it out: the program, and its debug file by build-id."""
    root = folder / "root"
    program = root / "usr/bin/shop"
    debug = root / f"usr/lib/debug/.build-id/{made.build_id[:2]}/{made.build_id[2:]}.debug"
    for path, source in ((program, made.stripped), (debug, made.debug)):
        path.parent.mkdir(parents=True)
        shutil.copy(source, path)
    (root / "usr/share/doc").mkdir(parents=True)
    (root / "usr/share/doc/readme").write_text("nothing of interest\n" * 100)
    (root / "usr/bin/link").symlink_to("shop")
    return root


def as_deb(root: Path, out: Path, compression: str) -> None:
    control = root / "DEBIAN/control"
    control.parent.mkdir(exist_ok=True)
    control.write_text(
        "Package: shop\nVersion: 1\nArchitecture: amd64\nMaintainer: a <a@example.org>\nDescription: a\n"
    )
    subprocess.run(["dpkg-deb", f"-Z{compression}", "-b", root, out], check=True, stdout=subprocess.DEVNULL)


def as_tar(root: Path, out: Path, mode: str) -> None:
    with tarfile.open(out, f"w:{mode}") as file:  # type: ignore[call-overload]
        file.add(root, ".")


def as_zip(root: Path, out: Path, _: str) -> None:
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for path in root.rglob("*"):
            if path.is_file() and not path.is_symlink():
                file.write(path, path.relative_to(root))


def upload(index: Index, path: Path, name: str | None = None) -> Job:
    part = index.upload_dir / f"{os.urandom(4).hex()}.part"
    shutil.copy(path, part)
    (job,) = index.add_upload([(name or path.name, part)])
    return index.wait(job.id, 120)


def nothing_left(index: Index) -> bool:
    scratch = list((index.upload_dir.parent / "scratch").iterdir())
    return not list(index.upload_dir.iterdir()) and not [path for path in scratch if path.suffix == ".member"]


@pytest.mark.parametrize(
    ("make", "how"),
    [(as_deb, "xz"), (as_deb, "gzip"), (as_tar, "gz"), (as_tar, "xz"), (as_tar, ""), (as_zip, "")],
    ids=["deb-xz", "deb-gz", "tar.gz", "tar.xz", "tar", "zip"],
)
def test_what_is_inside_is_matched(
    index: Index, made: Build, tmp_path: Path, make: Callable[[Path, Path, str], None], how: str
) -> None:
    package = tmp_path / "package"
    make(tree(made, tmp_path), package, how)
    job = upload(index, package)
    assert (job.state, job.done, job.total) == ("done", 3, 3), job.results
    binary = index.binary(made.build_id)
    assert (binary.name, binary.debug.kind) == ("shop", "separate")
    assert "checkout" in functions(index, binary.id)
    assert index.answers.structs(binary.id, ["order"])[0]["size"] == 16
    assert any("2 ELF files" in each["message"] for each in job.results)
    assert nothing_left(index)


def test_a_package_of_the_host_is_named_by_its_path(index: Index, made: Build, tmp_path: Path) -> None:
    package = tmp_path / "shop.deb"
    as_deb(tree(made, tmp_path), package, "xz")
    job = index.wait(index.add_paths([str(package), str(made.stripped)]).id, 120)
    assert job.state == "done", job.results
    binary = index.binary(made.build_id)
    assert binary.debug.kind == "separate"
    assert str(made.stripped) in binary.paths
    assert package.exists()


def test_a_debug_package_after_its_binary(index: Index, made: Build, tmp_path: Path) -> None:
    assert index.binary_at(str(made.stripped)).debug.kind == "none"
    root = tree(made, tmp_path)
    (root / "usr/bin/shop").unlink()
    as_tar(root, tmp_path / "debug.tar.gz", "gz")
    assert upload(index, tmp_path / "debug.tar.gz").state == "done"
    assert index.binary(made.build_id).debug.kind == "separate"
    assert "checkout" in functions(index, made.build_id)


def test_one_that_is_cut_off_keeps_what_came_before(index: Index, made: Build, tmp_path: Path) -> None:
    whole = tmp_path / "whole.tar"
    with tarfile.open(whole, "w") as file:
        file.add(made.stripped, "shop")
        file.add(made.debug, "shop.debug")
    data = whole.read_bytes()
    cut = tmp_path / "cut.tar"
    cut.write_bytes(data[: len(made.stripped.read_bytes()) + 4000])
    job = upload(index, cut)
    assert job.state == "partial"
    assert {each["code"] for each in job.results} == {"", "truncated"}
    assert index.binary(made.build_id).debug.kind == "none"
    assert nothing_left(index)


def test_names_that_lead_elsewhere_are_only_names(index: Index, made: Build, tmp_path: Path) -> None:
    target = tmp_path / "target"
    package = tmp_path / "package.tar"
    with tarfile.open(package, "w") as file:
        for name in (f"../../../../../../..{target}", str(target)):
            info = tarfile.TarInfo(name)
            data = made.stripped.read_bytes()
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
        link = tarfile.TarInfo("etc")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        file.addfile(link)
        behind = tarfile.TarInfo("etc/passwd")
        behind.size = 4
        file.addfile(behind, io.BytesIO(b"\x7fELF"))
    job = upload(index, package)
    assert not target.exists()
    assert index.binary(made.build_id).name == "target"
    assert job.state == "partial"
    assert nothing_left(index)


def test_packages_without_elf_files_and_files_that_are_none(index: Index, tmp_path: Path) -> None:
    empty = tmp_path / "empty.tar"
    with tarfile.open(empty, "w") as file:
        file.addfile(tarfile.TarInfo("readme"))
    job = upload(index, empty)
    assert (job.state, job.results[0]["message"]) == (
        "failed",
        "empty.tar holds no ELF file among its 1 entries.",
    )
    text = tmp_path / "text"
    text.write_text("no package\n")
    assert upload(index, text).results[0]["code"] == "not_elf"
    assert nothing_left(index)


def test_a_bomb_is_stopped_by_its_ratio(index: Index, tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.tar.xz"
    with tarfile.open(bomb, "w:xz", preset=0) as file:
        info = tarfile.TarInfo("zeros")
        info.size = 300 << 20
        with Path("/dev/zero").open("rb") as zeros:
            file.addfile(info, zeros)
    job = upload(index, bomb)
    assert job.state == "failed"
    assert job.results[0]["code"] == "limit_ratio"
    assert nothing_left(index)


def begun(index: Index, made: Build) -> Job:
    """A job with a package of many files, of which some are done."""
    part = index.upload_dir / "many.part"
    with tarfile.open(part, "w") as file:
        for number in range(3000):
            data = made.stripped.read_bytes() + b"%d" % number
            info = tarfile.TarInfo(f"copy{number}")
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    (job,) = index.add_upload([("many.tar", part)])
    while index.job(job.id).done < 3:
        index.wait(job.id, 0.05)
    return job


def test_cancelled_it_leaves_nothing_over(index: Index, made: Build) -> None:
    job = begun(index, made)
    index.cancel(job.id)
    assert index.wait(job.id, 30).state == "cancelled"
    assert nothing_left(index)


def test_when_its_reader_is_killed_that_is_said(index: Index, made: Build) -> None:
    job = begun(index, made)
    (pid,) = (
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and b"app.index.unpack_process" in command(entry)
    )
    os.kill(pid, signal.SIGKILL)
    ended = index.wait(job.id, 60)
    assert ended.state == "partial"
    assert "fault" in {each["code"] for each in ended.results}
    assert index.symbols(made.build_id, Ask()).total > 0
    assert nothing_left(index)


def command(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""


def leaning(folder: Path) -> tuple[list[Build], Path]:
    """Two programs whose debug files lean on a common one, which dwz made."""
    made = [
        build(folder / name, SOURCE.replace("checkout", name), "-Wl,--build-id") for name in ("pay", "refund")
    ]
    common = folder / "common.debug"
    subprocess.run(["dwz", "-m", common, *(each.debug for each in made)], check=True)
    return made, common


def as_ordered_tar(out: Path, *files: Path) -> Path:
    with tarfile.open(out, "w:gz") as file:
        for number, path in enumerate(files):
            file.add(path, f"{number}-{path.name}")
    return out


@pytest.mark.parametrize("first", ["common", "debug"])
def test_a_common_part_whenever_it_comes(index: Index, tmp_path: Path, first: str) -> None:
    made, common = leaning(tmp_path)
    debug = [each.debug for each in made]
    files = [common, *debug] if first == "common" else [*debug, common]
    assert index.binary_at(str(made[0].stripped)).debug.kind == "none"
    job = upload(index, as_ordered_tar(tmp_path / "symbols.tar.gz", *files))
    assert job.state == "done", job.results
    # The one that was there, the one that comes now, and the debug file itself.
    for binary_id, name in (
        (made[0].build_id, "pay"),
        (index.binary_at(str(made[1].stripped)).id, "refund"),
        (f"debug-{made[1].build_id}", "refund"),
    ):
        binary = index.binary(binary_id)
        assert (binary.state, binary.problems) == ("ok", ())
        parameters = functions(index, binary_id)[name].parameters
        assert [each.type for each in parameters or ()] == ["struct order *", "int"]
        assert index.answers.structs(binary_id, ["order"])[0]["size"] == 16


def test_the_package_is_recorded(index: Index, made: Build, tmp_path: Path) -> None:
    as_deb(tree(made, tmp_path), tmp_path / "shop.deb", "gzip")
    upload(index, tmp_path / "shop.deb")
    places = {each.kind: each.package for each in index.debug_places(made.build_id)}
    assert places["embedded"] == places["uploaded"] == "shop 1 (amd64)"
    assert {package for kind, package in places.items() if kind not in {"embedded", "uploaded"}} == {None}
    # What lies on the host came in none.
    program = shutil.copy(made.stripped, tmp_path / "other")
    with Path(program).open("ab") as file:
        file.write(b"another one")
    other = index.binary_at(str(program))
    assert index.debug_places(other.id)[0].package is None


def test_an_archive_is_known_by_its_name(index: Index, made: Build, tmp_path: Path) -> None:
    upload(index, as_ordered_tar(tmp_path / "a.tar.gz", made.stripped), "symbols 1.tar.gz")
    assert index.debug_places(made.build_id)[0].package == "symbols 1.tar.gz"
    # A binary that is read again, with its debug file, came in what it came in.
    upload(index, as_ordered_tar(tmp_path / "b.tar.gz", made.debug), "more.tar.gz")
    assert index.binary(made.build_id).debug.kind == "separate"
    assert [each.package for each in index.debug_places(made.build_id)][:2] == [
        "symbols 1.tar.gz",
        "more.tar.gz",
    ]
