"""A .debug_info that is read while it is decompressed gives what it gives when it is there from the start."""

from __future__ import annotations

import random
import struct
import subprocess
import zlib
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from app.elf import threads
from app.elf.dwarf import arriving
from app.elf.dwarf import columns as dwarf
from app.elf.image import open_image
from tests.elf.dwarf.dwarf_source import CXX, function, integer, parameter, pointer, unit, variable
from tests.support.dwarfwriter import Die, Dwarf, Form, Raw, Unit
from tests.support.elfwriter import Section, compressed, write_elf
from tests.support.sources import CPP_SOURCE

pytestmark = pytest.mark.skipif(dwarf._dwarf is None, reason="no compiler was at hand for the core")
STEPS = [(1, 1), (3, 1000), (50, 7), (arriving.ARRIVING_STEPS)]


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One thread that decompresses and two that walk; every section is large."""
    assert dwarf._dwarf is not None
    dwarf.start_threads(1)
    monkeypatch.setattr(arriving, "ARRIVING_FROM", 1)
    yield
    assert threads.free() >= 1


@pytest.fixture
def simple(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows when a file is read in the simple way."""
    calls: list[int] = []
    plain = dwarf._read_whole

    def counted(*given: object) -> object:
        calls.append(1)
        return plain(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(dwarf, "_read_whole", counted)
    return calls


def columns(file: bytes, threads: int) -> dict[str, object]:
    image = open_image(file)
    found = dwarf.read_dwarf(image, threads)
    assert image.problems == list(dict.fromkeys(image.problems))
    return {name: getattr(found, name).tobytes() for name in dwarf.DTYPES} | {"problems": found.problems}


def file_of(*units: Unit | Raw, info: bytes | None = None) -> bytes:
    """A file of the units; ``info``: the compressed .debug_info, with its header, in the place of theirs."""
    parts = []
    for part in Dwarf(*units).sections():
        packed = compressed(part, "zlib") if part.name == ".debug_info" else part
        parts.append(replace(packed, data=info) if info is not None and packed is not part else packed)
    return write_elf([Section(".text", bytes(16), flags=6, address=0x1000), *parts])


def packed(*units: Unit | Raw) -> bytes:
    (part,) = (part for part in Dwarf(*units).sections() if part.name == ".debug_info")
    return compressed(part, "zlib").data


def many(count: int = 40) -> list[Unit]:
    """Units with functions, types and variables, each of which refers to the next one's, and one of types."""
    structs = [
        Die("structure_type", name=f"s{number}", byte_size=Form("data1", 8 + number))
        for number in range(count)
    ]
    of_types = Die("structure_type", name="T", byte_size=Form("data1", 12))
    types = Unit(
        Die("type_unit", of_types, language=Form("data2", CXX)), 5, "type", identity=0xABC, type=of_types
    )
    units = []
    for number in range(count):
        number_type = integer()
        inside = [
            function(f"f{number}_{at}", parameter("p", number_type), low=0x1000 + 64 * (number * 8 + at))
            for at in range(8)
        ]
        foreign = Form("ref_addr", structs[(number + 1) % count])
        units.append(
            unit(
                *(number_type, Die("namespace", structs[number], name="shop"), *inside),
                *(variable(f"v{number}", foreign), variable(f"t{number}", Form("ref_sig8", types))),
                pointer(structs[number]),
                name=f"{number}.cc",
                language=CXX,
            )
        )
    return [*units, types]


@pytest.mark.parametrize("steps", STEPS)
def test_steps_do_not_change_the_columns(
    steps: tuple[int, int], simple: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arriving, "ARRIVING_STEPS", steps)
    file = file_of(*many())
    expected = columns(file, 1)
    assert simple == [1]
    assert columns(file, 2) == expected
    assert simple == [1]


@pytest.mark.parametrize("flags", [("-O2",), ("-O2", "-flto"), ("-O0", "-fdebug-types-section", "-gdwarf-5")])
def test_compilers_files(
    flags: tuple[str, ...], tmp_path: Path, simple: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arriving, "ARRIVING_STEPS", (100, 300))
    (tmp_path / "main.cc").write_text(CPP_SOURCE)
    for name in "abc":
        text = f"struct {name} {{ int x; }} kept_{name}; int {name}_of({name} *p) {{ return p->x; }}"
        (tmp_path / f"{name}.cc").write_text(text)
    names = ["main.cc", "a.cc", "b.cc", "c.cc"]
    subprocess.run(["g++", "-g", *flags, "-w", "-o", "prog", *names], check=True, cwd=tmp_path)
    subprocess.run(["objcopy", "--compress-debug-sections=zlib", "prog"], check=True, cwd=tmp_path)
    file = (tmp_path / "prog").read_bytes()
    expected = columns(file, 1)
    assert columns(file, 2) == expected
    assert simple == [1]


def test_damaged_data_gives_what_it_gives_in_the_simple_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arriving, "ARRIVING_STEPS", (64, 128))
    units = many(12)
    whole = packed(*units)
    chance = random.Random(7)
    for _ in range(30):
        broken = bytearray(whole[: chance.choice((len(whole), chance.randrange(26, len(whole))))])
        if len(broken) == len(whole):
            broken[chance.randrange(24, len(broken))] ^= 1 << chance.randrange(8)
        file = file_of(*units, info=bytes(broken))
        assert columns(file, 2) == columns(file, 1)


