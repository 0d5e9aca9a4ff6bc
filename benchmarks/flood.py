"""What the server takes by itself: 30,000 lines a second for a minute, one viewer and three; start and stop.

A traced program and bpftrace take most of a small machine, so here a stand-in prints bpftrace's lines at a
set rate, and nothing of the kernel is in the way. Starting and stopping are those of the real one.
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from app.config import load
from app.trace.bpftrace import Bpftrace
from benchmarks.report import table, write
from benchmarks.stream import CALLER, NOTICE, percentile
from benchmarks.watch import Plain, Seen, watched
from tests.support.browser import chromium
from tests.support.programs import compile_c
from tests.support.server import Server, running

RATE, SECONDS = 30_000, 60.0
QUICK_RATE, QUICK_SECONDS = 5_000, 3.0
STARTS, QUICK_STARTS = 7, 2
# What is kept of a log, so that all of it can be counted.
KEPT_EVENTS, KEPT_BYTES = "8000000", str(2 << 30)
SCRIPT = 'BEGIN { printf("begun\\n"); } interval:s:600 { exit(); }'
# bpftrace's arguments and output, as far as the server asks for them; the rate is in its environment's place.
DOUBLE = """
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static volatile sig_atomic_t over;
static void end(int number) { (void)number; over = 1; }
static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
  if (argc > 1 && !strcmp(argv[1], "--version")) return puts("bpftrace v0.17.0") < 0;
  struct sigaction action = {.sa_handler = end};
  sigaction(SIGTERM, &action, NULL);
  static char buffer[1 << 16];
  setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
  fputs("{\\"type\\": \\"attached_probes\\", \\"data\\": {\\"probes\\": 2}}\\n", stdout);
  fflush(stdout);
  fputs("__BPFTRACE_NOTIFY_PROBES_ATTACHED\\n", stderr);
  struct timespec wait = {3, 0};
  nanosleep(&wait, NULL);
  double begun = now();
  long made = 0, wanted;
  while (!over && (wanted = (long)(RATE * (now() - begun))) <= (long)(RATE * SECONDS)) {
    for (; made < wanted; made++)
      printf("{\\"type\\": \\"printf\\", \\"data\\": "
             "\\"-> work(number=%ld, name=shop, at=0x7f12a0)  [caller 4711]\\\\n\\"}\\n", made);
    fflush(stdout);
    struct timespec pause = {0, 1000000};
    nanosleep(&pause, NULL);
  }
  while (!over) nanosleep(&wait, NULL);
  printf("{\\"type\\": \\"map\\", \\"data\\": {\\"@n\\": %ld}}\\n", made);
  return fflush(stdout);
}
"""


@dataclass
class Flood:
    """One run; ``grown``: the server's resident memory at its most, over that before, in bytes."""

    viewers: int
    made: int
    logged: int
    loss: dict[str, int]
    page: Seen
    plain: list[Seen]
    grown: int


def resident(pid: int) -> int:
    text = Path(f"/proc/{pid}/status").read_text()
    return 1024 * int(text.split("VmRSS:")[1].split()[0])


