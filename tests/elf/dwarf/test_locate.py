"""Addresses against addr2line and llvm-addr2line, and lines back to addresses."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest

from app.elf.arrays import SymbolArrays
from app.elf.dwarf.debug import open_debug
from app.elf.dwarf.locate import Location, Locator
from app.elf.image import open_image
from app.elf.symbols.rows import read_symbols
from tests.elf.dwarf.inlined import program

PROGRAMS = [
    ("gcc", "-O2", "-gdwarf-5"),
    ("gcc", "-O2", "-gdwarf-4"),
    ("gcc", "-O0", "-gdwarf-3"),
    ("gcc", "-O2", "-gdwarf-2", "-gstrict-dwarf"),
    ("g++", "-O2", "-gdwarf-5"),
    ("g++", "-O3", "-gdwarf-4", "-fdebug-types-section"),
    ("g++", "-O1", "-gdwarf-5", "-gz"),
    ("clang", "-O2", "-gdwarf-5"),
    ("clang++", "-O2", "-gdwarf-5"),
    ("clang++", "-O2", "-gdwarf-4"),
]
Frame = tuple[str, str]


def locator(path: Path) -> Locator:
    image = open_image(path.read_bytes())
    return Locator(open_debug(image), read_symbols(image))


def code_addresses(path: Path, count: int) -> list[int]:
    image = open_image(path.read_bytes())
    text = image.by_name(".text")
    assert text is not None
    choose = random.Random(path.name)
    return [choose.randrange(text.address, text.address + text.size) for _ in range(count)]


def frames_of(location: Location) -> list[Frame]:
    return [(name or "??", f"{file or '??'}:{line or '?'}") for name, file, line in location.frames()]


def tool_frames(tool: str, path: Path, addresses: list[int]) -> list[list[Frame]]:
    text = subprocess.run(
        [tool, "-i", "-f", "-a", "-e", str(path)],
        input="".join(f"{address:#x}\n" for address in addresses),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found: list[list[str]] = []
    for line in text.splitlines():
        if line.startswith("0x") and ":" not in line:
            found.append([])
        else:
            found[-1].append(line.split(" (disc")[0])
    return [
        [
            (name, place[:-1] + "?" if place.endswith(":0") else place)
            for name, place in zip(lines[::2], lines[1::2], strict=True)
        ]
        for lines in found
    ]


@pytest.mark.parametrize("made", PROGRAMS, ids=" ".join)
def test_chains_are_those_of_llvm(made: tuple[str, ...]) -> None:
    path = program(*made)
    addresses = code_addresses(path, 2000)
    mine = locator(path).locate(addresses)
    theirs = tool_frames("llvm-addr2line", path, addresses)
    assert [location.address for location in mine] == addresses
    wrong = []
    for location, expected in zip(mine, theirs, strict=True):
        got = frames_of(location)
        # Of code that no function has, the nearest symbol says nothing.
        if location.function is None or location.file is None:
            continue
        # The symbol of the outermost function may be a copy's (.part.0) or an alias; files are compared.
        if got[:-1] != expected[:-1] or got[-1][1] != expected[-1][1]:
            wrong.append((hex(location.address), got, expected))
    assert wrong == []
    assert sum(bool(location.inlined) for location in mine) > (100 if "-O0" not in made else -1)


# addr2line 2.40 loses inlined calls of clang's DWARF 5.
@pytest.mark.parametrize("made", [made for made in PROGRAMS if "clang" not in made[0]], ids=" ".join)
def test_names_and_lines_are_those_of_addr2line(made: tuple[str, ...]) -> None:
    path = program(*made)
    addresses = code_addresses(path, 1000)
    wrong = []
    for location, expected in zip(
        locator(path).locate(addresses), tool_frames("addr2line", path, addresses), strict=True
    ):
        got = frames_of(location)
        if location.function is None or location.file is None:
            continue
        # For what has no linkage name addr2line 2.40 gives that of its host, or what it found before.
        names = [
            (mine[0], theirs[0])
            for mine, theirs in zip(got[1:], expected[1:], strict=False)
            if mine[0].startswith("_Z") == theirs[0].startswith("_Z")
        ]
        lines = [mine[1].rsplit(":")[-1] for mine in got], [theirs[1].rsplit(":")[-1] for theirs in expected]
        if lines[0] != lines[1] or any(mine != theirs for mine, theirs in names):
            wrong.append((hex(location.address), got, expected))
    assert wrong == []


def test_debug_files_of_the_system() -> None:
    files = sorted(Path("/usr/lib/debug/.build-id").rglob("*.debug"), key=lambda path: path.stat().st_size)
    for path in [path for path in files if path.stat().st_size < 8 << 20][-2:]:
        addresses = code_addresses(path, 3000)
        for location, expected in zip(
            locator(path).locate(addresses), tool_frames("llvm-addr2line", path, addresses), strict=True
        ):
            got = frames_of(location)
            if location.function is not None and location.file is not None:
                assert [place for _, place in got] == [place for _, place in expected]


def test_an_offset_counts_from_the_entry_or_from_the_part_that_lies_apart() -> None:
    path = program("gcc", "-O2", "-gdwarf-5")
    found = locator(path)
    symbols = read_symbols(open_image(path.read_bytes()))
    assert symbols is not None
    columns = SymbolArrays.of(symbols)
    walk = symbols.names.index(b"\0walk\0") + 1
    (address,) = columns.address[(columns.name_at == walk) & (columns.size > 0)].tolist()
    first, later = found.locate([address, address + 5])
    assert (first.function, first.offset_in_function) == ("walk", 0)
    assert (later.function, later.offset_in_function) == ("walk", 5)
    assert found.symbol_at(address) == "walk"
    assert found.symbol_at(address + 1) is None


def test_without_dwarf_the_symbols_answer(tmp_path: Path) -> None:
    stripped = tmp_path / "stripped"
    subprocess.run(["objcopy", "-g", str(program("gcc", "-O2", "-gdwarf-5")), str(stripped)], check=True)
    found = locator(stripped)
    symbols = read_symbols(open_image(stripped.read_bytes()))
    assert symbols is not None
    columns = SymbolArrays.of(symbols)
    walk = symbols.names.index(b"\0walk\0") + 1
    (address,) = columns.address[(columns.name_at == walk) & (columns.size > 0)].tolist()
    (location,) = found.locate([address + 3])
    assert (location.function, location.offset_in_function, location.file) == ("walk", 3, None)
    assert location.inlined == ()
    (nothing,) = found.locate([1])
    assert (nothing.function, nothing.file, nothing.line) == (None, None, None)


def test_addresses_of_a_line_are_one_a_copy() -> None:
    path = program("gcc", "-O2", "-gdwarf-5")
    found = locator(path)
    lines = path.with_name("program.c").read_text().splitlines()
    mix = next(number for number, text in enumerate(lines, 1) if "int mix(int a" in text)
    sites = found.addresses_of("program.c", mix)
    assert len(sites) > 3
    assert {site.line for site in sites} == {mix}
    assert sum("mix" in [frame.function for frame in site.location.inlined] for site in sites) > 3
    scopes = {tuple((f.function, f.call_line) for f in site.location.inlined) for site in sites}
    assert len(scopes) > 2
    for site in sites:
        assert found.locate([site.location.address])[0] == site.location


def test_a_line_without_code_gives_the_next_that_has_some() -> None:
    path = program("gcc", "-O0", "-gdwarf-3")
    found = locator(path)
    lines = path.with_name("program.c").read_text().splitlines()
    struct = next(number for number, text in enumerate(lines, 1) if text.startswith("struct node {"))
    sites = found.addresses_of("program.c", struct)
    assert sites
    assert sites[0].line > struct
    assert found.addresses_of("program.c", 100_000) == []
    assert found.addresses_of("nonesuch.c", 1) == []
    assert found.addresses_of("gram.c", struct) == []
    (site, *_) = found.addresses_of(str(path.with_name("program.c")), struct)
    assert site == sites[0]
