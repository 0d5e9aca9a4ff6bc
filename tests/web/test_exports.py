"""Exports of a session's stacks, and the session as one file: whole, well-formed, safe with hostile names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from tests.support.server import Server, running
from tests.support.sessions import left

HOSTILE = "</pre></title><script>alert(1)</script><img src=http://x.example/y onerror=alert(2)>"
STACKS = {"7,\n\t1 leaf+4 (/opt/a)\n\t2 main+2 (/opt/a)\n": 3, f"7,\n\t3 {HOSTILE};x+1 (/opt/a)\n": 2}
ALLOWED = {
    "html",
    "head",
    "meta",
    "title",
    "style",
    "body",
    "h1",
    "h2",
    "dl",
    "dt",
    "dd",
    "div",
    "b",
    "p",
    "pre",
    "br",
}
ALLOWED |= {"figure", "figcaption", "table", "thead", "tbody", "tr", "th", "td", "svg", "g", "rect", "text"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("data")
    events = [
        (1, "printf", f"{HOSTILE}\n"),
        (2, "map", {"@stacks": STACKS}),
        (3, "map", {"@count": {HOSTILE: 41, "plain": 1}}),
        (4, "hist", {"@us": {HOSTILE: [{"min": 1, "max": 1, "count": 5}]}}),
    ]
    script = f'BEGIN {{ printf("{HOSTILE}"); }}'
    left(
        data,
        "full",
        events,
        script=script,
        reason=HOSTILE,
        probes=(HOSTILE,),
        stderr=HOSTILE,
        warnings=(HOSTILE,),
    )
    left(data, "odd", [(5, "map", {"@": {"\n\ud800<b>\u202e+4\n": 3, "x;,\n\n": 1}})])
    left(data, "latency", [(1, "hist", {"@us": [{"min": 2, "max": 3, "count": 6}]})], recipe="latency")
    left(data, "bare", [(1, "printf", "a line\n")])
    with running(data) as found:
        yield found


class Tags(HTMLParser):
    """Every tag with its attributes, and the text outside of them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def export(server: Server, form: str, session: str = "full") -> str:
    answer = server.client.get(f"/api/v1/sessions/{session}/export.{form}")
    assert answer.status_code == 200, answer.text
    assert re.fullmatch(r'attachment; filename="probescope-[\w.-]+"', answer.headers["content-disposition"])
    return answer.text


def test_folded_stacks(server: Server) -> None:
    lines = export(server, "folded").splitlines()
    assert "7;main;leaf 3" in lines
    assert len(lines) == 2
    assert all(re.fullmatch(r"[^;]+(;[^;]+)* \d+", line) for line in lines)
    assert sum(int(line.rsplit(" ", 1)[1]) for line in lines) == 5


def test_svg_parses_and_has_no_script(server: Server) -> None:
    root = ElementTree.fromstring(export(server, "svg"))
    tags = {each.tag.partition("}")[2] for each in root.iter()}
    assert tags == {"svg", "g", "rect", "text", "title"}
    titles = [each.text or "" for each in root.iter("{http://www.w3.org/2000/svg}title")]
    assert any(title.startswith("leaf: 3 (60.00 %)") for title in titles)
    assert any(HOSTILE in title for title in titles)


def test_svg_of_a_session_with_histograms_has_these(server: Server) -> None:
    for path in ("latency/export.svg", "full/export.svg?map=@us"):
        text = server.client.get(f"/api/v1/sessions/{path}").text
        assert "p99 ≤" in text
        assert ElementTree.fromstring(text).tag.endswith("svg")
    page = server.client.get("/sessions/latency").text
    assert page.count("data-needs-stacks hidden") == 2
    assert server.client.get("/api/v1/sessions/full/export.svg?map=@count").status_code == 404


def test_speedscope_under_both_names(server: Server) -> None:
    for form in ("speedscope", "speedscope.json"):
        answer = server.client.get(f"/api/v1/sessions/full/export.{form}")
        assert answer.headers["content-disposition"].endswith('.speedscope.json"')
        found = answer.json()
        (profile,) = found["profiles"]
        assert sum(profile["weights"]) == profile["endValue"] == 5
        assert {frame["name"] for frame in found["shared"]["frames"]} >= {"leaf", "main", "7"}


@pytest.mark.parametrize("form", ["folded", "svg", "speedscope.json"])
def test_a_session_without_stacks_has_none_to_export(server: Server, form: str) -> None:
    answer = server.client.get(f"/api/v1/sessions/bare/export.{form}")
    assert answer.status_code == 404
    assert answer.json()["error"]["message"].startswith("The session has printed no map with stacks")


def test_one_html_file_has_all_of_it_and_nothing_that_acts(server: Server) -> None:
    text = export(server, "html")
    found = Tags(text)
    assert {tag for tag, _ in found.tags} <= ALLOWED
    attributes = {name for _, attrs in found.tags for name in attrs}
    assert not {
        name
        for name in attributes
        if name.startswith("on") or name in {"src", "href", "style", "action", "srcset"}
    }
    policy = next(
        attrs["content"] for _, attrs in found.tags if attrs.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None
    assert re.fullmatch(r"default-src 'none'; style-src 'sha256-[A-Za-z0-9+/=]+'", policy)
    assert "url(" not in text
    assert "@import" not in text
    # Each hostile text is there, as text: line, key of the map and of the histogram, script, reason, probe, …
    assert found.text.count(HOSTILE) >= 9
    for part in (
        "41",
        "leaf: 3 (60.00 %)",
        "p99 ≤ 1",
        "kernel",
        "State",
        "Script",
        "The last lines of the log",
    ):
        assert part in found.text, part


def test_one_html_file_of_a_session_without_maps(server: Server) -> None:
    text = export(server, "html", "bare")
    assert "a line" in text
    assert "Flame graph" not in text


def test_names_that_no_file_can_hold_are_shown_escaped(server: Server) -> None:
    assert export(server, "folded", "odd").splitlines() == ["\\ud800<b>\u202e 3", "x:;[unknown] 1"]
    for form in ("svg", "html"):
        assert "\\ud800&lt;b&gt;\\u202e" in export(server, form, "odd")
    assert export(server, "speedscope.json", "odd")


def test_an_unknown_form_names_the_known(server: Server) -> None:
    answer = server.client.get("/api/v1/sessions/full/export.exe")
    assert answer.status_code == 404
    for form in ("csv", "json", "ndjson", "bt", "folded", "svg", "speedscope.json", "html"):
        assert form in answer.json()["error"]["hint"]


def test_the_page_offers_each_export(server: Server) -> None:
    page = server.client.get("/sessions/full").text
    offered = re.findall(r"export\.([\w.]+)\"", page)
    assert offered == ["csv", "json", "ndjson", "bt", "folded", "svg", "speedscope.json", "html"]
    assert "data-needs-stacks hidden" not in page
    # Where there are no stacks, what needs them is not shown.
    assert server.client.get("/sessions/bare").text.count("data-needs-stacks hidden") == 3
    for form in offered:
        assert server.client.get(f"/api/v1/sessions/full/export.{form}").status_code == 200
