"""debuginfo, and --debug and --no-debug of the commands that take a file."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.index.test_debug_files import Build, build
from tests.support.debuginfod_double import double, giving


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Build:
    return build(tmp_path_factory.mktemp("debuginfo"))


def names(run: Run, *arguments: str | Path) -> set[str]:
    return {each["name"] for each in run("functions", "--json", *arguments).objects}


def test_every_place_is_said_with_the_next_step(run: Run, made: Build) -> None:
    found = run("debuginfo", "--json", made.stripped).objects
    assert [(each["kind"], each["state"]) for each in found][:2] == [
        ("embedded", "missing"),
        ("build-id", "missing"),
    ]
    assert all(set(each) == {"kind", "path", "state", "why", "build_id", "has", "package"} for each in found)
    text = run("debuginfo", made.stripped).out
    assert "> Upload its debug file" in text
    assert f"debuginfod-find debuginfo {made.build_id}" in text


def test_a_file_or_a_directory_is_named_by_hand(run: Run, made: Build, tmp_path: Path) -> None:
    folder = tmp_path / "symbols"
    folder.mkdir()
    shutil.copy(made.debug, folder / "whatever-it-is-called")
    for given in (made.debug, folder):
        assert "checkout" in names(run, "--debug", given, made.stripped)
        found = run("debuginfo", "--json", "--debug", given, made.stripped).objects
        assert ("given", "matched") in [(each["kind"], each["state"]) for each in found]
    # What one command chose is not what the next one has.
    assert "checkout" not in names(run, made.stripped)


def test_no_debug_keeps_to_the_file(run: Run, made: Build, tmp_path: Path) -> None:
    program = tmp_path / "app"
    shutil.copy(made.stripped, program)
    place = tmp_path / "app.debug"
    shutil.copy(made.debug, place)
    assert "checkout" in names(run, "--debug", tmp_path, program)
    assert "checkout" not in names(run, "--no-debug", "--debug", tmp_path, program)
    places = run("debuginfo", "--json", "--no-debug", program).objects
    assert [each["kind"] for each in places] == ["embedded"]


def test_a_debug_file_that_is_not_there(run: Run, made: Build) -> None:
    result = run("functions", "--debug", "/nowhere", made.stripped)
    assert result.code == 1
    assert "There is no /nowhere." in result.err


def test_the_commands_about_places_take_it_too(run: Run, made: Build) -> None:
    (checkout,) = run("functions", "--json", "-q", "checkout", "--debug", made.debug, made.stripped).objects
    (found,) = run("locate", "--json", "--debug", made.debug, made.stripped, checkout["address_hex"]).objects
    assert found["file"].endswith("app.c")
    assert "struct order {" in run("structs", "--debug", made.debug, made.stripped, "order").out


def test_fetch_asks_the_servers_of_the_settings(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = build(tmp_path)
    monkeypatch.setenv("PROBESCOPE_DEBUGINFOD_CACHE", str(tmp_path / "cache"))
    refused = run("debuginfo", "--fetch", made.stripped)
    assert "PROBESCOPE_DEBUGINFOD_URLS" in refused.complaint
    with double() as server:
        monkeypatch.setenv("PROBESCOPE_DEBUGINFOD_URLS", server.url)
        assert "probescope debuginfo --fetch" in run("debuginfo", made.stripped).out
        assert server.paths == []
        missing = run("debuginfo", "--fetch", made.stripped)
        assert "No server has the debug file." in missing.complaint
        assert "It has none." in missing.out
        (tmp_path / "cache" / made.build_id / "debuginfo").unlink()
        server.answer = giving(made.debug.read_bytes())
        found = run("debuginfo", "--fetch", "--json", made.stripped)
        states = {each["kind"]: each["state"] for each in found.objects}
        assert (found.code, states["debuginfod"], states["cache"]) == (0, "matched", "matched")
        assert "checkout" in run("functions", "-q", "checkout", made.stripped).out
        assert run("debuginfo", "--fetch", made.stripped).code == 0
        assert len(server.paths) == 2
