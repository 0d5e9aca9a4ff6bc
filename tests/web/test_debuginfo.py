"""The panel of debug files, as JSON and as a page."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.index.test_debug_files import Build, build
from tests.support.server import Server
from tests.web.test_api import index


@pytest.fixture(scope="module")
def made(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Build:
    found = build(tmp_path_factory.mktemp("panel"))
    index(server, str(found.stripped))
    return found


def test_places_and_steps(server: Server, made: Build) -> None:
    answer = server.get(f"/api/v1/binaries/{made.build_id}/debuginfo")
    assert answer["debug"]["kind"] == "none"
    assert answer["total"] == len(answer["items"])
    assert {"kind", "path", "state", "why", "build_id", "has", "package"} == set(answer["items"][0])
    assert any(made.build_id in (step["command"] or "") for step in answer["steps"])
    page = server.client.get(f"/binaries/{made.build_id}/debuginfo").text
    assert "What to do next" in page
    assert "There is no such file." in page
    assert f"/binaries/{made.build_id}/debuginfo" in server.client.get(f"/binaries/{made.build_id}").text


def test_after_the_debug_file_came_there_is_nothing_left_to_do(
    server: Server, made: Build, tmp_path: Path
) -> None:
    index(server, str(made.debug))
    answer = server.get(f"/api/v1/binaries/{made.build_id}/debuginfo")
    assert (answer["debug"]["kind"], answer["debug"]["path"]) == ("separate", str(made.debug))
    assert answer["steps"] == []
    assert ("indexed", "matched") in [(each["kind"], each["state"]) for each in answer["items"]]
    page = server.client.get(f"/binaries/{made.build_id}/debuginfo").text
    assert "What to do next" not in page
    names = [
        each["name"]
        for each in server.get(f"/api/v1/binaries/{made.build_id}/functions", q="checkout")["items"]
    ]
    assert names == ["checkout"]


def test_a_debug_file_alone_waits_for_its_binary(server: Server, tmp_path: Path) -> None:
    made = build(tmp_path, "int lonely(void) { return 1; } int main(void) { return lonely(); }")
    index(server, str(made.debug))
    # Until the binary comes, the build-id is its debug file's.
    binary = server.get(f"/api/v1/binaries/{made.build_id}")
    assert (binary["debug_only"], binary["build_id"]) == (True, made.build_id)
    assert "waiting for its binary" in server.client.get(f"/binaries/{made.build_id}").text
    index(server, str(made.stripped))
    assert server.get(f"/api/v1/binaries/{made.build_id}")["debug"]["kind"] == "separate"
    page = server.client.get(f"/binaries/debug-{made.build_id}").text
    assert f'The debug file of <a href="/binaries/{made.build_id}">app</a>' in page


def test_a_binary_that_is_not_there(server: Server) -> None:
    assert server.client.get("/api/v1/binaries/00/debuginfo").status_code == 404
