"""The builder's options: filled from the address, sent with the form, dropped where they do not belong."""

from __future__ import annotations

import html
import os
import re
from pathlib import Path

import pytest

from app.trace.model import RECIPES
from app.trace.options import FILTERS, RECIPE_OPTIONS
from app.web import recipes
from tests.support.programs import compile_c
from tests.support.server import Server
from tests.web.test_api import wait_job

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="asks for root, as bpftrace does")
PROBE = "uprobe:/usr/bin/bash:main"


def script_in(page: str) -> str:
    match = re.search(r"<textarea[^>]*>\n(.*?)</textarea>", page, re.DOTALL)
    assert match is not None, page[:2000]
    return html.unescape(match[1])


def test_every_recipe_and_option_is_offered() -> None:
    assert [recipe for recipe, _, _ in recipes.RECIPES if recipe not in RECIPES] == []
    assert {recipe for recipe, _, _ in recipes.RECIPES} == set(RECIPES) - {"custom"}
    offered = {field.name for field in recipes.FIELDS}
    assert offered == {*FILTERS, *(name for names in RECIPE_OPTIONS.values() for name in names)}
    for field in recipes.FIELDS:
        for recipe in field.recipes.split():
            assert recipes.takes(recipe, field.name)


def test_options_come_from_the_address(server: Server) -> None:
    answer = server.client.get(
        "/sessions/new",
        params={"probe": PROBE, "recipe": "count", "option.sample": "7", "option.comm": "bash"},
    )
    assert answer.status_code == 200
    assert '/comm == "bash" && (uint64)@seen++ % 7 == 0/' in script_in(answer.text)
    assert 'name="option.sample" value="7"' in answer.text
    # What somebody filled in is not folded away.
    assert re.search(r'<details class="options" open>', answer.text)
    assert re.search(
        r'<details class="options">', server.client.get("/sessions/new", params={"probe": PROBE}).text
    )


def test_options_are_sent_and_those_of_other_recipes_dropped(server: Server) -> None:
    fields = {"probe": PROBE, "recipe": "stacks", "option.frames": "5", "option.by": "thread"}
    answer = server.client.post("/sessions/preview", data=fields)
    assert answer.status_code == 200
    assert "ustack(perf, 5)" in script_in(answer.text)
    wrong = server.client.post("/sessions/preview", data={**fields, "option.frames": "many"})
    assert "The option frames is a number." in html.unescape(wrong.text)


def test_a_session_is_run_again_with_its_options(server: Server) -> None:
    options = {"where": {"argument": 0, "op": "!=", "value": 3}, "inline": False, "pids": [1, os.getpid()]}
    body = {"recipe": "count", "probes": [PROBE], "options": options, "duration": 1}
    started = server.client.post("/api/v1/sessions", json=body)
    assert started.status_code == 201, started.text
    session = server.get(f"/api/v1/sessions/{started.json()['id']}")
    assert session["options"] == options
    shown = html.unescape(server.client.get(f"/sessions/{session['id']}").text)
    again = re.search(r'href="(/sessions/new\?[^"]*)"', shown)
    assert again is not None
    assert script_in(server.client.get(again[1]).text) == session["script"]


def test_a_profile_needs_no_probe(server: Server) -> None:
    answer = server.client.post("/sessions/preview", data={"recipe": "profile", "pid": str(os.getpid())})
    assert f"profile:hz:99 /pid == {os.getpid()}/" in script_in(answer.text)
    nothing = server.client.post("/sessions/preview", data={"recipe": "profile"})
    assert "A profile needs to know of which process." in html.unescape(nothing.text)


def test_a_source_line_and_a_process_lead_to_the_builder(server: Server, tmp_path: Path) -> None:
    program = compile_c(tmp_path, "int main(int count, char **_) {\n  return count * 2;\n}\n", "one line")
    answer = server.client.post("/api/v1/index", json={"paths": [str(program)]})
    wait_job(server, answer.json()["job"])
    (binary,) = server.get("/api/v1/binaries", q="one line")["items"]
    places = html.unescape(
        server.client.get(f"/binaries/{binary['id']}/places", params={"q": "one line.c:2"}).text
    )
    link = re.search(r'href="(/sessions/new\?probe=line[^"]*)"', places)
    assert link is not None
    script = script_in(server.client.get(link[1]).text)
    assert f'uprobe:"{program}":main.at.' in script
    assert "one line.c:2(count=%d" in script
    process = html.unescape(server.client.get(f"/processes/{os.getpid()}").text)
    assert f"/sessions/new?recipe=profile&pid={os.getpid()}" in process


