"""Names of C++ in lists: short on the page, whole one hover away."""

from __future__ import annotations

import subprocess
from html import escape
from pathlib import Path

import pytest

from tests.support.server import Server
from tests.web.test_api import index

SOURCE = """
#include <map>
#include <string>
int sum(const std::map<std::string, int> &all) {
    int total = 0;
    for (const auto &each : all) total += each.second;
    return total;
}
int main() { return sum({{"one", 1}}); }
"""


@pytest.fixture(scope="module")
def binary(server: Server, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder: Path = tmp_path_factory.mktemp("names")
    (folder / "sum.cc").write_text(SOURCE)
    subprocess.run(["g++", "-O0", "-o", folder / "sum", folder / "sum.cc"], check=True)
    return str(index(server, str(folder / "sum"))["results"][0]["id"])


def test_lists_show_the_short_name_and_keep_the_whole(server: Server, binary: str) -> None:
    (item,) = server.get(f"/api/v1/binaries/{binary}/functions", q="sum(")["items"]
    assert item["short"] == "sum(std::map<std::string, int> const&)"
    assert "std::allocator" in item["demangled"]
    page = server.client.get(f"/binaries/{binary}/functions", params={"q": "sum("}).text
    assert f">{escape(item['short'])}<" in page
    raw = server.client.get(f"/binaries/{binary}/functions", params={"q": "sum(", "raw": "1"}).text
    assert f">{item['linkage_name']}<" in raw
    assert escape(item["demangled"]) in raw
    one = server.client.get(item["url"]).text
    assert f'<h1 class="mono name">{escape(item["short"])}</h1>' in one
    assert escape(item["demangled"]) in one


def test_a_name_that_is_short_is_shown_once(server: Server, binary: str) -> None:
    (item,) = server.get(f"/api/v1/binaries/{binary}/functions", q="main", mode="prefix")["items"]
    assert item["short"] == item["demangled"] == "main"
    assert "Full name" not in server.client.get(item["url"]).text
