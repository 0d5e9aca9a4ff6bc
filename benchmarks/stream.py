"""Events a second from bpftrace to the page: a program that calls at a set rate, traced and watched.

At each rate the program is traced twice: by bpftrace alone, whose JSON goes to a pipe and is only counted,
and by a session of a real server, watched by a headless Chromium and a plain websocket client at once. The
script is the same: the recipe log, one printf a call.
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from app.config import load
from app.trace.bpftrace import Bpftrace
from benchmarks.plot import lines
from benchmarks.report import RESULTS, table, write
from benchmarks.watch import Plain, Seen, watched
from tests.support.browser import chromium
from tests.support.programs import compile_c
from tests.support.server import Server, running

RATES, SECONDS = (1_000, 5_000, 10_000, 20_000, 40_000), 10.0
EVENTS, LAG = "stream-events.svg", "stream-lag.svg"
QUICK_RATES, QUICK_SECONDS = (1_000, 5_000), 3.0
NOTICE = "__BPFTRACE_NOTIFY_PROBES_ATTACHED"
# As the server gives it.
RING_PAGES = "256"
# It begins with the first line that it is told, and waits for the second before it ends.
CALLER = """
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

__attribute__((noinline)) long work(long number) {
  __asm__ volatile("" : : "r"(number) : "memory");
  return number;
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
  double rate = atof(argv[1]), seconds = atof(argv[2]);
  char line[8];
  if (argc != 3 || !fgets(line, sizeof line, stdin)) return 1;
  double begun = now();
  long made = 0;
  while (now() - begun < seconds) {
    double due = begun + made / rate;
    struct timespec time = {(time_t)due, (long)((due - (time_t)due) * 1e9)};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
    work(made++);
  }
  printf("%ld %f\\n", made, now() - begun);
  fflush(stdout);
  fgets(line, sizeof line, stdin);
  return 0;
}
"""


class Caller:
    """The program, which waits to be told to begin; its rate must not be that which others leave it."""

    def __init__(self, path: Path, rate: int, seconds: float) -> None:
        self._process = subprocess.Popen(
            ["nice", "-n", "-10", path, str(rate), str(seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        self.pid = self._process.pid

    def call(self) -> tuple[int, float]:
        """(calls made, seconds that they took), as it says itself."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write("go\n")
        made, seconds = self._process.stdout.readline().split()
        return int(made), float(seconds)

    def close(self) -> None:
        self._process.communicate()


@contextmanager
def called(path: Path, rate: int, seconds: float) -> Iterator[Caller]:
    caller = Caller(path, rate, seconds)
    try:
        yield caller
    finally:
        caller.close()


@dataclass
class Turn:
    """One rate: alone and through the server."""

    rate: int
    alone: tuple[int, int]  # calls, events
    alone_seconds: float
    calls: int
    seconds: float
    logged: int
    loss: dict[str, int]
    page: Seen
    plain: Seen
    server_cpu: float
    bpftrace_cpu: float
    without_page: float  # events a second in the log of a session that only the plain client watches

    @property
    def rates(self) -> dict[str, float]:
        """Events a second, by where they were counted."""
        return {
            "bpftrace alone": self.alone[1] / self.alone_seconds,
            "in the log": self.logged / self.seconds,
            "in the log, no Chromium": self.without_page,
            "Chromium": self.page.events / self.seconds,
        }


def choice(path: Path, pid: int) -> dict[str, object]:
    probe = f'uprobe:"{path}":work'
    return {"recipe": "log", "probes": [probe], "pid": pid, "options": {"returns": False}}


def alone(server: Server, path: Path, rate: int, seconds: float) -> tuple[int, int, float]:
    """(calls made, events that bpftrace wrote, seconds of the calls) of the same script without a server."""
    with called(path, rate, seconds) as caller:
        answer = server.client.post("/api/v1/scripts", json=choice(path, caller.pid)).raise_for_status()
        process = subprocess.Popen(
            ["bpftrace", "-f", "json", "-e", answer.json()["script"]],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, NOTICE: "1", "BPFTRACE_PERF_RB_PAGES": RING_PAGES},
        )
        assert process.stdout
        for line in process.stdout:
            if NOTICE.encode() in line:
                break
        with ThreadPoolExecutor(1) as pool:
            made = pool.submit(call_and_end, caller, process)
            events = sum(b'"printf"' in line for line in process.stdout)
        process.wait()
    calls, took = made.result()
    return calls, events, took


