"""Kills a process that puts, opens and deletes blobs, at random moments, and looks at what it left."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
from pathlib import Path

from app.config import Settings, load
from app.errors import NotFound
from app.index.blobs import Blobs

ROOT = Path(__file__).resolve().parents[2]
_LARGEST = 3 << 20
_LONGEST = 0.4  # seconds that one lives


def settings_of(directory: Path) -> Settings:
    """Of a cache so small that unpacked blobs go away all the time."""
    return load({}, data=directory / "data", blob_cache=2 * _LARGEST)


def write(directory: Path) -> None:
    """Works until it is killed."""
    blobs = Blobs(settings_of(directory))
    source = directory / "source"
    print("ready", flush=True)
    while True:
        half = random.randrange(_LARGEST // 2)
        source.write_bytes(os.urandom(half) + b"text " * (half // 5))
        sha256 = hashlib.sha256(source.read_bytes()).hexdigest()
        blobs.put(source, sha256)
        with blobs.open(sha256) as descriptor:
            os.fstat(descriptor)
        if random.random() < 0.3:
            blobs.delete(sha256)


def turn(directory: Path) -> list[str]:
    """One life and death, and the next start; what is wrong then."""
    script = "import sys; from tests.soak.blobs import *; write(Path(sys.argv[1]))"
    child = subprocess.Popen(
        [sys.executable, "-c", script, directory],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    with child, child.stdout:
        wrong = [] if child.stdout.readline() else ["the writer did not start"]
        try:
            child.wait(random.random() * _LONGEST)
            wrong.append(f"the writer ended by itself with {child.returncode}")
        except subprocess.TimeoutExpired:
            child.kill()
    blobs = Blobs(settings_of(directory))
    kept = {path.name.partition(".")[0] for path in (directory / "data" / "blobs").glob("*.zst")}
    blobs.sweep(kept)
    left = [*(directory / "data" / "blobs").iterdir(), *(directory / "data" / "unpacked").iterdir()]
    wrong += [f"{path} was left over" for path in left if path.suffix != ".zst"]
    for sha256 in kept:
        try:
            with blobs.open(sha256) as descriptor, open(descriptor, "rb", closefd=False) as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                    wrong.append(f"{sha256} has other bytes")
        except Exception as error:
            wrong.append(f"{sha256}: {error}")
        blobs.delete(sha256)
    try:
        with blobs.open("0" * 64):
            wrong.append("there is a blob that nobody put")
    except NotFound:
        pass
    return wrong
