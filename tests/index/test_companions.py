"""Programs whose debug information lies in several files: the index says the same as of the whole one."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.config import load
from app.index.model import Ask, Binary, Function
from app.index.service import Index
from tests.support.programs import compile_c

ORDERS = """
struct order { int id; double price; };
static inline __attribute__((always_inline)) int twice(int value) { return 2 * value; }
__attribute__((noinline)) double checkout(struct order *order, const char *name)
{ return order->price * twice(order->id) + name[0]; }
"""
MAIN = """
struct order { int id; double price; };
double checkout(struct order *order, const char *name);
int total = 7;
int main(int argc, char **argv)
{ struct order one = {argc, 2.5}; total += (int)checkout(&one, argv[0]); return total; }
"""


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    made = Index(load({}, data=tmp_path / "data"))
    made.start()
    yield made
    made.close()


def build(directory: Path, *flags: str) -> Path:
    directory.mkdir()
    (directory / "orders.c").write_text(ORDERS)
    (directory / "main.c").write_text(MAIN)
    command = ["gcc", "-O2", *flags, "-Wl,--build-id", "-o", "prog", "orders.c", "main.c"]
    subprocess.run(command, cwd=directory, check=True)
    return directory / "prog"


def known(index: Index, path: Path) -> tuple[Binary, dict[str, Function]]:
    binary = index.binary_at(str(path))
    found = index.functions(binary.id, Ask(limit=1000)).items
    return binary, {item.name: item for item in found if "dwarf" in item.sources}


def facts(item: Function) -> tuple[object, ...]:
    file = item.file.rsplit("/", 1)[-1] if item.file else None
    return item.name, item.size, file, item.line, item.parameters, item.returns, item.inline_sites


def same(one: dict[str, Function], other: dict[str, Function]) -> None:
    assert sorted(one) == sorted(other) == ["checkout", "main", "twice"]
    for name in one:
        assert facts(one[name]) == facts(other[name])


@pytest.mark.parametrize("version", ["-gdwarf-4", "-gdwarf-5"])
def test_split_parts(index: Index, tmp_path: Path, version: str) -> None:
    whole, expected = known(index, build(tmp_path / "whole", "-g", version))
    assert whole.state == "ok"
    split, found = known(index, build(tmp_path / "split", "-g", version, "-gsplit-dwarf"))
    assert split.state == "ok", split.problems
    same(found, expected)
    places = [
        index.answers.locate(binary.id, [(item["checkout"].address or 0) + 1])[0]
        for binary, item in ((whole, expected), (split, found))
    ]
    assert places[0]["function"] == places[1]["function"] == "checkout"
    assert places[0]["line"] == places[1]["line"] is not None
    assert index.answers.structs(split.id, ["order"])[0]["size"] == 16
    entry = index.details(split.id, found["checkout"].key)
    assert entry is not None
    assert [each["bpftrace"] for each in entry["parameters"]] == ["arg0", "arg1"]


def test_a_package_of_split_parts(index: Index, tmp_path: Path) -> None:
    """Of DWARF 4: llvm-dwp 14 never ends over two parts of DWARF 5, whose packages the rules' tests write."""
    _, expected = known(index, build(tmp_path / "whole", "-g", "-gdwarf-4"))
    program = build(tmp_path / "split", "-g", "-gdwarf-4", "-gsplit-dwarf")
    subprocess.run(["llvm-dwp", "-e", "prog", "-o", "prog.dwp"], cwd=program.parent, check=True)
    for part in program.parent.glob("*.dwo"):
        part.unlink()
    split, found = known(index, program)
    assert split.state == "ok", split.problems
    same(found, expected)


def test_split_parts_that_are_gone(index: Index, tmp_path: Path) -> None:
    program = build(tmp_path / "split", "-g", "-gsplit-dwarf")
    for part in program.parent.glob("*.dwo"):
        part.unlink()
    binary, found = known(index, program)
    assert binary.state == "partial"
    assert [problem.code for problem in binary.problems] == ["dwarf_split"]
    assert "main" not in found or found["main"].parameters is None


def test_the_common_part_of_several_programs(index: Index, tmp_path: Path) -> None:
    program = build(tmp_path / "whole", "-g")
    _, expected = known(index, program)
    programs = []
    for name in ("one", "two"):
        copy = tmp_path / name
        shutil.copy(program, copy)
        subprocess.run(["objcopy", "--remove-section=.note.gnu.build-id", copy], check=True)
        programs.append(copy)
    common = tmp_path / "common.debug"
    subprocess.run(["dwz", "-m", common, *programs], check=True)
    binary, found = known(index, programs[0])
    assert binary.state == "ok", binary.problems
    same(found, expected)
    assert index.answers.structs(binary.id, ["order"])[0]["size"] == 16


def test_a_common_part_that_is_gone_or_another(index: Index, tmp_path: Path) -> None:
    program = build(tmp_path / "whole", "-g")
    for name in ("one", "two"):
        shutil.copy(program, tmp_path / name)
        subprocess.run(["objcopy", "--remove-section=.note.gnu.build-id", tmp_path / name], check=True)
    common = tmp_path / "common.debug"
    subprocess.run(["dwz", "-m", common, tmp_path / "one", tmp_path / "two"], check=True)
    common.unlink()
    missing, _ = known(index, tmp_path / "one")
    assert [problem.code for problem in missing.problems] == ["dwarf_alternate"]
    compile_c(tmp_path, "int main(void) { return 0; }", "common.debug", "-Wl,--build-id")
    other, _ = known(index, tmp_path / "two")
    assert [problem.code for problem in other.problems] == ["alternate_mismatch", "dwarf_alternate"]
    assert missing.state == other.state == "partial"
