"""Events a second from bpftrace to the page: a program that calls at a set rate, traced and watched.

At each rate the program is traced several times in turn: by bpftrace alone, whose JSON goes to a file; by a
session of a real server with its page open in a headless Chromium; and by one that only a plain websocket
client watches. Once more it is traced with both viewers, each event's lag and each animation frame measured.
The script is the same: the recipe log, one printf a call.
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

from app.config import load
from app.trace.bpftrace import Bpftrace
from benchmarks.plot import lines
from benchmarks.report import RESULTS, table, write
from benchmarks.watch import Plain, Seen, opened, watched
from tests.support.browser import chromium
from tests.support.programs import compile_c
from tests.support.server import Server, running

RATES, SECONDS, ROUNDS = (1_000, 5_000, 10_000, 20_000, 40_000), 5.0, 5
EVENTS, LAG = "stream-events.svg", "stream-lag.svg"
QUICK_RATES, QUICK_SECONDS, QUICK_ROUNDS = (1_000, 5_000), 3.0, 1
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


@dataclass(frozen=True)
class Count:
    """One turn: calls that the program made and their seconds, events that came of them."""

    calls: int
    seconds: float
    events: int

    @property
    def rate(self) -> float:
        return self.events / self.seconds


@dataclass(frozen=True)
class Rate:
    """All turns at one rate."""

    rate: int
    alone: list[Count]
    page: list[Count]  # with a Chromium
    plain: list[Count]  # with a plain client only
    seen: Viewed

    @property
    def rates(self) -> dict[str, float]:
        """Median events a second, by how the program was traced."""
        each = {"bpftrace alone": self.alone, "dashboard": self.page, "dashboard, no Chromium": self.plain}
        return {name: statistics.median(count.rate for count in counts) for name, counts in each.items()}


@dataclass(frozen=True)
class Viewed:
    """The turn whose viewers are measured."""

    count: Count
    loss: dict[str, int]
    page: Seen
    plain: Seen
    server_cpu: float
    bpftrace_cpu: float


def choice(path: Path, pid: int) -> dict[str, object]:
    probe = f'uprobe:"{path}":work'
    return {"recipe": "log", "probes": [probe], "pid": pid, "options": {"returns": False}}


def alone(server: Server, path: Path, rate: int, seconds: float) -> Count:
    """The same script without a server."""
    with called(path, rate, seconds) as caller, tempfile.TemporaryFile() as written:
        answer = server.client.post("/api/v1/scripts", json=choice(path, caller.pid)).raise_for_status()
        process = subprocess.Popen(
            ["bpftrace", "-f", "json", "-e", answer.json()["script"]],
            stdout=written,
            stderr=subprocess.STDOUT,
            env={**os.environ, NOTICE: "1", "BPFTRACE_PERF_RB_PAGES": RING_PAGES},
        )
        reading = written.fileno()
        while NOTICE.encode() not in os.pread(reading, 1 << 16, 0):
            time.sleep(0.05)
        calls, took = caller.call()
        process.send_signal(signal.SIGTERM)
        process.wait()
        written.seek(0)
        return Count(calls, took, sum(b'"printf"' in line for line in written))


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def begun(server: Server, path: Path, caller: Caller) -> dict[str, Any]:
    answer = server.client.post("/api/v1/sessions", json=choice(path, caller.pid)).raise_for_status()
    return server.until(answer.json()["id"], "running")


def ended(server: Server, session: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The session and its events."""
    server.client.post(f"/api/v1/sessions/{session}/stop").raise_for_status()
    return server.until(session, "ended"), server.events(session)


def printed(events: list[dict[str, Any]]) -> int:
    return sum(event["type"] == "printf" for event in events)


def through(server: Server, path: Path, rate: int, seconds: float, browser: Browser | None) -> Count:
    """A session whose page is open, or without a browser that a plain client watches."""
    with called(path, rate, seconds) as caller, ExitStack() as viewers:
        found = begun(server, path, caller)
        if browser:
            viewers.enter_context(opened(browser, server, found["id"]))
        else:
            viewers.callback(Plain(server, found["id"], found["started"]).join)
        calls, took = caller.call()
        _, events = ended(server, found["id"])
        return Count(calls, took, printed(events))


def viewed(server: Server, browser: Browser, path: Path, rate: int, seconds: float) -> Viewed:
    with called(path, rate, seconds) as caller:
        found = begun(server, path, caller)
        session = found["id"]
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
            found, events = ended(server, session)
            shown = page.seen(events)
        plain.join()
    return Viewed(
        count=Count(calls, took, printed(events)),
        loss=found["loss"],
        page=shown,
        plain=plain.seen,
        server_cpu=server_cpu,
        bpftrace_cpu=bpftrace_cpu,
    )


def measured(server: Server, browser: Browser, path: Path, rate: int, seconds: float, rounds: int) -> Rate:
    found = Rate(rate, [], [], [], viewed(server, browser, path, rate, seconds))
    for _ in range(rounds):
        found.alone.append(alone(server, path, rate, seconds))
        found.page.append(through(server, path, rate, seconds, browser))
        found.plain.append(through(server, path, rate, seconds, None))
    return found


