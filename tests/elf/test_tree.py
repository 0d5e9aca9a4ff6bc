"""The walk: what is found, what is known and left closed, links, and both ways of doing it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.elf import tree
from app.elf.tree import Tree, Watch, pack, stamp_of

MOST = 1000


@pytest.fixture(params=["native", "python"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    if request.param == "python":
        monkeypatch.setattr(tree, "_tree", None)
    else:
        pytest.importorskip("app.elf._tree", reason="the native core is not built")
    yield request.param


@pytest.fixture
def top(tmp_path: Path) -> Path:
    top = tmp_path / "top"
    (top / "deep" / "deeper").mkdir(parents=True)
    shutil.copy("/bin/true", top / "small")
    shutil.copy("/bin/bash", top / "deep" / "large")
    shutil.copy("/bin/ls", top / "deep" / "deeper" / "middle")
    (top / "deep" / "again").hardlink_to(top / "small")
    (top / "text").write_text("x" * 100)
    (top / "deep" / "short").write_bytes(b"\x7fELF")
    (top / "link").symlink_to("/bin/bash")
    (top / "round").symlink_to(top)
    os.mkfifo(top / "fifo")
    return top


def walk(
    top: Path, plain: bytes = b"", elf: bytes = b"", most: int = MOST, leave: tuple[str, ...] = ()
) -> tuple[Tree, Watch]:
    watch = Watch()
    descriptor = os.open(top, os.O_PATH)
    try:
        return tree.walk(str(top), descriptor, leave, plain, elf, most, watch), watch
    finally:
        os.close(descriptor)


def test_the_largest_first_and_one_of_each_inode(way: str, top: Path) -> None:
    found, watch = walk(top)
    assert [path for path, *_ in found.elf] == [
        f"{top}/deep/large",
        f"{top}/deep/deeper/middle",
        f"{top}/deep/again",
    ]
    for path, *stamp in found.elf:
        assert tuple(stamp) == stamp_of(Path(path).stat())
    assert found.plain == pack([stamp_of((top / "text").stat())])
    assert (found.known, found.problems, found.full) == ([], [], False)
    assert watch.files >= 6


def test_what_is_known_is_not_found_again(way: str, top: Path) -> None:
    before, _ = walk(top)
    elf = pack([(a, b, c, d) for _, a, b, c, d in before.elf])
    again, _ = walk(top, before.plain or b"", elf)
    assert (again.elf, again.plain) == ([], None)
    assert sorted(again.known) == [
        (f"{top}/deep/again", 2),
        (f"{top}/deep/deeper/middle", 1),
        (f"{top}/deep/large", 0),
        (f"{top}/small", 2),
    ]


def test_changes_are_seen(way: str, top: Path) -> None:
    before, _ = walk(top)
    elf = pack([(a, b, c, d) for _, a, b, c, d in before.elf])
    os.utime(top / "deep" / "large", ns=(1, 1))
    (top / "text").unlink()
    (top / "other").write_text("y" * 99)
    again, _ = walk(top, before.plain or b"", elf)
    assert [path for path, *_ in again.elf] == [f"{top}/deep/large"]
    assert again.plain == pack([stamp_of((top / "other").stat())])
    (top / "other").unlink()
    again, _ = walk(top, again.plain, elf)
    assert again.plain == b""


def test_directories_that_are_left_out_and_a_ceiling(way: str, top: Path) -> None:
    found, _ = walk(top, leave=(f"{top}/deep",))
    assert [path for path, *_ in found.elf] == [f"{top}/small"]
    found, _ = walk(top, most=2)
    assert 1 <= len(found.elf) <= 2  # of two names that are one file
    assert found.full


def test_a_walk_that_is_stopped(way: str, top: Path) -> None:
    watch = Watch()
    watch.stop()
    descriptor = os.open(top, os.O_PATH)
    found = tree.walk(str(top), descriptor, (), b"", b"", MOST, watch)
    os.close(descriptor)
    assert found.elf == []
    assert watch.stopped


def test_names_of_any_bytes(way: str, top: Path) -> None:
    odd = os.fsencode(top) + b"/\xff\n"
    shutil.copy(b"/bin/cat", odd)
    found, _ = walk(top)
    assert os.fsdecode(odd) in [path for path, *_ in found.elf]


def test_a_directory_deeper_than_is_walked(way: str, tmp_path: Path) -> None:
    place = tmp_path
    for _ in range(300):
        place /= "d"
    place.mkdir(parents=True)
    shutil.copy("/bin/true", place / "hidden")
    shutil.copy("/bin/true", tmp_path / "there")
    found, _ = walk(tmp_path)
    assert [path for path, *_ in found.elf] == [f"{tmp_path}/there"]
    assert len(found.problems) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read all")
def test_a_directory_without_permission(way: str, top: Path) -> None:
    (top / "deep").chmod(0)
    found, _ = walk(top)
    (top / "deep").chmod(0o700)
    assert [path for path, _ in found.problems] == [f"{top}/deep"]


def test_both_ways_agree_on_a_real_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("app.elf._tree", reason="the native core is not built")
    native, seen = walk(Path("/usr/lib"), most=100_000)
    monkeypatch.setattr(tree, "_tree", None)
    slow, also_seen = walk(Path("/usr/lib"), most=100_000)
    assert native == slow
    assert seen.files == also_seen.files
    assert len(native.elf) > 100


@pytest.mark.parametrize("stamps", [b"x" * 31, b"x" * 33])
def test_stamps_of_a_wrong_size_are_refused(stamps: bytes, top: Path) -> None:
    pytest.importorskip("app.elf._tree", reason="the native core is not built")
    with pytest.raises(ValueError, match="32 bytes"):
        walk(top, plain=stamps)
