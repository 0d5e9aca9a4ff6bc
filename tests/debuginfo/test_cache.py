"""The cache that is shared with elfutils: what nobody reads any more goes, by elfutils' own rules."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from app.debuginfo.cache import Cache, source_entry, used
from tests.support.debuginfod_double import double, giving

DAY = 86_400.0
OLD, NEW = "aa" * 20, "bb" * 20


def aged(path: Path, days: float, content: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    at = time.time() - days * DAY
    os.utime(path, (at, at))
    return path


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """A cache whose last clean-up was two days ago."""
    aged(tmp_path / "cache/cache_clean_interval_s", 2, "86400\n")
    return tmp_path / "cache"


def test_what_nobody_has_read_for_a_week_goes(top: Path, tmp_path: Path) -> None:
    for name in ("debuginfo", "executable", "source##usr##src##a.c", "section.text", "debuginfo.12ab34cd"):
        aged(top / OLD / name, 8)
    kept = [
        aged(top / NEW / "debuginfo", 6),
        # Nobody's that is known here, and no build.
        aged(top / NEW / "notes.txt", 30),
        aged(top / "other" / "debuginfo", 30),
    ]
    outside = aged(tmp_path / "outside/debuginfo", 30)
    (top / ("cc" * 20)).symlink_to(tmp_path / "outside")
    cache = Cache(top)
    assert cache.clean() == 5
    assert not (top / OLD).exists()
    assert [path for path in [*kept, outside] if not path.exists()] == []
    # Not again before a day has gone.
    aged(top / OLD / "debuginfo", 8)
    assert cache.clean() == 0
    assert (top / OLD / "debuginfo").exists()


def test_its_own_settings_count(top: Path) -> None:
    aged(top / OLD / "debuginfo", 8)
    aged(top / "cache_clean_interval_s", 2, f"{int(3 * DAY)}\n")
    assert Cache(top).clean() == 0
    aged(top / "cache_clean_interval_s", 2, "nonsense")
    (top / "max_unused_age_s").write_text(f"{int(9 * DAY)}\n")
    assert Cache(top).clean() == 0
    aged(top / "cache_clean_interval_s", 2, "")
    (top / "max_unused_age_s").write_text("")
    assert Cache(top).clean() == 1


def test_what_is_read_stays(top: Path) -> None:
    path = aged(top / OLD / "debuginfo", 8)
    before = path.stat().st_mtime_ns
    with path.open("rb") as file:
        used(file.fileno())
    assert Cache(top).clean() == 0
    assert path.stat().st_mtime_ns == before


def test_a_new_cache_gets_its_mark_as_elfutils_lays_it(tmp_path: Path) -> None:
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    mine.mkdir()
    assert Cache(mine).clean() == 0
    with double(giving(b"x")) as server:
        environment = {"DEBUGINFOD_URLS": server.url, "DEBUGINFOD_CACHE_PATH": str(theirs)}
        command = ["debuginfod-find", "debuginfo", OLD]
        subprocess.run(command, env={**os.environ, **environment}, check=True, capture_output=True)
    number = int((theirs / "cache_clean_interval_s").read_text())
    assert int((mine / "cache_clean_interval_s").read_text()) == number
    assert Cache(tmp_path / "nowhere").clean() == 0
    assert not (tmp_path / "nowhere").exists()


def test_names_of_sources() -> None:
    assert source_entry("/usr/src/a b.c") == "source##usr##src##a b.c"
    assert source_entry("/" + "x" * 300) is source_entry("/a\0b.c") is None
