"""The HTTP contract against a real server: shapes, codes, real files in, real answers out."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.server import Server

BASH = os.path.realpath("/bin/bash")


def wait_job(server: Server, job: str) -> dict[str, Any]:
    for _ in range(600):
        found: dict[str, Any] = server.get(f"/api/v1/jobs/{job}")
        if found["state"] not in {"queued", "running"}:
            return found
        time.sleep(0.1)
    raise AssertionError(found)


def index(server: Server, *paths: str) -> dict[str, Any]:
    answer = server.client.post("/api/v1/index", json={"paths": list(paths)})
    assert answer.status_code == 202, answer.text
    return wait_job(server, answer.json()["job"])


@pytest.fixture(scope="session")
def bash(server: Server) -> str:
    job = index(server, BASH)
    assert job["state"] == "done", job
    found: str = job["results"][0]["id"]
    return found


def test_health_needs_no_token_and_the_rest_does(server: Server) -> None:
    assert httpx2.get(f"{server.url}/healthz").status_code == 200
    assert httpx2.get(f"{server.url}/api/v1/host").status_code == 401
    assert httpx2.get(f"{server.url}/metrics").status_code == 401
    assert httpx2.get(f"{server.url}/", follow_redirects=False).status_code == 303


def test_host_says_what_this_machine_can_do(server: Server) -> None:
    host = server.get("/api/v1/host")
    assert host["tracing"]["available"] is True
    assert "probescope_sessions" in server.client.get("/metrics").text


def test_a_binary_has_the_fields_of_the_contract(server: Server, bash: str) -> None:
    binary = server.get(f"/api/v1/binaries/{bash}")
    assert {"id", "build_id", "name", "paths", "size", "debug", "counts", "language", "runtime"} <= set(
        binary
    )
    assert binary["name"] == "bash"
    assert binary["size"] == Path(BASH).stat().st_size
    listed = server.get("/api/v1/binaries", q="bash")
    assert {"total", "items", "next", "took_ms"} <= set(listed)
    assert bash in {item["id"] for item in listed["items"]}


def test_functions_are_searched_sorted_and_paged(server: Server, bash: str) -> None:
    url = f"/api/v1/binaries/{bash}/functions"
    answer = server.get(url, q="readline", limit=5)
    assert answer["items"][0]["name"] == "readline"
    assert answer["next"] == 5
    whole = server.get(url, limit=1000)
    parts = [
        item["key"] for offset in (0, 400, 800) for item in server.get(url, offset=offset, limit=400)["items"]
    ]
    assert parts[:1000] == [item["key"] for item in whole["items"]]
    sizes = [item["size"] for item in server.get(url, sort="-size", limit=50)["items"]]
    assert sizes == sorted(sizes, reverse=True)
    assert server.get(url, q="^rl_.*_hook$", mode="regex")["total"] >= 0
    item = answer["items"][0]
    assert item["address_hex"] == hex(item["address"])
    assert item["verdict"]["probe"].startswith("uprobe:")


def test_one_function_has_its_disassembly_and_its_address_form(server: Server, bash: str) -> None:
    item = server.get(f"/api/v1/binaries/{bash}/functions", q="readline", limit=1)["items"][0]
    one = server.get(f"/api/v1/binaries/{bash}/functions/{item['key']}")
    assert one == server.get(f"/api/v1/binaries/{bash}/functions/{item['address_hex']}")
    assert one["disassembly"][0]["address"] == item["address"]
    dump = subprocess.run(
        [
            "objdump",
            "-d",
            f"--start-address={item['address']}",
            f"--stop-address={item['address'] + 16}",
            BASH,
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert one["disassembly"][0]["mnemonic"] in dump


@pytest.mark.parametrize("noun", ["functions", "symbols", "variables", "usdt", "sections"])
def test_every_list_has_the_same_shape(server: Server, bash: str, noun: str) -> None:
    answer = server.get(f"/api/v1/binaries/{bash}/{noun}")
    assert {"total", "items", "next", "took_ms"} <= set(answer)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/api/v1/binaries/0000", None, 404, "not_found"),
        ("GET", "/api/v1/nothing", None, 404, "not_found"),
        ("GET", "/api/v1/processes/1-1", None, 404, "not_found"),
        ("GET", "/api/v1/processes/abc", None, 404, "not_found"),
        ("GET", "/api/v1/jobs/none", None, 404, "not_found"),
        ("GET", "/api/v1/sessions/none", None, 404, "not_found"),
        ("POST", "/api/v1/sessions/none/stop", None, 404, "not_found"),
        ("GET", "/api/v1/binaries?limit=-1", None, 400, "bad_input"),
        ("GET", "/api/v1/binaries?mode=psychic", None, 400, "bad_input"),
        ("POST", "/api/v1/index", {"paths": []}, 400, "bad_input"),
        ("POST", "/api/v1/index", {"path": "/"}, 400, "bad_input"),
        ("POST", "/api/v1/sessions", {"pid": -1}, 400, "bad_input"),
        ("PUT", "/api/v1/sessions", {}, 405, "method_not_allowed"),
    ],
)
def test_errors_have_one_shape(
    server: Server, method: str, path: str, body: Any, status: int, code: str
) -> None:
    answer = server.client.request(method, path, json=body)
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert set(error) == {"code", "message", "hint"}
    assert error["code"] == code
    assert error["message"].endswith((".", "?"))


def test_an_upload_becomes_a_binary_by_its_build_id(server: Server, bash: str, tmp_path: Path) -> None:
    copy = tmp_path / "copied"
    shutil.copy("/bin/ls", copy)
    text = b"not an ELF file"
    with copy.open("rb") as handle:
        answer = server.client.post(
            "/api/v1/binaries", files=[("files", ("my-ls", handle)), ("files", ("notes.txt", text))]
        )
    assert answer.status_code == 202, answer.text
    jobs = [wait_job(server, job) for job in answer.json()["jobs"]]
    results = [result for job in jobs for result in job["results"]]
    good = [result for result in results if result["id"]]
    bad = [result for result in results if not result["id"]]
    assert len(good) == 1
    assert [entry["code"] for entry in bad] == ["not_elf"]
    info = server.get(f"/api/v1/binaries/{good[0]['id']}")
    assert info["counts"]["symbols"] > 0
    assert info["sha256"] == hashlib.sha256(copy.read_bytes()).hexdigest()
    assert not list((server.data).rglob("part-*"))


def test_a_broken_upload_leaves_nothing(server: Server) -> None:
    headers = {"content-type": "multipart/form-data; boundary=x"}
    body = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n' + b"\x7fELF" * 1000
    answer = server.client.post("/api/v1/binaries", content=body, headers=headers)
    assert answer.status_code == 400
    assert server.client.post("/api/v1/binaries", content=b"x").status_code == 400
    assert not list(server.data.rglob("part-*"))


def test_processes_name_this_one_and_what_it_maps(server: Server) -> None:
    mine = server.get(f"/api/v1/processes/{os.getpid()}")
    assert mine["pid"] == os.getpid()
    assert any("libc" in entry["path"] and entry["binary"] for entry in mine["objects"])
    listed = server.get("/api/v1/processes", limit=1000)
    assert any(item["key"] == mine["key"] for item in listed["items"])


def test_bad_paths_are_told_apart(server: Server, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    text = tmp_path / "text"
    text.write_text("hello")
    cut = tmp_path / "cut"
    cut.write_bytes(Path(BASH).read_bytes()[:40])
    job = index(server, str(empty), str(text), str(cut), str(tmp_path / "gone"))
    assert job["state"] in {"failed", "partial"}
    by_name = {Path(result["path"]).name: result for result in job["results"]}
    assert by_name["gone"]["code"] == "not_found"
    assert {by_name[name]["code"] for name in ("empty", "text", "cut")} == {
        "empty",
        "not_elf",
        "truncated",
    }
    assert len({result["message"] for result in job["results"]}) == 4


def test_a_script_with_an_error_is_marked_in_place(server: Server) -> None:
    text = "BEGIN { printf(1); }\n"
    answer = server.client.post("/api/v1/scripts/check", json={"script": text}).json()
    assert answer["ok"] is False
    assert {"line", "column", "end_column", "severity", "message"} <= set(answer["diagnostics"][0])
    assert answer["diagnostics"][0]["line"] == 1
    good = server.client.post("/api/v1/scripts/check", json={"script": "BEGIN { exit(); }"}).json()
    assert good == {"ok": True, "diagnostics": []}


def test_a_session_runs_ends_and_is_exported(server: Server) -> None:
    script = 'BEGIN { printf("=cmd\\n"); @n = count(); exit(); }'
    answer = server.client.post("/api/v1/sessions", json={"script": script, "duration": 20})
    assert answer.status_code == 201, answer.text
    session_id = answer.json()["id"]
    for _ in range(300):
        session = server.get(f"/api/v1/sessions/{session_id}")
        if session["state"] in {"ended", "failed"}:
            break
        time.sleep(0.1)
    assert session["state"] == "ended", session
    lines = server.client.get(f"/api/v1/sessions/{session_id}/events").text.splitlines()
    events = [json.loads(line) for line in lines]
    assert [event["n"] for event in events] == list(range(1, len(events) + 1))
    assert any(event["type"] == "printf" and event["data"] == "=cmd\n" for event in events)
    assert any(event["type"] == "map" and event["data"].get("@n") == 1 for event in events)
    rest = server.client.get(f"/api/v1/sessions/{session_id}/events", params={"from": 2}).text.splitlines()
    assert rest == lines[1:]
    csv = server.client.get(f"/api/v1/sessions/{session_id}/export.csv").text
    assert "'=cmd" in csv
    assert server.client.get(f"/api/v1/sessions/{session_id}/export.json").text.splitlines() == lines
    assert server.client.get(f"/api/v1/sessions/{session_id}/export.bt").text == session["script"]
    assert server.client.get(f"/api/v1/sessions/{session_id}/export.exe").status_code == 404
