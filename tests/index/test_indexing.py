"""What a second run finds: nothing to open where nothing changed, and every change where something did."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.config import Settings
from app.errors import NotElf, TooLarge
from app.index.indexing import Indexing
from app.index.model import Ask, Job
from app.index.service import Index
from tests.index.conftest import children
from tests.support.programs import compile_c


def run(index: Indexing, *paths: Path) -> Job:
    return index.wait(index.add_paths([str(path) for path in paths]).id)


@pytest.fixture
def top(tmp_path: Path) -> Path:
    top = tmp_path / "top"
    (top / "below").mkdir(parents=True)
    shutil.copy("/bin/true", top / "one")
    shutil.copy("/bin/ls", top / "below" / "two")
    (top / "below" / "bad").write_bytes(Path("/bin/ls").read_bytes()[:60])
    (top / "text").write_text("x" * 100)
    return top


def test_a_second_run_starts_no_reader_and_says_the_same(settings: Settings, top: Path) -> None:
    for serial in range(2):
        index = Index(settings)
        index.start()
        job = run(index, top)
        assert (job.state, job.done, job.failed, job.seen) == ("partial", 3, 1, 4)
        assert job.unchanged == 3 * serial
        assert job.bytes_done == job.bytes_total
        assert bool(children()) == (serial == 0)
        results = sorted(result["path"] for result in job.results)
        assert results == sorted(str(top / name) for name in ("one", "below/two", "below/bad"))
        (bad,) = [result for result in job.results if result["id"] is None]
        assert bad["hint"]
        index.close()


def test_only_what_changed_is_read(index: Index, top: Path) -> None:
    run(index, top)
    shutil.copy("/bin/cat", top / "new")
    os.utime(top / "one", ns=(5, 5))
    (top / "text").write_bytes(Path("/bin/echo").read_bytes())
    job = run(index, top)
    assert (job.done, job.unchanged) == (5, 2)
    assert {binary.name for binary in index.binaries(Ask()).items} == {"one", "two", "new", "text"}


def test_files_that_are_gone_or_moved(index: Index, top: Path) -> None:
    run(index, top)
    (top / "one").rename(top / "other")
    (top / "below" / "two").unlink()
    job = run(index, top)
    assert (job.done, job.unchanged) == (2, 2)
    paths = {binary.name: binary.paths for binary in index.binaries(Ask()).items}
    assert paths == {"one": (str(top / "other"),), "two": ()}


def test_an_inode_of_two_names_keeps_both(index: Index, top: Path) -> None:
    (top / "same").hardlink_to(top / "one")
    index.binary_at(str(top / "one"))
    index.binary_at(str(top / "same"))
    job = run(index, top)
    assert (job.done, job.unchanged) == (3, 1)
    (binary,) = index.binaries(Ask(q="one")).items
    assert set(binary.paths) == {str(top / "one"), str(top / "same")}


def test_a_binary_that_was_removed_is_read_again(index: Index, top: Path) -> None:
    run(index, top)
    for binary in index.binaries(Ask()).items:
        index.remove(binary.id)
    job = run(index, top)
    assert (job.done, job.unchanged) == (3, 1)
    assert index.binaries(Ask()).total == 2


def test_columns_that_are_gone_are_made_again(index: Index, settings: Settings, top: Path) -> None:
    run(index, top)
    for left in (settings.data / "columns").iterdir():
        left.unlink()
    assert run(index, top).unchanged == 1
    for binary in index.binaries(Ask()).items:
        assert index.symbols(binary.id, Ask(limit=1)).total == binary.counts["symbols"]


def test_a_directory_within_one_that_was_seen_and_around_it(index: Index, top: Path) -> None:
    run(index, top / "below")
    assert run(index, top).unchanged == 2
    assert run(index, top / "below").unchanged == 2
    assert run(index, top).unchanged == 3
    assert run(index, top, top / "below").done == 5


def test_a_name_that_is_no_text_is_said(index: Index, top: Path) -> None:
    shutil.copy(b"/bin/cat", os.fsencode(top) + b"/\xff")
    job = run(index, top)
    (bad,) = [result for result in job.results if "UTF-8" in result["message"]]
    assert bad["path"] == f"{top}/\\xff"


@pytest.mark.parametrize(
    ("limit", "value", "code"),
    [("reader_wall", 0.0, "time"), ("reader_output", 4096, "output"), ("reader_memory", 150 << 20, "memory")],
)
def test_an_answer_that_limits_gave_is_kept_until_they_change(
    settings: Settings, limit: str, value: float, code: str
) -> None:
    changed: dict[str, Any] = {limit: value}
    index = Index(replace(settings, **changed))
    index.start()
    largest = max(Path("/usr/lib").glob("*-linux-gnu/*.so*"), key=lambda path: path.stat().st_size)
    for _ in range(2):
        with pytest.raises(TooLarge) as caught:
            index.binary_at(str(largest))
        assert caught.value.code in {code, "output"}
        assert "PROBESCOPE_READER" in caught.value.hint
        for pid in children():
            os.kill(pid, 9)  # the second answer needs none
    index.close()
    index = Index(settings)
    index.start()
    assert index.binary_at("/bin/true").counts["symbols"] > 0
    index.close()


def test_what_a_file_holds_is_kept_whatever_the_limits(settings: Settings, top: Path) -> None:
    for memory in (4 << 30, 3 << 30):
        index = Index(replace(settings, reader_memory=memory))
        index.start()
        with pytest.raises(NotElf):
            index.binary_at(str(top / "below" / "bad"))
        assert bool(children()) == (memory == 4 << 30)
        index.close()


def test_other_bytes_of_the_same_size_with_a_build_id_that_is_taken(index: Index, tmp_path: Path) -> None:
    first = compile_c(tmp_path, "int main(void) { return 1; }")
    other = tmp_path / "other"
    data = bytearray(first.read_bytes())
    data[-1] ^= 1
    other.write_bytes(data)
    copy = tmp_path / "copy"
    shutil.copy(first, copy)
    holder = index.binary_at(str(first))
    assert index.binary(holder.id).sha256 is None
    assert index.binary_at(str(copy)).id == holder.id
    second = index.binary_at(str(other))
    assert second.id == f"sha256-{subprocess.check_output(['sha256sum', other]).split()[0].decode()}"
    assert second.sha256 == second.id.removeprefix("sha256-")


def test_a_debug_file_is_another_binary(index: Index, tmp_path: Path) -> None:
    program = compile_c(tmp_path, "int main(void) { return 1; }")
    debug = tmp_path / "prog.debug"
    subprocess.run(["objcopy", "--only-keep-debug", program, debug], check=True)
    binary, its_debug = index.binary_at(str(program)), index.binary_at(str(debug))
    assert its_debug.id == f"debug-{binary.id}"
    assert its_debug.build_id == binary.build_id


def test_a_second_process_leaves_the_first_in_peace(index: Index, settings: Settings) -> None:
    job = index.add_paths(["/usr/bin"])
    script = (
        "import sys; from pathlib import Path\n"
        "from app.config import load; from app.index.service import Index\n"
        "index = Index(load({}, data=Path(sys.argv[1]))); index.start(); index.close()"
    )
    for _ in range(3):
        subprocess.run([sys.executable, "-c", script, str(settings.data)], check=True, cwd=Path.cwd())
    done = index.wait(job.id)
    assert done.done == done.total
    assert not [result for result in done.results if result["code"] == "disk_full"]


def test_leftovers_of_a_kill_are_dropped_at_the_next_start(settings: Settings) -> None:
    for directory in ("scratch", "columns", "uploads"):
        (settings.data / directory).mkdir(parents=True)
        (settings.data / directory / "left").write_bytes(b"x")
    index = Index(settings)
    index.start()
    for directory in ("scratch", "columns", "uploads"):
        assert list((settings.data / directory).iterdir()) == []
    index.close()
