"""This server as a debuginfod: to programs that speak its protocol, and to gdb and elfutils themselves."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection
from pathlib import Path

import httpx2
import pytest
import zstandard

from tests.index.test_debug_files import SOURCE, Build, build
from tests.support.asking import asking
from tests.support.debuginfod_double import giving
from tests.support.programs import compile_c
from tests.support.server import TOKEN, Server, running
from tests.web.test_api import index, wait_job


@dataclass(frozen=True)
class Served:
    """A server, a build whose debug file it has, and where that build lies."""

    server: Server
    made: Build
    place: Path

    def ask(self, what: str, **headers: str) -> httpx2.Response:
        """Without credentials, as gdb asks."""
        url = f"{self.server.url}/buildid/{self.made.build_id}/{what}"
        return httpx2.get(url, headers={"accept-encoding": "gzip", **headers})


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    place = tmp_path_factory.mktemp("served")
    with running(place / "data", PROBESCOPE_DEBUGINFOD_CACHE=str(place / "none")) as server:
        made = build(place / "programs")
        index(server, str(made.stripped), str(made.debug))
        yield Served(server, made, place / "programs")


def section(file: Path, name: str) -> bytes:
    out = file.with_name("section.out")
    subprocess.run(["objcopy", "-O", "binary", "--only-section", name, file, out], capture_output=True)
    return out.read_bytes()


# What the protocol says


def test_debug_file_and_executable_with_their_headers(served: Served) -> None:
    for what, file in (("debuginfo", served.made.debug), ("executable", served.made.stripped)):
        answer = served.ask(what)
        assert (answer.status_code, answer.content) == (200, file.read_bytes())
        assert answer.headers["content-length"] == str(file.stat().st_size)
        assert answer.headers["x-debuginfod-size"] == str(file.stat().st_size)
        assert answer.headers["x-debuginfod-file"] == str(file)
        assert answer.headers["content-type"] == "application/octet-stream"
        told = parsedate_to_datetime(answer.headers["last-modified"]).timestamp()
        assert told == int(file.stat().st_mtime)
        assert "content-encoding" not in answer.headers
        head = httpx2.head(str(answer.url))
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == str(file.stat().st_size)


def test_compressed_only_for_who_asks_for_it(served: Served) -> None:
    url = f"{served.server.url}/buildid/{served.made.build_id}/debuginfo"
    with httpx2.stream("GET", url, headers={"accept-encoding": "gzip;q=1, zstd"}) as answer:
        assert answer.headers["content-encoding"] == "zstd"
        packed = b"".join(answer.iter_raw())
    assert zstandard.ZstdDecompressor().decompressobj().decompress(packed) == served.made.debug.read_bytes()
    assert "content-encoding" not in served.ask("debuginfo", **{"accept-encoding": "zstd;q=0"}).headers


def test_a_ceiling_of_the_client(served: Served) -> None:
    size = served.made.debug.stat().st_size
    assert served.ask("debuginfo", **{"x-debuginfod-maxsize": str(size)}).status_code == 200
    answer = served.ask("debuginfo", **{"x-debuginfod-maxsize": str(size - 1)})
    assert (answer.status_code, answer.json()["error"]["code"]) == (406, "max_size")
    assert served.ask("debuginfo", **{"x-debuginfod-maxsize": "0"}).status_code == 200


def test_sections_as_they_lie_in_the_file(served: Served) -> None:
    from_debug = served.ask("section/.debug_info")
    assert from_debug.headers["x-debuginfod-file"] == str(served.made.debug)
    size = int(from_debug.headers["x-debuginfod-size"])
    assert from_debug.content in served.made.debug.read_bytes()
    assert len(from_debug.content) == size
    text = served.ask("section/.text")
    assert text.headers["x-debuginfod-file"] == str(served.made.stripped)
    assert text.content == section(served.made.stripped, ".text")
    for name in (".bss", ".nothing", "..", "x" * 3000):
        assert served.ask(f"section/{name}").status_code == 404


def test_sources_by_the_name_that_the_line_table_has(served: Served) -> None:
    source = served.place / "away/app.c"
    answer = served.ask(f"source{source}")
    assert (answer.status_code, answer.text) == (200, SOURCE)
    assert served.ask(f"source{str(source).replace('.c', '%2Ec')}").text == SOURCE
    # Clients of elfutils send the dots as they are; httpx would not.
    for path, status in (
        (f"{source.parent}/../away//./app.c", 200),
        (f"{source}/../../../../../../../../etc/passwd", 404),
        ("/../../../../etc/passwd", 404),
        ("/etc/passwd", 404),
        ("/etc/passwd%00.c", 404),
        (str(source).replace("/", "%252F"), 404),
        (str(served.made.debug), 404),
        ("/proc/self/mem", 404),
        ("/", 404),
    ):
        connection = HTTPConnection("127.0.0.1", served.server.port)
        connection.request("GET", f"/buildid/{served.made.build_id}/source{path}")
        assert connection.getresponse().status == status, path
        connection.close()


@pytest.mark.parametrize("id_", ["00", "0" * 40, "debug-00", "%2e%2e%2fetc", "%00", "é"])
def test_what_is_not_there(served: Served, id_: str) -> None:
    for what in ("debuginfo", "executable", "section/.text", "source/etc/passwd"):
        answer = httpx2.get(f"{served.server.url}/buildid/{id_}/{what}")
        assert answer.status_code == 404
        assert set(answer.json()["error"]) == {"code", "message", "hint"}


def test_an_id_in_capitals_is_the_same(served: Served) -> None:
    url = f"{served.server.url}/buildid/{served.made.build_id.upper()}/debuginfo"
    assert httpx2.get(url).status_code == 200


def test_metadata_and_metrics(served: Served) -> None:
    for key, value in (("file", str(served.made.stripped)), ("glob", f"{served.place}/a?p")):
        answer = httpx2.get(f"{served.server.url}/metadata", params={"key": key, "value": value})
        assert answer.json() == {
            "results": [
                {"type": "executable", "buildid": served.made.build_id, "file": str(served.made.stripped)}
            ],
            "complete": True,
        }
    assert httpx2.get(f"{served.server.url}/metadata?key=x").status_code == 400
    served.ask("executable")
    assert 'probescope_debuginfod_given{kind="executable"}' in served.server.client.get("/metrics").text


# What must not come out


def test_a_line_table_may_name_any_file_and_opens_none(served: Served, tmp_path: Path) -> None:
    secret = tmp_path / "secret.c"
    secret.write_text("secret")
    secret.chmod(0o600)
    os.chown(secret, 1234, 1234)
    link = tmp_path / "link.c"
    link.symlink_to("/etc/shadow")
    names = ["/etc/passwd", "/etc/shadow", str(secret), str(link), "/../../etc/hostname"]
    lines = "".join(
        f'#line 1 "{name}"\nint f{at}(void) {{ return {at}; }}\n' for at, name in enumerate(names)
    )
    program = compile_c(tmp_path, f"{lines}\nint main(void) {{ return f0(); }}", "hostile")
    job = index(served.server, str(program))
    url = f"{served.server.url}/buildid/{job['results'][0]['id']}"
    assert httpx2.get(f"{url}/debuginfo").status_code == 200
    for name in [*names, "/etc/hostname"]:
        assert httpx2.get(f"{url}/source{name}").status_code == 404, name


def test_a_file_that_changed_since_is_not_given(served: Served, tmp_path: Path) -> None:
    made = build(tmp_path, SOURCE.replace("* 2", "* 5"))
    index(served.server, str(made.stripped))
    url = f"{served.server.url}/buildid/{made.build_id}/executable"
    assert httpx2.get(url).status_code == 200
    made.stripped.write_bytes(served.made.stripped.read_bytes())
    assert httpx2.get(url).status_code == 404


def test_a_file_is_given_for_the_id_of_its_note_alone(served: Served, tmp_path: Path) -> None:
    made = build(tmp_path / "one", SOURCE.replace("* 2", "* 6"))
    other = build(tmp_path / "two", SOURCE.replace("* 2", "* 7"))
    misnamed = tmp_path / f"{made.build_id}.debug"
    shutil.copy(other.debug, misnamed)
    index(served.server, str(made.stripped), str(misnamed))
    base = f"{served.server.url}/buildid"
    assert httpx2.get(f"{base}/{made.build_id}/debuginfo").status_code == 404
    assert httpx2.get(f"{base}/{other.build_id}/debuginfo").content == other.debug.read_bytes()
    assert httpx2.get(f"{base}/{other.build_id}/executable").status_code == 404


def test_a_common_part_is_given_under_its_own_id(served: Served, tmp_path: Path) -> None:
    made = [build(tmp_path / str(at), SOURCE.replace("* 2", f"* {at}")) for at in (11, 12)]
    common = tmp_path / "common.debug"
    subprocess.run(["dwz", "-m", common, *(each.debug for each in made)], check=True, capture_output=True)
    told = subprocess.run(["readelf", "-n", common], capture_output=True, text=True, check=True).stdout
    build_id = told.partition("Build ID: ")[2].split("\n")[0]
    index(served.server, str(common))
    base = f"{served.server.url}/buildid/{build_id}"
    assert httpx2.get(f"{base}/debuginfo").content == common.read_bytes()
    assert httpx2.get(f"{base}/executable").status_code == 404


def test_a_large_file_is_never_whole_in_memory(served: Served, tmp_path: Path) -> None:
    made = build(tmp_path, SOURCE.replace("* 2", "* 8"))
    with made.debug.open("r+b") as file:
        file.truncate(200 << 20)
    index(served.server, str(made.debug))
    status = Path(f"/proc/{served.server.pid}/status")

    def peak() -> int:
        return int(status.read_text().partition("VmHWM:")[2].split()[0])

    before = peak()
    url = f"{served.server.url}/buildid/{made.build_id}/debuginfo"
    for encoding in ("identity", "zstd"):
        unpack = zstandard.ZstdDecompressor().decompressobj()
        with httpx2.stream("GET", url, headers={"accept-encoding": encoding}, timeout=60) as answer:
            parts = answer.iter_raw(4096)
            size = sum(len(part if encoding == "identity" else unpack.decompress(part)) for part in parts)
        assert size == 200 << 20
    assert peak() - before < 100_000  # KiB


# Who may ask


@contextmanager
def choosing(place: Path, access: str, *arguments: str) -> Iterator[tuple[Server, str]]:
    with running(place / "data", *arguments, PROBESCOPE_DEBUGINFOD=access) as server:
        job = index(server, "/bin/true")
        yield server, f"/buildid/{job['results'][0]['id']}/executable"


def test_with_a_token_in_the_path(tmp_path: Path) -> None:
    with choosing(tmp_path, "token") as (server, path):
        assert httpx2.get(server.url + path).status_code == 401
        assert httpx2.get(f"{server.url}/metadata?key=file&value=x").status_code == 401
        assert server.client.get(path).status_code == 200
        assert httpx2.get(f"{server.url}/t/{TOKEN}{path}").status_code == 200
        page = server.client.get(path.replace("/buildid/", "/binaries/").replace("executable", "debuginfo"))
        derived = page.text.partition("/t/")[2].split("<")[0].split("&")[0].strip()
        assert len(derived) == 32
        assert httpx2.get(f"{server.url}/t/{derived}{path}").status_code == 200
        assert httpx2.get(f"{server.url}/t/{derived}/metadata?key=file&value=x").status_code == 200
        found = subprocess.run(
            ["debuginfod-find", *reversed(path.split("/")[2:])],
            env={
                **os.environ,
                "DEBUGINFOD_URLS": f"{server.url}/t/{derived}",
                "DEBUGINFOD_CACHE_PATH": str(tmp_path / "cache"),
            },
            capture_output=True,
            text=True,
        )
        assert Path(found.stdout.strip()).read_bytes() == Path("/bin/true").read_bytes(), found.stderr
        # It opens nothing else.
        for other in (
            "/api/v1/binaries",
            "/binaries",
            "/metrics",
            f"/t/{derived}{path}",
            "/healthz",
            "",
            "/",
        ):
            answer = httpx2.get(f"{server.url}/t/{derived}{other}", follow_redirects=False)
            assert answer.status_code == 401, other
        headers = {"authorization": f"Bearer {derived}"}
        assert httpx2.get(f"{server.url}/api/v1/binaries", headers=headers).status_code == 401
        for wrong in ("", "x", derived[:-1], f"{derived}x", "%00", "ü"):
            assert httpx2.get(f"{server.url}/t/{wrong}{path}").status_code == 401
        assert httpx2.post(f"{server.url}/t/{derived}{path}").status_code == 405


def test_switched_off(tmp_path: Path) -> None:
    with choosing(tmp_path, "off") as (server, path):
        assert httpx2.get(server.url + path).status_code == 401
        assert httpx2.get(f"{server.url}/t/{TOKEN}{path}").status_code == 401
        assert server.client.get(path).status_code == 404
        assert server.client.get("/metadata?key=file&value=x").status_code == 404


def test_open_to_this_machine_but_not_to_pages_of_others(served: Served) -> None:
    assert served.ask("executable", host="evil.example:80").status_code == 400
    assert served.ask("executable", origin="http://evil.example").status_code == 403
    assert served.ask("executable", **{"sec-fetch-site": "cross-site"}).status_code == 403
    assert httpx2.get(f"{served.server.url}/api/v1/binaries").status_code == 401


def test_behind_a_public_url_it_is_open_to_nobody(tmp_path: Path) -> None:
    with running(tmp_path / "data", "--public-url", "https://scope.example") as server:
        assert httpx2.get(f"{server.url}/buildid/00/debuginfo").status_code == 401


# Real clients


def client(served: Served, cache: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    env = {"DEBUGINFOD_URLS": served.server.url, "DEBUGINFOD_CACHE_PATH": str(cache), "HOME": str(cache)}
    return subprocess.run(
        [*map(str, command)], capture_output=True, text=True, env={**os.environ, **env}, timeout=120
    )


def test_debuginfod_find(served: Served, tmp_path: Path) -> None:
    source = served.place / "away/app.c"
    wanted: dict[tuple[str, ...], bytes] = {
        ("debuginfo",): served.made.debug.read_bytes(),
        ("executable",): served.made.stripped.read_bytes(),
        ("source", str(source)): source.read_bytes(),
        ("section", ".text"): section(served.made.stripped, ".text"),
    }
    for (what, *rest), content in wanted.items():
        found = client(served, tmp_path / what, "debuginfod-find", what, served.made.build_id, *rest)
        assert found.returncode == 0, found.stderr
        assert Path(found.stdout.strip()).read_bytes() == content
    missing = client(served, tmp_path / "missing", "debuginfod-find", "debuginfo", "0" * 40)
    assert (missing.returncode, "No such file" in missing.stderr) == (1, True)


def test_gdb(served: Served, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copy(served.made.stripped, moved)
    found = client(
        served,
        tmp_path / "cache",
        *("gdb", "-batch", "-nx", "-iex", "set debuginfod enabled on"),
        *("-ex", "info functions checkout", "-ex", "list checkout", "-ex", "ptype struct order", moved),
    )
    assert "static int checkout(struct order *, int);" in found.stdout
    assert "double price;" in found.stdout
    kept = sorted(path.name for path in (tmp_path / "cache" / served.made.build_id).iterdir())
    assert "debuginfo" in kept
    # gdb reads the source where it was compiled, as long as it is there.
    assert "return twice(order->id) + n;" in found.stdout


def test_gdb_shows_lines_of_a_source_that_only_the_server_has(tmp_path: Path) -> None:
    with running(tmp_path / "data", PROBESCOPE_DEBUGINFOD_CACHE=str(tmp_path / "none")) as server:
        made = build(tmp_path / "programs")
        index(server, str(made.stripped), str(made.debug))
        served = Served(server, made, tmp_path / "programs")
        hidden = tmp_path / "programs"
        script = f"mount -t tmpfs none {hidden}/away && exec gdb -batch -nx -iex 'set debuginfod enabled on' "
        script += f"-ex 'list checkout' {hidden}/app"
        found = client(served, tmp_path / "cache", "unshare", "-m", "sh", "-c", script)
        if "Operation not permitted" in found.stderr:
            pytest.skip("this machine allows no mounts")
        assert "return twice(order->id) + n;" in found.stdout, found.stderr
        kept = [path.name for path in (tmp_path / "cache" / made.build_id).iterdir()]
        assert any(name.endswith("app.c") for name in kept), kept


def test_eu_addr2line(served: Served, tmp_path: Path) -> None:
    path = f"/api/v1/binaries/{served.made.build_id}/functions"
    (checkout,) = served.server.get(path, q="checkout")["items"]
    moved = tmp_path / "moved"
    shutil.copy(served.made.stripped, moved)
    address = hex(checkout["address"])
    found = client(served, tmp_path / "cache", "eu-addr2line", "-f", "-e", moved, address)
    told = subprocess.run(
        ["addr2line", "-f", "-e", served.made.debug, address], capture_output=True, text=True, check=True
    ).stdout.split("\n")
    function, line, *_ = found.stdout.split("\n")
    assert function.split(".")[0] == "checkout"
    # elfutils adds the column.
    assert line.startswith(told[1].split(" (")[0])


# Fetching, from the page and by the API


def test_fetching_by_api_and_page(tmp_path: Path) -> None:
    made = build(tmp_path)
    with asking(tmp_path, None) as (server, other):
        index(server, str(made.stripped))
        base = f"/binaries/{made.build_id}/debuginfo"
        answer = server.get(f"/api/v1{base}")
        assert any("--fetch" in (step["command"] or "") for step in answer["steps"])
        page = server.client.get(base).text
        assert "Fetch from debuginfod" in page
        assert "It was not asked yet." in page
        assert other.paths == []
        asked = server.client.post(base, follow_redirects=False)
        assert asked.status_code == 303
        failed = wait_job(server, asked.headers["location"].rpartition("/")[2])
        assert (failed["kind"], failed["state"]) == ("fetch", "failed")
        assert "No server has the debug file." in server.client.get(asked.headers["location"]).text
        (tmp_path / "cache" / made.build_id / "debuginfo").unlink()
        other.answer = giving(made.debug.read_bytes())
        asked = server.client.post(f"/api/v1{base}")
        assert asked.status_code == 202
        done = wait_job(server, asked.json()["job"])
        assert (done["state"], done["bytes_done"]) == ("done", made.debug.stat().st_size)
        assert server.get(f"/api/v1/binaries/{made.build_id}")["debug"]["kind"] == "separate"
        again = server.client.post(f"/api/v1{base}")
        assert (again.status_code, again.json()["error"]["code"]) == (409, "at_hand")
        assert "Fetch from debuginfod" not in server.client.get(base).text
        acts = (tmp_path / "data" / "audit.jsonl").read_text()
        assert '"act": "fetch"' in acts or '"act":"fetch"' in acts
        # What was fetched is given on, as it is proved to be of the build.
        given = httpx2.get(f"{server.url}/buildid/{made.build_id}/debuginfo")
        assert given.content == made.debug.read_bytes()


def test_a_server_that_is_read_only_fetches_nothing(tmp_path: Path) -> None:
    made = build(tmp_path)
    with asking(tmp_path, giving(made.debug.read_bytes()), "--read-only") as (server, other):
        index(server, str(made.stripped))
        base = f"/binaries/{made.build_id}/debuginfo"
        assert server.client.post(f"/api/v1{base}").status_code == 403
        assert "Fetch from debuginfod" not in server.client.get(base).text
        assert other.paths == []
