"""Two sessions compared: JSON, pages without scripts, the choice of the other one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.server import Server, running
from tests.support.sessions import left

HOSTILE = "<b>odd</b>"


def hist(*counts: int) -> list[dict[str, int]]:
    return [{"min": 1 << at, "max": (2 << at) - 1, "count": count} for at, count in enumerate(counts)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("data")
    first = [
        (1, "map", {"@c": {"a": 10, HOSTILE: 4}}),
        (2, "hist", {"@us": hist(8, 2)}),
        (3, "map", {"@s": {"7,\na+0\nmain+1\n": 10, "7,\nb+0\nmain+1\n": 10}}),
    ]
    second = [
        (1, "map", {"@c": {"a": 30, HOSTILE: 4}}),
        (2, "hist", {"@us": hist(1, 9)}),
        (3, "map", {"@s": {"9,\na+0\nmain+1\n": 30, "9,\nc+0\nmain+1\n": 10}}),
    ]
    left(data, "one", first, script="BEGIN { @c = 1; }\nEND { }\n", started=1000.0)
    left(data, "two", second, script="BEGIN { @c = 2; }\nEND { }\n", started=2000.0)
    left(data, "alike", first, script="BEGIN { @c = 1; }\nEND { }\n", started=500.0)
    left(data, "empty", [], started=100.0)
    left(data, "count", [(1, "map", {"@n": 1})], recipe="count", started=3000.0)
    with running(data) as found:
        yield found


def test_maps_histograms_and_scripts_side_by_side(server: Server) -> None:
    found = server.get("/api/v1/sessions/one/compare/two")
    assert (found["before"]["id"], found["after"]["id"]) == ("one", "two")
    (change,) = found["maps"]
    assert change["name"] == "@c"
    assert [
        (row["key"], row["before"], row["after"], row["delta"], row["ratio"]) for row in change["rows"]
    ] == [
        ("a", 10, 30, 20, 3.0),
        (HOSTILE, 4, 4, 0, 1.0),
    ]
    (pair,) = found["histograms"]
    assert (pair["before"]["total"], pair["before"]["p50"], pair["after"]["p50"]) == (10, 1, 3)
    assert [(each["label"], each["before"], each["after"]) for each in pair["buckets"]] == [
        ("1", 8, 1),
        ("[2, 4)", 2, 9),
    ]
    assert [(line["kind"], line["text"]) for line in found["script"]] == [
        ("removed", "BEGIN { @c = 1; }"),
        ("added", "BEGIN { @c = 2; }"),
        ("same", "END { }"),
    ]
    assert found["stacks"] == ["@s"]
    assert server.get("/api/v1/sessions/one/compare/alike")["script"] == []


def test_the_difference_of_the_stacks(server: Server) -> None:
    found = server.get("/api/v1/sessions/one/compare/two/flame")
    columns = found["columns"]
    names = ["all" if at < 0 else found["names"][at] for at in columns["name"]]
    boxes = dict(
        zip(names, zip(columns["before"], columns["width"], columns["delta"], strict=True), strict=True)
    )
    # The processes are not the same, and left out.
    assert boxes == {"all": (40, 40, 0), "main": (40, 40, 0), "a": (20, 30, 10), "c": (0, 10, 10)}
    frames = found["frames"]
    rows = {
        found["names"][name]: (before, own, delta)
        for name, before, own, delta in zip(
            frames["name"], frames["before"], frames["self"], frames["delta"], strict=True
        )
    }
    assert rows == {"a": (20, 30, 10), "b": (20, 0, -20), "c": (0, 10, 10), "main": (0, 0, 0)}
    assert (found["before_total"], found["after_total"]) == (20, 40)
    picture = server.client.get("/api/v1/sessions/one/compare/two/export.svg").text
    assert "a: 30 (75.00 %), itself 30, grown by +10" in picture
    answer = server.client.get("/api/v1/sessions/one/compare/count/flame")
    assert answer.status_code == 404
    assert "no map with stacks in common" in answer.json()["error"]["message"]
    assert server.client.get("/api/v1/sessions/one/compare/nosuch").status_code == 404


def test_the_page_has_all_of_it_without_scripts(server: Server) -> None:
    page = server.client.get("/sessions/one/vs/two").text
    for part in (
        "Before",
        "After",
        "The scripts differ",
        "×3",
        "+20",
        "p50 ≤",
        "What differs in the stacks",
        "+10",
        "-20",
    ):
        assert part in page, part
    assert "&lt;b&gt;odd&lt;/b&gt;" in page
    assert HOSTILE not in page
    assert "<del>BEGIN { @c = 1; }</del>" in page
    assert page.count("<svg viewBox") == 2
    assert "/compare/two/export.svg?map=%40s" in page
    assert "export.svg" not in server.client.get("/sessions/one/vs/count").text
    same = server.client.get("/sessions/one/vs/alike").text
    assert "Both ran the same script." in same
    assert "Nothing to compare" in server.client.get("/sessions/empty/vs/empty").text


def test_the_choice_has_those_most_alike_first(server: Server) -> None:
    assert 'href="/sessions/one/vs"' in server.client.get("/sessions/one").text
    page = server.client.get("/sessions/one/vs").text
    places = [page.index(f'href="/sessions/one/vs/{each}"') for each in ("alike", "two", "count")]
    assert places == sorted(places)
    assert "the same script" in page
    answer = server.client.get("/sessions/one/vs?other=two", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sessions/one/vs/two")
    assert server.client.get("/sessions/one/vs?other=nosuch").status_code == 404
