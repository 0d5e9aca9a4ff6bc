"""The programs of the cases: compiled once a session, each as it is asked for."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SOURCES = Path(__file__).parent / "programs"
# name -> (source, what must be there, command; {source} and {out} are put in).
PROGRAMS = {
    "calls": ("calls.c", "gcc", "gcc -g -O0 -w -pthread -o {out} {source}"),
    "calls-fixed": ("calls.c", "gcc", "gcc -g -O0 -w -no-pie -pthread -o {out} {source}"),
    "calls-fast": ("calls.c", "gcc", "gcc -g -O2 -w -pthread -o {out} {source}"),
    "calls-nodebug": ("calls.c", "gcc", "gcc -O1 -w -pthread -o {out} {source}"),
    "calls-stripped": ("calls.c", "gcc", "gcc -g -O1 -w -pthread -o {out} {source}"),
    "calls-clang": ("calls.c", "clang", "clang -g -O1 -w -pthread -o {out} {source}"),
    "calls-noid": ("calls.c", "gcc", "gcc -g -O1 -w -pthread -Wl,--build-id=none -o {out} {source}"),
    "marks": ("marks.c", "gcc", "gcc -g -O1 -o {out} {source}"),
    "linked": ("linked.c", "gcc", "gcc -g -O0 -fno-builtin -no-pie -fno-pic -o {out} {source}"),
    "crowd": ("crowd.c", "gcc", "gcc -g -O1 -o {out} {source}"),
    "fast": ("fast.c", "gcc", "gcc -g -O2 -fno-ipa-icf -o {out} {source}"),
    "shop": ("shop.cpp", "g++", "g++ -g -O1 -std=c++17 -o {out} {source}"),
    "greet-rust": ("greet.rs", "rustc", "rustc -g -C opt-level=1 -o {out} {source}"),
    "greet-go": ("greet.go", "go", "go build -o {out} {source}"),
    "greet-go-stripped": ("greet.go", "go", "go build -ldflags=-s -o {out} {source}"),
}
_STRIPPED = {"calls-stripped", "calls-noid"}


class Builder:
    """Builds into one directory; a compiler that is not there is a reason to skip."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._built: dict[str, Path | str] = {}

    def path(self, name: str) -> Path:
        """The program; skips the test where it cannot be built."""
        if name.startswith("/"):
            return Path(name)
        if name not in self._built:
            self._built[name] = self._build(name)
        found = self._built[name]
        if isinstance(found, str):
            pytest.skip(found)
        return found

    def _build(self, name: str) -> Path | str:
        source, compiler, command = PROGRAMS[name]
        if shutil.which(compiler) is None:
            return f"{compiler} is not installed"
        out = self._directory / name
        words = [word.format(source=SOURCES / source, out=out) for word in command.split()]
        environment = {**os.environ, "GO111MODULE": "off", "GOFLAGS": ""}
        done = subprocess.run(words, capture_output=True, text=True, env=environment, timeout=170)
        if done.returncode:
            # A compiler that is there but does not work is told, and is no reason to fail here.
            assert compiler in {"rustc", "go", "clang"}, done.stderr
            return f"{compiler} does not compile: {done.stderr.strip().splitlines()[-1][:120]}"
        if name in _STRIPPED:
            debug = self._directory / f"{name}.debug"
            subprocess.run(["objcopy", "--only-keep-debug", out, debug], check=True)
            subprocess.run(["strip", out], check=True)
            subprocess.run(["objcopy", f"--add-gnu-debuglink={debug}", out], check=True)
        return out