def share(part: int, whole: int) -> str:
    return f"{part:,} ({part / whole:.2%})"


def percentile(values: Sequence[float], share: int) -> str:
    return f"{statistics.quantiles(values, n=100)[share - 1]:.0f}" if len(values) > 1 else "none"


def spread(median: float, counts: Sequence[Count]) -> str:
    rates = [count.rate for count in counts]
    return f"{median:,.0f} ({min(rates):,.0f} to {max(rates):,.0f})"


def delivered(found: Sequence[Rate]) -> list[list[str]]:
    """What came of the calls, in all turns of a rate."""
    rows = [
        [
            "asked/s",
            "bpftrace alone",
            "dashboard",
            "no Chromium",
            "measured: log",
            "plain websocket",
            "Chromium",
        ]
    ]
    for each in found:
        turns = (each.alone, each.page, each.plain)
        seen = each.seen
        rows.append(
            [
                f"{each.rate:,}",
                *(share(sum(c.events for c in counts), sum(c.calls for c in counts)) for counts in turns),
                *(
                    share(n, seen.count.calls)
                    for n in (seen.count.events, seen.plain.events, seen.page.events)
                ),
            ]
        )
    return rows


def speeds(found: Sequence[Rate]) -> list[list[str]]:
    """Events a second, and the ratios to bpftrace alone."""
    rows = [["asked/s", *found[0].rates, "dashboard : alone", "no Chromium : alone"]]
    for each in found:
        turns = (each.alone, each.page, each.plain)
        medians = list(each.rates.values())
        rows.append(
            [
                f"{each.rate:,}",
                *map(spread, medians, turns),
                *(f"{median / medians[0]:.2f}" for median in medians[1:]),
            ]
        )
    return rows


def losses(found: Sequence[Rate]) -> list[list[str]]:
    rows = [["asked/s", "never came (calls - log)", "told: kernel", "told: server", "told: viewers"]]
    for each in found:
        seen = each.seen
        told = (seen.loss[name] for name in ("kernel", "server", "viewer"))
        missing = seen.count.calls - seen.count.events
        rows.append([f"{each.rate:,}", f"{missing:,}", *(f"{count:,}" for count in told)])
    return rows


def viewing(found: Sequence[Rate]) -> list[list[str]]:
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
    for each in found:
        page, plain = each.seen.page, each.seen.plain
        rows.append(
            [
                f"{each.rate:,}",
                *(percentile(page.lags, point) for point in (50, 95)),
                percentile(page.frames, 95),
                f"{page.busy:.0%}",
                f"{page.heap / 1e6:+.1f}",
                *(percentile(plain.lags, point) for point in (50, 95)),
                f"{each.seen.server_cpu:.0%}",
                f"{each.seen.bpftrace_cpu:.0%}",
            ]
        )
    return rows


def pictures(found: Sequence[Rate]) -> None:
    """Events a second and lag over the rate that was asked for."""
    events: dict[str, list[tuple[float, float]]] = {}
    lags: dict[str, list[tuple[float, float]]] = {}
    for each in found:
        for name, rate in each.rates.items():
            events.setdefault(name, []).append((each.rate, max(1.0, rate)))
        for name, seen in (("Chromium", each.seen.page), ("plain websocket", each.seen.plain)):
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
    rates, seconds, rounds = (QUICK_RATES, QUICK_SECONDS, QUICK_ROUNDS) if quick else (RATES, SECONDS, ROUNDS)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        path = compile_c(scratch, CALLER, "caller", "-O2")
        server = stack.enter_context(running(scratch / "data"))
        browser = stack.enter_context(chromium(stack.enter_context(sync_playwright())))
        found = [measured(server, browser, path, rate, seconds, rounds) for rate in rates]
        versions = {"bpftrace": able.version_text, "Chromium": browser.version}
    parts = [
        f"A program calls a function at a set rate for {seconds:g} s; its recipe *log* prints a line a call. "
        f"{rounds} rounds at each rate, three turns a round, one after the other: *bpftrace alone* runs the "
        "same script with the same ring buffers, its JSON into a file; *dashboard* is a session whose page "
        "is open in a headless Chromium; *no Chromium* one that a plain websocket client watches. The "
        "program, bpftrace, the server and the browser share the cores: where more is asked for than these "
        "make, what viewers take is taken from the program.",
        "## Events a second",
        "Median, least and most of the rounds.",
        table(speeds(found)),
        f"![Events a second]({EVENTS})",
        "## Delivered",
        "Events, and their share of the calls made in the same turns. The last three columns are one more "
        "turn that both viewers watch, and in which lags and frames are measured.",
        table(delivered(found)),
        "## Lost",
        "What the measured session says of it.",
        table(losses(found)),
        "## Seen",
        "Lag: from the moment the server read an event to the animation frame after the one that put it "
        "into the document. Frame: between two animation frames. Busy: the main thread's tasks. Heap: "
        "JavaScript's growth, garbage taken out; the page keeps the last 100,000 lines. CPU: of one core.",
        table(viewing(found)),
        f"![Lag]({LAG})",
    ]
    pictures(found)
    write("stream", "Stream: events from bpftrace to the page", parts, versions)
