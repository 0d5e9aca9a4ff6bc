"""The library of scripts over HTTP: by hash, with titles, forks and links; and what may be written where."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.programs import compile_c
from tests.support.server import Server

SOURCE = """
#include <unistd.h>
struct order { int id; const char *title; };
__attribute__((noinline)) int place(const struct order *o, int count) { return o->id + count; }
int main(void) { struct order o = {1, "tea"}; for (;;) { place(&o, 2); usleep(1000); } }
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_c(tmp_path_factory.mktemp("shop"), SOURCE, "shop")


@pytest.fixture
def saved(server: Server) -> Iterator[str]:
    text = "BEGIN { @saved = 1; exit(); }\n"
    sha = hashlib.sha256(text.encode()).hexdigest()
    answer = server.client.put(f"/api/v1/scripts/{sha}", json={"script": text, "title": "My  script"})
    assert answer.status_code == 201, answer.text
    yield sha
    server.client.delete(f"/api/v1/scripts/{sha}")


def test_a_script_is_kept_under_the_hash_of_its_text(server: Server, saved: str) -> None:
    found = server.get(f"/api/v1/scripts/{saved}")
    assert (found["sha"], found["title"], found["text"]) == (
        saved,
        "My script",
        "BEGIN { @saved = 1; exit(); }\n",
    )
    assert server.get(f"/api/v1/scripts/{saved[:12]}")["sha"] == saved
    assert saved in [each["sha"] for each in server.get("/api/v1/scripts")["items"]]
    wrong = server.client.put(f"/api/v1/scripts/{saved}", json={"script": "BEGIN {}"})
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, "bad_input")
    for name in ("nothing", saved[:4], "0" * 64):
        assert server.client.get(f"/api/v1/scripts/{name}").status_code == 404


def test_a_title_can_be_changed_and_a_script_removed(server: Server, saved: str) -> None:
    assert server.client.put(f"/api/v1/scripts/{saved}", json={"title": "Other"}).status_code == 200
    assert server.get(f"/api/v1/scripts/{saved}")["title"] == "Other"
    answer = server.client.post(f"/scripts/{saved[:16]}/title", data={"title": "<b>Third</b>"})
    assert answer.status_code == 303
    page = server.client.get(f"/scripts/{saved[:16]}").text
    assert "&lt;b&gt;Third&lt;/b&gt;" in page and "<b>Third" not in page
    assert server.client.post(f"/scripts/{saved[:16]}/delete").status_code == 303
    assert server.client.get(f"/api/v1/scripts/{saved}").status_code == 404


def test_a_fork_knows_what_it_was_made_from(server: Server, saved: str) -> None:
    text = "BEGIN { @forked = 1; exit(); }\n"
    form = {"script": text, "edited": "1", "parent": saved, "recipe": "count"}
    answer = server.client.post("/scripts", data=form)
    assert answer.status_code == 303
    fork = server.get(f"/api/v1{answer.headers['location']}")
    assert (fork["parent"], fork["recipe"]) == (saved, "custom")
    assert server.get(f"/api/v1/scripts/{saved}")["forks"] == [fork["sha"]]
    page = server.client.get(answer.headers["location"]).text
    assert f'href="/scripts/{saved[:16]}"' in page
    # The same text is no fork of itself.
    same = server.client.post("/scripts", data={**form, "parent": fork["sha"]})
    assert server.get(f"/api/v1{same.headers['location']}")["parent"] == saved
    server.client.delete(f"/api/v1/scripts/{fork['sha']}")


def test_what_a_session_ran_is_in_the_library_with_its_sessions(server: Server) -> None:
    text = "BEGIN { @ran = 3; exit(); }"
    session = server.client.post("/api/v1/sessions", json={"script": text, "duration": 5}).json()
    server.until(session["id"], "ended")
    found = server.get(f"/api/v1/scripts/{session['script_sha']}")
    assert found["text"] == text
    assert found["session_ids"] == [session["id"]]
    page = server.client.get(f"/sessions/{session['id']}").text
    address = re.search(r'href="(/scripts/[0-9a-f]{16})"', page)
    assert address and f"/sessions/{session['id']}" in server.client.get(address[1]).text


def test_completion_comes_from_the_hosts_own_binaries(server: Server, shop: Path) -> None:
    server.get(f"/api/v1/binaries/{server_id(server, shop)}")

    def labels(script: str) -> list[str]:
        body = {"script": script, "place": len(script)}
        answer = server.client.post("/api/v1/scripts/complete", json=body)
        assert answer.status_code == 200, answer.text
        return [each["label"] for each in answer.json()["items"]]

    assert f'"{shop}":' in labels(f"uprobe:{shop}")
    assert labels(f'uprobe:"{shop}":pla')[0] == "place"
    action = f'uprobe:"{shop}":place {{ '
    assert labels(f"{action}print(ar")[:2] == ["arg0", "arg1"]
    assert labels(f"{action}str(arg0->") == ["id", "title"]
    assert labels(f"{action}str(((struct order *)arg0)->t") == ["title"]


def server_id(server: Server, path: Path) -> str:
    """The id of the file, once it is indexed."""
    job = server.client.post("/api/v1/index", json={"paths": [str(path)]}).json()["job"]
    while server.get(f"/api/v1/jobs/{job}")["state"] in {"queued", "running"}:
        time.sleep(0.05)
    return next(
        str(each["id"])
        for each in server.get("/api/v1/binaries", q=path.name)["items"]
        if str(path) in each["paths"]
    )