def test_the_api_takes_options_as_json(server: Server) -> None:
    body = {
        "recipe": "top",
        "probes": [PROBE],
        "options": {"arguments": [0], "where": {"argument": 0, "op": ">", "value": 0}},
    }
    answer = server.client.post("/api/v1/scripts", json=body)
    assert answer.status_code == 200, answer.text
    assert "@top[arg0] = count();" in answer.json()["script"]
    assert "/arg0 > 0/" in answer.json()["script"]
    wrong = server.client.post("/api/v1/scripts", json={**body, "options": {"colour": 1}})
    assert wrong.status_code == 400
    assert "colour" in wrong.json()["error"]["message"]


def test_more_probes_than_a_session_attaches_are_told_before_it_starts(
    server: Server, tmp_path: Path
) -> None:
    source = Path(__file__).parents[1] / "runtime/programs/crowd.c"
    probe = f'uprobe:"{compile_c(tmp_path, source.read_text(), "crowd")}":crowd_*'
    said = "This would attach 600 probes, and a session attaches at most 512."
    body = {"recipe": "count", "probes": [probe]}
    found = server.client.post("/api/v1/scripts", json={**body, "forecast": True}).json()
    assert (found["expected_probes"], found["forecast"]) == (600, None)
    assert found["verdict"]["attachable"] is False
    (reason,) = found["verdict"]["reasons"]
    assert (reason["code"], reason["text"]) == ("too_many_probes", said)
    assert "such as crowd_" in reason["hint"]
    page = html.unescape(server.client.get("/sessions/new", params={"probe": probe}).text)
    assert "Cannot be started." in page and said in page and "bpftrace takes it" not in page
    assert "would attach 600 probes" in page
    forecast = server.client.post("/sessions/forecast", data={"recipe": "count", "probe": probe})
    assert 'data-problem="too_many_probes"' in forecast.text
    before = server.get("/api/v1/sessions")["total"]
    refused = server.client.post("/api/v1/sessions", json=body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (413, "too_many_probes")
    assert server.get("/api/v1/sessions")["total"] == before
    fits = server.client.post(
        "/api/v1/scripts", json={**body, "probes": [probe.replace("_*", "_12*")]}
    ).json()
    assert fits["verdict"] == {"attachable": True, "reasons": []}


def test_a_forecast_of_a_wildcard_counts_what_it_stands_for(server: Server, tmp_path: Path) -> None:
    source = Path(__file__).parents[1] / "runtime/programs/crowd.c"
    probe = f'uprobe:"{compile_c(tmp_path, source.read_text(), "crowd")}":crowd_1*'
    if server.get("/api/v1/host")["tracing"]["multi"]:
        pytest.skip("this bpftrace ends any number of them at once")
    answer = server.client.post(
        "/api/v1/scripts", json={"recipe": "count", "probes": [probe], "forecast": True}
    )
    assert answer.status_code == 413
    assert "Counting 100 probes" in answer.json()["error"]["message"]


def test_the_next_process_of_a_name_is_chosen_in_the_builder(server: Server) -> None:
    page = server.client.get("/sessions/new", params={"probe": PROBE, "wait_for": "cron"}).text
    assert 'name="wait_for" value="cron"' in page
    assert '/comm == "cron"/' in script_in(page)
    form = {"probe": PROBE, "recipe": "count", "wait_for": "cron"}
    assert '/comm == "cron"/' in script_in(server.client.post("/sessions/preview", data=form).text)
    both = server.client.post("/sessions/new", data={**form, "pid": str(os.getpid())})
    assert both.status_code == 400
    assert "The next process named cron is none that runs already." in both.text


def test_a_session_that_waits_says_so_until_it_is_stopped(server: Server) -> None:
    body = {"recipe": "count", "probes": [PROBE], "wait_for": "/usr/sbin/no-such-one", "duration": 60}
    made = server.client.post("/api/v1/scripts", json=body).json()["script"]
    assert '/comm == "no-such-one"/' in made
    answer = server.client.post("/api/v1/sessions", json=body)
    assert answer.status_code == 201, answer.text
    session = server.until(answer.json()["id"], "running")
    assert (session["wait_for"], session["pid"]) == ("no-such-one", None)
    page = server.client.get(f"/sessions/{session['id']}").text
    assert "Waiting for a process named no-such-one to start" in page
    again = re.search(r'href="(/sessions/new\?[^"]*wait_for=no-such-one[^"]*)"', html.unescape(page))
    assert again is not None and "pid=" not in again[1]
    server.client.post(f"/api/v1/sessions/{session['id']}/stop")
    assert server.until(session["id"], "ended")["code"] == "stopped"
    assert "Waiting for" not in server.client.get(f"/sessions/{session['id']}").text
