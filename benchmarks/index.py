"""All symbols of a large binary: ours beside readelf, nm, bpftrace -l and pyelftools, in one run."""

from __future__ import annotations

import mmap
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from app.config import load
from app.elf.reader import read_facts
from app.index.listing import probes
from app.index.model import Ask
from app.index.service import Index
from benchmarks.machine import version
from benchmarks.report import interleaved, table, timing_table, write

WANTED = ("/usr/bin/node", "/usr/lib/llvm-14/lib/libLLVM-14.so.1")
TURNS, QUICK_TURNS = 7, 2


def targets() -> list[Path]:
    """The named files that are here, else the largest shared library."""
    found = [Path(path).resolve() for path in WANTED if Path(path).exists()]
    return found or [max(Path("/usr/lib").glob("*-linux-gnu/*.so.*"), key=lambda path: path.stat().st_size)]


def tool(*arguments: str) -> Callable[[], object]:
    return lambda: subprocess.run(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)


def facts_of(path: Path) -> object:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return read_facts(data).state


def by_pyelftools(path: Path) -> int:
    count = 0
    with path.open("rb") as file:
        for section in ELFFile(file).iter_sections():
            if isinstance(section, SymbolTableSection):
                for symbol in section.iter_symbols():
                    count += bool(symbol.name) + (symbol["st_value"] > 0)
    return count


@contextmanager
def opened(data: Path) -> Iterator[Index]:
    index = Index(load({}, data=data))
    index.start()
    try:
        yield index
    finally:
        index.close()


def anew(index: Index, path: Path) -> None:
    """The file read as if it were not known, by a boxed reader that runs already."""
    index.remove(index.binary_at(str(path)).id)
    index.binary_at(str(path))


def command(data: Path, *arguments: str) -> Callable[[], object]:
    def run() -> None:
        subprocess.run(
            [sys.executable, "-m", "app", *arguments],
            stdout=subprocess.DEVNULL,
            check=True,
            env={**os.environ, "PROBESCOPE_DATA": str(data)},
        )

    return run


def cold(data: Path, *arguments: str) -> Callable[[], object]:
    run = command(data, *arguments)

    def work() -> None:
        shutil.rmtree(data, ignore_errors=True)
        run()

    return work


def measure(path: Path, turns: int, scratch: Path) -> list[str]:
    """The parts of the page about one file."""
    pattern = f"uprobe:{path}:*"
    with opened(scratch / "warm") as index:
        binary = index.binary_at(str(path))
        counts = binary.counts
        symbols = interleaved(
            {
                "read_facts, in a running process": lambda: facts_of(path),
                "whole index by a boxed reader: names demangled, sorted, searchable": lambda: anew(
                    index, path
                ),
                "probescope symbols, first time": cold(scratch / "cold", "symbols", str(path)),
                "probescope symbols, known": command(scratch / "command", "symbols", str(path)),
                "readelf -Ws": tool("readelf", "-Ws", str(path)),
                "nm and nm -D": lambda: (tool("nm", str(path))(), tool("nm", "-D", str(path))()),
                "pyelftools, in a running process": lambda: by_pyelftools(path),
            },
            turns,
        )
        works: dict[str, Callable[[], object]] = {
            "listing, in a running process": lambda: probes(index, pattern),
            "probescope probes": command(scratch / "command", "probes", pattern),
        }
        if shutil.which("bpftrace"):
            works["bpftrace -l"] = tool("bpftrace", "-l", pattern)
        listed = interleaved(works, turns)
        texts = iter(range(1_000_000))
        pages = interleaved(
            {
                # A filter that differs each time, so that nothing is answered from what was kept.
                "first 100 functions": lambda: index.functions(
                    binary.id, Ask(filters={"section": f".text,{next(texts)}"})
                ),
                "substring read": lambda: index.functions(
                    binary.id, Ask("read", filters={"section": f".text,{next(texts)}"})
                ),
                "prefix v8::i": lambda: index.functions(
                    binary.id, Ask("v8::i", "prefix", filters={"section": f".text,{next(texts)}"})
                ),
                "regex St.*t$": lambda: index.functions(
                    binary.id, Ask("St.*t$", "regex", filters={"section": f".text,{next(texts)}"})
                ),
                "rows 50,000 to 50,100 of the symbols": lambda: index.symbols(
                    binary.id, Ask(offset=min(50_000, counts["symbols"] - 100))
                ),
            },
            turns,
        )
    megabytes = path.stat().st_size / 1e6
    return [
        f"## {path.name}, {megabytes:.0f} MB, {counts['symbols']:,} symbols",
        "All symbols. Tools that print write to /dev/null.",
        table(timing_table(symbols, "read_facts, in a running process")),
        "All uprobes of the file; the lines are the same.",
        table(timing_table(listed, "listing, in a running process")),
        "One page of a list, as the server answers it.",
        table(timing_table(pages, "first 100 functions")),
    ]


def run(quick: bool) -> None:
    parts = ["Each row in turn, all in one run; the last column is the ratio of the minima."]
    with tempfile.TemporaryDirectory() as scratch:
        for number, path in enumerate(targets()):
            parts += measure(path, QUICK_TURNS if quick else TURNS, Path(scratch) / str(number))
    absent = [name for name in ("readelf", "nm", "bpftrace") if shutil.which(name) is None]
    if absent:
        parts.append("Not here, and so not measured: " + ", ".join(absent) + ".")
    versions = {name: version(name) for name in ("readelf", "bpftrace")}
    write("index", "Index: all symbols of a large binary", parts, versions)
