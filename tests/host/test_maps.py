"""Mapped files: identity by device and inode across names, copies, removal and mount namespaces."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.errors import NotFound
from app.host.maps import mapped_objects, mapping_processes, parse
from tests.host.test_processes import SLEEP, as_root, running, wait_for


def started(child: subprocess.Popen[bytes], *names: str) -> None:
    # Before its exec a child still maps what its parent does, and libraries come after the program.
    maps = Path(f"/proc/{child.pid}/maps")
    wait_for(lambda: all(name.encode() in maps.read_bytes() for name in names))


def test_lines_of_maps() -> None:
    text = (
        b"55d0-55e0 r--p 00000000 fe:00 42                     /usr/bin/with space\n"
        b"55e0-55f0 r-xp 00001000 fe:00 42                     /usr/bin/with space\n"
        b"55f0-5600 rw-p 00000000 00:00 0                      [heap]\n"
        b"5600-5610 rw-p 00000000 00:00 0 \n"
        b"5610-5620 r-xp 00000000 00:01 7                      /memfd:jit (deleted)\n"
        b"5620-5630 rw-s 00000000 00:05 9                      /dev/dri/card0\n"
        b"5630-5640 r-xp 00000000 103:0a 18446744073709551615 /new\\012line (deleted)\n"
        b"5640-5650 rw-s 00000000 00:0e 3                      anon_inode:[perf_event]\n"
    )
    assert [(m.path, m.inode, m.device, m.executable) for m in parse(text)] == [
        (b"/usr/bin/with space", 42, "fe:00", False),
        (b"/usr/bin/with space", 42, "fe:00", True),
        (b"/new\nline (deleted)", 18446744073709551615, "103:0a", True),
    ]


def test_the_files_of_this_process() -> None:
    found = mapped_objects(os.getpid())
    mine = next(each for each in found if each.path == os.path.realpath(sys.executable))
    assert mine.inode == Path(sys.executable).stat().st_ino
    assert mine.executable
    assert mine.host_path == mine.path
    assert 0 < mine.size <= mine.end - mine.start
    assert len({(each.device, each.inode) for each in found}) == len(found)


def test_who_maps_a_file_by_any_of_its_names(tmp_path: Path) -> None:
    program, other, copy = tmp_path / "program\nx", tmp_path / "other", tmp_path / "copy"
    shutil.copy(SLEEP, program)
    other.hardlink_to(program)
    shutil.copy(SLEEP, copy)
    assert mapping_processes(str(program)) == ()
    with running([str(program), "60"]) as child:
        started(child, "program")
        for path in (program, other):
            assert [each.pid for each in mapping_processes(str(path))] == [child.pid]
        assert mapping_processes(str(copy)) == ()
        (mapped,) = (each for each in mapped_objects(child.pid) if each.path == str(program))
        assert (mapped.deleted, mapped.executable, mapped.host_path) == (False, True, str(program))


@as_root
def test_replaced_files_stay_reachable_and_are_not_mixed_up(tmp_path: Path) -> None:
    program, library = tmp_path / "program", tmp_path / "libx.so"
    shutil.copy(SLEEP, program)
    libc = next(e.path for e in mapped_objects(os.getpid()) if "/libc.so" in e.path or "/libc-2" in e.path)
    shutil.copy(libc, library)
    with running([str(program), "60"], env={"LD_PRELOAD": str(library)}) as child:
        started(child, "program", "libx.so")
        for path in (program, library):
            new = path.with_suffix(".new")
            shutil.copy(path, new)
            new.rename(path)
        found = {each.path: each for each in mapped_objects(child.pid)}
        assert found[str(program)].deleted
        assert found[str(program)].host_path == f"/proc/{child.pid}/exe"
        assert found[str(library)].deleted
        assert Path(found[str(library)].host_path).read_bytes() == library.read_bytes()
        # The new file at the old path is another file, which nobody maps.
        assert mapping_processes(str(library)) == ()
        assert [e.pid for e in mapping_processes(found[str(library)].host_path)] == [child.pid]


def test_a_file_whose_name_ends_as_if_it_were_deleted(tmp_path: Path) -> None:
    program = tmp_path / "program (deleted)"
    shutil.copy(SLEEP, program)
    with running([str(program), "60"]) as child:
        started(child, "program (deleted)")
        (mapped,) = (each for each in mapped_objects(child.pid) if each.path.endswith("(deleted)"))
        assert (mapped.path, mapped.deleted) == (str(program), False)


@as_root
def test_a_name_that_is_no_text_is_opened_by_its_mapping(tmp_path: Path) -> None:
    program = os.fsencode(tmp_path) + b"/odd\xff"
    shutil.copy(SLEEP, os.fsdecode(program))
    with running([program, b"60"]) as child:
        wait_for(lambda: b"odd" in Path(f"/proc/{child.pid}/maps").read_bytes())
        (mapped,) = (each for each in mapped_objects(child.pid) if "odd" in each.path)
        assert mapped.path == f"{tmp_path}/odd\\xff"
        assert Path(mapped.host_path).read_bytes() == Path(SLEEP).read_bytes()


@as_root
def test_a_container_is_reached_through_its_root(tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    script = f'mount -t tmpfs none "{hidden}" && cp {SLEEP} "{hidden}/inside" && exec "{hidden}/inside" 60'
    with running(["unshare", "--mount", "sh", "-c", script]) as child:
        started(child, "inside")
        (mapped,) = (each for each in mapped_objects(child.pid) if each.path == f"{hidden}/inside")
        assert mapped.host_path == f"/proc/{child.pid}/root{hidden}/inside"
        assert Path(mapped.host_path).read_bytes() == Path(SLEEP).read_bytes()
        assert [each.pid for each in mapping_processes(mapped.host_path)] == [child.pid]


def test_reading_a_file_through_a_mapping_is_not_running_it(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.write_bytes(b"x" * 10_000)
    code = (
        "import mmap, time\n"
        f"with open({str(data)!r}, 'rb') as file: kept = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)\n"
        "print('on', flush=True)\n"
        "time.sleep(60)\n"
    )
    with running([sys.executable, "-c", code]) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert any(each.path == str(data) for each in mapped_objects(child.pid))
        assert mapping_processes(str(data)) == ()


def test_what_is_no_file_and_no_process(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.write_bytes(b"")
    assert mapping_processes(str(empty)) == ()
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path in (str(tmp_path / "none"), str(tmp_path), str(fifo), "a\0b"):
        with pytest.raises(NotFound):
            mapping_processes(path)
    with pytest.raises(NotFound):
        mapped_objects(2**22 + 1)
