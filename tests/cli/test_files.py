"""Commands that read files and the catalogue, over real programs of the system and one of our own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.cli import files
from app.config import load
from app.index.model import Ask
from app.trace.bpftrace import Bpftrace
from app.trace.verdict import function_verdict
from tests.cli.conftest import Result, Run
from tests.support.programs import compile_c

BASH = os.path.realpath("/usr/bin/bash")
LIBC = "/usr/lib/x86_64-linux-gnu/libc.so.6"
LISTS = ["symbols", "functions", "variables", "usdt"]


def output(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_info(run: Run, program: Path) -> None:
    result = run("info", "--json", program, BASH)
    assert (result.code, result.err) == (0, "")
    ours, bash = result.objects
    assert (ours["type"], ours["machine"], ours["bits"], ours["endian"]) == (
        "DYN",
        os.uname().machine,
        64,
        "little",
    )
    assert ours["build_id"] in output("readelf", "-n", program)
    assert ours["id"] == ours["build_id"]
    assert ours["sha256"] == output("sha256sum", program).split()[0].lstrip("\\")
    assert ours["size"] == program.stat().st_size
    assert not ours["stripped"]
    assert ours["debug"]["kind"] == "embedded"
    assert ours["debug"]["has"]["dwarf"] is True
    assert ours["counts"]["usdt"] == 1
    assert bash["runtime"] == "interpreter"
    assert any(name.startswith("libc.so") for name in bash["needed"])


def test_info_for_people(run: Run, program: Path) -> None:
    result = run("info", program)
    lines = result.out.splitlines()
    assert lines[0] == str(program)
    assert any(line.split()[:1] == ["build-id"] for line in lines)


def test_symbols_are_those_of_readelf(run: Run, program: Path) -> None:
    result = run("symbols", "--json", program)
    numbered = [line.split() for line in output("readelf", "-Ws", program).splitlines()]
    rows = [row for row in numbered if row and row[0].rstrip(":").isdecimal() and row[0] != "0:"]
    assert len(result.objects) == len(rows)
    (ours,) = [each for each in result.objects if each["name"] == "counter_of_calls"]
    (row,) = [row for row in rows if row[-1] == "counter_of_calls"]
    assert ours["address"] == int(row[1], 16)
    assert ours["address_hex"] == hex(int(row[1], 16))
    assert [ours["type"], ours["bind"], ours["visibility"]] == row[3:6]
    assert (ours["size"], ours["section"], ours["table"]) == (4, ".data", "symtab")


def test_functions_have_verdicts_that_bpftrace_understands(run: Run, program: Path) -> None:
    (found,) = run("functions", "--json", "-q", "work_on", program).objects
    assert found["key"] == format(found["address"], "x")
    assert (found["name"], found["type"], found["bind"]) == ("work_on", "FUNC", "GLOBAL")
    assert found["verdict"]["attachable"] is True
    assert found["verdict"]["return_probe"]["attachable"] is True
    assert str(program) in found["verdict"]["probe"]


def test_variables(run: Run, program: Path) -> None:
    found = {each["name"]: each for each in run("variables", "--json", program).objects}
    assert found["counter_of_calls"]["size"] == 4
    assert {"per_thread", "counter_of_calls"} <= set(found)
    assert "work_on" not in found


def test_usdt(run: Run, program: Path) -> None:
    (found,) = run("usdt", "--json", program).objects
    assert (found["provider"], found["name"]) == ("shop", "sold")
    (site,) = found["sites"]
    assert site["function"] == "work_on"
    assert [(each["size"], each["signed"]) for each in site["arguments"]] == [(4, True), (8, True)]
    assert found["verdict"]["attachable"] is True


@pytest.mark.parametrize("command", LISTS)
def test_lists_for_people_have_a_line_each(run: Run, program: Path, command: str) -> None:
    objects = run(command, "--json", program).objects
    lines = run(command, program).out.splitlines()
    names = {each["name"] for each in objects}
    assert names
    assert all(any(name in line for line in lines) for name in names)


def test_a_limit_and_a_pattern(run: Run) -> None:
    five = run("functions", "--json", "--limit", "5", BASH).objects
    assert len(five) == 5
    found = run("functions", "--json", "--mode", "glob", "-q", "readline*", BASH).objects
    assert found
    assert all(each["name"].startswith("readline") for each in found)


def test_a_long_list_comes_whole_and_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.cli.files.PART", 700)
    keys = [each["key"] for each in run("functions", "--json", LIBC).objects]
    (binary,) = run("info", "--json", LIBC).objects
    assert len(keys) == len(set(keys)) == binary["counts"]["functions"] > 1400


@pytest.mark.parametrize("kind", ["uprobe", "uretprobe"])
@pytest.mark.parametrize("glob", ["readline*", "*_history", "main"])
@pytest.mark.skipif(
    shutil.which("bpftrace") is None or os.geteuid() != 0, reason="asks for root and bpftrace"
)
def test_probes_are_those_of_bpftrace(run: Run, kind: str, glob: str) -> None:
    pattern = f"{kind}:{BASH}:{glob}"
    assert run("probes", pattern).out.splitlines() == sorted(output("bpftrace", "-l", pattern).splitlines())


@pytest.mark.skipif(
    shutil.which("bpftrace") is None or os.geteuid() != 0, reason="asks for root and bpftrace"
)
def test_probes_of_a_quoted_path(run: Run, program: Path) -> None:
    for pattern in (f'uprobe:"{program}":work*', f'usdt:"{program}":*'):
        ours = run("probes", pattern).out.splitlines()
        assert ours == sorted(output("bpftrace", "-l", pattern).splitlines())
        assert len(ours) == 1


def test_probes_with_their_arguments(run: Run, program: Path) -> None:
    lines = run("probes", "-v", f'usdt:"{program}":shop:*').out.splitlines()
    assert lines[1:] == ["    int arg0", "    int64_t arg1"]


def test_index_and_search(run: Run, own_data: Path, program: Path, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "notes.txt").write_text("no ELF")
    shutil.copy(program, tmp_path / "tree" / "shop")
    assert "probescope index" in run("search", "work_on").complaint
    indexed = run("index", "--json", tmp_path / "tree")
    assert indexed.code == 0
    (entry,) = indexed.objects
    assert entry["path"] == str(tmp_path / "tree" / "shop")
    hits = run("search", "--json", "work_on").objects
    assert [(hit["kind"], hit["name"], hit["binary"]) for hit in hits] == [
        ("function", "work_on", entry["id"])
    ]
    assert {hit["kind"] for hit in run("search", "--json", "so").objects} >= {"usdt"}
    assert "work_on" in run("search", "work_").out


def test_a_data_directory_that_cannot_be_written_is_no_hindrance(
    run: Run, monkeypatch: pytest.MonkeyPatch, program: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("PROBESCOPE_DATA", str(tmp_path / "file" / "data"))
    assert run("functions", "--json", "-q", "work_on", program).code == 0
    assert "data" in run("index", program).complaint


def test_a_damaged_catalogue_is_one_line(run: Run, own_data: Path) -> None:
    own_data.mkdir()
    (own_data / "catalogue.sqlite").write_bytes(bytes(range(256)) * 40)
    assert "catalogue.sqlite cannot be opened" in run("info", BASH).complaint


def broken(tmp_path: Path, program: Path) -> dict[str, Path]:
    whole = program.read_bytes()
    (tmp_path / "text").write_text("#!/bin/sh\n")
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "header").write_bytes(whole[:40])
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "fifo")
    return {name: tmp_path / name for name in ("text", "empty", "header", "directory", "fifo", "gone")}


@pytest.mark.parametrize("command", ["info", *LISTS])
def test_a_bad_file_costs_one_line(run: Run, command: str, program: Path, tmp_path: Path) -> None:
    for name, path in broken(tmp_path, program).items():
        result = run(command, path)
        assert str(path) in result.complaint, name
        assert result.out == ""


def test_a_file_cut_short_says_so(run: Run, program: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut"
    cut.write_bytes(program.read_bytes()[: program.stat().st_size // 2])
    result = run("info", "--json", cut)
    assert result.code == 1 or result.objects[0]["state"] != "ok"


def test_a_machine_that_is_not_known_is_still_read(run: Run, program: Path, tmp_path: Path) -> None:
    odd = bytearray(program.read_bytes())
    odd[18:20] = (0x7FFF).to_bytes(2, "little")
    other = tmp_path / "odd"
    other.write_bytes(odd)
    (binary,) = run("info", "--json", other).objects
    assert binary["machine"] == "em-32767"
    assert run("functions", other).code == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_no_permission(program: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    shutil.copy(program, secret)
    secret.chmod(0)
    script = (
        "import os, sys; from app.__main__ import main; import app.cli.files\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    environment = {"PROBESCOPE_DATA": str(tmp_path / "data"), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, "-c", script, "info", secret],
        capture_output=True, text=True, env=environment, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert "permission" in Result(done.returncode, done.stdout, done.stderr).complaint


def test_of_several_files_the_good_ones_are_answered(run: Run, program: Path, tmp_path: Path) -> None:
    result = run("info", "--json", tmp_path / "gone", program)
    assert "gone" in result.complaint
    assert [each["name"] for each in result.objects] == [program.name]


def test_nothing_found_is_1(run: Run, program: Path) -> None:
    assert "no_such_function" in run("functions", "-q", "no_such_function", program).complaint
    assert "no USDT probes" in run("usdt", "/usr/bin/true").complaint
    assert "No probe matches" in run("probes", f'uprobe:"{program}":no_such*').complaint


def test_a_reader_that_has_enough_is_no_error(tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {sys.executable} -m app symbols {LIBC} | head -1"],
        capture_output=True, text=True, check=False,
        env={**os.environ, "PROBESCOPE_DATA": str(tmp_path)}, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("ADDRESS")


@pytest.mark.parametrize("command", ["symbols", "functions", "variables"])
def test_a_list_in_parts_is_the_list(
    run: Run, orders: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(command, "--json", orders)
    assert whole.code == 0
    monkeypatch.setattr(files, "PART", 2)
    assert run(command, "--json", orders).out == whole.out
    lines = whole.out.splitlines(keepends=True)
    assert run(command, "--json", "--limit", "3", orders).out == "".join(lines[:3])
    assert len(lines) > 4


def test_functions_as_json_are_items_with_their_verdicts(
    run: Run, own_data: Path, program: Path, orders: Path
) -> None:
    settings = load(data=own_data)
    for path in (program, orders, Path(BASH)):
        result = run("functions", "--json", path)
        with files.catalogue(settings) as index:
            binary = index.binary_at(str(path))
            page = index.functions(binary.id, Ask(limit=files.PART))
        able = Bpftrace(settings).capabilities()
        found = [
            {**item.as_dict(), "verdict": function_verdict(item, binary, able).as_dict()}
            for item in page.items
        ]
        assert result.objects == found
        assert [list(each) for each in result.objects] == [list(each) for each in found]


def test_json_of_foreign_letters_is_ascii(run: Run, tmp_path: Path) -> None:
    source = "int größe(int a) { return a; } int main(void) { return größe(1); }"
    path = compile_c(tmp_path, source, "letters")
    result = run("functions", "--json", path)
    assert result.out.isascii()
    assert "größe" in {each["name"] for each in result.objects}
