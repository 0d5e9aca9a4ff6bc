"""The difference of two builds over HTTP: JSON, CSV, pages, and the way to them."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from tests.support.programs import compile_c
from tests.support.server import Server
from tests.web.test_api import index

OLD = "int first(int n) { return n; } int gone(void) { return 2; } int main(void) { return first(gone()); }"
NEW = "int first(int n) { return n * n + 1; } int main(void) { return first(1); }"


@pytest.fixture(scope="module")
def builds(server: Server, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    found = []
    for source in (OLD, NEW):
        path = compile_c(tmp_path_factory.mktemp("build"), source, "twins")
        found.append(str(index(server, str(path))["results"][0]["id"]))
    return found[0], found[1]


def test_the_list_and_its_counts(server: Server, builds: tuple[str, str]) -> None:
    url = f"/api/v1/binaries/{builds[0]}/diff/{builds[1]}"
    answer = server.get(url)
    assert {"total", "items", "next", "took_ms", "facets", "counts", "before", "after", "unfit"} <= set(
        answer
    )
    assert (answer["before"]["id"], answer["after"]["id"]) == builds
    by_name = {item["name"]: item for item in answer["items"]}
    assert by_name["gone"]["changes"] == ["removed"]
    assert by_name["gone"]["after"] is None
    assert by_name["gone"]["before"]["address_hex"] == hex(by_name["gone"]["before"]["address"])
    assert by_name["first"]["growth"] > 0
    assert answer["counts"]["functions"]["removed"] == 1
    assert [item["name"] for item in server.get(url, kind="removed")["items"]] == ["gone"]
    assert server.get(url, q="fir", limit=1)["items"][0]["name"] == "first"
    probes = ["uprobe:/x:gone", "uprobe:/x:first"]
    unfit = server.client.get(url, params={"probe": probes}).json()["unfit"]
    assert [(each["probe"], each["code"]) for each in unfit] == [("uprobe:/x:gone", "gone")]


@pytest.mark.parametrize(
    ("path", "status"),
    [("diff/0000", 404), ("diff/{other}?kind=nonsense", 400), ("diff/{other}?mode=regex&q=(", 400)],
)
def test_errors(server: Server, builds: tuple[str, str], path: str, status: int) -> None:
    answer = server.client.get(f"/api/v1/binaries/{builds[0]}/{path.format(other=builds[1])}")
    assert answer.status_code == status
    assert set(answer.json()["error"]) == {"code", "message", "hint"}


def test_csv_has_the_same_rows(server: Server, builds: tuple[str, str]) -> None:
    base = f"/binaries/{builds[0]}/diff/{builds[1]}"
    answer = server.client.get(f"{base}.csv?kind=removed")
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(row["what"], row["changes"], row["name"]) for row in rows] == [("function", "removed", "gone")]
    assert rows[0]["before_address"].startswith("0x")


def test_pages_read_without_scripts(server: Server, builds: tuple[str, str]) -> None:
    binary = server.client.get(f"/binaries/{builds[0]}").text
    assert f"/binaries/{builds[0]}/diff" in binary
    choice = server.client.get(f"/binaries/{builds[0]}/diff").text
    assert builds[1] in choice
    page = server.client.get(f"/binaries/{builds[0]}/diff/{builds[1]}").text
    for text in ("gone", "removed", "resized", "Before", "After", ".csv", "/api/v1/"):
        assert text in page
    refused = server.client.get(f"/binaries/{builds[0]}/diff/{builds[1]}?mode=regex&q=(")
    assert refused.status_code == 200
    assert 'data-problem="bad_regex"' in refused.text
    assert "Nothing differs" in server.client.get(f"/binaries/{builds[0]}/diff/{builds[0]}").text


def test_the_other_one_by_its_path(server: Server, builds: tuple[str, str]) -> None:
    path = server.get(f"/api/v1/binaries/{builds[1]}")["paths"][0]
    for other in (path, builds[1]):
        answer = server.client.get(
            f"/binaries/{builds[0]}/diff", params={"other": other}, follow_redirects=False
        )
        assert answer.status_code == 303
        assert answer.headers["location"] == f"/binaries/{builds[0]}/diff/{builds[1]}"
    assert server.client.get(f"/binaries/{builds[0]}/diff", params={"other": "/nowhere"}).status_code == 404


def test_the_search_over_everything_has_parts_facets_and_each(
    server: Server, builds: tuple[str, str]
) -> None:
    answer = server.get("/api/v1/search", q="first", kind="function", limit=1)
    assert answer["items"][0]["name"] == "first"
    assert answer["items"][0]["binaries"] == 2
    assert answer["facets"]["kind"]["function"] == answer["total"]
    each = server.get("/api/v1/search", q="first", mode="glob", each="1")
    assert {item["binary"] for item in each["items"]} == set(builds)
    page = server.client.get("/search?q=first&kind=function").text
    assert "and 1 more" in page
    assert server.client.get("/api/v1/search?q=first&kind=nonsense").status_code == 400


def test_a_name_is_shown_and_not_believed(server: Server, tmp_path: Path) -> None:
    found: list[str] = []
    for name in ("<b>xss", "=1+1()"):
        directory = tmp_path / str(len(found))
        directory.mkdir()
        path = compile_c(
            directory, "int placeh(void) { return 1; } int main(void) { return placeh(); }", "odd"
        )
        path.write_bytes(path.read_bytes().replace(b"\0placeh\0", b"\0" + name.encode() + b"\0"))
        found.append(str(index(server, str(path))["results"][0]["id"]))
    page = server.client.get(f"/binaries/{found[0]}/diff/{found[1]}").text
    assert "<b>xss" not in page
    assert "&lt;b&gt;xss" in page
    assert "'=1+1()" in server.client.get(f"/binaries/{found[0]}/diff/{found[1]}.csv").text
