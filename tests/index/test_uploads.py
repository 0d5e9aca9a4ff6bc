"""Uploads and the bytes that are kept of them: as long as a binary needs them, and none that are others."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.config import Settings
from app.errors import Conflict
from app.index.blobs import Blobs
from app.index.catalogue import Catalogue
from app.index.model import Ask
from app.index.records import Job
from app.index.service import Index
from tests.support.programs import compile_c

SOURCE = "int work(int x) { return x; } int main(void) { return work(0); }"


@pytest.fixture
def program(tmp_path: Path) -> Path:
    return compile_c(tmp_path, SOURCE, "prog", "-g")


def upload(index: Index, path: Path) -> Job:
    temporary = index.upload_dir / f"{path.name}-{os.urandom(4).hex()}"
    temporary.write_bytes(path.read_bytes())
    return index.wait(index.add_upload([(path.name, temporary)])[0].id)


def kept(index: Index) -> list[Path]:
    return list((index.upload_dir.parent / "blobs").iterdir())


def code_of(index: Index, binary_id: str) -> int:
    work = index.functions(binary_id, Ask("work")).items[0]
    return len(index.code(binary_id, work.key))


def test_bytes_that_two_binaries_share_go_with_the_last(index: Index, program: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    subprocess.run(["strip", "-o", bare, program], check=True)
    holder = index.binary_at(str(bare)).id
    first = upload(index, program).results[0]["id"]
    assert first.startswith("sha256-")
    index.remove(holder)
    second = upload(index, program).results[0]["id"]
    assert second == holder
    assert len(kept(index)) == 1
    index.remove(first)
    assert code_of(index, second) > 0
    index.remove(second)
    assert kept(index) == []


def test_a_binary_that_is_removed_while_it_comes_again_keeps_its_bytes(
    index: Index, program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    binary = upload(index, program).results[0]["id"]
    put = Blobs.put

    def then_removed(self: Blobs, file: int, sha256: str, stopped: Callable[[], bool]) -> None:
        put(self, file, sha256, stopped)
        index.remove(binary)

    monkeypatch.setattr(Blobs, "put", then_removed)
    assert upload(index, program).state == "done"
    assert code_of(index, binary) > 0


def test_an_upload_over_the_quota_fails_with_a_sentence(settings: Settings, program: Path) -> None:
    index = Index(replace(settings, blob_bytes=1000))
    index.start()
    job = upload(index, program)
    assert (job.state, index.binaries(Ask()).total) == ("failed", 0)
    assert job.message is not None
    assert "PROBESCOPE_BLOB_BYTES" in job.message
    assert (kept(index), list(index.upload_dir.iterdir())) == ([], [])
    index.close()


def test_a_reader_that_lies_about_the_hash_is_not_believed(
    index: Index, program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = index._readers.stream

    def lying(*arguments: Any) -> Iterator[Any]:
        for source, outcome in stream(*arguments):
            yield source, outcome._replace(sha256="0" * 64)

    monkeypatch.setattr(index._readers, "stream", lying)
    job = upload(index, program)
    assert (job.state, job.results[0]["code"]) == ("failed", "conflict")
    assert "SHA-256" in job.results[0]["message"]
    assert index.binaries(Ask()).total == 0
    assert (kept(index), list(index.upload_dir.iterdir())) == ([], [])


def test_a_row_that_cannot_be_written_leaves_no_bytes(
    index: Index, program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise Conflict("The catalogue says no.", "Ask it again.")

    with monkeypatch.context() as patch:
        patch.setattr(Catalogue, "write", refused)
        assert upload(index, program).state == "failed"
    assert (kept(index), list(index.upload_dir.iterdir())) == ([], [])
    assert upload(index, program).state == "done"


def test_a_damaged_upload_is_said_where_it_is_wanted_and_mended(
    settings: Settings, index: Index, program: Path, tmp_path: Path
) -> None:
    bare, debug = tmp_path / "bare", tmp_path / "debug"
    subprocess.run(["objcopy", "--only-keep-debug", program, debug], check=True)
    subprocess.run(["strip", "-o", bare, program], check=True)
    upload(index, debug)
    (blob,) = kept(index)
    blob.write_bytes(blob.read_bytes()[:-1])
    for path in (settings.data / "unpacked").iterdir():
        path.unlink()
    # Who only would have used it goes on without.
    job = index.wait(index.add_paths([str(bare)]).id)
    assert job.state == "done"
    binary = job.results[0]["id"]
    assert index.binary(binary).debug.kind == "none"
    places = [each for each in index.debug_places(binary) if each.kind == "uploaded"]
    assert [(each.state, "damaged" in each.why) for each in places] == [("missing", True)]
    held = next(each for each in index.binaries(Ask()).items if each.id != binary)
    with pytest.raises(Conflict) as caught:
        index.answers.structs(held.id, ["int"])
    assert caught.value.code == "damaged"
    assert upload(index, debug).state == "done"
    assert index.binary(binary).debug.kind == "separate"
