"""What the catalogue has of one build, however many copies somebody makes of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from app.index.catalogue import _MOST_COPIES
from app.index.model import Ask
from app.index.service import Index
from tests.support.programs import compile_c

SOURCE = "int work(int x) { return x + 1; }\nint main(void) { return work(2); }\n"


def test_the_debug_file_of_a_build_is_found_among_many_copies(index: Index, tmp_path: Path) -> None:
    program = compile_c(tmp_path, SOURCE, "prog", "-g", "-Wl,--build-id")
    debug = tmp_path / "late.debug"
    subprocess.run(["objcopy", "--only-keep-debug", program, debug], check=True)
    subprocess.run(["strip", program], check=True)
    copies = [tmp_path / f"copy{number}" for number in range(_MOST_COPIES + 8)]
    for number, copy in enumerate(copies):
        copy.write_bytes(program.read_bytes() + bytes([number]))
        index.binary_at(str(copy))
    late = index.binary_at(str(debug))
    assert late.build_id is not None
    listed = index.of_build(late.build_id)
    assert len(listed) == _MOST_COPIES + 1
    assert listed[-1].id == late.id
    assert [each.indexed for each in listed] == sorted(each.indexed for each in listed)
    # One that comes later still has its functions from there.
    last = tmp_path / "last"
    last.write_bytes(program.read_bytes() + b"last")
    found = index.functions(index.binary_at(str(last)).id, Ask(q="work")).items
    assert [(each.name, each.line) for each in found] == [("work", 1)]