@pytest.mark.parametrize("behind", [b"", b"more"])
@pytest.mark.parametrize("claim", [-1, 0, 1])
def test_more_or_less_than_the_header_says(claim: int, behind: bytes) -> None:
    units = many(6)
    content = next(part.data for part in Dwarf(*units).sections() if part.name == ".debug_info")
    header = bytearray(packed(*units)[:24])
    header[8:16] = (len(content) + claim).to_bytes(8, "little")
    file = file_of(*units, info=bytes(header) + zlib.compress(content) + behind)
    assert columns(file, 2) == columns(file, 1)


@pytest.mark.parametrize("length", [0xFFFFFFEF, 0x1000, 0xFFFFFFF0, 2, 0])
def test_units_that_end_elsewhere(length: int, simple: list[int]) -> None:
    units = many(6)
    units[4] = replace(units[4], length=length)
    file = file_of(*units)
    expected = columns(file, 1)
    assert columns(file, 2) == expected
    assert simple == [1]


@pytest.mark.parametrize("left", [1, 3, 4, 11, 20])
def test_a_header_that_ends_with_the_section(left: int) -> None:
    cut = bytes(Dwarf(unit(function("f"))).data()[".debug_info"][:left])
    file = file_of(*many(3), Raw(cut))
    assert columns(file, 2) == columns(file, 1)


def test_more_units_than_there_is_room_for(simple: list[int]) -> None:
    file = file_of(*many(3), Raw(b"\x07\0\0\0\x04\0\0\0\0\0\x08" * 2000))
    expected = columns(file, 1)
    assert columns(file, 2) == expected
    assert simple == [1, 1]


def alone(count: int, functions: int) -> list[Unit]:
    """Units that refer to none but themselves; each has a name and an inline function that all have."""
    units = []
    for number in range(count):
        of = integer()
        shared = Die("subprogram", parameter("p", of), name="shared", inline=Form("data1", 3), type=of)
        own = Die("subprogram", parameter("q", of), name=f"own{number}", inline=Form("data1", 1))
        # The walk keeps no row of a declaration.
        declared = Die("subprogram", parameter("r", of), name=f"d{number % 7}", declaration=True, type=of)
        inside = [
            function(
                f"f{number}_{at}",
                Die(
                    "inlined_subroutine",
                    abstract_origin=(own, shared, declared)[at % 3],
                    low_pc=Form("addr", 0x1000 + 64 * at),
                    high_pc=Form("data4", 4),
                ),
                low=0x1000 + 64 * at,
            )
            for at in range(functions)
        ]
        units.append(unit(of, shared, own, declared, *inside, name=f"directory/{number}.cc", language=CXX))
    return units


