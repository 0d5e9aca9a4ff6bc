"""Whatever a debuginfod server does, only a whole file that fits comes into the cache, and nothing stays."""

from __future__ import annotations

import gzip
import os
import resource
import subprocess
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx2
import pytest
import zstandard

from app.debuginfo.cache import MISS_SECONDS, Cache
from app.debuginfo.client import Limits, Watch, fetch
from app.debuginfo.servers import Breaker, Servers
from app.errors import AppError, BadInput, Conflict, NotFound, StorageFull, Unreachable
from tests.support.debuginfod_double import Double, double, giving

ID = "0123456789abcdef0123456789abcdef01234567"
FILE = b"the debug file " * 5000
LIMITS = Limits(silence=0.5, wall=20.0, size=10 << 20)
Make = Callable[..., list[Double]]


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def servers() -> Iterator[Make]:
    with ExitStack() as stack:
        yield lambda *answers: [stack.enter_context(double(answer)) for answer in answers]


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def of(doubles: list[Double], failures: int = 100, pause: float = 60.0) -> Servers:
    return Servers([each.url for each in doubles], failures, pause)


def same(descriptor: int, _: str) -> str | None:
    return None if os.pread(descriptor, len(FILE) + 1, 0) == FILE else "It is another file."


def get(servers: Servers, cache: Cache, limits: Limits = LIMITS, watch: Watch | None = None) -> Path:
    return fetch(servers, cache, ID, same, limits, watch or Watch())


def nothing_left(cache: Cache) -> bool:
    top = cache.path(ID).parent.parent
    return [path for path in top.rglob("*") if path.is_file()] == []


def test_a_file_comes_with_progress_and_is_not_asked_for_again(servers: Make, cache: Cache) -> None:
    (one,) = servers(giving(FILE))
    told: list[tuple[str, int, int | None]] = []
    asked = of([one])
    path = get(asked, cache, watch=Watch(lambda *each: told.append(each)))
    assert path.read_bytes() == FILE
    assert path == cache.path(ID)
    assert one.paths == [f"/buildid/{ID}/debuginfo"]
    assert told[-1] == (one.url, len(FILE), len(FILE))
    assert (asked.all[0].said(ID, None).state, path.stat().st_mode & 0o77) == ("matched", 0)
    assert get(asked, cache) == path
    assert len(one.paths) == 1
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    "encoding", [("gzip", gzip.compress), ("zstd", zstandard.compress)], ids=["gzip", "zstd"]
)
def test_compressed_bodies(
    servers: Make, cache: Cache, encoding: tuple[str, Callable[[bytes], bytes]]
) -> None:
    name, compress = encoding
    (one,) = servers(giving(compress(FILE), content_encoding=name, x_debuginfod_size=str(len(FILE))))
    assert get(of([one]), cache).read_bytes() == FILE


def test_the_next_server_is_asked_after_one_that_has_none_or_fails(servers: Make, cache: Cache) -> None:
    found = servers(giving(b"", 404), giving(b"oops", 500), giving(FILE))
    asked = of(found)
    assert get(asked, cache).read_bytes() == FILE
    assert [each.said(ID, None).why for each in asked.all] == [
        "It has none.",
        "It answered with the status 500.",
        "It has it.",
    ]


def test_that_none_has_it_is_kept_for_a_while(servers: Make, cache: Cache) -> None:
    found = servers(giving(b"", 404), giving(b"", 404))
    asked = of(found)
    for _ in range(2):
        with pytest.raises(NotFound):
            get(asked, cache)
    assert [len(each.paths) for each in found] == [1, 1]
    entry = cache.path(ID)
    assert entry.stat().st_size == 0
    assert "asked 0 minutes ago" in of(found).all[0].said(ID, cache.missed(ID)).why
    os.utime(entry, (0, time.time() - MISS_SECONDS - 1))
    with pytest.raises(NotFound):
        get(asked, cache)
    assert [len(each.paths) for each in found] == [2, 2]
    os.utime(entry, (0, time.time() - MISS_SECONDS - 1))
    found[0].answer = giving(FILE)
    assert get(asked, cache).read_bytes() == FILE


def chunked(*parts: bytes, pause: float = 0.0, last: bool = True) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.protocol_version = "HTTP/1.1"
        handler.send_response(200)
        handler.send_header("transfer-encoding", "chunked")
        handler.end_headers()
        for part in parts:
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            time.sleep(pause)
        if last:
            handler.wfile.write(b"0\r\n\r\n")
        handler.close_connection = True

    return answer


