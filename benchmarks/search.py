"""Search over a million names and five: ours in each kind of match, beside grep, ripgrep and SQLite's LIKE.

Names are those of the ELF files of /usr, each different one once; where there are fewer than wanted, copies
of them with a number at the end follow. Each size has a process of its own, whose memory is told.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from app.elf.reader import read_facts
from app.elf.search import scan
from app.elf.search.scan import Lines
from app.index.everywhere import Everywhere
from app.index.model import MODES, Ask
from app.index.names import Part
from app.index.tables import tables
from benchmarks.machine import version
from benchmarks.report import interleaved, table, write
from tests.support.columns import Columns

MEMORY = ("VmRSS", "RssAnon", "RssFile")
SIZES = (1_000_000, 5_000_000)
TURNS, QUICK_TURNS = 7, 2
WALL = 60.0
QUERIES: dict[str, tuple[str, ...]] = {
    "substring": (
        "m",
        "ma",
        "mal",
        "mall",
        "malloc",
        "read",
        "readline",
        "mutex_lock",
        "std::vector",
        "push_back",
        "operator()",
        "llvm::",
        "Parse",
        "init",
        "free(",
        "main()",
        "_ZN4llvm",
        "ssl_write",
        "get",
        "xyzzy",
    ),
    "prefix": ("re", "read", "std::", "llvm::Instr", "_ZN4llvm", "pthread_", "SSL_", "xyzzy"),
    "glob": (
        "read*",
        "*alloc*",
        "*_init",
        "?ead",
        "std::*::push_back*",
        "[a-c]*lock*",
        "pthread_*_np",
        "*Parse*Type*",
    ),
    "regex": (
        "^read",
        "alloc$",
        "mutex_(un)?lock",
        "St.*t$",
        r"_v\d+$",
        r"\bmain\b",
        "foo|bar|baz",
        "[a-z]+_init",
        "^llvm::.*::get[A-Z]",
        "parse.*(expr|type)",
        r"SSL_\w+_ex",
        "(read|write)v?$",
    ),
    "fuzzy": ("rdln", "mtxlk", "readline", "push vector", "stdvecpb", "sslwr", "plthrcreate", "llvmirb"),
}
FIGURES = {"substring": 10, "prefix": 10, "glob": 50, "regex": 50, "fuzzy": 50}  # ms, p95 at a million


def elf_files(top: str) -> Iterator[Path]:
    """Each ELF file once, the largest first."""
    found = []
    for directory, _, names in os.walk(top):
        for name in names:
            path = Path(directory) / name
            with contextlib.suppress(OSError):
                if not path.is_symlink() and path.is_file():
                    found.append((path.stat().st_size, path))
    for _, path in sorted(found, reverse=True):
        with contextlib.suppress(OSError), path.open("rb") as file:
            if file.read(4) == b"\x7fELF":
                yield path


def real_names(most: int) -> Lines:
    names, count = scan.Names(), 0
    for path in elf_files("/usr"):
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            facts = read_facts(data)
            if facts.symbols is None or facts.symbols.names == b"":
                continue
            arrays, _ = tables(facts)
            lines = Lines(
                *(
                    np.frombuffer(memoryview(arrays[name]).cast("B"), kind)
                    for name, kind in (("text", "u1"), ("line_at", "u4"), ("line_name", "u4"))
                )
            )
            numbers = names.add(lines, np.arange(lines.names, dtype=np.uint32))
            count = max(count, int(numbers.max(initial=0)) + 1)
            del facts, arrays, lines
        if count >= most:
            break
    return names.lines()


def widened(real: Lines, count: int) -> list[bytes]:
    """``count`` names: the real ones, then copies of them with a number."""
    known = real.text.tobytes().split(b"\n")[: real.names]
    out = known[:count]
    turn = 0
    while len(out) < count:
        turn += 1
        out += [b"%s_%x" % (name, turn) for name in known[: count - len(out)]]
    return out


def built(lines: Lines, path: Path) -> float:
    """Lays the names into ``path``; the seconds that it took."""
    columns: Any = Columns(lines)
    began = time.perf_counter()
    part = Part.of([("bench", lambda: columns)])
    assert part is not None
    part.save(path)
    return time.perf_counter() - began


def opened(path: Path) -> Everywhere:
    """The search of a server whose catalogue has one binary, with all these names."""
    row: Any = SimpleNamespace(
        columns="bench", id="bench", name="bench", paths=("/bench",), info={"type": "EXEC"}
    )
    return Everywhere(path, lambda: 0, lambda: [row], lambda _: None)  # type: ignore[arg-type,return-value]


def asked(search: Everywhere, ask: Ask) -> int:
    search._selections = type(search._selections)()  # nothing is answered from what was kept
    return search.ask(ask, WALL)[0]


def measure(paths: list[Path], turns: int) -> dict[str, Any]:
    """Seconds of each query, by kind of match, and the memory of this process."""
    searches = [opened(path) for path in paths]
    out: dict[str, Any] = {"ms": {}, "totals": {}}
    for mode in MODES:
        for query in QUERIES[mode]:
            for search in searches:
                seconds = []
                for _ in range(turns):
                    began = time.perf_counter()
                    total = asked(search, Ask(query, mode, limit=50))
                    seconds.append(time.perf_counter() - began)
            out["ms"].setdefault(mode, {})[query] = min(seconds) * 1e3
            out["totals"].setdefault(mode, {})[query] = total
    out["asked"] = memory()
    for search in searches:
        search.rest()
        search.close()
    out["rest"] = memory()
    return out


def memory() -> dict[str, float]:
    """Megabytes that this process has."""
    status = Path("/proc/self/status").read_text()
    return {name: int(status.split(f"{name}:")[1].split()[0]) / 1024 for name in MEMORY}


def in_child(paths: list[Path], turns: int) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.search", str(turns), *map(str, paths)],
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20, method="inclusive")[-1]


def other_tools(path: Path, listed: Path, scratch: Path, turns: int) -> str:
    search = opened(path)
    database = sqlite3.connect(scratch / "like.sqlite")
    database.execute("CREATE TABLE names (name TEXT)")
    with listed.open("rb") as file:
        rows = ((line.rstrip(b"\n").decode("latin-1"),) for line in file)
        database.executemany("INSERT INTO names VALUES (?)", rows)
    database.commit()

    def tool(*arguments: str) -> Callable[[], object]:
        environment = {**os.environ, "LC_ALL": "C"}
        # Into a pipe: grep stops at the first match when nobody can see its output.
        return lambda: subprocess.run([*arguments, str(listed)], stdout=subprocess.PIPE, env=environment)

    parts = []
    for query in ("malloc", "readline", "push_back"):
        like = f"%{query}%"
        works: dict[str, Callable[[], object]] = {
            "ours: ranked, sorted, the first 50 with their binaries": lambda query=query: asked(  # type: ignore[misc]
                search, Ask(query, limit=50)
            ),
            "grep -c -F": tool("grep", "-c", "-F", "-e", query),
            "grep -c -i -F": tool("grep", "-c", "-i", "-F", "-e", query),
            "SQLite LIKE, count": lambda like=like: database.execute(  # type: ignore[misc]
                "SELECT count(*) FROM names WHERE name LIKE ?", (like,)
            ).fetchone(),
        }
        if shutil.which("rg"):
            works["rg -c -i -F"] = tool("rg", "-c", "-i", "-F", "-e", query)
        found = interleaved(works, turns)
        base = min(found[next(iter(works))])
        parts.append((query, {name: (min(took) * 1e3, min(took) / base) for name, took in found.items()}))
    database.close()
    names = list(parts[0][1])
    head = ["what", *(f"{query}, ms" for query, _ in parts), "times ours"]
    return table(
        [
            head,
            *(
                [
                    name,
                    *(f"{found[name][0]:.1f}" for _, found in parts),
                    f"{statistics.median(found[name][1] for _, found in parts):.1f}",
                ]
                for name in names
            ),
        ]
    )


def run(quick: bool) -> None:
    turns = QUICK_TURNS if quick else TURNS
    sizes = [size // (20 if quick else 1) for size in SIZES]
    parts = [
        "Each query is asked as the server asks it: ranked, counted by kind, sorted, 50 answers made. "
        "The best of several turns counts; p50 and p95 are over the queries."
    ]
    with tempfile.TemporaryDirectory() as directory:
        scratch = Path(directory)
        real = real_names(sizes[0])
        paths, rows = [], [["names", "of them real", "text, MB", "build, s", "build, s a million"]]
        for size in sizes:
            names = widened(real, size)
            listed = scratch / f"{size}.txt"
            listed.write_bytes(b"".join(name + b"\n" for name in names))
            at = np.cumsum([0, *(len(name) + 1 for name in names)], dtype=np.uint64).astype(np.uint32)
            del names
            lines = Lines(np.frombuffer(listed.read_bytes(), np.uint8), at, np.zeros(0, np.uint32))
            path = scratch / f"{size}.names"
            took = min(built(lines, path) for _ in range(1 if quick else 3))
            paths.append(path)
            rows.append(
                [
                    f"{size:,}",
                    f"{min(real.names, size):,}",
                    f"{len(lines.text) / 1e6:.0f}",
                    f"{took:.2f}",
                    f"{took / size * 1e6:.2f}",
                ]
            )
            del lines
        parts += ["## Build", table(rows)]
        for size, path in zip(sizes, paths, strict=True):
            found = in_child([path], turns)
            parts += [f"## {size:,} names", _figures(found, size == SIZES[0]), _each(found)]
        both = in_child(paths, 1)
        held = [["memory of a process with both mapped", "after all questions, MB", "at rest, MB"]]
        held += [[name, f"{both['asked'][name]:.0f}", f"{both['rest'][name]:.0f}"] for name in MEMORY]
        parts += [
            "## Memory",
            "RssFile are pages of the mapped names, which the kernel takes back when others need memory. A "
            "question about 256 MB of them or more lets go of what it read; a server is at rest after five "
            "seconds without one. Each question above was asked of both, among them expressions for which "
            "all names are read whole.",
            table(held),
            f"## Beside other tools, {sizes[0]:,} names",
            other_tools(paths[0], scratch / f"{sizes[0]}.txt", scratch, turns),
        ]
    write(
        "search",
        "Search over names",
        parts,
        {"grep": version("grep"), "ripgrep": version("rg"), "SQLite": sqlite3.sqlite_version},
    )


def _figures(found: dict[str, Any], figures: bool) -> str:
    rows = [["mode", "queries", "p50 ms", "p95 ms", "max ms", *(["figure ms"] if figures else [])]]
    for mode, took in found["ms"].items():
        values = list(took.values())
        row = [
            mode,
            str(len(values)),
            f"{statistics.median(values):.1f}",
            f"{p95(values):.1f}",
            f"{max(values):.1f}",
        ]
        rows.append([*row, *([f"< {FIGURES[mode]}"] if figures else [])])
    return table(rows)


def _each(found: dict[str, Any]) -> str:
    lines = [
        f"{mode}: "
        + ", ".join(
            f"`{query}` {took:.1f} ({found['totals'][mode][query]:,})" for query, took in each.items()
        )
        for mode, each in found["ms"].items()
    ]
    return "Each query, ms (answers):\n\n" + "\n\n".join(line.replace("|", "\\|") for line in lines)


if __name__ == "__main__":
    json.dump(measure([Path(path) for path in sys.argv[2:]], int(sys.argv[1])), sys.stdout)
