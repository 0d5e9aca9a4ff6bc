"""A binary that is held answers from its own bytes and its debug file, whatever becomes of their paths."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from app.elf.tree import stamp_of
from app.errors import Conflict, NotFound
from app.index.files import open_elf
from app.index.service import Index
from tests.index.test_debug_files import build, functions


def open_below(directory: Path) -> int:
    """How many files there are open."""
    found = 0
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            path = str(entry.readlink())
            found += path.startswith(f"{directory}/") and "/data/" not in path
    return found


def test_its_answers_stay_when_its_files_go(index: Index, tmp_path: Path) -> None:
    made = build(tmp_path)
    beside = tmp_path / "app.debug"
    shutil.copy(made.debug, beside)
    subprocess.run(["objcopy", f"--add-gnu-debuglink={beside}", made.stripped], check=True)
    stamp = stamp_of(made.stripped.stat())
    held = index.hold(index.open_mapped(str(made.stripped), stamp))
    assert held.id == made.build_id
    assert held.descriptors == open_below(tmp_path) == 2
    checkout = functions(index, held.id)["checkout"]
    assert checkout.address is not None
    made.stripped.unlink()
    beside.unlink()
    shutil.copy("/bin/true", made.stripped)
    (found,) = held.locate([checkout.address])
    assert (found["function"], found["demangled"], found["line"]) == ("checkout", "checkout", 6)
    with pytest.raises(Conflict, match="replaced") as refused:
        index.open_mapped(str(made.stripped), stamp)
    assert refused.value.code == "replaced"
    with pytest.raises(NotFound):
        index.open_mapped(str(beside), stamp)
    held.close()
    assert open_below(tmp_path) == 0


def test_names_as_people_write_them(index: Index, tmp_path: Path) -> None:
    source = tmp_path / "shop.cpp"
    source.write_text("namespace shop { int sell(int n) { return n + 1; } }\nint main() { return 0; }\n")
    subprocess.run(["g++", "-g", "-o", tmp_path / "shop", source], check=True)
    held = index.hold(index.open_mapped(str(tmp_path / "shop"), stamp_of((tmp_path / "shop").stat())))
    sell = functions(index, held.id)["sell"]
    (found,) = held.locate([sell.address or 0])
    assert (found["function"], found["demangled"]) == ("_ZN4shop4sellEi", "shop::sell(int)")
    held.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="the kernel's links to mapped files are root's")
def test_the_kernels_links_to_mapped_files(index: Index, tmp_path: Path) -> None:
    program = Path(shutil.copy("/bin/sleep", tmp_path / "sleeper"))
    process = subprocess.Popen([program, "60"])
    try:
        maps = Path(f"/proc/{process.pid}/maps")
        while str(program) not in maps.read_text():
            os.sched_yield()
        (line, *_) = [line for line in maps.read_text().splitlines() if line.endswith(str(program))]
        program.unlink()
        link = f"/proc/{process.pid}/map_files/{line.split()[0]}"
        with open_elf(link) as file:
            assert file.origin == f"/proc/{process.pid}/root{program}"
        assert index.binary_at(link).name == "sleeper"
    finally:
        process.kill()
        process.wait()
