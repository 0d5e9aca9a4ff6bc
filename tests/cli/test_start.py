"""What commands load before they answer: nothing of what only others need."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

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


def test_the_index_of_a_directory_loads_no_more(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "true").write_bytes(Path("/bin/true").read_bytes())
    assert loaded(tmp_path / "data", "index", str(tmp_path / "tree")) & HEAVY == set()
