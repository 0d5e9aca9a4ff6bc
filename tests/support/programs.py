"""Small programs, compiled where a test needs a target whose behaviour it knows."""

from __future__ import annotations

import subprocess
from pathlib import Path


def compile_c(tmp: Path, source: str, name: str = "prog", *flags: str, compiler: str = "gcc") -> Path:
    """Compiles ``source`` to ``tmp/name`` for debugging, without optimisation; ``flags`` go last."""
    text = tmp / f"{name}.c"
    text.write_text(source)
    out = tmp / name
    subprocess.run(
        [compiler, "-g", "-O0", "-o", str(out), str(text), *flags], check=True, capture_output=True
    )
    return out


def compile_for(tmp: Path, source: str, target: str, *flags: str) -> Path:
    """An object of C++ that leans on no library, for any machine that clang knows."""
    text, out = tmp / f"{target}.cc", tmp / f"{target}.o"
    text.write_text(source)
    command = ["clang++", f"--target={target}", "-std=c++17", "-ffreestanding", "-nostdinc"]
    command += ["-fintegrated-as", *flags]
    subprocess.run([*command, "-c", "-o", str(out), str(text)], check=True, capture_output=True)
    return out