@pytest.fixture
def arrivals(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Those that were made, which tell how much of them was given back."""
    made: list[Any] = []
    plain = arriving.arriving_sections

    def kept(*given: Any, **named: Any) -> Any:
        found = plain(*given, **named)
        made.extend([] if found is None else [found.info])
        return found

    monkeypatch.setattr(dwarf, "arriving_sections", kept)
    return made


@pytest.mark.parametrize(("count", "functions"), [(1, 6000), (3, 3000), (100, 100), (500, 40)])
def test_what_was_read_is_given_back(
    count: int, functions: int, arrivals: list[Any], simple: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arriving, "ARRIVING_STEPS", (1000, 4096))
    units = alone(count, functions)
    size = next(len(part.data) for part in Dwarf(*units).sections() if part.name == ".debug_info")
    assert size > 100_000, "more than may be at hand unread"
    file = file_of(*units)
    expected = columns(file, 1)
    assert columns(file, 2) == expected
    assert simple == [1]
    assert [arrival.gone for arrival in arrivals] == [size]
    for _ in range(5):
        assert columns(file, 2) == expected


def test_a_large_section_is_given_back_by_huge_pages(arrivals: list[Any], simple: list[int]) -> None:
    parts = {part.name: part for part in Dwarf(*alone(20, 500)).sections()}
    info = parts[".debug_info"].data
    # Units that refer to none but themselves may stand there often.
    parts[".debug_info"] = replace(parts[".debug_info"], data=info * ((32 << 20) // len(info)))
    made = [compressed(part, "zlib") if part.name == ".debug_info" else part for part in parts.values()]
    file = write_elf([Section(".text", bytes(16), flags=6, address=0x1000), *made])
    expected = columns(file, 1)
    for _ in range(3):
        assert columns(file, 2) == expected
    assert simple == [1]
    size = len(parts[".debug_info"].data)
    assert {arrival.gone for arrival in arrivals} == {size}
    assert size / 2 < min(arrival.dropped for arrival in arrivals) <= size


@pytest.mark.parametrize("kind", ["reference", "type"])
def test_what_others_may_refer_to_stays(kind: str, arrivals: list[Any], simple: list[int]) -> None:
    last = many(2)
    if kind == "type":
        last = last[-1:]
    file = file_of(*alone(300, 10), *last)
    expected = columns(file, 1)
    assert columns(file, 2) == expected
    assert simple == [1]
    gone = [arrival.gone for arrival in arrivals]
    assert gone == [0] if kind == "reference" else gone[0] > 0


def test_a_reference_to_what_is_gone_has_it_read_anew(simple: list[int], arrivals: list[Any]) -> None:
    """Abbreviations inside of others are not foreseen: read from the first byte, these have no ref_addr."""
    abbreviations = bytes.fromhex("01 02 2e 01 11 01 49 10 00 00 00")
    parts = {part.name: part for part in Dwarf(*alone(300, 10)).sections()}
    entry = b"\x02" + struct.pack("<QI", 0x1000, 0x30)
    inside = struct.pack("<HIB", 4, len(parts[".debug_abbrev"].data) + 1, 8) + entry + entry + bytes(2)
    info = parts[".debug_info"].data + struct.pack("<I", len(inside)) + inside
    changed = {".debug_abbrev": parts[".debug_abbrev"].data + abbreviations, ".debug_info": info}
    made = [replace(part, data=changed.get(name, part.data)) for name, part in parts.items()]
    made = [compressed(part, "zlib") if part.name == ".debug_info" else part for part in made]
    file = write_elf([Section(".text", bytes(16), flags=6, address=0x1000), *made])
    expected = columns(file, 1)
    assert columns(file, 2) == expected
    assert simple == [1, 1]
    assert arrivals[0].gone > 0


def test_where_it_does_not_pay(simple: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    image = open_image(file_of(*many(3)))
    assert dwarf._dwarf is not None
    assert arriving.arriving_sections(image, dwarf._dwarf.Arrival, most=100) is None
    monkeypatch.setattr(arriving, "ARRIVING_FROM", 16 << 20)
    assert arriving.arriving_sections(image, dwarf._dwarf.Arrival) is None
    columns(file_of(*many(3)), 2)
    assert simple == [1]


def test_an_arrival_takes_no_more_than_its_size() -> None:
    assert dwarf._dwarf is not None
    arrival = dwarf._dwarf.Arrival(5)
    assert arrival.put(b"abc")
    assert not arrival.put(b"def")
    assert arrival.put(b"de")
    arrival.end()
    assert not arrival.put(b"")
    assert bytes(memoryview(arrival)) == b"abcde"
    with pytest.raises(ValueError, match="-1"):
        dwarf._dwarf.Arrival(-1)


def test_what_does_not_arrive_is_not_read() -> None:
    assert dwarf._dwarf is not None
    arrival = dwarf._dwarf.Arrival(100)
    arrival.put(bytes(20))
    arrival.end()
    given = {".debug_info": arrival}
    read = partial(dwarf._dwarf.read, big=False, zero_is_used=False, threads=2, alt=None, split=[])
    assert read(given) is None
    assert read({**given, ".debug_types": b"x"}) is None
