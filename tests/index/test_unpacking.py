"""A package out of its box: what is inside, by whom it was unpacked, and what is left of them."""

from __future__ import annotations

import hashlib
import random
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from app.config import Settings
from app.index.unpacking import Unpacking
from tests.index.conftest import children
from tests.support.archivewriter import python_tar

NOISE = random.Random(5)
FILES = {f"{number}.debug": b"\x7fELF" + NOISE.randbytes(300_000) for number in range(12)}


@pytest.fixture(params=["blocks", "one block", "one thread"])
def package(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    (tmp_path / "a.tar").write_bytes(python_tar({**FILES, "readme": b"no ELF file"}))
    options = {"blocks": ["-T2", "--block-size=1000000"], "one block": ["-T2"], "one thread": ["-T1"]}
    subprocess.run(["xz", *options[request.param], tmp_path / "a.tar"], check=True)
    return tmp_path / "a.tar.xz"


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_files_come_whole_in_their_order(settings: Settings, package: Path, threads: int) -> None:
    """The threads are there before the box shuts, which allows no other."""
    scratch = package.parent / "scratch"
    scratch.mkdir()
    running = 0
    found: dict[str, str] = {}
    with package.open("rb") as file:
        unpacking = Unpacking(
            replace(settings, reader_threads=threads), file.fileno(), scratch, lambda: False
        )
        for each in unpacking:
            if not found:  # later it may be over
                (child,) = children("app.index.unpack_process")
                running = len(list(Path(f"/proc/{child}/task").iterdir()))
            found[each.name] = hashlib.sha256(each.path.read_bytes()).hexdigest()
            assert each.whole
            each.path.unlink()
    assert list(found.items()) == [(name, hashlib.sha256(data).hexdigest()) for name, data in FILES.items()]
    assert (unpacking.problems, unpacking.entries) == ([], len(FILES) + 1)
    # Its own, and those that unpack.
    assert running == {1: 1, 2: 3, 8: 3}[threads]
    assert not children("app.index.unpack_process")
    assert not list(scratch.iterdir())


def test_who_leaves_it_leaves_nothing(settings: Settings, package: Path) -> None:
    scratch = package.parent / "scratch"
    scratch.mkdir()
    with package.open("rb") as file:
        for each in Unpacking(settings, file.fileno(), scratch, lambda: False):
            each.path.unlink()
            break
    assert not children("app.index.unpack_process")
    assert not list(scratch.iterdir())
