"""What a catalogue has not is known without a query, and never of what somebody has just written."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.index import absent
from app.index.catalogue import Batch, BinaryRow, Catalogue
from app.index.service import Index
from tests.support.programs import compile_c


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    made = Catalogue(tmp_path / "catalogue.sqlite")
    made.open()
    yield made
    made.close()


def write(catalogue: Catalogue, name: str, build_id: str | None = None) -> None:
    row = BinaryRow(name, build_id, None, name, 1, False, 1.0, "file@0+1", None, {"state": "ok"})
    catalogue.write(Batch({name: row}), 1.0)


def test_what_was_just_written_is_not_absent(catalogue: Catalogue) -> None:
    write(catalogue, "first")
    assert catalogue.absent.has("second")
    assert not catalogue.absent.has("first")
    write(catalogue, "second", "aa11")
    assert [catalogue.absent.has(name) for name in ("second", "aa11", "third")] == [False, False, True]


def test_what_another_process_wrote_is_known_soon(catalogue: Catalogue, tmp_path: Path) -> None:
    assert catalogue.absent.has("theirs")
    other = Catalogue(tmp_path / "catalogue.sqlite")
    other.open()
    write(other, "theirs", "bb22")
    other.close()
    time.sleep(2 * absent._FRESH_SECONDS)
    assert [catalogue.absent.has(name) for name in ("theirs", "bb22", "ours")] == [False, False, True]


def test_of_too_many_nothing_is_said(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(absent, "_MOST", 1)
    write(catalogue, "first")
    assert catalogue.absent.has("third")
    write(catalogue, "second")
    catalogue.absent._version = None
    time.sleep(2 * absent._FRESH_SECONDS)
    assert not catalogue.absent.has("third")


def test_a_sweep_asks_for_no_new_file(index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    for name in ("true", "false", "cat"):
        shutil.copy(f"/bin/{name}", tmp_path / "bin" / name)
    compile_c(tmp_path / "bin", "int main(void) { return 0; }", "whole", "-g", "-Wl,--build-id")
    for left in (tmp_path / "bin").glob("*.c"):
        left.unlink()

    def refused(*_: object) -> None:
        raise AssertionError

    with monkeypatch.context() as patch:
        patch.setattr(Catalogue, "of_build", refused)
        patch.setattr(Catalogue, "binary", refused)
        done = index.wait(index.add_paths([str(tmp_path / "bin")]).id, 60)
    assert (done.state, done.done, done.failed) == ("done", 4, 0)
    # A copy of the same build, of other bytes, is told from it in a later job, too.
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "true").write_bytes(Path("/bin/true").read_bytes() + b"\0")
    index.wait(index.add_paths([str(tmp_path / "more")]).id, 60)
    ids = [index.binary_at(str(tmp_path / each / "true")).id for each in ("bin", "more")]
    assert not ids[0].startswith("sha256-")
    assert ids[1].startswith("sha256-")
