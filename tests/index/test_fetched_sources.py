"""Sources from debuginfod servers: asked for one by one, only what debug information names."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from app.config import Settings
from app.errors import Conflict, Forbidden, NotFound, Unreachable
from app.index.service import Index
from tests.index.test_debug_files import SOURCE, Build, build, functions
from tests.index.test_intake import upload
from tests.support.debuginfod_double import Double, double, giving

DIRECTORY = "/usr/src/shop 1.2"
FILE = f"{DIRECTORY}/app.c"


@pytest.fixture
def server() -> Iterator[Double]:
    with double() as found:
        yield found


@pytest.fixture
def settings(tmp_path: Path, settings: Settings, server: Double) -> Settings:
    return replace(
        settings,
        debuginfod_cache=str(tmp_path / "cache"),
        debuginfod_urls=(server.url,),
        debuginfod_timeout=5.0,
        free_disk=0,
    )


@pytest.fixture
def made(tmp_path: Path) -> Build:
    away = tmp_path / "made/away"
    found = build(tmp_path / "made", SOURCE, f"-ffile-prefix-map={away}={DIRECTORY}")
    subprocess.run(["objcopy", f"--add-gnu-debuglink={found.debug}", found.stripped], check=True)
    found.debug.rename(tmp_path / "made/kept")
    return replace(found, debug=tmp_path / "made/kept")


def kept(cache: Path) -> list[Path]:
    return list(cache.glob("*/*"))


def test_one_is_asked_for_and_kept_as_elfutils_keeps_it(
    index: Index, server: Double, made: Build, tmp_path: Path
) -> None:
    binary = index.binary_at(str(made.stripped))
    assert functions(index, binary.id)["checkout"].file == FILE
    assert index.source(binary.id, FILE) is None
    assert server.paths == []
    assert index.may_fetch_source(binary.id)
    server.answer = giving(SOURCE.encode())
    found = index.fetch_source(binary.id, FILE)
    assert (found.lines, found.origin) == (tuple(SOURCE.split("\n")), "a debuginfod server")
    assert server.paths == [f"/buildid/{made.build_id}/source/usr/src/shop%201.2/app.c"]
    assert index.source(binary.id, FILE) == found
    assert index.fetch_source(binary.id, FILE) == found
    assert len(server.paths) == 1
    environment = {"DEBUGINFOD_CACHE_PATH": str(tmp_path / "cache"), "DEBUGINFOD_URLS": "http://127.0.0.1:1"}
    told = subprocess.run(
        ["debuginfod-find", "source", made.build_id, FILE],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    assert Path(told.stdout.strip()).read_text() == SOURCE, told.stderr
    # Of the build's debug file the servers are not known to have anything.
    assert [each.why for each in index.debug_places(binary.id) if each.kind == "debuginfod"] == [
        "It was not asked yet."
    ]


def test_only_sources_that_are_named_are_asked_for(index: Index, server: Double, made: Build) -> None:
    binary = index.binary_at(str(made.stripped))
    server.answer = giving(b"root:x:0:0\n")
    for name in (
        "/etc/passwd",
        "/etc/shadow.c",
        f"{DIRECTORY}/../shop 1.2/app.c",
        "app.c",
        "",
        f"/{'x' * 300}.c",
    ):
        with pytest.raises(NotFound):
            index.fetch_source(binary.id, name)
    assert server.paths == []


def test_servers_that_have_none_or_lie(index: Index, server: Double, made: Build, tmp_path: Path) -> None:
    binary = index.binary_at(str(made.stripped))

    def endless(handler: BaseHTTPRequestHandler) -> None:
        giving(b"x" * (9 << 20))(handler)

    for answer in (giving(b"\x7fELF\0\0"), endless, giving(b"", 500), giving(b"")):
        server.answer = answer
        with pytest.raises(Unreachable):
            index.fetch_source(binary.id, FILE)
        index.debug_files.servers.all[0].breaker.left(False)
    assert kept(tmp_path / "cache") == []
    server.answer = giving(b"", 404)
    with pytest.raises(NotFound, match="No server has the source file"):
        index.fetch_source(binary.id, FILE)
    server.answer = giving(b"now\n")
    # Believed for a while, as elfutils does.
    with pytest.raises(NotFound, match="minutes ago"):
        index.fetch_source(binary.id, FILE)
    assert index.source(binary.id, FILE) is None


def test_an_upload_sees_only_what_was_fetched_here(
    index: Index, server: Double, made: Build, tmp_path: Path
) -> None:
    assert upload(index, made.stripped).state == "done"
    assert upload(index, made.debug).state == "done"
    # Whoever uploads a binary may give it the build-id of another one, and any names.
    place = tmp_path / "cache" / made.build_id
    place.mkdir(parents=True)
    theirs = place / ("source" + FILE.replace("/", "##"))
    theirs.write_text("of another user\n")
    assert index.source(made.build_id, FILE) is None
    theirs.unlink()
    server.answer = giving(b"int x;\n")
    assert index.fetch_source(made.build_id, FILE).lines == ("int x;", "")
    assert index.source(made.build_id, FILE) is not None


def test_where_nobody_may_be_asked(settings: Settings, made: Build, tmp_path: Path) -> None:
    for number, (changes, error) in enumerate(
        (({"read_only": True}, Forbidden), ({"debuginfod_urls": ()}, Conflict))
    ):
        index = Index(replace(settings, data=tmp_path / str(number), **changes))  # type: ignore[arg-type]
        index.start()
        try:
            binary = index.binary_at(str(made.stripped))
            assert not index.may_fetch_source(binary.id)
            with pytest.raises(error):
                index.fetch_source(binary.id, FILE)
        finally:
            index.close()
