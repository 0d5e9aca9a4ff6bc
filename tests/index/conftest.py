"""An index in a directory of its own; after each test no reader is left."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.config import Settings, load
from app.index.reader import Kind, Reader
from app.index.readers import Readers
from app.index.service import Index


def children(word: str = "app.index.reader_process") -> set[int]:
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes()
                parent = (entry / "stat").read_text().rsplit(")", 1)[1].split()[1]
            except OSError:
                continue
            if word.encode() in command and parent == Path("/proc/self").resolve().name:
                found.add(int(entry.name))
    return found


@pytest.fixture(autouse=True)
def nothing_left(request: pytest.FixtureRequest) -> Iterator[None]:
    before = children()
    yield
    # The shared index keeps its readers until the module ends.
    assert "shared" in request.fixturenames or children() <= before


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(place)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("this machine allows no mounts")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.fixture
def kinds(monkeypatch: pytest.MonkeyPatch) -> list[Kind]:
    """Those of the readers that were taken, in their order."""
    taken: list[Kind] = []
    take = Readers._take

    def told(self: Readers, kind: Kind) -> Reader:
        taken.append(kind)
        return take(self, kind)

    monkeypatch.setattr(Readers, "_take", told)
    return taken


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load({}, data=tmp_path / "data")


@pytest.fixture
def index(settings: Settings) -> Iterator[Index]:
    made = Index(settings)
    made.start()
    yield made
    made.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    """One that the tests of a module only read from."""
    made = Index(load({}, data=tmp_path_factory.mktemp("shared")))
    made.start()
    yield made
    made.close()
