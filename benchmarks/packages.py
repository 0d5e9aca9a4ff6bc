"""Packages: read in the box, and indexed with all they hold, beside the tools that only unpack them.

``python -m benchmarks.packages [--quick] PACKAGE…`` takes the files named; ``python -m benchmarks packages``
those in apt's cache (``apt-get download libc6-dbg`` puts one where one is).
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.machine import version
from benchmarks.memory import peak
from benchmarks.report import interleaved, table, timing_table, write

TURNS, QUICK_TURNS = 3, 1
CACHES = (Path("/var/cache/apt/archives"), Path())
MOST = 3
UNPACK = "probescope, unpacking alone"
INDEX = "probescope index"


def commands(package: Path, scratch: Path) -> dict[str, list[str]]:
    out = scratch / "out"
    found = {
        UNPACK: [sys.executable, "-m", "benchmarks.unpacking", str(package), str(out)],
        INDEX: [sys.executable, "-m", "app", "index", str(package)],
    }
    if package.suffix == ".deb" and shutil.which("dpkg-deb"):
        found["dpkg-deb -x"] = ["dpkg-deb", "-x", str(package), str(out)]
    if shutil.which("bsdtar"):
        inner = f"bsdtar -xOf '{package}' 'data.tar*' | bsdtar -xf - -C '{out}'"
        plain = f"bsdtar -xf '{package}' -C '{out}'"
        found["bsdtar -xf"] = ["sh", "-c", inner if package.suffix == ".deb" else plain]
    return found


def one(package: Path, turns: int, scratch: Path) -> list[str]:
    data, out = scratch / "data", scratch / "out"
    env = {**os.environ, "PROBESCOPE_DATA": str(data)}

    def fresh(command: Sequence[str]) -> Callable[[], object]:
        def run() -> None:
            clean()
            subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env, check=True)

        return run

    def clean() -> None:
        for place in (data, out):
            shutil.rmtree(place, ignore_errors=True)
        out.mkdir()

    found = commands(package, scratch)
    seconds = interleaved({name: fresh(command) for name, command in found.items()}, turns)
    rows = timing_table(seconds, UNPACK)
    rows[0].append("peak MB")
    for row in rows[1:]:
        clean()
        row.append(f"{peak(found[row[0]], env) / 1e6:.0f}")
    size = package.stat().st_size / 1e6
    return [f"## {package.name}: {size:.0f} MB", table(rows)]


def cached() -> list[Path]:
    """The largest packages with debug information that are at hand."""
    found = [path for place in CACHES for path in place.glob("*-dbg*.deb")]
    return sorted(found, key=lambda path: -path.stat().st_size)[:MOST]


def measure(packages: Sequence[Path], quick: bool) -> None:
    parts = [
        "Each row in turn, all in one run, on a warm cache. *Unpacking alone* reads the package in its box, "
        "and writes each ELF and source file as an upload does. *Index* goes on to read all of them, debug "
        "information included, into a fresh catalogue; the other tools only unpack. Memory is the most that "
        "a command and its children had resident at once, taken in a run of its own; mapped pages count."
    ]
    with tempfile.TemporaryDirectory() as directory:
        for number, package in enumerate(packages):
            scratch = Path(directory) / str(number)
            scratch.mkdir()
            parts += one(package, QUICK_TURNS if quick else TURNS, scratch)
    if not packages:
        parts.append("No package with debug information is at hand, and none was named.")
    versions = {"dpkg-deb": version("dpkg-deb"), "bsdtar": version("bsdtar")}
    write("packages", "Packages with debug information", parts, versions)


def run(quick: bool) -> None:
    measure(cached(), quick)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.packages", description=__doc__)
    parser.add_argument("packages", nargs="*", type=Path)
    parser.add_argument("--quick", action="store_true", help="few turns, to see that it runs")
    options = parser.parse_args()
    measure(options.packages or cached(), options.quick)


if __name__ == "__main__":
    main()
