"""Flame graphs over HTTP: columns, ranges of time, search, pages without scripts, tracing a frame."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.programs import compile_c
from tests.support.server import Server, running
from tests.support.sessions import left

SOURCE = """
#include <stdio.h>
static inline __attribute__((always_inline)) int tiny(int n) { return n * 3; }
__attribute__((noinline)) int leaf(int n) { return tiny(n); }
__attribute__((noinline)) int work(int n) { return leaf(n) + 1; }
int main(int argc, char **argv) { return argc > 1 ? getchar() : work(argc); }
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_c(tmp_path_factory.mktemp("busy"), SOURCE, "busyd")


def stacks(program: Path, leaf: int, work: int) -> dict[str, int]:
    return {
        f"7,\n\t1139 leaf+4 ({program})\n\t1150 work+9 ({program})\n\t1170 main+2 ({program})\n": leaf,
        f"7,\n\t1152 work+11 ({program})\n\t1170 main+2 ({program})\n": work,
    }


@pytest.fixture(scope="module")
def waiting(program: Path) -> Iterator[int]:
    """The pid of the program, which waits until the tests are over."""
    with subprocess.Popen([program, "wait"], stdin=subprocess.PIPE) as process:
        yield process.pid
        process.communicate()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, program: Path, waiting: int) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("data")
    left(
        data,
        "grown",
        [
            (1000, "map", {"@stacks": stacks(program, 2, 1)}),
            (1500, "printf", "between\n"),
            (2000, "map", {"@stacks": stacks(program, 7, 1)}),
            (2001, "map", {"@other": {"\nplain+0\n": 4}}),
            (3000, "map", {"@stacks": stacks(program, 1, 1)}),
        ],
        probes=(f'uprobe:"{program}":work',),
        script=f'uprobe:"{program}":work {{ @stacks[pid, ustack(perf)] = count(); }}',
    )
    script = f"profile:hz:99 /pid == {waiting}/ {{ @[ustack] = count(); }}"
    left(data, "profiled", [(5, "map", {"@": {"\nleaf+4\nmain+2\n": 1}})], script=script, started=time.time())
    left(data, "earlier", [(5, "map", {"@": {"\nleaf+4\nmain+2\n": 1}})], script=script, started=1000.0)
    odd = {"\n\ud800<b>\u202e+4\n": 3, "x<i>,\n\n": 1, "": 4}
    left(data, "odd", [(5, "map", {"@": odd})])
    left(data, "bare", [(5, "map", {"@n": 3}), (6, "printf", "no stack\n")])
    with running(data) as found:
        yield found


def boxes(answer: dict[str, Any]) -> list[tuple[int, int, int, str, int]]:
    columns = answer["columns"]
    names = ["all" if at < 0 else answer["names"][at] for at in columns["name"]]
    return list(zip(columns["depth"], columns["x"], columns["width"], names, columns["self"], strict=True))


def test_the_latest_print_as_columns(server: Server, program: Path) -> None:
    answer = server.get("/api/v1/sessions/grown/flame", map="@stacks")
    assert boxes(answer) == [
        (0, 0, 2, "all", 0),
        (1, 0, 2, "7", 0),
        (2, 0, 2, "main", 0),
        (3, 0, 2, "work", 1),
        (4, 0, 1, "leaf", 1),
    ]
    assert (answer["map"], answer["n"], answer["t"], answer["total"], answer["stacks"]) == (
        "@stacks",
        5,
        3000,
        2,
        2,
    )
    assert answer["cut"] == {"nodes": 0, "widest": 0.0}
    at = answer["names"].index("work")
    assert answer["modules"][at] == str(program)
    assert [answer["names"][head] for head in answer["heads"]] == ["7"]
    frames = answer["frames"]
    rows = {
        answer["names"][name]: (own, total)
        for name, own, total in zip(frames["name"], frames["self"], frames["total"], strict=True)
    }
    assert rows == {"leaf": (1, 1), "work": (1, 2), "main": (0, 2)}
    # Without a name it is the map with stacks that was printed last.
    assert server.get("/api/v1/sessions/grown/flame")["map"] == "@stacks"
    assert server.get("/api/v1/sessions/grown/flame", t1=2500)["map"] == "@other"


def test_a_range_of_time_is_what_came_in_it(server: Server) -> None:
    url = "/api/v1/sessions/grown/flame"
    until = server.get(url, map="@stacks", t1=2500)
    assert (until["n"], until["total"], until["cleared"]) == (3, 8, False)
    between = server.get(url, map="@stacks", t0=1000, t1=2000)
    assert (between["total"], between["cleared"]) == (5, False)
    assert [box[3] for box in boxes(between)] == ["all", "7", "main", "work", "leaf"]
    # The map got smaller: it was cleared, and all of it came since.
    cleared = server.get(url, map="@stacks", t0=2000)
    assert (cleared["total"], cleared["cleared"]) == (2, True)
    # Nothing was printed before: all of it came since.
    assert server.get(url, map="@stacks", t0=10, t1=1500)["total"] == 3


