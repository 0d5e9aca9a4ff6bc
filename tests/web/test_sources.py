"""Source lines on a function's page: out of a package, and from a debuginfod server when somebody asks."""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
from pathlib import Path

import httpx2

from tests.index.test_debug_files import SOURCE, build
from tests.support.asking import asking
from tests.support.debuginfod_double import giving
from tests.support.server import Server
from tests.web.test_api import index, wait_job

DIRECTORY = "/usr/src/debug/shop"


def test_lines_out_of_a_package(server: Server, tmp_path: Path) -> None:
    source = SOURCE.replace("checkout", "settle")
    made = build(tmp_path, source, f"-ffile-prefix-map={tmp_path}/away={DIRECTORY}")
    package = tmp_path / "shop.tar"
    with tarfile.open(package, "w") as file:
        file.add(made.stripped, "usr/bin/app")
        file.add(made.debug, "usr/lib/debug/app.debug")
        file.add(made.debug.parent / "app.c", f"{DIRECTORY[1:]}/app.c")
    answer = server.client.post(
        "/api/v1/binaries", files=[("files", ("shop.tar", package.read_bytes()))]
    ).raise_for_status()
    job = wait_job(server, answer.json()["jobs"][0])
    assert "2 ELF files, and 1 source files" in json.dumps(job)
    (function,) = server.get(f"/api/v1/binaries/{made.build_id}/functions", q="settle")["items"]
    found = server.get(f"/api/v1/binaries/{made.build_id}/functions/{function['key']}")["source"]
    assert (found["path"], found["origin"]) == (f"{DIRECTORY}/app.c", "shop.tar")
    assert "twice(order-&gt;id) + n" in server.client.get(function["url"]).text
    assert "from shop.tar" in server.client.get(function["url"]).text
    # Debuginfod clients get it, too, and nothing else that lies in the pack or on the host.
    asked = subprocess.run(
        ["debuginfod-find", "source", made.build_id, f"{DIRECTORY}/app.c"],
        env={**os.environ, "DEBUGINFOD_URLS": server.url, "DEBUGINFOD_CACHE_PATH": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(asked.stdout.strip()).read_text() == source
    for name in ("usr/src/debug/shop/other.c", "etc/passwd", f"{tmp_path}/away/app.c"):
        answer = httpx2.get(f"{server.url}/buildid/{made.build_id}/source/{name.lstrip('/')}")
        assert answer.status_code == 404


def test_lines_from_a_debuginfod_server(tmp_path: Path) -> None:
    made = build(tmp_path, SOURCE, f"-ffile-prefix-map={tmp_path}/away={DIRECTORY}")
    with asking(tmp_path, giving(SOURCE.encode())) as (server, away):
        index(server, str(made.stripped))
        index(server, str(made.debug))
        (function,) = server.get(f"/api/v1/binaries/{made.build_id}/functions", q="checkout")["items"]
        assert 'id="fetch-source"' in server.client.get(function["url"]).text
        assert away.paths == []
        answer = server.client.post(f"{function['url']}/source", headers={"origin": server.url})
        assert (answer.status_code, answer.headers["location"]) == (303, f"{function['url']}#h-source")
        page = server.client.get(function["url"]).text
        assert "from a debuginfod server" in page
        assert "twice(order-&gt;id) + n" in page
        assert away.paths == [f"/buildid/{made.build_id}/source{DIRECTORY}/app.c"]
        place = f"/api/v1/binaries/{made.build_id}/source"
        assert server.client.post(place, json={"file": f"{DIRECTORY}/app.c"}).json() == {
            "file": f"{DIRECTORY}/app.c",
            "origin": "a debuginfod server",
            "lines": len(SOURCE.split("\n")),
        }
        assert server.client.post(place, json={"file": "/etc/passwd"}).status_code == 404
        assert server.client.post(place, json={}).status_code == 400
        acts = (tmp_path / "data/audit.jsonl").read_text()
        assert f'"file": "{DIRECTORY}/app.c"' in acts
