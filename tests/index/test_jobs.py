"""Jobs: directories, uploads, cancelling, a restart in the middle, a full disk."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from app.config import Settings, load
from app.errors import NotFound, StorageFull
from app.index.model import Ask
from app.index.service import Index
from tests.support.programs import compile_c

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="asks for root")


def upload(index: Index, source: Path, name: str) -> tuple[str, Path]:
    path = index.upload_dir / f"part-{name}"
    shutil.copy(source, path)
    return name, path


def test_a_directory(index: Index, tmp_path: Path) -> None:
    top = tmp_path / "top"
    (top / "below").mkdir(parents=True)
    shutil.copy("/bin/true", top / "one")
    (top / "same").hardlink_to(top / "one")
    shutil.copy("/bin/ls", top / "below" / "two")
    (top / "link").symlink_to("/bin/bash")
    (top / "round").symlink_to(top)
    (top / "text").write_text("x" * 100)
    job = index.wait(index.add_paths([str(top)], "me").id)
    assert (job.state, job.done, job.total, job.message) == ("done", 2, 2, None)
    assert job.bytes_done == job.bytes_total
    assert {Path(result["path"]).name for result in job.results} in ({"two", "one"}, {"two", "same"})
    assert job.ended is not None
    assert {binary.name for binary in index.binaries(Ask()).items} >= {"two"}
    assert index.jobs()[0] == replace(job, results=())
    assert index.job(job.id).as_dict()["state"] == "done"
    again = index.wait(index.add_paths([str(top)]).id)
    assert (again.state, again.done, again.unchanged) == ("done", 2, 2)
    assert again.results == job.results


def test_paths_that_cannot_be_read_are_told_one_by_one(index: Index, tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("no program")
    mixed = index.wait(index.add_paths(["/bin/true", str(text), "/nonexistent"]).id)
    assert mixed.state == "partial"
    assert mixed.total == 3
    told = {result["path"]: result for result in mixed.results}
    assert told["/bin/true"]["id"]
    assert (told[str(text)]["code"], told["/nonexistent"]["code"]) == ("not_elf", "not_found")
    assert all(result["hint"] for result in told.values() if result["id"] is None)
    alone = index.wait(index.add_paths([str(text)]).id)
    assert alone.state == "failed"
    assert alone.message is not None
    assert "not an ELF file" in alone.message
    (tmp_path / "empty").mkdir()
    assert index.wait(index.add_paths([str(tmp_path / "empty")]).id).message == "There is no ELF file."


def test_uploads(index: Index, tmp_path: Path) -> None:
    program = compile_c(tmp_path, "int work(int x) { return x; } int main(void) { return work(0); }")
    text = tmp_path / "text"
    text.write_text("no program")
    jobs = index.add_upload([upload(index, program, "mine"), upload(index, text, "text")], "me")
    good, bad = (index.wait(job.id) for job in jobs)
    assert (good.state, bad.state) == ("done", "failed")
    assert list(index.upload_dir.iterdir()) == []
    binary = index.binary(good.results[0]["id"])
    assert (binary.name, binary.uploaded, binary.path) == ("mine", True, None)
    work = index.functions(binary.id, Ask("work")).items[0]
    assert index.code(binary.id, work.key)
    # The host has it as well: then it is the host's.
    assert index.binary_at(str(program)).id == binary.id
    assert not index.binary(binary.id).uploaded
    index.remove(binary.id)
    assert list((index.upload_dir.parent / "blobs").iterdir()) == []


def test_cancelling_keeps_what_was_read(index: Index) -> None:
    job = index.add_paths(["/usr/bin", "/usr/lib"])
    until = time.monotonic() + 60
    while index.job(job.id).done < 3 and time.monotonic() < until:
        time.sleep(0.01)
    index.cancel(job.id)
    over = index.wait(job.id)
    assert over.state == "cancelled"
    assert 3 <= over.done < (over.total or 0)
    assert index.binaries(Ask()).total > 0
    assert index.cancel(job.id) == over


def test_an_upload_that_is_cancelled_leaves_nothing(index: Index) -> None:
    largest = max(Path("/usr/lib").glob("*-linux-gnu/*.so*"), key=lambda path: path.stat().st_size)
    (job,) = index.add_upload([upload(index, largest, "large")], "me")
    index.cancel(job.id)
    over = index.wait(job.id)
    assert over.state == "cancelled" or over.done == 1
    assert list(index.upload_dir.iterdir()) == []


def test_no_such_job(index: Index) -> None:
    with pytest.raises(NotFound):
        index.job("none")
    with pytest.raises(NotFound):
        index.cancel("none")


KILLED = """
import os, signal, sys, time
from pathlib import Path
from app.config import load
from app.index.service import Index
index = Index(load({}, data=Path(sys.argv[1])))
index.start()
job = index.add_paths(["/usr/bin"])
while index.job(job.id).done < 20:
    time.sleep(0.01)
print(job.id, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_server_that_was_killed_resumes_its_jobs(settings: Settings) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(settings.data)], capture_output=True, text=True, cwd=Path.cwd()
    )
    job_id = done.stdout.strip()
    assert job_id, done.stderr
    index = Index(settings)
    index.start()
    job = index.wait(job_id)
    assert job.state in {"done", "partial"}
    assert job.done == job.total
    assert list((settings.data / "scratch").iterdir()) == []
    # Each binary that is listed has its columns whole.
    for binary in index.binaries(Ask(limit=10_000)).items:
        assert index.symbols(binary.id, Ask(limit=1)).total == binary.counts["symbols"]
    index.close()


@as_root
def test_a_full_disk_is_said_and_survived(small_disk: Path) -> None:
    index = Index(replace(load({}), data=small_disk / "data"))
    index.start()
    known = index.binary_at("/bin/true")
    left = os.statvfs(small_disk)
    (small_disk / "filler").write_bytes(b"x" * max(0, left.f_bavail * left.f_frsize - 100_000))
    with pytest.raises(StorageFull) as caught:
        index.binary_at("/bin/bash")
    assert caught.value.hint
    assert index.functions(known.id, Ask()).total == known.counts["functions"]
    job = index.wait(index.add_paths(["/bin/bash"]).id)
    assert job.state == "failed"
    assert job.message is not None
    assert "room" in job.message or "disk" in job.message
    assert list((small_disk / "data" / "scratch").iterdir()) == []
    assert index.binary_at("/bin/true") == known
    index.close()