def endless(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    with suppress(OSError):
        while True:
            handler.wfile.write(bytes(1 << 16))


def letters(handler: BaseHTTPRequestHandler) -> None:
    """Headers that never end."""
    with suppress(OSError):
        for letter in b"HTTP/1.1 200 OK\r\nx: " + b"a" * 1000:
            handler.wfile.write(bytes([letter]))
            time.sleep(0.05)


def garbage(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"\x00\x01 no protocol at all\r\n\r\n")


def zeros(packer: Any, size: int) -> bytes:
    """So many, packed without ever being there at once."""
    return b"".join([*(packer.compress(bytes(1 << 20)) for _ in range(size >> 20)), packer.flush()])


def gzip_bomb() -> bytes:
    return zeros(zlib.compressobj(9, zlib.DEFLATED, 31), 300 << 20)


def zstd_bomb() -> bytes:
    return zeros(zstandard.ZstdCompressor(level=1).compressobj(), 300 << 20)


BAD: dict[str, tuple[Callable[[BaseHTTPRequestHandler], None], str]] = {
    "another file": (giving(b"x" + FILE), "What it sent was dropped. It is another file."),
    "empty": (giving(b""), "It sent an empty file."),
    "too short": (giving(FILE, content_length=str(len(FILE) + 1)), "It broke off"),
    "broken off in a chunk": (chunked(FILE[:100], last=False), "It broke off"),
    "another size": (chunked(FILE[:100]), "It is another file."),
    "size that lies": (giving(FILE, x_debuginfod_size="12"), f"It said 12 bytes, and sent {len(FILE):,}."),
    "size over the ceiling": (giving(FILE, x_debuginfod_size=str(1 << 50)), "the most that are taken"),
    "length over the ceiling": (giving(b"", content_length=str(1 << 50)), "the most that are taken"),
    "endless": (endless, "the most that are taken"),
    "letter by letter": (letters, "It said nothing for 0.5 s."),
    "no protocol": (garbage, "does not speak HTTP"),
    "trickling": (chunked(*[b"x"] * 40, pause=0.1), "which is too slow"),
    "redirect": (giving(b"", 302, location="http://127.0.0.1:1/secret"), "no redirect is followed"),
    "server error": (giving(b"", 503), "It answered with the status 503."),
    "gzip bomb": (giving(gzip_bomb(), content_encoding="gzip"), "the most that are taken"),
    "zstd bomb": (giving(zstd_bomb(), content_encoding="zstd"), "the most that are taken"),
    "no gzip": (giving(FILE, content_encoding="gzip"), "cannot be unpacked"),
    "no zstd": (giving(FILE, content_encoding="zstd"), "cannot be unpacked"),
    "unknown encoding": (giving(FILE, content_encoding="br"), "which was not asked for"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_server_that_misbehaves_is_told_of_and_leaves_nothing(
    servers: Make, cache: Cache, name: str
) -> None:
    answer, why = BAD[name]
    (one,) = servers(answer)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(Unreachable, match="No server gave the debug file") as caught:
        get(of([one]), cache)
    assert why in caught.value.message
    assert one.url in caught.value.message
    assert nothing_left(cache)
    if "bomb" in name:
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB


def test_a_server_that_never_answers(servers: Make, cache: Cache) -> None:
    (one, other) = servers(None, giving(FILE))
    one.answer = one.hang
    asked = of([one, other])
    assert get(asked, cache).read_bytes() == FILE
    assert asked.all[0].said(ID, None).why == "It said nothing for 0.5 s."


def test_all_of_it_has_a_limit(servers: Make, cache: Cache) -> None:
    (one,) = servers(chunked(*[b"x" * 20_000] * 100, pause=0.1))
    with pytest.raises(Unreachable, match="It took more than 1 s"):
        get(of([one]), cache, replace(LIMITS, wall=1.0))
    assert nothing_left(cache)


def test_nobody_is_there(cache: Cache) -> None:
    with pytest.raises(Unreachable, match="It cannot be reached"):
        get(Servers(["http://user:secret@127.0.0.1:1"], 3, 60), cache)
    with pytest.raises(Unreachable) as caught:
        get(Servers(["http://user:secret@127.0.0.1:1"], 3, 60), cache)
    assert "secret" not in caught.value.message


def test_a_server_that_fails_often_is_left_alone_and_tried_again() -> None:
    now = [100.0]
    breaker = Breaker(2, 60.0, lambda: now[0])
    for failed in (True, False, True, True):
        assert breaker.enter()
        breaker.left(failed)
    assert not breaker.enter()
    assert breaker.closed_for() == 60.0
    now[0] += 60.0
    assert breaker.enter()
    assert not breaker.enter(), "one alone tries a half-open one"
    breaker.left(True)
    assert not breaker.enter()
    now[0] += 60.0
    assert breaker.enter()
    breaker.gave_up()
    assert breaker.enter()
    breaker.left(False)
    assert breaker.enter()
    assert breaker.enter()


def test_an_open_circuit_is_not_asked_and_does_not_count_as_missing(servers: Make, cache: Cache) -> None:
    (one,) = servers(giving(b"", 500))
    asked = of([one], failures=2)
    for _ in range(4):
        with pytest.raises(Unreachable):
            get(asked, cache)
    assert len(one.paths) == 2
    assert "It failed too often" in asked.all[0].said(ID, None).why
    assert cache.missed(ID) is None


@pytest.mark.parametrize("where", ["headers", "body"])
def test_it_can_be_cancelled_wherever_it_waits(servers: Make, cache: Cache, where: str) -> None:
    (one,) = servers(chunked(*[b"x" * 20_000] * 100, pause=0.1))
    if where == "headers":
        one.answer = one.hang
    stop = threading.Event()
    timer = threading.Timer(0.5, stop.set)
    timer.start()
    asked = of([one], failures=1)
    with pytest.raises(Conflict) as caught:
        get(asked, cache, replace(LIMITS, silence=60.0), Watch(stopped=stop.is_set))
    timer.join()
    assert caught.value.code == "cancelled"
    assert nothing_left(cache)
    assert asked.all[0].breaker.closed_for() == 0


def test_two_who_want_the_same_ask_once(servers: Make, cache: Cache) -> None:
    (one,) = servers(chunked(FILE[:1000], FILE[1000:], pause=0.3))
    asked = of([one])
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(get(asked, cache))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [cache.path(ID)] * 4
    assert len(one.paths) == 1


def test_who_waits_for_another_can_be_cancelled(servers: Make, cache: Cache) -> None:
    (one,) = servers(giving(FILE))
    asked = of([one])
    assert asked.acquire(ID, lambda: False)
    with pytest.raises(Conflict):
        get(asked, cache, watch=Watch(stopped=lambda: True))
    asked.release(ID)
    assert get(asked, cache).exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "small"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(place)]).returncode:
        pytest.skip("this machine allows no mounts")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("told", [True, False])
def test_a_disk_that_is_full_half_way(servers: Make, small_disk: Path, told: bool) -> None:
    body = bytes(2 << 20)
    (one,) = servers(giving(body) if told else chunked(body[: 1 << 19], *[body[: 1 << 19]] * 3))
    cache = Cache(small_disk / "cache")
    asked = of([one], failures=1)
    with pytest.raises(StorageFull) as caught:
        get(asked, cache)
    assert caught.value.hint
    assert nothing_left(cache)
    one.answer = giving(FILE)
    assert get(asked, cache).read_bytes() == FILE


def test_a_floor_of_free_disk(servers: Make, tmp_path: Path) -> None:
    (one,) = servers(giving(FILE))
    with pytest.raises(StorageFull):
        get(of([one]), Cache(tmp_path / "cache", floor=1 << 60))


def test_a_cache_that_cannot_be_made(servers: Make, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    (one,) = servers(giving(FILE))
    with pytest.raises(BadInput, match="cannot be written"):
        get(of([one]), Cache(tmp_path / "cache"))


@pytest.mark.parametrize("build_id", ["", "..", "../../etc", "xyz", "a" * 200])
def test_what_is_no_build_id_names_no_file(cache: Cache, build_id: str) -> None:
    with pytest.raises(BadInput):
        cache.path(build_id)


def test_what_a_kill_left_is_swept_up(servers: Make, cache: Cache) -> None:
    left = cache.path(ID).with_name("debuginfo.abcdefgh")
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    fresh = left.with_name("debuginfo.ijklmnop")
    fresh.write_bytes(b"another process is at it")
    os.utime(left, (0, 0))
    (one,) = servers(giving(FILE))
    get(of([one]), cache)
    assert sorted(path.name for path in left.parent.iterdir()) == ["debuginfo", "debuginfo.ijklmnop"]


def test_every_failure_of_the_http_library_is_a_sentence(cache: Cache) -> None:
    kinds = [
        kind
        for kind in vars(httpx2).values()
        if isinstance(kind, type) and issubclass(kind, httpx2.RequestError)
    ]
    for kind in kinds:

        def fail(request: httpx2.Request, kind: type[httpx2.RequestError] = kind) -> httpx2.Response:
            raise kind("a fault", request=request)

        with pytest.raises(AppError):
            fetch(
                Servers(["http://a.invalid"], 3, 60),
                cache,
                ID,
                same,
                LIMITS,
                Watch(),
                httpx2.MockTransport(fail),
            )
