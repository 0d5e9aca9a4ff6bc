"""Which source files are given out: by the names of line tables, and never what gives something away."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from app.errors import AppError
from app.index.given_sources import Named, canonical
from app.index.sources import is_given, opened

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/a/b.c", "/a/b.c"),
        ("//a//b.c", "/a/b.c"),
        ("/a/./b.c", "/a/b.c"),
        ("/a/x/../b.c", "/a/b.c"),
        ("/../../a/b.c", "/a/b.c"),
        ("/a/.../b.c", "/a/.../b.c"),
        ("/" + "x/" * 10_000 + "../" * 9_999 + "b.c", "/x/b.c"),
    ],
)
def test_paths_are_compared_by_letters(path: str, found: str) -> None:
    assert canonical(path) == found


def test_the_very_name_goes_before_one_like_it() -> None:
    named = Named(["/src/x/../a.c", "/src/a.c", "/src/y/../b.c", "relative.c"])
    assert named.paths("/src/x/../a.c") == ("/src/x/../a.c",)
    assert named.paths("/src/a.c") == ("/src/a.c",)
    assert named.paths("/src/b.c") == ("/src/y/../b.c",)
    assert named.paths("/src/c.c") == ()
    assert named.paths("/relative.c") == ()


@pytest.mark.parametrize(
    ("path", "is_one"),
    [
        ("/x/a.c", True),
        ("/x/a.RS", True),
        ("/usr/include/c++/12/vector", True),
        ("/etc/shadow", False),
        ("/root/.ssh/id_ed25519", False),
        ("/x/vector", False),
        ("/x/.c", False),
        ("/usr/include/../../etc/shadow", False),
        ("/x/key.pem", False),
    ],
)
def test_what_is_a_source_by_its_name(path: str, is_one: bool) -> None:
    assert is_given(os.path.normpath(path)) is is_one


def refused(path: Path, owner: int | None, roots: tuple[str, ...] = ()) -> bool:
    try:
        os.close(opened(str(path), roots, owner))
    except AppError:
        return True
    return False


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Everybody may look into the directories of pytest here."""
    for each in (tmp_path, *tmp_path.parents):
        if each.stat().st_uid == os.geteuid() and each != Path("/"):
            each.chmod(each.stat().st_mode | 0o011)
    return tmp_path


@as_root
def test_who_may_read_it(place: Path) -> None:
    file = place / "a.c"
    file.write_text("int x;")
    assert not refused(file, None)
    file.chmod(0o600)
    assert not refused(file, 0)
    assert refused(file, None)
    assert refused(file, 1234)
    os.chown(file, 1234, 1234)
    assert refused(file, 0)
    assert not refused(file, 1234)
    file.chmod(0o644)
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    file = file.rename(closed / "a.c")
    assert refused(file, 1234)
    assert not refused(file, 0)


def test_links_lead_nowhere_else(place: Path) -> None:
    inside, outside = place / "inside", place / "outside"
    inside.mkdir()
    outside.mkdir()
    secret, shown = outside / "secret", outside / "shown.c"
    secret.write_text("secret")
    shown.write_text("int x;")
    (inside / "a.c").symlink_to(secret)
    (inside / "b.c").symlink_to(shown)
    assert refused(inside / "a.c", os.geteuid())
    assert not refused(inside / "b.c", os.geteuid())
    assert refused(inside / "b.c", os.geteuid(), (str(inside),))
    assert refused(inside, os.geteuid())
    os.mkfifo(inside / "c.c")
    assert refused(inside / "c.c", os.geteuid())
