from __future__ import annotations

import mmap
import struct
import subprocess
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from app.elf import threads
from app.elf.dwarf import inflate
from app.elf.dwarf.inflate import Packed
from app.elf.dwarf.sections import debug_sections, zero_is_used
from app.elf.image import Image, open_image

SOURCE = """
struct s { int a; char text[40]; };
int f(struct s *p, int n) { return p->a + n; }
int main(void) { struct s s = {1, ""}; return f(&s, 2); }
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    (tmp_path / "prog.c").write_text(SOURCE)
    subprocess.run(["gcc", "-g", "-O0", "-o", "plain", "prog.c"], check=True, cwd=tmp_path)
    return tmp_path / "plain"


def image(path: Path) -> Image:
    return open_image(path.read_bytes())


def contents(found: Image) -> dict[str, bytes]:
    return {name: bytes(data) for name, data in debug_sections(found).items()}


@pytest.mark.parametrize("way", ["zlib", "zlib-gnu", "zstd"])
def test_compressed_sections_are_those_that_were_compressed(way: str, program: Path) -> None:
    packed = program.with_name("packed")
    tool = "llvm-objcopy" if way == "zstd" else "objcopy"
    done = subprocess.run([tool, f"--compress-debug-sections={way}", program, packed], capture_output=True)
    if way == "zstd" and done.returncode:
        pack_zstd(program, packed)
    whole, smaller = image(program), image(packed)
    assert any("C" in section.flags or section.name.startswith(".zdebug_") for section in smaller.sections)
    assert contents(smaller) == contents(whole)
    assert smaller.problems == []


def test_threads_are_woken_for_large_sections_alone(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = program.with_name("packed")
    subprocess.run(["objcopy", "--compress-debug-sections=zlib", program, packed], check=True)
    woken = []

    def spread(make: Callable[[Packed], bytes], sections: Sequence[Packed]) -> list[bytes]:
        woken.append(len(sections))
        return list(map(make, sections))

    monkeypatch.setattr(threads, "spread", spread)
    small = contents(image(packed))
    assert woken == []
    monkeypatch.setattr(inflate, "_SHARED", 0)
    assert contents(image(packed)) == small == contents(image(program))
    assert woken[0] > 1


def pack_zstd(program: Path, packed: Path) -> None:
    """Objcopy without zstd: .debug_str replaced by hand with a compressed one at the end of the file."""
    import zstandard

    whole = image(program)
    section = whole.by_name(".debug_str")
    assert section is not None
    plain = bytes(whole.content(section))
    data = struct.pack("<IIQQ", 2, 0, len(plain), 1) + zstandard.compress(plain)
    changed = bytearray(program.read_bytes())
    header = struct.unpack_from("<Q", changed, 40)[0] + 64 * section.index
    flags = struct.unpack_from("<Q", changed, header + 8)[0]
    struct.pack_into("<Q", changed, header + 8, flags | 0x800)
    struct.pack_into("<QQ", changed, header + 24, len(changed), len(data))
    packed.write_bytes(changed + data)


def with_section(program: Path, kind: int, size: int, data: bytes) -> Image:
    """The program with another .debug_str: compressed as ``kind`` says, said to hold ``size`` bytes."""
    changed = bytearray(program.read_bytes())
    section = open_image(bytes(changed)).by_name(".debug_str")
    assert section is not None
    content = struct.pack("<IIQQ", kind, 0, size, 1) + data
    header = struct.unpack_from("<Q", changed, 40)[0] + 64 * section.index
    struct.pack_into("<Q", changed, header + 8, 0x800)
    struct.pack_into("<QQ", changed, header + 24, len(changed), len(content))
    return open_image(bytes(changed) + content)


def test_claims_that_cannot_be_are_limits(program: Path) -> None:
    for kind, size in ((1, 1 << 40), (2, 1 << 50), (1, 100 << 20)):
        found = with_section(program, kind, size, zlib.compress(b"x" * 1000))
        assert ".debug_str" not in debug_sections(found)
        assert [problem.code for problem in found.problems] == ["debug_limit"]


def test_a_bomb_ends_at_the_ceiling(program: Path) -> None:
    bomb = zlib.compress(bytes(8 << 20), 9)
    found = with_section(program, 1, 8 << 20, bomb)
    assert ".debug_str" not in debug_sections(found, most=1 << 20)
    assert [problem.code for problem in found.problems] == ["debug_limit"]
    assert len(debug_sections(with_section(program, 1, 8 << 20, bomb))[".debug_str"]) == 8 << 20


def test_cut_and_damaged_data_give_what_there_is(program: Path) -> None:
    text = b"".join(b"name%d\0" % number for number in range(20_000))
    cut = with_section(program, 1, len(text), zlib.compress(text)[:9000])
    found = bytes(debug_sections(cut)[".debug_str"])
    assert 1000 < len(found) < len(text)
    assert text.startswith(found)
    assert [problem.code for problem in cut.problems] == ["debug_compressed"]
    for kind, data in ((1, b"nothing"), (2, b"nothing"), (7, b"nothing")):
        damaged = with_section(program, kind, 100, data)
        assert not debug_sections(damaged).get(".debug_str")
        assert [problem.code for problem in damaged.problems] == ["debug_compressed"]


def test_a_mapped_file_is_read_again_after_its_pages_were_given_back(program: Path) -> None:
    packed = program.with_name("packed")
    subprocess.run(["objcopy", "--compress-debug-sections=zlib", program, packed], check=True)
    with packed.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        first = contents(open_image(mapped))
        assert contents(open_image(mapped)) == first == contents(image(program))


def test_objects_say_that_zero_is_used(program: Path) -> None:
    subprocess.run(["gcc", "-g", "-c", "-o", "object.o", "prog.c"], check=True, cwd=program.parent)
    assert zero_is_used(image(program.with_name("object.o")))
    assert not zero_is_used(image(program))
