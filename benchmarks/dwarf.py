"""Functions, parameters, types and variables of large debug files, beside the tools that read them today.

``python -m benchmarks.dwarf [--quick] [TITLE=]FILE…`` takes the files named; without any, and by
``python -m benchmarks dwarf``, the largest below /usr/lib/debug. Then how time and memory grow with the file,
and all symbols of a large library in a running process.
"""

from __future__ import annotations

import argparse
import mmap
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from app.elf.reader import read_facts
from benchmarks.machine import version
from benchmarks.memory import peak
from benchmarks.plot import lines
from benchmarks.report import RESULTS, interleaved, table, timing_table, write
from benchmarks.synthetic import library

# pahole and gdb, which take up to minutes, have one turn behind those of the others.
TURNS, QUICK_TURNS, SLOW_TURNS = 7, 1, 1
UNITS, QUICK_UNITS = (32, 128, 512), (2, 8, 32)
INDEX, JSON = "probescope index", "probescope functions --json"
STATISTICS = "llvm-dwarfdump --statistics"
# gdb takes more than a minute for a kernel; no tool gets longer than this.
PATIENCE = 300
Command = Sequence[str]


class Cold:
    """A command of ours, each time with a catalogue that knows nothing.

    What it has made stays until the end: to remove it is no part of the command's time.
    """

    def __init__(self, scratch: Path, *arguments: str) -> None:
        self.scratch, self.turn = scratch / "-".join(["data", *arguments[:1]]), 0
        self.command = [sys.executable, "-m", "app", *arguments]
        self.env = dict(os.environ)
        self.forget()

    def run(self) -> None:
        self.forget()
        subprocess.run(self.command, stdout=subprocess.DEVNULL, check=True, env=self.env)

    def forget(self) -> None:
        self.turn += 1
        self.env["PROBESCOPE_DATA"] = str(self.scratch / str(self.turn))


def tools(path: str) -> dict[str, Command]:
    """Those of today that are here."""
    found = {
        STATISTICS: ["llvm-dwarfdump", "--statistics", path],
        "pahole": ["pahole", path],
        "gdb info functions": ["gdb", "-nx", "-batch", "-ex", "info functions", path],
    }
    return {name: command for name, command in found.items() if shutil.which(command[0])}


def quiet(command: Command) -> Callable[[], object]:
    env = {**os.environ, "DEBUGINFOD_URLS": ""}

    def run() -> None:
        # pahole ends with an error where one of many units has nothing for it.
        silent = subprocess.DEVNULL
        with subprocess.Popen(command, stdout=silent, stderr=silent, env=env) as child:
            # To wait with a time limit would be to look every 50 ms.
            limit = threading.Timer(PATIENCE, child.kill)
            limit.start()
            child.wait()
            limit.cancel()

    return run


def debug_info_size(path: Path) -> int:
    with path.open("rb") as file:
        section = ELFFile(file).get_section_by_name(".debug_info")
        return int(section.data_size) if section else 0


def by_size(found: Mapping[str, Command], ours: Mapping[str, Cold]) -> dict[str, int]:
    sizes = {}
    for name, cold in ours.items():
        cold.forget()
        sizes[name] = peak(cold.command, cold.env)
    return sizes | {name: peak(command) for name, command in found.items()}


def one_file(title: str, path: Path, turns: int, scratch: Path) -> list[str]:
    size = debug_info_size(path)
    found = tools(str(path))
    index, functions = Cold(scratch, "index", str(path)), Cold(scratch, "functions", "--json", str(path))
    works: dict[str, Callable[[], object]] = {INDEX: index.run, JSON: functions.run}
    slow = {name: quiet(command) for name, command in found.items()}
    if STATISTICS in slow:
        works[STATISTICS] = slow.pop(STATISTICS)
    seconds = interleaved(works, turns) | interleaved(slow, SLOW_TURNS)
    memory = by_size(found, {INDEX: index, JSON: functions})
    rows = timing_table(seconds, INDEX)
    ceiling = 2 * size / 1e6 + 100
    rows[0] += ["peak MB", "2 x .debug_info + 100 MB"]
    for row in rows[1:]:
        row += [f"{memory[row[0]] / 1e6:.0f}", f"{ceiling:.0f}"]
    parts = [f"## {title}: {size / 1e6:.0f} MB of .debug_info", table(rows)]
    if STATISTICS in seconds:
        ratio = min(seconds[STATISTICS]) / min(seconds[JSON])
        parts.append(f"`{JSON}` is {ratio:.1f} times as fast as `{STATISTICS}`.")
    return parts


