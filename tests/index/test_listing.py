"""Lists of probes against those that bpftrace itself prints."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from app.errors import BadInput, NotElf, NotFound
from app.index.listing import probes, split
from app.index.service import Index
from tests.support.programs import compile_c

LIBC = str(next(Path("/usr/lib").glob("*-linux-gnu/libc.so.6")))
LIBSTDCPP = str(next(Path("/usr/lib").glob("*-linux-gnu/libstdc++.so.6")))
POSTGRES = next((str(path) for path in Path("/usr/lib/postgresql").glob("*/bin/postgres")), "")
PYTHON = next((path for path in ("/usr/bin/python3.11", "/usr/bin/python3") if Path(path).exists()), "")
needs_bpftrace = pytest.mark.skipif(shutil.which("bpftrace") is None, reason="bpftrace is not installed")


def theirs(pattern: str) -> list[str]:
    done = subprocess.run(["bpftrace", "-l", pattern], capture_output=True, text=True, check=True)
    return sorted(set(done.stdout.splitlines()))


@needs_bpftrace
@pytest.mark.parametrize(
    "pattern",
    [
        f"uprobe:{PYTHON}:*",
        f"usdt:{PYTHON}:*",
        f"usdt:{PYTHON}:python:gc*",
        f"uretprobe:{PYTHON}:Py_*",
        "uprobe:/bin/bash:*",
        'uprobe:"/bin/bash":read*',
        "u:/bin/bash:readline",
        "uprobe:/bin/bash:nosuchfunction",
        "uprobe:bash:*history*",
        f"uprobe:{LIBC}:*",
        f'uprobe:"{LIBSTDCPP}":*',
        f'usdt:"{LIBSTDCPP}":libstdcxx:*',
        f"*:{POSTGRES}:*query*",
        f"usdt:{POSTGRES}:*",
        f"uprobe:{POSTGRES}:*",
    ],
)
def test_as_bpftrace_lists_them(shared: Index, pattern: str) -> None:
    if "::" in pattern:
        pytest.skip("this machine lacks the file")
    assert probes(shared, pattern) == theirs(pattern)


@needs_bpftrace
def test_a_program_that_is_not_pie_lists_its_plt(shared: Index, tmp_path: Path) -> None:
    source = '#include <stdio.h>\nint (*p)(const char *) = puts; int main(void) { return p("x"); }'
    program = compile_c(tmp_path, source, "static", "-no-pie", "-fno-pie")
    found = probes(shared, f"uprobe:{program}:*")
    assert found == theirs(f"uprobe:{program}:*")
    assert f"uprobe:{program}:main" in found


@needs_bpftrace
def test_symbols_of_a_debug_file_beside_the_program(shared: Index, tmp_path: Path) -> None:
    program = compile_c(
        tmp_path, "static int hidden(int x) { return x; } int main(void) { return hidden(1); }"
    )
    subprocess.run(["objcopy", "--only-keep-debug", program, tmp_path / "prog.debug"], check=True)
    subprocess.run(["strip", program], check=True)
    subprocess.run(["objcopy", f"--add-gnu-debuglink={tmp_path / 'prog.debug'}", program], check=True)
    pattern = f"uprobe:{program}:hid*"
    assert theirs(pattern) == [f"uprobe:{program}:hidden"]
    assert probes(shared, pattern) == [f"uprobe:{program}:hidden"]
    assert probes(shared, pattern, debug=False) == []


def test_a_path_with_a_plus_needs_no_quotes_here(shared: Index) -> None:
    assert probes(shared, f"usdt:{LIBSTDCPP}:catch") == [f"usdt:{LIBSTDCPP}:libstdcxx:catch"]


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "uprobe",
        "uprobe:/bin/bash",
        "kprobe:vfs_read",
        "uprobe:/bin/bash:a:b",
        'uprobe:"/bin/bash:x',
        "a:b:c:d:e",
    ],
)
def test_what_is_no_pattern(pattern: str) -> None:
    with pytest.raises(BadInput) as caught:
        split(pattern)
    assert "uprobe:PATH" in caught.value.hint


def test_files_that_are_not_there_or_no_elf(shared: Index) -> None:
    with pytest.raises(NotFound):
        probes(shared, "uprobe:/nonexistent:x")
    with pytest.raises(NotFound):
        probes(shared, "uprobe:no-such-program-anywhere:x")
    with pytest.raises(NotFound):
        probes(shared, "uprobe:/nonexistent/*:x")
    with pytest.raises(NotElf):
        probes(shared, "uprobe:/etc/passwd:x")
