"""What commands load before they answer: nothing of what only others need."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.__main__ import _early_unpacker, main
from tests.index.conftest import children
from tests.support.archivewriter import python_tar

ROOT = Path(__file__).parents[2]
HEAVY = {
    *("numpy", "fastapi", "starlette", "pydantic", "jinja2", "capstone", "elftools", "re2", "uvicorn"),
    *("asyncio", "concurrent.futures", "subprocess", "logging", "tempfile", "pycxxfilt"),
    *(
        "orjson",
        "obstore",
        "zstandard",
        "app.index.blobs",
        "app.trace",
        "app.web",
        "app.index.query",
        "app.index.model",
        "app.elf.model",
    ),
}
SCRIPT = """
import sys
sys.argv[1:] = {arguments!r}
from app.__main__ import main
try:
    main()
except SystemExit:
    pass
sys.stderr.write(" ".join(sys.modules))
"""


def loaded(tmp_path: Path, *arguments: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(arguments=list(arguments))],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={**os.environ, "PROBESCOPE_DATA": str(tmp_path)},
    )
    return set(done.stderr.split("\n")[-1].split())


@pytest.mark.parametrize(
    "arguments",
    [["index", "/bin/true"], ["index", "--help"], ["info", "/bin/true"], ["serve", "--help"]],
    ids=" ".join,
)
def test_nothing_heavy_is_loaded(tmp_path: Path, arguments: list[str]) -> None:
    assert loaded(tmp_path, *arguments) & HEAVY == set()


def test_a_reader_is_started_before_anything_that_takes_long_is_loaded() -> None:
    code = """
import os, sys
os.posix_spawn = lambda *given, **named: os._exit(print(*sys.modules, flush=True) or 0)
sys.argv[1:] = ["index", "/bin/true"]
from app.__main__ import run
run()
"""
    # Without site, which may load some of it.
    told = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert "app.index.build" in told.stdout.split(), told.stderr
    assert {"typing", "re", "argparse", "app.config"}.isdisjoint(told.stdout.split())


def test_the_index_of_a_directory_loads_no_more(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "true").write_bytes(Path("/bin/true").read_bytes())
    assert loaded(tmp_path / "data", "index", str(tmp_path / "tree")) & HEAVY == set()


def test_who_reads_a_package_is_started_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> None:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setenv("PROBESCOPE_DATA", str(tmp_path / "data"))
    monkeypatch.setattr("app.index.unpacking.Child", none)
    package = tmp_path / "a.tar"
    package.write_bytes(python_tar({"true": Path("/bin/true").read_bytes()}))
    assert main(["index", str(package)]) == 0
    # The second package of a command finds none that waits.
    other = tmp_path / "b.tar"
    other.write_bytes(python_tar({"false": Path("/bin/false").read_bytes()}))
    assert main(["index", str(other), str(package)]) == 0
    assert not children("app.index.unpack_process")


def test_no_reader_of_packages_is_started_for_an_elf_file(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    monkeypatch.setattr("app.index.build.Child", started.append)
    assert _early_unpacker(["index", "/bin/true", "/usr/bin", "/nowhere"]) is None
    assert _early_unpacker(["info", __file__]) is None
    assert started == []
    _early_unpacker(["index", "/bin/true", __file__])
    assert started == ["unpack_process"]
