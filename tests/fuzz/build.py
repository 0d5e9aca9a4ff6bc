"""Fuzz targets and the plain C of the core, compiled under two sanitizers: addresses, undefined behaviour.

A target is a file tests/fuzz/targets/NAME.c; SOURCES says which directory of the core it is about.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGETS = ROOT / "tests/fuzz/targets"
CORE = ROOT / "app/elf/core"
REGRESSIONS = ROOT / "tests/fuzz/regressions"
SOURCES = {"dwarf": "dwarf", "dies": "dwarf", "lines": "dwarf", "search": "search", "symbols": "symbols"}
# Inputs are small, and so are the parts of their names.
_FLAGS = ["-std=gnu11", "-g", "-O1", "-fno-omit-frame-pointer", "-pthread", "-DPART_NAMES=4"]
# The second check takes NULL + 0 for a fault, which C2y allows; what points too far is found when it is read.
_FLAGS += ["-fno-sanitize-recover=undefined", "-fno-sanitize=pointer-overflow"]
_WRAPPED = "-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc"


def plain_sources(directory: str) -> list[Path]:
    """What of the core needs no Python.h."""
    return [path for path in sorted((CORE / directory).glob("*.c")) if "Python.h" not in path.read_text()]


def build_fuzzer(target: str, out: Path, objects: Path) -> Path:
    """A libFuzzer program; what targets share lies in ``objects``, compiled once for all of them."""
    extra = [TARGETS / "mutator.c"]
    return _build(["clang", "-fsanitize=fuzzer,address,undefined"], target, extra, out / target, objects)


def build_replay(target: str, out: Path, objects: Path) -> Path:
    """A program that gives each file named to the target once; ``objects``: as for a fuzzer."""
    extra = [TARGETS / "replay.c"]
    return _build(["gcc", "-fsanitize=address,undefined"], target, extra, out / f"{target}-replay", objects)


def _build(compiler: Sequence[str], target: str, extra: Sequence[Path], out: Path, objects: Path) -> Path:
    sources = [TARGETS / f"{target}.c", TARGETS / "allocations.c", *extra, *plain_sources(SOURCES[target])]
    command = [*compiler, *_FLAGS]

    def compiled(source: Path) -> Path:
        made = objects / f"{source.parent.name}-{source.stem}.o"
        if not made.exists():
            subprocess.run([*command, f"-I{CORE}", f"-I{TARGETS}", "-c", "-o", made, source], check=True)
        return made

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        parts = list(pool.map(compiled, sources))
    subprocess.run([*command, _WRAPPED, "-o", out, *parts], check=True)
    return out
