"""A stripped binary gets names, types and lines back from its debug file, wherever that is, and no other."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from app.config import Settings
from app.index import readers
from app.index.build import Child
from app.index.model import Ask, Function
from app.index.reader import Kind
from app.index.service import Index
from tests.support.programs import compile_c

SOURCE = """
#include <sys/sdt.h>
struct order { int id; double price; };
static inline __attribute__((always_inline)) int twice(int n) { return n * 2; }
static __attribute__((noinline)) int checkout(struct order *order, int n) {
    DTRACE_PROBE1(demo, checkout, order);
    return twice(order->id) + n;
}
int main(int argc, char **argv) { struct order one = {argc, 2.0}; return checkout(&one, argc) == 3; }
"""


@dataclass(frozen=True)
class Build:
    stripped: Path
    debug: Path
    build_id: str


def build(folder: Path, source: str = SOURCE, *flags: str) -> Build:
    """``folder/app``, stripped, and its debug file in a place that nobody looks at."""
    away = folder / "away"
    away.mkdir(parents=True)
    program = compile_c(away, source, "app", "-O2", *flags)
    debug, stripped = away / "kept", folder / "app"
    subprocess.run(["objcopy", "--only-keep-debug", program, debug], check=True)
    subprocess.run(["strip", "-o", stripped, program], check=True)
    told = subprocess.run(["readelf", "-n", program], capture_output=True, text=True, check=True).stdout
    return Build(stripped, debug, told.partition("Build ID: ")[2].split("\n")[0])


def functions(index: Index, binary_id: str) -> dict[str, Function]:
    return {each.name: each for each in index.functions(binary_id, Ask(limit=1000)).items}


def lay(build: Build, root: Path) -> Path:
    place = root / ".build-id" / build.build_id[:2] / f"{build.build_id[2:]}.debug"
    # Build-ids of two builds may begin alike.
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(build.debug, place)
    return place


@pytest.fixture
def settings(tmp_path: Path, settings: Settings) -> Settings:
    return replace(
        settings, debug_directories=(str(tmp_path / "debugroot"),), debuginfod_cache=str(tmp_path / "cache")
    )


def test_by_build_id_with_all_that_dwarf_tells(index: Index, tmp_path: Path) -> None:
    made = build(tmp_path)
    place = lay(made, tmp_path / "debugroot")
    binary = index.binary_at(str(made.stripped))
    assert (binary.id, binary.stripped) == (made.build_id, True)
    assert (binary.debug.kind, binary.debug.path) == ("separate", str(place))
    assert binary.debug.has == {"dwarf": True, "lines": True, "symtab": True, "dynsym": True}
    checkout = functions(index, binary.id)["checkout"]
    assert [(each.name, each.type) for each in checkout.parameters or ()] == [
        ("order", "struct order *"),
        ("n", "int"),
    ]
    assert checkout.offset is not None
    assert checkout.sources == ("dwarf", "debug_symtab")
    (found,) = index.answers.locate(binary.id, [(checkout.address or 0) + 1])
    told = subprocess.run(
        ["addr2line", "-i", "-f", "-e", place, hex((checkout.address or 0) + 1)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\n")
    chain = [call["function"] for call in found["inlined"]] + [found["function"].split(".")[0]]
    assert chain == [name.split(".")[0] for name in told[:-1:2]]
    assert f"{found['file']}:{found['line']}" == told[1].split(" (")[0]
    assert index.answers.structs(binary.id, ["order"])[0]["size"] == 16
    argument = index.usdt_probe(binary.id, "demo", "checkout").sites[0].arguments[0]
    assert argument.type == "struct order *"
    assert index.details(binary.id, checkout.key) is not None


def test_the_files_own_symbol_tables_stay_what_readelf_prints(index: Index, tmp_path: Path) -> None:
    made = build(tmp_path)
    lay(made, tmp_path / "debugroot")
    binary = index.binary_at(str(made.stripped))
    listed = index.symbols(binary.id, Ask(limit=1000))
    assert {symbol.table for symbol in listed.items} == {"dynsym"}
    assert listed.total == binary.counts["symbols"]
    asked = index.symbols(binary.id, Ask(limit=1000, filters={"table": "debug_symtab"}))
    assert "checkout" in {symbol.name.split(".")[0] for symbol in asked.items}


def test_by_link_and_checksum_where_there_is_no_build_id(index: Index, tmp_path: Path) -> None:
    made = build(tmp_path, SOURCE, "-Wl,--build-id=none")
    beside = tmp_path / "app.debug"
    shutil.copy(made.debug, beside)
    subprocess.run(["objcopy", f"--add-gnu-debuglink={beside}", made.stripped], check=True)
    assert index.binary_at(str(made.stripped)).debug.path == str(beside)
    beside.write_bytes(beside.read_bytes() + b"\0")
    again = tmp_path / "again"
    shutil.copy(made.stripped, again)
    again.write_bytes(again.read_bytes() + b"\0")
    binary = index.binary_at(str(again))
    assert binary.debug.kind == "none"
    (_, wrong, *_) = index.debug_places(binary.id)
    assert (wrong.state, "checksum" in wrong.why) == ("mismatched", True)


def test_one_of_another_build_is_named_and_not_used(index: Index, tmp_path: Path) -> None:
    made = build(tmp_path / "one")
    other = build(tmp_path / "two", SOURCE.replace("* 2", "* 3"))
    place = lay(made, tmp_path / "debugroot")
    shutil.copy(other.debug, place)
    binary = index.binary_at(str(made.stripped))
    assert binary.debug.kind == "none"
    assert "checkout" not in functions(index, binary.id)
    found = {each.path: each for each in index.debug_places(binary.id)}
    assert found[str(place)].state == "mismatched"
    assert other.build_id in found[str(place)].why
    assert made.build_id in found[str(place)].why


@pytest.mark.parametrize("first", ["binary", "debug"])
def test_uploads_find_each_other_whichever_comes_first(index: Index, tmp_path: Path, first: str) -> None:
    made = build(tmp_path)
    order = [made.stripped, made.debug] if first == "binary" else [made.debug, made.stripped]
    for path in order:
        taken = index.upload_dir / f"{path.name}.part"
        shutil.copy(path, taken)
        (job,) = index.add_upload([(path.name, taken)])
        done = index.wait(job.id, 60)
        assert (done.state, done.results[0]["message"]) == ("done", "")
    binary = index.binary(made.build_id)
    assert (binary.debug.kind, binary.debug.path) == ("separate", "kept")
    assert "checkout" in functions(index, binary.id)
    assert index.answers.structs(binary.id, ["order"])[0]["size"] == 16
    assert [each.kind for each in index.debug_places(binary.id) if each.state == "matched"] == ["uploaded"]


def test_an_upload_has_readers_of_its_own(index: Index, tmp_path: Path, kinds: list[Kind]) -> None:
    """One that was taken over by what it reads could lie about all that it reads later."""
    made = build(tmp_path)
    host = index.binary_at(str(made.stripped))
    assert {(kind.owner, kind.answers) for kind in kinds} == {("", False)}
    kinds.clear()
    temporary = index.upload_dir / "kept"
    shutil.copy(made.debug, temporary)
    index.wait(index.add_upload([("kept", temporary)], "somebody")[0].id, 60)
    assert index.binary(host.id).debug.kind == "separate"
    assert {kind.owner for kind in kinds if not kind.answers} == {"somebody"}
    own = {kind.owner for kind in kinds if kind.answers}
    kinds.clear()
    # Questions about it, and about the program of the host that it belongs to.
    (upload,) = [each for each in index.binaries(Ask()).items if each.uploaded]
    for binary in (upload, host):
        assert index.answers.structs(binary.id, ["order"])[0]["size"] == 16
    assert {kind.owner for kind in kinds} | own == {f"upload {upload.id}"}
    kinds.clear()
    # Programs of the host that come after it.
    (tmp_path / "again").mkdir()
    shutil.copy(made.stripped, tmp_path / "again")
    index.remove(host.id)
    index.wait(index.add_paths([str(tmp_path / "again")]).id, 60)
    assert index.binary(host.id).debug.kind == "separate"
    assert {kind.owner for kind in kinds} == {"", f"upload {upload.id}"}


def test_a_debug_file_that_comes_later_is_merged(index: Index, tmp_path: Path) -> None:
    made = build(tmp_path)
    path = str(made.stripped)
    assert index.binary_at(path).debug.kind == "none"
    lay(made, tmp_path / "debugroot")
    assert index.binary_at(path).debug.kind == "separate"


def test_a_better_one_upgrades(index: Index, tmp_path: Path) -> None:
    made = build(tmp_path)
    symbols = tmp_path / "symbols"
    subprocess.run(["objcopy", "--strip-debug", made.debug, symbols], check=True)
    for path, dwarf in ((symbols, False), (made.debug, True)):
        index.binary_at(str(made.stripped))
        job = index.add_paths([str(path)])
        assert index.wait(job.id, 60).state == "done"
        has = index.binary(made.build_id).debug.has
        assert (has["symtab"], has["dwarf"]) == (True, dwarf)


def test_it_can_be_switched_off(tmp_path: Path, settings: Settings) -> None:
    made = build(tmp_path)
    lay(made, tmp_path / "debugroot")
    index = Index(replace(settings, separate_debug=False))
    index.start()
    try:
        assert index.binary_at(str(made.stripped)).debug.kind == "none"
    finally:
        index.close()


def test_a_shared_part_of_the_debug_file_is_found(index: Index, tmp_path: Path) -> None:
    made = build(tmp_path / "one")
    twin = build(tmp_path / "two", SOURCE.replace("== 3", "== 4"))
    common = tmp_path / "common.debug"
    subprocess.run(["dwz", "-m", common, made.debug, twin.debug], check=True, capture_output=True)
    place = lay(made, tmp_path / "debugroot")
    place.write_bytes(made.debug.read_bytes())
    binary = index.binary_at(str(made.stripped))
    checkout = functions(index, binary.id)["checkout"]
    assert [each.type for each in checkout.parameters or ()] == ["struct order *", "int"]


def test_readers_stay_while_many_files_get_their_debug_files(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 8
    for number in range(count):
        lay(build(tmp_path / str(number), f"{SOURCE}\nint only_{number};\n"), tmp_path / "debugroot")
    tree = tmp_path / "tree"
    tree.mkdir()
    for number in range(count):
        shutil.copy(tmp_path / str(number) / "app", tree / f"app{number}")
    started: list[int] = []

    def child() -> Child:
        started.append(1)
        return Child()

    monkeypatch.setattr(readers, "Child", child)
    done = index.wait(index.add_paths([str(tree)]).id, 120)
    assert done.state == "done"
    binaries = index.binaries(Ask(q="app", limit=50)).items
    assert [each.debug.kind for each in binaries].count("separate") == count
    assert len(started) <= 4