def call_and_end(caller: Caller, process: subprocess.Popen[bytes]) -> tuple[int, float]:
    made = caller.call()
    process.send_signal(signal.SIGTERM)
    return made


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def without_page(server: Server, path: Path, rate: int, seconds: float) -> float:
    """Events a second in the log of a session that only a plain client watches: what the server takes."""
    with called(path, rate, seconds) as caller:
        answer = server.client.post("/api/v1/sessions", json=choice(path, caller.pid))
        session = answer.raise_for_status().json()["id"]
        plain = Plain(server, session, server.until(session, "running")["started"])
        _, took = caller.call()
        server.client.post(f"/api/v1/sessions/{session}/stop").raise_for_status()
        server.until(session, "ended")
        plain.join()
        return sum(event["type"] == "printf" for event in server.events(session)) / took


def turn(server: Server, browser: Browser, path: Path, rate: int, seconds: float) -> Turn:
    *beside, alone_seconds = alone(server, path, rate, seconds)
    with called(path, rate, seconds) as caller:
        answer = server.client.post("/api/v1/sessions", json=choice(path, caller.pid))
        session = answer.raise_for_status().json()["id"]
        found = server.until(session, "running")
        plain = Plain(server, session, found["started"])
        with watched(browser, server, session, found["started"]) as page:
            pids = (server.pid, found["bpftrace_pid"])
            page.begin()
            before = [cpu_seconds(pid) for pid in pids]
            calls, took = caller.call()
            server_cpu, bpftrace_cpu = (
                (cpu_seconds(pid) - used) / took for pid, used in zip(pids, before, strict=True)
            )
            page.end()
            server.client.post(f"/api/v1/sessions/{session}/stop").raise_for_status()
            found = server.until(session, "ended")
            events = server.events(session)
            shown = page.seen(events)
        plain.join()
    return Turn(
        rate=rate,
        alone=(beside[0], beside[1]),
        alone_seconds=alone_seconds,
        calls=calls,
        seconds=took,
        logged=sum(event["type"] == "printf" for event in events),
        loss=found["loss"],
        page=shown,
        plain=plain.seen,
        server_cpu=server_cpu,
        bpftrace_cpu=bpftrace_cpu,
        without_page=without_page(server, path, rate, seconds),
    )


def share(part: int, whole: int) -> str:
    return f"{part:,} ({part / whole:.2%})"


def percentile(values: Sequence[float], share: int) -> str:
    return f"{statistics.quantiles(values, n=100)[share - 1]:.0f}" if len(values) > 1 else "none"


def delivered(turns: Sequence[Turn]) -> list[list[str]]:
    rows = [
        [
            "asked/s",
            "made/s",
            "calls",
            "in the log",
            "plain websocket",
            "Chromium",
            "bpftrace alone",
            "log : alone",
            "events/s, log : alone",
            "the same without the Chromium",
        ]
    ]
    for each in turns:
        alone_share = each.alone[1] / each.alone[0]
        rows.append(
            [
                f"{each.rate:,}",
                f"{each.calls / each.seconds:,.0f}",
                f"{each.calls:,}",
                *(share(part, each.calls) for part in (each.logged, each.plain.events, each.page.events)),
                f"{each.alone[1]:,} of {each.alone[0]:,} ({alone_share:.2%})",
                f"{each.logged / each.calls / alone_share:.4f}",
                f"{each.rates['in the log'] / each.rates['bpftrace alone']:.2f}",
                f"{each.without_page / each.rates['bpftrace alone']:.2f}",
            ]
        )
    return rows


