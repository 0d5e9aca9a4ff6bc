"""Many stripped files of a directory, each with its debug file, read by all readers together."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from app.config import Settings
from app.index.model import Ask
from app.index.reader import Kind
from app.index.readers import Readers
from app.index.service import Index
from tests.index.test_debug_files import SOURCE, Build, build, functions, lay

COUNT = 6


@pytest.fixture
def settings(tmp_path: Path, settings: Settings) -> Settings:
    return replace(settings, debug_directories=(str(tmp_path / "debugroot"),), debuginfod_cache="")


@pytest.fixture
def programs(tmp_path: Path) -> list[Build]:
    made = [
        build(tmp_path / str(number), SOURCE.replace("* 2", f"* {number}")) for number in range(2, COUNT + 2)
    ]
    (tmp_path / "bin").mkdir()
    for number, each in enumerate(made):
        each.stripped.rename(tmp_path / "bin" / f"app{number}")
    return made


def swept(index: Index, directory: Path) -> dict[str, dict[str, object]]:
    """What the job says of each file, by its name."""
    done = index.wait(index.add_paths([str(directory)]).id, 60)
    assert done.state == "done"
    assert done.done == done.total == len(done.results)
    return {Path(result["path"]).name: result for result in done.results}


def test_each_has_what_it_has_when_read_alone(
    index: Index, settings: Settings, tmp_path: Path, programs: list[Build], monkeypatch: pytest.MonkeyPatch
) -> None:
    for each in programs:
        lay(each, tmp_path / "debugroot")
    alone = Index(replace(settings, data=tmp_path / "alone"))
    alone.start(serving=False)
    expected = [
        functions(alone, alone.binary_at(str(tmp_path / "bin" / f"app{number}")).id)
        for number in range(COUNT)
    ]
    alone.close()

    # A question to a reader for each debug file would cost more than all else.
    def refused(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(Readers, "answer", refused)
    found = swept(index, tmp_path / "bin")
    assert len(found) == COUNT
    for number, each in enumerate(programs):
        result = found[f"app{number}"]
        assert (result["state"], result["id"]) == ("ok", each.build_id)
        binary = index.binary(each.build_id)
        assert (binary.debug.kind, binary.stripped) == ("separate", True)
        assert functions(index, each.build_id) == expected[number]
    again = index.wait(index.add_paths([str(tmp_path / "bin")]).id, 60)
    assert again.unchanged == COUNT


def test_one_of_another_build_is_left_for_the_next_place_or_for_none(
    index: Index, tmp_path: Path, programs: list[Build]
) -> None:
    wrong, lost, right = programs[:3]
    for each in (wrong, lost):
        shutil.copy(right.debug, lay(each, tmp_path / "debugroot"))
    lay(right, tmp_path / "debugroot")
    beside = tmp_path / "bin" / "wrong.debug"
    shutil.copy(wrong.debug, beside)
    subprocess.run(["objcopy", f"--add-gnu-debuglink={beside}", tmp_path / "bin" / "app0"], check=True)
    swept(index, tmp_path / "bin")
    assert index.binary(wrong.build_id).debug.path == str(beside)
    assert "checkout" in functions(index, wrong.build_id)
    assert index.binary(lost.build_id).debug.kind == "none"
    assert "checkout" not in functions(index, lost.build_id)
    assert index.binary(lost.build_id).problems == ()
    assert index.binary(right.build_id).debug.kind == "separate"


def test_a_debug_file_that_cannot_be_read_costs_only_its_own(
    index: Index, tmp_path: Path, programs: list[Build]
) -> None:
    for each in programs:
        lay(each, tmp_path / "debugroot")
    broken = lay(programs[0], tmp_path / "debugroot")
    broken.write_bytes(broken.read_bytes()[:200])
    found = swept(index, tmp_path / "bin")
    assert found["app0"]["state"] == "ok"
    assert index.binary(programs[0].build_id).debug.kind == "none"
    assert all(index.binary(each.build_id).debug.kind == "separate" for each in programs[1:])


def test_what_came_together_is_merged_by_the_same_readers(
    index: Index, tmp_path: Path, programs: list[Build], kinds: list[Kind]
) -> None:
    for number, each in enumerate(programs):
        shutil.copy(each.debug, tmp_path / "bin" / f"app{number}.debug")
    swept(index, tmp_path / "bin")
    binaries = index.binaries(Ask(limit=50)).items
    assert [each.debug.kind for each in binaries].count("separate") == COUNT
    assert {kind for kind in kinds if not kind.answers} == {Kind(low=True)}


def test_nothing_stays_open(index: Index, tmp_path: Path, programs: list[Build]) -> None:
    for each in programs:
        lay(each, tmp_path / "debugroot")
    swept(index, tmp_path / "bin")
    opened = [str(link.readlink()) for link in list(Path("/proc/self/fd").iterdir()) if link.is_symlink()]
    assert not [path for path in opened if str(tmp_path / "bin") in path or "debugroot" in path]
