"""Source beside code: the excerpt of a function, and instructions under their lines."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from app.elf.disassembly import Instruction
from app.index.sources import Source
from app.web.listing import MOST_LINES, excerpt, groups
from tests.support.programs import compile_c
from tests.support.server import Server
from tests.web.test_api import index

TEXT = """static inline __attribute__((always_inline)) int twice(int n) {
    return n * 2;
}
int work(int n) {
    int sum = twice(n);
    return sum + 1;
}
int main(int argc, char **argv) {
    return work(argc);
}
"""


def row(address: int, line: int, file: str = "/a.c") -> dict[str, object]:
    return {"address": address, "file": file, "line": line}


def code(*addresses: int) -> list[Instruction]:
    return [Instruction(address, "90", "nop", "", None) for address in addresses]


def get(name: str) -> Source | None:
    texts = {"/a.c": tuple(f"a{n}" for n in range(1, 2001)), "/b.h": ("b1", "b2")}
    return Source(name, texts[name], False) if name in texts else None


def test_the_excerpt_runs_from_the_declaration_to_the_last_line() -> None:
    found = excerpt("/a.c", 10, [row(0x10, 12), row(0x14, 11), row(0x18, 12), row(0x1C, 2, "/b.h")], get)
    assert found is not None
    assert [(line.number, line.text, line.address) for line in found.lines] == [
        (8, "a8", None),
        (9, "a9", None),
        (10, "a10", None),
        (11, "a11", 0x14),
        (12, "a12", 0x10),
        (13, "a13", None),
    ]
    assert not found.cut


def test_long_functions_are_cut_and_lines_that_are_not_there_ignored() -> None:
    found = excerpt("/a.c", 1, [row(0x10, 1500), row(0x14, 9000)], get)
    assert found is not None
    assert (len(found.lines), found.cut) == (MOST_LINES, True)
    assert excerpt("/a.c", 9000, [], get) is None
    assert excerpt("/a.c", None, [], get) is None
    assert excerpt("/gone.c", 1, [row(0x10, 1, "/gone.c")], get) is None
    assert excerpt(None, None, [], get) is None


def test_groups_follow_the_code() -> None:
    rows = [row(0x10, 3), row(0x12, 2, "/b.h"), row(0x14, 3), row(0x16, 7, "/gone.c")]
    found = groups(code(0x0E, 0x10, 0x11, 0x12, 0x14, 0x16), rows, get)
    assert [(group.place, group.text, [each.address for each in group.code]) for group in found] == [
        ("", None, [0x0E]),
        ("a.c:3", "a3", [0x10, 0x11]),
        ("b.h:2", "b2", [0x12]),
        ("a.c:3", "a3", [0x14]),
        ("gone.c:7", None, [0x16]),
    ]


@pytest.fixture(scope="module")
def binary(server: Server, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    path = compile_c(
        tmp_path_factory.mktemp("listing"), TEXT, "work", "-O1", "-fno-inline-functions-called-once"
    )
    path.with_suffix(".c").chmod(0o644)
    return str(index(server, str(path))["results"][0]["id"]), path


def test_a_page_shows_source_and_interleaves_it(server: Server, binary: tuple[str, Path]) -> None:
    id, path = binary
    (item,) = server.get(f"/api/v1/binaries/{id}/functions", q="work", mode="prefix")["items"]
    found = server.get(f"/api/v1{item['url']}")["source"]
    assert found["path"] == str(path.with_suffix(".c"))
    texts = {line["number"]: line["text"] for line in found["lines"]}
    assert texts[5] == "    int sum = twice(n);"
    page = server.client.get(item["url"]).text
    assert "int sum = twice(n);" in page
    mixed = server.client.get(item["url"], params={"view": "mixed"}).text
    shown = re.findall(r'<tr class="line"><td class="muted">work\.c:(\d+)</td>', mixed)
    dumped = subprocess.run(
        ["objdump", "-d", "-l", "--disassemble=work", path], capture_output=True, text=True, check=True
    ).stdout
    # Each line that objdump writes between the instructions, in its order.
    assert shown == re.findall(r"work\.c:(\d+)", dumped)


def test_a_file_that_changed_later_is_marked(server: Server, binary: tuple[str, Path]) -> None:
    id, path = binary
    text = path.with_suffix(".c")
    text.write_text(TEXT.replace("sum + 1", "sum + 2"))
    (item,) = server.get(f"/api/v1/binaries/{id}/functions", q="work", mode="prefix")["items"]
    assert "changed after the binary was built" in server.client.get(item["url"]).text
    text.write_text(TEXT)