def growth(counts: Sequence[int], turns: int, scratch: Path) -> list[str]:
    """The same benchmark at 1x, 4x and 16x, as a table and a picture."""
    rows = [["units", ".debug_info MB", "tool", "seconds", "peak MB"]]
    seconds: dict[str, list[tuple[float, float]]] = {}
    for count in counts:
        path = library(scratch, count)
        size = debug_info_size(path) / 1e6
        cold = Cold(scratch, "index", str(path))
        works: dict[str, Callable[[], object]] = {INDEX: cold.run}
        found = {name: command for name, command in tools(str(path)).items() if name == STATISTICS}
        works |= {name: quiet(command) for name, command in found.items()}
        timed = interleaved(works, turns)
        memory = by_size(found, {INDEX: cold})
        for name, values in timed.items():
            seconds.setdefault(name, []).append((size, min(values)))
            rows.append([str(count), f"{size:.0f}", name, f"{min(values):.2f}", f"{memory[name] / 1e6:.0f}"])
    RESULTS.mkdir(exist_ok=True)
    picture = lines("Time to read all of a file's DWARF", ".debug_info, MB", "seconds", seconds)
    (RESULTS / "dwarf-growth.svg").write_text(picture)
    text = "The same units of C++ once, four times and sixteen times over, each copy with names of its own."
    return ["## Growth", text, table(rows), "![Time over size](dwarf-growth.svg)"]


def symbols(turns: int) -> list[str]:
    path = max(
        (found for found in Path("/usr/lib").glob("*-linux-gnu/*.so*") if not found.is_symlink()),
        key=lambda found: found.stat().st_size,
    )

    def facts() -> object:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return read_facts(data)

    def by_pyelftools() -> int:
        count = 0
        with path.open("rb") as file:
            for section in ELFFile(file).iter_sections():
                if isinstance(section, SymbolTableSection):
                    count += sum(
                        bool(symbol.name) + (symbol["st_value"] > 0) for symbol in section.iter_symbols()
                    )
        return count

    ours = "read_facts, in a running process"
    works: dict[str, Callable[[], object]] = {ours: facts, "pyelftools, in a running process": by_pyelftools}
    for name, command in {
        "nm -C": ["nm", "-C", "-D", str(path)],
        "bpftrace -l": ["bpftrace", "-l", f"uprobe:{path}:*"],
        "perf probe -F": ["perf", "probe", "-x", str(path), "-F"],
    }.items():
        if shutil.which(command[0]):
            works[name] = quiet(command)
    found = read_facts(path.read_bytes()).symbols
    count = found.rows if found is not None else 0
    return [f"## All symbols of {path.name}: {count:,}", table(timing_table(interleaved(works, turns), ours))]


def largest() -> list[tuple[str, Path]]:
    """The three with most bytes below the place for separate debug files, and the smallest of 5 MB."""
    found = [
        (path.stat().st_size, path)
        for path in Path("/usr/lib/debug").rglob("*")
        if path.is_file() and not path.is_symlink() and path.stat().st_size > 5 << 20
    ]
    found.sort(reverse=True)
    chosen = found[:3] + found[3:][-1:]
    return [(owner(path), path) for _, path in chosen]


def owner(path: Path) -> str:
    """The package that a file belongs to, else its name."""
    if shutil.which("dpkg-query"):
        done = subprocess.run(["dpkg-query", "-S", str(path)], capture_output=True, text=True)
        if done.returncode == 0:
            return done.stdout.split(":")[0]
    return path.name


def measure(files: Sequence[tuple[str, Path]], quick: bool) -> None:
    turns = QUICK_TURNS if quick else TURNS
    parts = [
        "Each row in turn, all in one run, on a warm cache, pahole and gdb once behind the others; the ratio "
        "is that of the minima. Ours go from the start of the command to its end, into a fresh catalogue. "
        "Memory is the most that a command and its children had resident at once, taken in a run of its own; "
        "mapped pages of the file count."
    ]
    with tempfile.TemporaryDirectory() as scratch:
        for number, (title, path) in enumerate(files):
            place = Path(scratch) / str(number)
            place.mkdir()
            parts += one_file(title, path, turns, place)
        parts += growth(QUICK_UNITS if quick else UNITS, turns, Path(scratch))
    parts += symbols(turns)
    if not files:
        parts.append("No debug file of 5 MB or more is installed, and none was named.")
    names = {"llvm-dwarfdump": ("--version",), "pahole": ("--version",), "gdb": ("--version",)}
    versions = {name: version(name, *arguments) for name, arguments in names.items()}
    write("dwarf", "DWARF: functions, parameters, types and variables", parts, versions)


def run(quick: bool) -> None:
    measure(largest(), quick)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dwarf", description=__doc__)
    parser.add_argument("files", nargs="*", metavar="[TITLE=]FILE")
    parser.add_argument("--quick", action="store_true", help="few turns, to see that it runs")
    options = parser.parse_args()
    files = []
    for text in options.files:
        title, _, name = text.rpartition("=")
        files.append((title or Path(name).name, Path(name)))
    measure(files or largest(), options.quick)


if __name__ == "__main__":
    main()