@contextmanager
def at_most(pid: int) -> Iterator[list[int]]:
    """The most that the process has resident meanwhile, over that at the beginning."""
    before = resident(pid)
    grown = [0]
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.1):
            grown[0] = max(grown[0], resident(pid) - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield grown
    finally:
        over.set()
        watcher.join()


def flood(server: Server, browser: Browser, plain: int, seconds: float) -> Flood:
    body = {"script": SCRIPT, "duration": seconds + 600}
    session = server.client.post("/api/v1/sessions", json=body).raise_for_status().json()["id"]
    found = server.until(session, "running")
    with at_most(server.pid) as grown:
        clients = [Plain(server, session, found["started"]) for _ in range(plain)]
        with watched(browser, server, session, found["started"]) as page:
            page.begin()
            time.sleep(seconds + 4)
            page.end()
            server.client.post(f"/api/v1/sessions/{session}/stop").raise_for_status()
            found = server.until(session, "ended")
            events = server.events(session)
            shown = page.seen(events)
        for client in clients:
            client.join()
    made = next(event["data"]["@n"] for event in reversed(events) if event["type"] == "map")
    return Flood(
        viewers=1 + plain,
        made=made,
        logged=sum(event["type"] == "printf" for event in events),
        loss=found["loss"],
        page=shown,
        plain=[client.seen for client in clients],
        grown=grown[0],
    )


def rows_of(floods: Sequence[Flood]) -> list[list[str]]:
    head = [
        "viewers",
        "lines made",
        "in the log",
        "lost (kernel, server)",
        "Chromium: lag p50 ms",
        "lag p95 ms",
    ]
    rows = [[*head, "frame p95 ms", "busy", "plain websockets: lag p95 ms", "server's memory, MiB"]]
    for each in floods:
        plain = [lag for seen in each.plain for lag in seen.lags]
        rows.append(
            [
                str(each.viewers),
                f"{each.made:,}",
                f"{each.logged:,}",
                f"{each.loss['kernel']}, {each.loss['server']}",
                percentile(each.page.lags, 50),
                percentile(each.page.lags, 95),
                percentile(each.page.frames, 95),
                f"{each.page.busy:.0%}",
                percentile(plain, 95),
                f"{each.grown / (1 << 20):+.0f}",
            ]
        )
    return rows


def probed(path: Path) -> str:
    return f'uprobe:"{path}":work {{ @ = count(); }} interval:ms:20 {{ printf("x\\n"); }}'


def alone(script: str) -> tuple[float, float]:
    """Seconds from bpftrace's start to its first line, and from SIGTERM to its end."""
    began = time.perf_counter()
    process = subprocess.Popen(
        ["bpftrace", "-f", "json", "-e", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, NOTICE: "1"},
    )
    assert process.stdout
    for line in process.stdout:
        if b'"printf"' in line:
            break
    first = time.perf_counter() - began
    asked = time.perf_counter()
    process.send_signal(signal.SIGTERM)
    process.stdout.read()
    process.wait()
    return first, time.perf_counter() - asked


def through(server: Server, script: str) -> tuple[float, float]:
    """The same of a session: from the request to the first line at a viewer, from stop to ``ended`` there."""
    began = time.time()
    answer = server.client.post(
        "/api/v1/sessions", json={"script": script, "duration": 60}
    ).raise_for_status()
    session = answer.json()["id"]
    client = Plain(server, session, began)
    while not client.seen.lags:
        assert client.is_alive(), server.get(f"/api/v1/sessions/{session}")
        time.sleep(0.001)
    first = time.time() - began
    asked = time.perf_counter()
    server.client.post(f"/api/v1/sessions/{session}/stop").raise_for_status()
    client.join()
    return first, time.perf_counter() - asked


def start_and_stop(server: Server, script: str, turns: int) -> list[list[str]]:
    found: dict[str, list[tuple[float, float]]] = {"bpftrace alone": [], "through the server": []}
    for _ in range(turns):
        found["bpftrace alone"].append(alone(script))
        found["through the server"].append(through(server, script))
    rows = [["what", "first line, median s", "stop to end, median s"]]
    for name, pairs in found.items():
        first, stop = (statistics.median(values) for values in zip(*pairs, strict=True))
        rows.append([name, f"{first:.2f}", f"{stop:.2f}"])
    return rows


def run(quick: bool) -> None:
    able = Bpftrace(load({})).capabilities()
    if not able.available:
        sys.stdout.write(f"flood: not measured. {able.problem} {able.hint}\n")
        return
    rate, seconds = (QUICK_RATE, QUICK_SECONDS) if quick else (RATE, SECONDS)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        double = compile_c(scratch, DOUBLE, "bpftrace", "-O2", f"-DRATE={rate}", f"-DSECONDS={seconds}")
        browser = stack.enter_context(chromium(stack.enter_context(sync_playwright())))
        with running(
            scratch / "data",
            PROBESCOPE_BPFTRACE=str(double),
            PROBESCOPE_SESSION_EVENTS=KEPT_EVENTS,
            PROBESCOPE_SESSION_BYTES=KEPT_BYTES,
        ) as server:
            floods = [flood(server, browser, plain, seconds) for plain in (0, 2)]
        with running(scratch / "real") as server:
            script = probed(compile_c(scratch, CALLER, "caller", "-O2"))
            times = start_and_stop(server, script, QUICK_STARTS if quick else STARTS)
        versions = {"bpftrace": able.version_text, "Chromium": browser.version}
    parts = [
        f"A stand-in for bpftrace prints {rate:,} lines a second for {seconds:g} s; the first viewer is a "
        "Chromium, the others are plain websocket clients. Lag and frame as in [stream](stream.md); memory "
        "is the server's most, over that before the session had a viewer.",
        table(rows_of(floods)),
        "## Start and stop of one probe",
        "First line: from the start of bpftrace, or from the request for a session, to the first line at who "
        "reads it. Stop to end: from SIGTERM, or from the request, to the end of what is read.",
        table(times),
    ]
    write("flood", "Flood: what the server takes by itself", parts, versions)
