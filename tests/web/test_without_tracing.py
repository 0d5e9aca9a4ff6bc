"""A dashboard that cannot trace still explores, and says what it lacks and what to do."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.server import Server, running
from tests.web.test_api import index


@pytest.fixture(scope="module", params=["missing", "read-only"])
def lame(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("lame")
    with ExitStack() as stack:
        if request.param == "missing":
            yield stack.enter_context(running(data, PROBESCOPE_BPFTRACE="/nonexistent/bpftrace"))
        else:
            yield stack.enter_context(running(data, "--read-only"))


PAGES = (
    "/",
    "/processes",
    "/binaries",
    "/binaries/upload",
    "/sessions",
    "/sessions/new",
    "/scripts",
    "/help",
)


@pytest.mark.parametrize("path", PAGES)
def test_every_page_opens(lame: Server, path: str) -> None:
    answer = lame.client.get(path)
    assert answer.status_code == 200
    assert "Something failed" not in answer.text


def test_it_indexes_and_lists_with_the_reason_why_nothing_is_attachable(lame: Server) -> None:
    found = index(lame, "/bin/bash")
    assert found["state"] == "done"
    binary = found["results"][0]["id"]
    functions = lame.get(f"/api/v1/binaries/{binary}/functions", q="readline")
    assert functions["total"] > 0
    assert lame.client.get(f"/binaries/{binary}/functions").status_code == 200
    one = functions["items"][0]
    assert lame.get(f"/api/v1/binaries/{binary}/functions/{one['key']}")["disassembly"]


def test_a_session_is_refused_with_a_sentence_and_a_way_out(lame: Server) -> None:
    asked = {"script": "BEGIN { exit(); }"}
    answer = lame.client.post("/api/v1/sessions", json=asked)
    assert answer.status_code in {403, 503}
    error = answer.json()["error"]
    assert error["message"].endswith(".")
    assert error["hint"]


@pytest.mark.skipif(os.geteuid() != 0, reason="asks for root, to be somebody else")
def test_a_server_that_is_not_root_says_so(tmp_path: Path) -> None:
    """In a user namespace of its own a process is nobody, and may yet read what root may."""
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-U", "true"]).returncode:
        pytest.skip("this machine allows no user namespaces")
    with running(tmp_path / "data", wrapper=("unshare", "-U")) as server:
        host = server.get("/api/v1/host")
        assert "root" in str(host)
        answer = server.client.post("/api/v1/sessions", json={"script": "BEGIN { exit(); }"})
        assert answer.status_code == 503
        assert answer.json()["error"]["code"] == "no_tracing"
        assert "root" in answer.json()["error"]["message"]
        job = server.client.post("/api/v1/index", json={"paths": ["/bin/bash"]}).json()["job"]
        while (found := server.get(f"/api/v1/jobs/{job}"))["state"] in {"queued", "running"}:
            pass
        assert found["state"] == "done"
