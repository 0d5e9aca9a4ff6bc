"""Fuzz targets and the plain C of the core, compiled under two sanitizers: addresses, undefined behaviour.

A target is a file tests/fuzz/targets/NAME.c; SOURCES says which directory of the core it is about.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGETS = ROOT / "tests/fuzz/targets"
CORE = ROOT / "app/elf/core"
REGRESSIONS = ROOT / "tests/fuzz/regressions"
SOURCES = {"dwarf": "dwarf", "dies": "dwarf", "lines": "dwarf", "search": "search", "symbols": "symbols"}
_FLAGS = ["-std=gnu11", "-g", "-O1", "-fno-omit-frame-pointer", "-pthread"]
# The second check takes NULL + 0 for a fault, which C2y allows; what points too far is found when it is read.
_FLAGS += ["-fno-sanitize-recover=undefined", "-fno-sanitize=pointer-overflow"]
_WRAPPED = "-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc"


def plain_sources(directory: str) -> list[Path]:
    """What of the core needs no Python.h."""
    return [path for path in sorted((CORE / directory).glob("*.c")) if "Python.h" not in path.read_text()]


def build_fuzzer(target: str, out: Path) -> Path:
    """A libFuzzer program."""
    extra = [TARGETS / "mutator.c"]
    return _build(["clang", "-fsanitize=fuzzer,address,undefined"], target, extra, out / target)


def build_replay(target: str, out: Path) -> Path:
    """A program that gives each file named to the target once."""
    extra = [TARGETS / "replay.c"]
    return _build(["gcc", "-fsanitize=address,undefined"], target, extra, out / f"{target}-replay")


def _build(compiler: Sequence[str], target: str, extra: Sequence[Path], out: Path) -> Path:
    sources = [TARGETS / f"{target}.c", TARGETS / "allocations.c", *extra, *plain_sources(SOURCES[target])]
    command = [*compiler, *_FLAGS, f"-I{CORE}", f"-I{TARGETS}", _WRAPPED, "-o", str(out)]
    subprocess.run([*command, *map(str, sources)], check=True)
    return out