def test_turned_below_searched_and_by_file(server: Server) -> None:
    url = "/api/v1/sessions/grown/flame"
    turned = server.get(url, map="@stacks", t1=2500, inverted=1)
    assert [box[3] for box in boxes(turned) if box[0] == 1] == ["leaf", "work"]
    below = server.get(url, map="@stacks", t1=2500, root="leaf")
    assert boxes(below) == [(0, 0, 7, "all", 0), (1, 0, 7, "leaf", 7)]
    match = server.get(url, map="@stacks", t1=2500, q="LEA")["match"]
    assert (match["value"], len(match["names"])) == (7, 1)
    assert server.get(url, map="@stacks", apart=1)["apart"] is True


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("bare/flame", 404, "printed no map with stacks"),
        ("grown/flame?map=@nothing", 404, "printed no map @nothing with stacks"),
        ("grown/flame?t1=500", 404, "printed no map with stacks"),
        ("grown/flame?t0=soon", 400, "t0='soon' is no time"),
        ("grown/flame?t1=nan", 400, "is no time"),
        ("nosuch/flame", 404, "no session nosuch"),
        ("grown/frame", 400, "name is missing"),
        ("grown/frame?name=nosuch", 404, "no function nosuch in"),
        ("grown/frame?name=work&module=/nowhere", 404, "/nowhere"),
    ],
)
def test_errors_have_a_sentence(server: Server, path: str, status: int, text: str) -> None:
    answer = server.client.get(f"/api/v1/sessions/{path}")
    assert answer.status_code == status
    error = answer.json()["error"]
    assert text in error["message"]
    assert error["hint"]


def test_a_frame_leads_to_the_probe_of_its_function(server: Server, program: Path) -> None:
    url = "/api/v1/sessions/grown/frame"
    for params in ({"name": "leaf", "module": str(program)}, {"name": "leaf"}):
        found = server.get(url, **params)
        assert found["path"] == str(program)
        assert found["function"]["name"] == "leaf"
        assert found["verdict"]["attachable"] is True
        assert found["function_url"].endswith(f"/functions/{found['function']['key']}")
        answer = server.client.get("/sessions/grown/frame", params=params, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, found["url"])
        builder = server.client.get(found["url"])
        assert f'value="uprobe:&#34;{program}&#34;:leaf"' in builder.text
    refused = server.client.get("/sessions/grown/frame", params={"name": "nosuch"})
    assert refused.status_code == 404
    assert "no function nosuch" in refused.text


def test_what_cannot_be_traced_says_why(server: Server, program: Path) -> None:
    params = {"name": "tiny", "module": str(program)}
    found = server.get("/api/v1/sessions/grown/frame", **params)
    assert found["url"] is None
    assert [reason["code"] for reason in found["verdict"]["reasons"]] == ["only_inlined"]
    page = server.client.get("/sessions/grown/frame", params=params)
    assert page.status_code == 409
    assert "tiny cannot be traced. The compiler inlined tiny" in page.text


def test_without_a_file_it_is_that_of_the_process_that_the_script_names(
    server: Server, program: Path
) -> None:
    assert server.get("/api/v1/sessions/profiled/frame", name="leaf")["path"] == str(program)
    # The session was over before that process began: it was about another one of that number.
    assert server.client.get("/api/v1/sessions/earlier/frame?name=leaf").status_code == 404


def test_a_name_as_c_plus_plus_has_it_leads_to_its_symbol(server: Server, tmp_path: Path) -> None:
    text = "namespace shop { int sell(int n, const char *what) { return what[n]; } }"
    text += ' int main() { return shop::sell(1, "ab"); }'
    path = compile_c(tmp_path, text, "shopd", compiler="g++")
    params = {"name": "shop::sell(int, char const*)", "module": str(path)}
    found = server.get("/api/v1/sessions/bare/frame", **params)
    assert found["verdict"]["probe"] == f'uprobe:"{path}":_ZN4shop4sellEiPKc'


def test_odd_names_are_shown_and_not_believed(server: Server) -> None:
    answer = server.get("/api/v1/sessions/odd/flame")
    assert set(answer["names"]) == {"\\ud800<b>\u202e", "x<i>", "[unknown]"}
    assert (answer["total"], answer["passed"]) == (4, 1)
    page = server.client.get("/sessions/odd?view=flame")
    assert page.status_code == 200
    assert "&lt;b&gt;\\u202e" in page.text
    assert "<b>\u202e" not in page.text


def test_an_answer_is_packed_for_who_takes_it(server: Server) -> None:
    url = "/api/v1/sessions/grown/flame"
    plain = server.client.get(url, headers={"accept-encoding": "identity"})
    packed = server.client.get(url, headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert plain.json() == packed.json()


def test_the_page_is_read_without_scripts(server: Server, program: Path) -> None:
    page = server.client.get("/sessions/grown?view=flame&map=@stacks&t1=2500").text
    assert 'data-frame="leaf"' in page
    assert 'data-self="7"' in page
    assert "The heaviest stacks" in page
    assert f"/sessions/grown/frame?name=leaf&amp;module={str(program).replace('/', '%2F')}" in page
    assert "87.50 %" in page
    assert '<input type="hidden" name="t1" value="2500.0">' in page
    searched = server.client.get("/sessions/grown?view=flame&map=@stacks&t1=2500&q=leaf").text
    assert "found in 1 name: 7" in searched
    assert 'data-frame="main"' not in searched
    assert "No stacks" in server.client.get("/sessions/bare?view=flame").text
