"""The native core against numpy: every column of real, written and broken files, and marks of their names."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from app.elf import traits
from app.elf.image import open_image
from app.elf.symbols import numpy_marks
from app.elf.symbols import rows as symbols
from app.elf.symbols.numpy_frames import counted_by_numpy
from app.elf.symbols.numpy_rows import numpy_symbols
from tests.elf.corpus import elf_files
from tests.support.bytewriter import Endian
from tests.support.elfwriter import SHF_ALLOC, SHF_EXECINSTR, Section, Symbol, write_elf
from tests.support.programs import compile_c

pytestmark = pytest.mark.skipif(not symbols.is_native(), reason="the core is not built")
COLUMNS = [name for name, _, _ in symbols._COLUMNS]
PLACES = ("/usr/lib/gcc", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu")


def objects() -> Iterator[Path]:
    for place in PLACES:
        yield from sorted(Path(place).rglob("*.o"))[:12]


def compare(data: bytes) -> int:
    """How many symbols both read, with the same columns and the same problems."""
    native, plain = open_image(data), open_image(data)
    if native.header is None:
        return 0
    mine, oracle = symbols.read_symbols(native), numpy_symbols(plain)
    assert native.problems == plain.problems
    if mine is None or oracle is None:
        assert mine is oracle
        return 0
    assert (mine.names, mine.versions) == (oracle.names, oracle.versions)
    for name in COLUMNS:
        assert np.array_equal(getattr(mine, name), getattr(oracle, name)), name
    marks = traits.name_marks(mine)
    if len(mine.names):
        defined = frozenset(numpy_marks.defined(mine, traits._WANTED))
        assert marks == traits.Marks(defined, *numpy_marks.mangled(mine))
    if native.header.machine in symbols._CODES:
        unwind = native.headers.places.get(".eh_frame_hdr", -1)
        address = native.headers.section_rows[unwind].address if unwind >= 0 else 0
        found = symbols.native_frames(native, mine, native.bytes_of(unwind), address, native.header.machine)
        assert found == counted_by_numpy(native, mine, native.header.machine)
    return mine.rows


def test_real_files() -> None:
    assert sum(compare(path.read_bytes()) for path in elf_files(60)) > 3_000
    assert sum(compare(path.read_bytes()) for path in objects()) > 100


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("endian", ["little", "big"])
def test_each_class_and_byte_order(bits: int, endian: Endian) -> None:
    made = [
        Symbol("work", 0x10, 4),
        Symbol("old", 0x20, 4, version="@V1"),
        Symbol("new", 0x30, 4, version="@@V2"),
        Symbol("puts", section=0, version="@GLIBC_2.2.5"),
        Symbol("odd@@1.2-3", 0x40, 4),
        Symbol("@start", 0x50, 4),
        Symbol("end@", 0x60, 4),
    ]
    text = Section(".text", bytes(128), flags=SHF_ALLOC | SHF_EXECINSTR)
    data = write_elf([text], symbols=made[4:], dynamic_symbols=made[:4], bits=bits, endian=endian)
    assert compare(data) == len(made)
    found = symbols.read_symbols(open_image(data))
    assert found is not None
    # A version begins with a letter or _; a name does not begin with its sign.
    assert [found.versions[number] for number in found.version_id.tolist()].count("") == 4
    assert set(found.versions) == {"", "@V1", "@@V2", "@GLIBC_2.2.5"}


def test_broken_files(tmp_path: Path) -> None:
    """Bytes changed at random, half of them in the headers: both read the same, whatever is left."""
    chance = random.Random(5)
    files = [path.read_bytes() for path in elf_files(60) if path.stat().st_size < 100_000][:12]
    files.append(compile_c(tmp_path, "int main(void) { return 0; }", "prog", "-g").read_bytes())
    for turn in range(600):
        data = bytearray(files[turn % len(files)])
        headers = int.from_bytes(data[40:48], "little")
        for _ in range(chance.randint(1, 12)):
            place = chance.choice(
                [chance.randrange(64), headers + chance.randrange(2000), chance.randrange(len(data))]
            )
            if place < len(data):
                data[place] = chance.choice([0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)])
        compare(bytes(data))


def test_names_that_overlap_are_not_scanned_again_and_again() -> None:
    """A table of strings without a NUL, into which every symbol points."""
    count = 20_000
    made = [Symbol("x" * 3) for _ in range(count)]
    data = bytearray(write_elf(symbols=made))
    image = open_image(bytes(data))
    strings = next(row for row in image.headers.section_rows if row.name and row.type == 3)
    data[strings.offset : strings.offset + strings.size] = b"x" * strings.size
    compare(bytes(data))