def losses(turns: Sequence[Turn]) -> list[list[str]]:
    rows = [["asked/s", "never came (calls - log)", "told: kernel", "told: server", "told: viewers"]]
    for each in turns:
        told = (each.loss[name] for name in ("kernel", "server", "viewer"))
        rows.append([f"{each.rate:,}", f"{each.calls - each.logged:,}", *(f"{count:,}" for count in told)])
    return rows


def viewing(turns: Sequence[Turn]) -> list[list[str]]:
    rows = [
        [
            "asked/s",
            "lag p50 ms",
            "lag p95 ms",
            "frame p95 ms",
            "main thread busy",
            "heap MB",
            "plain websocket: lag p50 ms",
            "p95 ms",
            "CPU of the server",
            "of bpftrace",
        ]
    ]
    for each in turns:
        page, plain = each.page, each.plain
        rows.append(
            [
                f"{each.rate:,}",
                *(percentile(page.lags, point) for point in (50, 95)),
                percentile(page.frames, 95),
                f"{page.busy:.0%}",
                f"{page.heap / 1e6:+.1f}",
                *(percentile(plain.lags, point) for point in (50, 95)),
                f"{each.server_cpu:.0%}",
                f"{each.bpftrace_cpu:.0%}",
            ]
        )
    return rows


def pictures(turns: Sequence[Turn]) -> None:
    """Events a second and lag over the rate that was asked for."""
    events: dict[str, list[tuple[float, float]]] = {}
    lags: dict[str, list[tuple[float, float]]] = {}
    for each in turns:
        for name, rate in each.rates.items():
            events.setdefault(name, []).append((each.rate, max(1.0, rate)))
        for name, seen in (("Chromium", each.page), ("plain websocket", each.plain)):
            for point in (50, 95):
                lag = percentile(seen.lags, point)
                if lag != "none":
                    lags.setdefault(f"{name}, p{point}", []).append((each.rate, max(1.0, float(lag))))
    RESULTS.mkdir(exist_ok=True)
    across = "calls a second that were asked for"
    (RESULTS / EVENTS).write_text(lines("Events that came", across, "events a second", events))
    if lags:
        (RESULTS / LAG).write_text(lines("How late they were", across, "milliseconds", lags))


def run(quick: bool) -> None:
    able = Bpftrace(load({})).capabilities()
    if not able.available:
        sys.stdout.write(f"stream: not measured. {able.problem} {able.hint}\n")
        return
    rates, seconds = (QUICK_RATES, QUICK_SECONDS) if quick else (RATES, SECONDS)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        path = compile_c(scratch, CALLER, "caller", "-O2")
        server = stack.enter_context(running(scratch / "data"))
        browser = stack.enter_context(chromium(stack.enter_context(sync_playwright())))
        turns = [turn(server, browser, path, rate, seconds) for rate in rates]
        versions = {"bpftrace": able.version_text, "Chromium": browser.version}
    parts = [
        f"A program calls a function at a set rate for {seconds:g} s; its recipe *log* prints a line a call. "
        "One session is watched by a headless Chromium and a plain websocket client at once. "
        "`made/s`: what the program reached while it was traced, by its own count.",
        "## Delivered",
        "Events of calls, and their share of the calls made in the same turn. bpftrace alone: the same "
        "script and ring buffers in another turn of the program, its JSON counted at the end of a pipe; the "
        "column behind it is the ratio of the two shares, then that of events a second: where more is "
        "asked for than the machine has, bpftrace and viewers take of what the program could make; the last "
        "is of a turn that only the plain client watches, so that a browser on the same cores is left out.",
        table(delivered(turns)),
        f"![Events a second]({EVENTS})",
        "## Lost",
        "What the session says of it.",
        table(losses(turns)),
        "## Seen",
        "Lag: from the moment the server read an event to the animation frame after the one that put it "
        "into the document. Frame: between two animation frames. Busy: the main thread's tasks. Heap: "
        "JavaScript's growth, garbage taken out; the page keeps the last 100,000 lines. CPU: of one core.",
        table(viewing(turns)),
        f"![Lag]({LAG})",
    ]
    pictures(turns)
    write("stream", "Stream: events from bpftrace to the page", parts, versions)
