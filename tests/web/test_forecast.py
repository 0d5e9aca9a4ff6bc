"""A forecast over HTTP: hits of a real program, counted for a moment."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.programs import compile_c
from tests.support.server import Server

# Calls at a rate of its own making: 200 a second, as exactly as sleeping allows.
SOURCE = """
#include <time.h>
__attribute__((noinline)) int beat(int n) { return n + 1; }
__attribute__((noinline)) int never(int n) { return n - 1; }
int main(int argc, char **argv) {
  struct timespec next;
  clock_gettime(CLOCK_MONOTONIC, &next);
  for (int n = 0;; n = argc > 5 ? never(n) : beat(n)) {
    next.tv_nsec += 5000000;
    if (next.tv_nsec >= 1000000000) { next.tv_nsec -= 1000000000; next.tv_sec++; }
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, 0);
  }
}
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = compile_c(tmp_path_factory.mktemp("beat"), SOURCE, "beat")
    with subprocess.Popen([path]) as process:
        yield path
        process.kill()


def test_the_hit_rate_is_counted_and_no_session_stays(server: Server, program: Path) -> None:
    before = server.get("/api/v1/sessions")["total"]
    probes = [f'uprobe:"{program}":{name}' for name in ("beat", "never")]
    body = {"recipe": "latency", "probes": probes, "forecast": True}
    answer = server.client.post("/api/v1/scripts", json=body, timeout=60)
    assert answer.status_code == 200, answer.text
    found = answer.json()["forecast"]
    # A busy machine makes the program late, never early.
    assert 40 < found["rate"] < 300
    assert list(found["probes"]) == ["beat"]
    assert "calls a second" in found["text"] and not found["hot"]
    assert server.get("/api/v1/sessions")["total"] == before
    assert "hist(" in answer.json()["script"]


def test_a_forecast_is_made_only_when_it_is_asked_for(server: Server, program: Path) -> None:
    body = {"recipe": "count", "probes": [f'uprobe:"{program}":beat']}
    assert server.client.post("/api/v1/scripts", json=body).json()["forecast"] is None


def test_the_page_says_it_with_and_without_htmx(server: Server, program: Path) -> None:
    form = {"recipe": "count", "probe": f'uprobe:"{program}":beat'}
    whole = server.client.post("/sessions/forecast", data=form, timeout=60)
    assert "calls a second" in whole.text and 'name="recipe"' in whole.text
    part = server.client.post("/sessions/forecast", data=form, headers={"hx-request": "true"}, timeout=60)
    assert "calls a second" in part.text and "<html" not in part.text


def test_what_cannot_be_forecast_is_said(server: Server, program: Path) -> None:
    form = {"recipe": "count", "probe": f'uprobe:"{program}":not_there'}
    part = server.client.post("/sessions/forecast", data=form, headers={"hx-request": "true"}, timeout=60)
    assert "Nothing could be counted" in part.text
