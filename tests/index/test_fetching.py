"""A binary gets its debug information from a debuginfod server when somebody asks for it, and not before."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from app.config import Settings
from app.debuginfo.matching import Found
from app.errors import Conflict, Forbidden, NotFound
from app.index.service import Index
from tests.index.test_debug_files import SOURCE, Build, build, functions
from tests.support.debuginfod_double import Double, double, giving


@pytest.fixture
def server() -> Iterator[Double]:
    with double() as found:
        yield found


@pytest.fixture
def settings(tmp_path: Path, settings: Settings, server: Double) -> Settings:
    return replace(
        settings,
        debug_directories=(str(tmp_path / "debugroot"),),
        debuginfod_cache=str(tmp_path / "cache"),
        debuginfod_urls=(server.url,),
        debuginfod_timeout=5.0,
        debuginfod_failures=2,
        free_disk=0,
    )


@contextmanager
def opened(settings: Settings) -> Iterator[Index]:
    index = Index(settings)
    index.start()
    try:
        yield index
    finally:
        index.close()


def at(index: Index, made: Build) -> Found:
    """What the panel says of the server."""
    (found,) = [each for each in index.debug_places(made.build_id) if each.kind == "debuginfod"]
    return found


def test_nothing_is_asked_until_somebody_wants_it(
    index: Index, server: Double, tmp_path: Path, settings: Settings
) -> None:
    made = build(tmp_path)
    server.answer = giving(made.debug.read_bytes())
    binary = index.binary_at(str(made.stripped))
    assert (binary.debug.kind, server.paths) == ("none", [])
    assert (at(index, made).state, at(index, made).why) == ("missing", "It was not asked yet.")
    job = index.wait(index.add_fetch(binary.id, "somebody").id, 60)
    size = made.debug.stat().st_size
    assert (job.kind, job.state, job.message, job.what) == ("fetch", "done", None, ("app",))
    assert (job.done, job.total, job.bytes_done, job.bytes_total) == (1, 1, size, size)
    assert server.paths == [f"/buildid/{made.build_id}/debuginfo"]
    binary = index.binary(binary.id)
    place = f"{settings.debuginfod_cache}/{made.build_id}/debuginfo"
    assert (binary.debug.kind, binary.debug.path) == ("separate", place)
    checkout = functions(index, binary.id)["checkout"]
    assert [each.type for each in checkout.parameters or ()] == ["struct order *", "int"]
    assert checkout.line
    assert index.answers.structs(binary.id, ["order"])[0]["size"] == 16
    assert at(index, made).state == "matched"
    with pytest.raises(Conflict):
        index.add_fetch(binary.id)
    assert index.binary_at(str(made.stripped)).debug.kind == "separate"


def test_roots_do_not_hide_what_was_fetched(settings: Settings, server: Double, tmp_path: Path) -> None:
    made = build(tmp_path / "programs")
    server.answer = giving(made.debug.read_bytes())
    with opened(replace(settings, roots=(str(tmp_path / "programs"),))) as index:
        binary = index.binary_at(str(made.stripped))
        assert index.wait(index.add_fetch(binary.id).id, 60).state == "done"
        assert index.answers.structs(binary.id, ["order"])[0]["size"] == 16


def test_a_lying_server_poisons_nothing(index: Index, server: Double, tmp_path: Path) -> None:
    made = build(tmp_path / "one")
    other = build(tmp_path / "two", SOURCE.replace("* 2", "* 3"))
    server.answer = giving(other.debug.read_bytes())
    binary = index.binary_at(str(made.stripped))
    job = index.wait(index.add_fetch(binary.id).id, 60)
    assert job.state == "failed"
    assert other.build_id in (job.message or "")
    assert at(index, made).state == "mismatched"
    assert other.build_id in at(index, made).why
    assert index.binary(binary.id).debug.kind == "none"
    for body in (made.stripped.read_bytes(), b"\x7fELF" + bytes(100), b"<html>Sign in</html>" * 99):
        server.answer = giving(body)
        index.debug_files.servers.all[0].breaker.left(False)
        job = index.wait(index.add_fetch(binary.id).id, 60)
        assert (job.state, "was dropped" in (job.message or "")) == ("failed", True), job
    assert list((tmp_path / "cache").glob("*/*")) == []


def test_the_panel_knows_what_the_server_said(index: Index, server: Double, tmp_path: Path) -> None:
    made = build(tmp_path)
    binary = index.binary_at(str(made.stripped))
    job = index.wait(index.add_fetch(binary.id).id, 60)
    assert (job.state, job.results[0]["code"]) == ("failed", "not_found")
    assert at(index, made).why == "It has none."
    (cached,) = [each for each in index.debug_places(made.build_id) if each.kind == "cache"]
    assert (cached.state, cached.why) == ("missing", "Servers were asked, and none had it.")
    (tmp_path / "cache" / made.build_id / "debuginfo").unlink()
    server.answer = giving(b"", 500)
    for _ in range(2):
        job = index.wait(index.add_fetch(binary.id).id, 60)
        assert job.results[0]["code"] == "unreachable"
    assert "It failed too often" in at(index, made).why


def test_cancel(index: Index, server: Double, tmp_path: Path) -> None:
    made = build(tmp_path)
    asked = threading.Event()

    def answer(handler: object) -> None:
        asked.set()
        server.over.wait()

    server.answer = answer
    binary = index.binary_at(str(made.stripped))
    job = index.add_fetch(binary.id)
    assert asked.wait(30)
    index.cancel(job.id)
    assert index.wait(job.id, 30).state == "cancelled"
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


def test_a_job_that_a_restart_cut_short_is_taken_up_again(
    settings: Settings, server: Double, tmp_path: Path
) -> None:
    made = build(tmp_path)
    asked = threading.Event()

    def hang(handler: object) -> None:
        asked.set()
        server.over.wait()

    server.answer = hang
    with opened(settings) as index:
        job = index.add_fetch(index.binary_at(str(made.stripped)).id)
        assert asked.wait(30)
    server.answer = giving(made.debug.read_bytes())
    with opened(settings) as index:
        assert index.wait(job.id, 60).state == "done"
        assert index.binary(made.build_id).debug.kind == "separate"


def test_two_jobs_for_one_binary_are_both_done(index: Index, server: Double, tmp_path: Path) -> None:
    made = build(tmp_path)
    server.answer = giving(made.debug.read_bytes())
    binary = index.binary_at(str(made.stripped))
    jobs = [index.add_fetch(binary.id) for _ in range(4)]
    assert [index.wait(job.id, 60).state for job in jobs] == ["done"] * 4
    assert len(server.paths) == 1


def test_what_cannot_be_fetched(settings: Settings, tmp_path: Path) -> None:
    made = build(tmp_path / "a")
    nameless = build(tmp_path / "b", SOURCE, "-Wl,--build-id=none")
    with opened(settings) as index:
        with pytest.raises(NotFound):
            index.add_fetch("00")
        for path in (nameless.stripped, tmp_path / "a/away/app", made.debug):
            with pytest.raises(Conflict):
                index.add_fetch(index.binary_at(str(path)).id)
    with opened(replace(settings, read_only=True)) as index, pytest.raises(Forbidden):
        index.add_fetch(index.binary_at(str(made.stripped)).id)
    with opened(replace(settings, debuginfod_urls=())) as index:
        with pytest.raises(Conflict) as caught:
            index.add_fetch(index.binary_at(str(made.stripped)).id)
        assert caught.value.code == "no_servers"


def test_a_shared_part_is_fetched_too(index: Index, server: Double, tmp_path: Path) -> None:
    made = build(tmp_path / "one")
    twin = build(tmp_path / "two", SOURCE.replace("== 3", "== 4"))
    common = tmp_path / "common.debug"
    subprocess.run(["dwz", "-m", common, made.debug, twin.debug], check=True, capture_output=True)
    kept = {"debug": made.debug.read_bytes(), "common": common.read_bytes()}
    common.unlink()
    server.answer = lambda handler: giving(kept["debug" if made.build_id in handler.path else "common"])(
        handler
    )
    binary = index.binary_at(str(made.stripped))
    job = index.wait(index.add_fetch(binary.id).id, 60)
    assert job.state == "done", job.message
    assert len(server.paths) == 2
    checkout = functions(index, binary.id)["checkout"]
    assert [each.type for each in checkout.parameters or ()] == ["struct order *", "int"]
    assert index.answers.structs(binary.id, ["order"])[0]["size"] == 16


@pytest.mark.parametrize("auto", [False, True])
def test_jobs_ask_by_themselves_where_the_settings_say_so(
    settings: Settings, server: Double, tmp_path: Path, auto: bool
) -> None:
    made = build(tmp_path / "programs")
    server.answer = lambda handler: giving(
        made.debug.read_bytes() if made.build_id in handler.path else b"",
        200 if made.build_id in handler.path else 404,
    )(handler)
    with opened(replace(settings, debuginfod_auto=auto)) as index:
        job = index.wait(index.add_paths([str(made.stripped), "/bin/true"]).id, 60)
        assert (job.state, job.done) == ("done", 2)
        assert index.binary(made.build_id).debug.kind == ("separate" if auto else "none")
    assert len(server.paths) == (2 if auto else 0)
