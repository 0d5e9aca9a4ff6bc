"""All ELF files of /usr into a fresh catalogue, beside reading just their symbols; and again, unchanged."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.machine import version
from benchmarks.report import interleaved, table, timing_table, write

TREE = Path("/usr")
TURNS, QUICK_TURNS = 5, 1


def elf_files() -> list[Path]:
    """One of each inode, as the index takes them."""
    found, seen = [], set()
    for directory, _, names in os.walk(TREE):
        for name in names:
            path = Path(directory, name)
            if path.is_symlink() or not path.is_file():
                continue
            status = path.stat()
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            with path.open("rb") as file:
                if file.read(4) == b"\x7fELF":
                    found.append(path)
    return found


def shell(text: str) -> Callable[[], object]:
    # Some of the files are no whole ELF files; the tools say so by their exit codes.
    return lambda: subprocess.run(["sh", "-c", text], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def index(data: Path, fresh: bool) -> Callable[[], object]:
    command = [sys.executable, "-m", "app", "index", str(TREE)]
    env = {**os.environ, "PROBESCOPE_DATA": str(data)}

    def run() -> None:
        if fresh:
            shutil.rmtree(data, ignore_errors=True)
        # Exit code 1 says that some files could not be read whole.
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env)

    return run


def run(quick: bool) -> None:
    turns = QUICK_TURNS if quick else TURNS
    files = elf_files()
    size = sum(path.stat().st_size for path in files)
    with tempfile.TemporaryDirectory() as scratch:
        names = Path(scratch) / "names"
        names.write_bytes(b"\0".join(os.fsencode(path) for path in files) + b"\0")
        each = f"xargs -0 -P2 -n50 -a {names}"
        first = interleaved(
            {
                "probescope index": index(Path(scratch) / "fresh", True),
                "readelf -Ws, two at a time": shell(f"{each} readelf -Ws"),
                "nm -D, two at a time": shell(f"{each} nm -D"),
                "cat, two at a time": shell(f"{each} cat"),
            },
            turns,
        )
        again = interleaved(
            {
                "probescope index, nothing changed": index(Path(scratch) / "kept", False),
                "find -type f, which also prints size and time of each": shell(
                    f"find {TREE} -type f -printf '%s %T@\\n'"
                ),
                "find -type f, and stat": shell(f"find {TREE} -type f -print0 | xargs -0 stat"),
            },
            turns,
        )
    write(
        "host",
        "A whole host: all ELF files of /usr",
        [
            f"{len(files):,} ELF files, {size / 1e9:.1f} GB, on a warm cache. Each row in turn, all in one "
            "run; the last column is the ratio of the minima. Ours reads symbols, USDT notes and debug "
            "information, and makes them searchable.",
            table(timing_table(first, "probescope index")),
            "The second run, which finds nothing changed:",
            table(timing_table(again, "probescope index, nothing changed")),
        ],
        {"readelf": version("readelf"), "find": version("find")},
    )
