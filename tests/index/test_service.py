"""Pages of real and compiled binaries: what is listed, found, counted, kept and refused."""

from __future__ import annotations

import lzma
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from app.config import Settings
from app.errors import BadInput, Forbidden, NotElf, NotFound
from app.index.model import Ask, Mode
from app.index.service import Index
from tests.support.programs import compile_c

SOURCE = """
int shared_counter = 7;
static int quiet;
__thread int per_thread = 3;
int work(int x) { return x + shared_counter; }
int work_twin(int x) __attribute__((alias("work")));
static int Worker(int x) { return x * 2 + quiet++; }
int main(void) { return work(Worker(per_thread)); }
"""
GO = Path(__file__).parent.parent / "binaries/go"
CPP = """
namespace shop { struct Cart { int add(int n); }; int Cart::add(int n) { return n + 1; } }
int main() { shop::Cart c; return c.add(2); }
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    return compile_c(tmp_path, SOURCE)


def test_a_binary_says_what_it_is(index: Index, program: Path) -> None:
    binary = index.binary_at(str(program))
    assert binary.id == binary.build_id
    assert (binary.path, binary.paths, binary.name) == (str(program), (str(program),), "prog")
    assert (binary.bits, binary.endian, binary.stripped, binary.language) == (64, "little", False, "c")
    assert (binary.debug.kind, binary.debug.has["dwarf"]) == ("embedded", True)
    assert (
        index.binary(binary.id, hashed=True).sha256
        == subprocess.check_output(["sha256sum", program]).split()[0].decode()
    )
    assert binary.state == "ok"
    found = binary.as_dict()
    assert set(found["counts"]) == {"symbols", "functions", "variables", "types", "usdt"}


def test_functions_fold_their_aliases(index: Index, program: Path) -> None:
    binary = index.binary_at(str(program))
    work = index.functions(binary.id, Ask("work")).items[0]
    assert work.address is not None
    assert (work.name, work.aliases, work.bind) == ("work", ("work_twin",), "GLOBAL")
    assert index.functions(binary.id, Ask("work_twin")).items[0] == work
    assert index.function(binary.id, work.key) == work
    assert index.function(binary.id, f"{work.address:#x}") == work
    assert index.function(binary.id, f"{work.address + 2:#x}") == work
    found = work.as_dict()
    assert found["address_hex"] == f"{work.address:#x}"
    assert work.offset is not None
    code = index.code(binary.id, work.key)
    assert sum(len(bytes.fromhex(entry.bytes)) for entry in code) == work.size
    assert code[-1].mnemonic == "ret"
    with pytest.raises(NotFound):
        index.function(binary.id, "0x3")
    with pytest.raises(NotFound):
        index.function(binary.id, "nonsense")


def test_variables(index: Index, program: Path) -> None:
    binary = index.binary_at(str(program))
    found = {each.name: each for each in index.variables(binary.id, Ask()).items}
    assert {"shared_counter", "quiet", "per_thread"} <= set(found)
    assert found["shared_counter"].size == 4
    assert (found["shared_counter"].external, found["quiet"].external) == (True, False)
    assert found["quiet"].section == ".bss"


@pytest.mark.parametrize(
    ("mode", "text", "first", "total"),
    [
        ("substring", "work", "work", 2),
        ("substring", "Work", "Worker", 1),
        ("prefix", "wor", "work", 2),
        ("prefix", "ork", None, 0),
        ("glob", "w?rk", "work", 1),
        ("glob", "*[kr]er", "Worker", 1),
        ("regex", "^work(er)?$", "work", 2),
        ("fuzzy", "wkr", "Worker", 1),
    ],
)
def test_kinds_of_match(
    index: Index, program: Path, mode: Mode, text: str, first: str | None, total: int
) -> None:
    binary = index.binary_at(str(program))
    page = index.functions(binary.id, Ask(text, mode))
    assert page.total == total
    assert (page.items[0].name if page.items else None) == first


def test_demangled_and_raw_names_are_both_found_best_first(index: Index, tmp_path: Path) -> None:
    (tmp_path / "c.cc").write_text(CPP)
    subprocess.run(["g++", "-O0", "-o", tmp_path / "c", tmp_path / "c.cc"], check=True)
    binary = index.binary_at(str(tmp_path / "c"))
    for text in ("shop::Cart::add", "add(int)", "_ZN4shop4Cart3addEi", "add"):
        best = index.functions(binary.id, Ask(text)).items[0]
        assert (best.demangled, best.linkage_name) == ("shop::Cart::add(int)", "_ZN4shop4Cart3addEi")
    assert binary.language == "c++"


def test_whole_lists_in_parts_with_order_and_facets(shared: Index) -> None:
    binary = shared.binary_at("/bin/bash")
    page = shared.symbols(binary.id, Ask(limit=10))
    assert page.total == binary.counts["symbols"]
    assert page.next == 10
    seen = [shared.symbols(binary.id, Ask(limit=1000, offset=at)).items for at in range(0, page.total, 1000)]
    assert sum(len(part) for part in seen) == page.total
    assert sum(page.facets["type"].values()) == page.total
    assert set(page.facets) >= {"type", "bind", "section", "table"}
    only = shared.symbols(binary.id, Ask(filters={"type": "FUNC", "bind": "GLOBAL"}, limit=5))
    assert {(item.type, item.bind) for item in only.items} == {("FUNC", "GLOBAL")}
    assert only.total == only.facets["type"]["FUNC"]
    # The values of a facet that is filtered by can still be chosen.
    assert len(only.facets["type"]) > 1
    sizes = [item.size for item in shared.functions(binary.id, Ask(sort="-size", limit=50)).items]
    assert sizes == sorted(sizes, reverse=True)
    names = [item.name.lower() for item in shared.functions(binary.id, Ask(sort="name", limit=50)).items]
    assert names == sorted(names)
    with pytest.raises(BadInput):
        shared.functions(binary.id, Ask(sort="nonsense"))
    assert shared.symbols(binary.id, Ask(offset=10**9)).items == ()


def test_a_regular_expression_that_is_none_and_one_that_explodes_elsewhere(shared: Index) -> None:
    binary = shared.binary_at("/bin/bash")
    with pytest.raises(BadInput) as caught:
        shared.functions(binary.id, Ask("(", "regex"))
    assert caught.value.code == "bad_regex"
    assert shared.functions(binary.id, Ask("(a*)*(b*)*c$", "regex")).total > 0
    with pytest.raises(BadInput):
        shared.search(Ask("a)(b", "regex"))


def test_search_over_everything(index: Index, program: Path) -> None:
    binary = index.binary_at(str(program))
    index.binary_at("/bin/bash")
    page = index.search(Ask("work"))
    assert (page.items[0].kind, page.items[0].name, page.items[0].binary) == ("function", "work", binary.id)
    assert index.function(binary.id, page.items[0].key).name == "work"
    assert {hit.kind for hit in index.search(Ask("shared_counter")).items} == {"variable"}
    assert index.search(Ask("bash")).items[0].kind == "binary"
    assert index.search(Ask("")).items == ()


@pytest.mark.parametrize(
    ("what", "error", "code"),
    [
        ("text", NotElf, "not_elf"),
        ("empty", NotElf, "empty"),
        ("cut", NotElf, "truncated"),
        ("directory", BadInput, "directory"),
        ("fifo", BadInput, "bad_input"),
        ("gone", NotFound, "not_found"),
    ],
)
def test_what_cannot_be_read(
    index: Index, tmp_path: Path, what: str, error: type[Exception], code: str
) -> None:
    path = tmp_path / what
    if what == "text":
        path.write_text("#!/bin/sh\n")
    elif what == "empty":
        path.touch()
    elif what == "cut":
        path.write_bytes(Path("/bin/ls").read_bytes()[:40])
    elif what == "directory":
        path.mkdir()
    elif what == "fifo":
        os.mkfifo(path)
    for _ in range(2):  # the second answer comes from the catalogue
        with pytest.raises(error) as caught:
            index.binary_at(str(path))
        assert caught.value.code == code  # type: ignore[attr-defined]
        assert str(path) in caught.value.message  # type: ignore[attr-defined]
        assert caught.value.hint  # type: ignore[attr-defined]


def test_no_permission(settings: Settings, tmp_path: Path) -> None:
    if os.geteuid() == 0:
        # Root may read all; what the roots do not hold is refused to root, too.
        (tmp_path / "in").mkdir()
        index = Index(replace(settings, roots=(str(tmp_path / "in"),)))
    else:
        index = Index(settings)
    index.start()
    secret = tmp_path / "secret"
    shutil.copy("/bin/true", secret)
    secret.chmod(0)
    with pytest.raises(Forbidden) as caught:
        index.binary_at(str(secret))
    assert caught.value.hint
    link = tmp_path / "in" / "link" if os.geteuid() == 0 else tmp_path / "link"
    link.symlink_to(secret)
    with pytest.raises(Forbidden):
        index.binary_at(str(link))
    index.close()


def test_a_damaged_file_is_partial_and_says_what_lacks(index: Index, tmp_path: Path) -> None:
    path = tmp_path / "half"
    data = Path("/bin/bash").read_bytes()
    path.write_bytes(data[: len(data) // 2])
    binary = index.binary_at(str(path))
    assert binary.state == "partial"
    assert binary.problems


def test_an_unknown_architecture_is_shown_without_code(index: Index, program: Path) -> None:
    data = bytearray(program.read_bytes())
    data[18:20] = b"\x34\x12"
    program.write_bytes(data)
    binary = index.binary_at(str(program))
    assert binary.machine == "em-4660"
    work = index.functions(binary.id, Ask("work")).items[0]
    assert index.code(binary.id, work.key) == ()


def test_a_file_that_changes_is_read_again(index: Index, program: Path) -> None:
    first = index.binary_at(str(program))
    work = index.functions(first.id, Ask("work")).items[0]
    program.unlink()
    assert index.code(first.id, work.key) == ()
    compile_c(program.parent, SOURCE.replace("x + shared", "x * shared"))
    second = index.binary_at(str(program))
    assert second.id != first.id
    assert second.paths == (str(program),)
    assert index.binary(first.id).paths == ()
    index.remove(first.id)
    with pytest.raises(NotFound):
        index.binary(first.id)


def test_one_binary_at_many_paths_and_other_bytes_with_its_build_id(index: Index, program: Path) -> None:
    copy, bare = program.with_name("copy"), program.with_name("bare")
    shutil.copy(program, copy)
    subprocess.run(["strip", "-o", bare, program], check=True)
    first = index.binary_at(str(program))
    assert index.binary_at(str(copy)).id == first.id
    assert set(index.binary(first.id).paths) == {str(program), str(copy)}
    stripped = index.binary_at(str(bare))
    assert stripped.build_id == first.build_id
    assert stripped.id.startswith("sha256-")
    assert index.binary_at(str(bare)).id == stripped.id
    assert not index.binary(first.id).stripped
    program.unlink()
    found = index.binary(first.id)
    assert (found.path, found.gone) == (str(copy), False)
    copy.unlink()
    assert index.binary(first.id).gone


def test_what_is_known_outlives_the_server(settings: Settings, program: Path) -> None:
    index = Index(settings)
    index.start()
    before = index.binary_at(str(program))
    index.close()
    index = Index(settings)
    index.start()
    assert index.binary(before.id) == before
    assert index.functions(before.id, Ask("work")).total == 2
    assert index.binary_at(str(program)) == before
    index.close()


def test_a_data_directory_that_cannot_be(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadInput) as caught:
        Index(replace(settings, data=tmp_path / "file" / "data")).start()
    assert "--data" in caught.value.hint


def test_functions_of_a_stripped_go_program_have_their_files_and_lines(index: Index, tmp_path: Path) -> None:
    path = tmp_path / "go"
    path.write_bytes(lzma.decompress((GO / "stripped.xz").read_bytes()))
    rows = lzma.decompress((GO / "expected.tsv.xz").read_bytes()).decode().splitlines()
    expected = {int(row.split("\t")[1], 16): row.split("\t")[3] for row in rows if row[0] == "F"}
    binary = index.binary_at(str(path))
    items = index.functions(binary.id, Ask(limit=2000)).items
    assert {item.address: f"{item.file}:{item.line}" for item in items} == expected
    assert len(items) == 1030
    chosen = index.functions(
        binary.id, Ask(filters={"file": "runtime/stack.go"}, sort="-line", limit=2000)
    ).items
    assert {item.file for item in chosen} == {"runtime/stack.go"}
    assert len(chosen) == sum(place.startswith("runtime/stack.go:") for place in expected.values()) > 5
    lines = [item.line or 0 for item in chosen]
    assert lines == sorted(lines, reverse=True)
    assert index.functions(binary.id, Ask(sort="file", limit=1)).items[0].file == min(
        place.rpartition(":")[0] for place in expected.values()
    )
