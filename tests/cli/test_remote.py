"""``mark`` against a server that runs, and against what is none."""

from __future__ import annotations

import json
import os
import shutil
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.support.server import TOKEN, Server, running

NEEDS_BPFTRACE = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("bpftrace") is None, reason="asks for root and bpftrace"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("marked")) as found:
        yield found


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PROBESCOPE_URL", "PROBESCOPE_TOKEN", "PROBESCOPE_HOST", "PROBESCOPE_PORT"):
        monkeypatch.delenv(name, raising=False)
    # Never asked.
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")


@NEEDS_BPFTRACE
def test_a_marker_comes_into_the_log_whichever_way_the_server_is_named(
    server: Server, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"script": "interval:s:60 { exit(); }", "duration": 60}
    session = server.client.post("/api/v1/sessions", json=body).raise_for_status().json()["id"]
    server.until(session, "running")
    by_url = run("mark", session, "a “first” word", "--url", f"{server.url}/?token={TOKEN}")
    monkeypatch.setenv("PROBESCOPE_TOKEN", TOKEN)
    (by_option,) = run("mark", session, "second", "--url", f"{server.url}/", "--json").objects
    monkeypatch.setenv("PROBESCOPE_PORT", str(server.port))
    assert run("mark", session, "third").code == 0
    monkeypatch.setenv("PROBESCOPE_URL", server.url)
    monkeypatch.setenv("PROBESCOPE_PORT", "9")
    assert run("mark", session, "fourth").code == 0
    marks = [event for event in server.events(session) if event["type"] == "marker"]
    assert [event["data"] for event in marks] == ["a “first” word", "second", "third", "fourth"]
    assert by_url.out == f"Event {marks[0]['n']} of session {session}.\n"
    assert by_option == {"session": session, "n": marks[1]["n"]}

    too_long = run("mark", session, "x" * 201).complaint
    assert "200" in too_long
    server.client.post(f"/api/v1/sessions/{session}/stop")
    server.until(session, "ended")
    assert "The session is over" in run("mark", session, "late").complaint


def test_what_the_server_refuses_is_said(server: Server, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROBESCOPE_URL", server.url)
    assert "There is no token" in run("mark", "x", "y").complaint
    monkeypatch.setenv("PROBESCOPE_TOKEN", "another")
    assert "does not take the token" in run("mark", "x", "y").complaint
    monkeypatch.setenv("PROBESCOPE_TOKEN", TOKEN)
    assert "There is no session no-such." in run("mark", "no-such", "y").complaint
    monkeypatch.setenv("PROBESCOPE_TOKEN", "a\nb")
    assert "The token cannot be sent" in run("mark", "x", "y").complaint


@pytest.mark.parametrize(
    "url", ["ftp://127.0.0.1", "127.0.0.1:8340", "http://", "http://[", "file:///etc/passwd"]
)
def test_a_url_that_is_none(run: Run, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROBESCOPE_TOKEN", TOKEN)
    assert "is no URL of a dashboard" in run("mark", "x", "y", "--url", url).complaint


def test_nothing_that_answers(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROBESCOPE_TOKEN", TOKEN)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        assert f"No dashboard answers at {url}" in run("mark", "x", "y", "--url", url).complaint


class Other(BaseHTTPRequestHandler):
    """Answers by the session's name: a page, an error without a word, a redirect to itself."""

    seen: list[str]

    def do_POST(self) -> None:
        word = self.path.split("/")[4]
        Other.seen.append(self.path)
        self.send_response({"page": 200, "error": 500, "away": 302}[word])
        self.send_header("location", "/api/v1/sessions/page/markers")
        self.end_headers()
        self.wfile.write(json.dumps({"no": "error"}).encode() if word == "error" else b"<html>")

    def log_message(self, *_: object) -> None:
        pass


def test_a_server_that_is_no_dashboard(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PROBESCOPE_TOKEN", TOKEN)
    Other.seen = []
    with HTTPServer(("127.0.0.1", 0), Other) as other:
        thread = threading.Thread(target=other.serve_forever)
        thread.start()
        try:
            monkeypatch.setenv("PROBESCOPE_URL", f"http://127.0.0.1:{other.server_port}")
            assert "is no dashboard of probescope" in run("mark", "page", "y").complaint
            assert "answers with 500" in run("mark", "error", "y").complaint
            # The token is not carried to where it is sent on.
            assert "is no dashboard of probescope" in run("mark", "away", "y").complaint
        finally:
            other.shutdown()
            thread.join()
    assert [path.split("/")[4] for path in Other.seen] == ["page", "error", "away"]
