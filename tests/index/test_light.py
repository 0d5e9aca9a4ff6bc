"""Light readers: what they have loaded, and that they give what full ones give, or hand the file on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from app.config import Settings
from app.index import contents
from app.index.build import Child
from app.index.reader import Kind, Source
from app.index.readers import Readers
from tests.elf.corpus import elf_files
from tests.support.programs import compile_c
from tests.support.sections import Made, elf

pytestmark = pytest.mark.skipif(not contents.can_be_light(), reason="the core is not built")
SOURCE = """
#include <sys/sdt.h>
static int twice(int number) { DTRACE_PROBE1(demo, twice, number); return 2 * number; }
int main(int argc, char **argv) { return twice(argc); }
"""
Read = tuple[str, bytes]  # the code of its problem, and its columns


@pytest.fixture
def full(settings: Settings) -> Iterator[Readers]:
    made = Readers(settings)
    made.start()
    yield made
    made.close()


@pytest.fixture
def light(settings: Settings) -> Iterator[Readers]:
    made = Readers(settings)
    made.start()
    made.prepare(Child(), Kind())
    yield made
    made.close()


def read(readers: Readers, paths: list[Path]) -> dict[str, Read]:
    found = {}
    with ExitStack() as stack:
        files = [stack.enter_context(path.open("rb")) for path in paths]
        sources = [Source(file.fileno(), Path(file.name).stat().st_size, tag=file.name) for file in files]
        for source, outcome in readers.stream(sources, Kind(), 1):
            at, size = outcome.place
            columns = outcome.pack.path.read_bytes()[at : at + size]
            found[source.tag] = outcome.problem.code if outcome.problem else "", columns
            outcome.done()
    return found


def is_light(readers: Readers) -> bool:
    (reader,) = readers._free
    return reader.light


def test_nothing_is_loaded_that_takes_long_and_few_files_need() -> None:
    code = "import sys, app.index.reader_process; print(*sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in told.stdout.split()}
    assert "zlib" in loaded
    assert not loaded & {"numpy", "elftools", "logging", "capstone", "dataclasses", "inspect"}


def test_a_reader_that_is_asked_at_once_has_what_a_file_needs(light: Readers, tmp_path: Path) -> None:
    """A name for the other demangler, packed sections, and no build-id, so that a hash is wanted."""
    source = SOURCE + '\nint foreign(void) __asm__("_RNvC6_123foo3bar"); int foreign(void) { return 3; }\n'
    flags = ("-g", "-gz", "-Wl,--build-id=none")
    path = compile_c(tmp_path, source, "foreign", *flags)
    assert read(light, [path])[str(path)][0] == ""
    assert is_light(light)


def test_real_files_have_the_same_columns(full: Readers, light: Readers, tmp_path: Path) -> None:
    made = [
        compile_c(tmp_path, SOURCE, name, *flags)
        for name, flags in {
            "plain": (),
            "debug": ("-g",),
            "packed": ("-g", "-gz"),
            "old": ("-g", "-O2"),
        }.items()
    ]
    paths = [path for path in elf_files(60) if not path.name.endswith(".o")][:40]
    paths += [path for path in map(Path, ("/usr/lib/x86_64-linux-gnu/libc.so.6",)) if path.exists()]
    found = read(light, [*paths, *made])
    assert is_light(light)
    assert found == read(full, [*paths, *made])
    assert all(columns for _, columns in found.values())


def without_sections(program: Path) -> bytes:
    """As sstrip leaves it: Go's table could be anywhere."""
    data = bytearray(program.read_bytes())
    data[40:48] = bytes(8)  # e_shoff
    data[60:64] = bytes(4)  # e_shnum, e_shstrndx
    return bytes(data)


@pytest.mark.parametrize("kind", ["object", "go", "sstripped"])
def test_a_file_that_needs_more_is_read_by_a_full_reader(
    full: Readers, light: Readers, tmp_path: Path, kind: str
) -> None:
    plain = compile_c(tmp_path, SOURCE, "plain")
    other = tmp_path / "other"
    if kind == "object":
        compile_c(tmp_path, SOURCE, "other", "-c")
    elif kind == "go":
        other.write_bytes(
            elf([Made(".text", bytes(64)), Made(".gopclntab", b"\xf1\xff\xff\xff" + bytes(96))])
        )
    else:
        other.write_bytes(without_sections(plain))
    files = [plain, other, Path("/usr/bin/env")]
    found = read(light, files)
    assert not is_light(light)
    assert found == read(full, files)
    assert all(columns for _, columns in found.values())
