"""What readelf prints of real files, symbol by symbol and note by note: the difference is nothing."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.elf import spell
from app.elf.model import TABLES, Facts
from app.elf.reader import read_facts
from tests.elf.corpus import FOREIGN, TARGETS, elf_files, foreign_files, foreign_object

FOREIGN_FILES = [path for _, path in foreign_files(9)]
FILES = [*elf_files(60), *FOREIGN_FILES]
LARGE = [
    Path(path) for path in ("/usr/bin/python3.11", "/usr/bin/python3", "/bin/bash") if Path(path).exists()
]
LARGE += sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
WITH_USDT = [*LARGE, *Path("/usr/lib").glob("*-linux-gnu/libstdc++.so.6")]


def readelf(option: str, path: Path) -> str:
    done = subprocess.run(
        ["readelf", "-W", option, str(path)],
        capture_output=True,
        env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
    )
    return done.stdout.decode("utf-8", "backslashreplace")


ROW = re.compile(
    r"\s*\d+: ([0-9a-f]+)\s+(\d+|0x[0-9a-f]+) (\S+|<[^>]*>: \d+)\s+(\S+)\s+(\S+)\s+"
    r"(?:\[[^\]]*\]\s+)?(\w+\[0x[0-9a-f]+\]|\S+)(?: (.*))?"
)


def theirs(path: Path) -> Iterator[tuple[object, ...]]:
    table = ""
    for line in readelf("-s", path).splitlines():
        if line.startswith("Symbol table '"):
            table = {".symtab": "symtab", ".dynsym": "dynsym"}[line.split("'")[1]]
        elif match := ROW.fullmatch(line):
            address, size, kind, bind, visibility, index, name = match.groups()
            if line.lstrip().startswith("0: "):
                continue
            # The number in parentheses is the version's index, not a part of the name.
            name = re.sub(r" \(\d+\)$", "", name or "").removesuffix(" ")
            yield table, name, int(address, 16), int(size, 0), kind, bind, visibility, index


def ours(facts: Facts) -> Iterator[tuple[object, ...]]:
    columns = facts.symbols
    if columns is None:
        return
    for row in range(columns.rows):
        at, length = int(columns.name_at[row]), int(columns.name_len[row])
        name = columns.names[at : at + length].decode("utf-8", "backslashreplace")
        index = int(columns.section_index[row])
        section = spell.section_of(index, facts.sections)
        yield (
            TABLES[columns.table[row]],
            name + columns.versions[columns.version_id[row]],
            int(columns.address[row]),
            int(columns.size[row]),
            spell.symbol_type(int(columns.type[row])),
            spell.symbol_bind(int(columns.bind[row])),
            spell.symbol_visibility(int(columns.visibility[row])),
            section if section in {"UND", "ABS", "COM"} else str(index),
        )


def test_the_corpus_is_large_enough() -> None:
    assert shutil.which("readelf")
    assert len(set(FILES) | set(LARGE)) >= 60 + 7 * 9
    kinds = set()
    for name, path in foreign_files(1):
        header = read_facts(path.read_bytes()).header
        assert header is not None
        kinds.add((header.machine, header.bits, header.endian))
        assert (header.machine, header.bits, header.endian) == FOREIGN[name]
    assert len(kinds) == len(FOREIGN)


@pytest.mark.parametrize("path", [*FILES, *LARGE], ids=str)
def test_symbols(path: Path) -> None:
    facts = read_facts(path.read_bytes())
    assert facts.state == "ok"
    assert list(ours(facts)) == list(theirs(path))


@pytest.mark.parametrize("target", TARGETS)
def test_objects_of_other_machines(tmp_path: Path, target: str) -> None:
    path = foreign_object(tmp_path, target)
    facts = read_facts(path.read_bytes())
    assert facts.state == "ok"
    assert facts.header is not None
    assert (facts.header.machine, facts.header.bits, facts.header.endian) == TARGETS[target]
    assert list(ours(facts)) == list(theirs(path))
    assert len(list(ours(facts))) > 10


@pytest.mark.parametrize("path", [*FILES, *LARGE], ids=str)
def test_header_sections_and_segments(path: Path) -> None:
    facts = read_facts(path.read_bytes())
    assert facts.header is not None
    head = readelf("-h", path)
    assert re.search(r"Type:\s+(\w+)", head).group(1) == facts.header.type  # type: ignore[union-attr]
    assert int(re.search(r"Entry point address:\s+(\S+)", head).group(1), 16) == facts.header.entry  # type: ignore[union-attr]
    rows = re.findall(
        r"^  \[ *(\d+)\] (.*?) +([A-Z0-9_+x]+(?: SECTION INDICES)?) +([0-9a-f]{8,16}) ([0-9a-f]+)"
        r" ([0-9a-f]+) ([0-9a-f]+) +([A-Za-z]*) +(\d+) +(\d+) +(\d+)$",
        readelf("-S", path),
        re.MULTILINE,
    )
    assert rows
    names = {section.index: section for section in facts.sections}
    assert len(rows) == len(names) - (rows[0][0] != "0")
    for index, name, kind, address, offset, size, entry, flags, link, info, align in rows:
        mine = names[int(index)]
        if mine.index == 0:
            continue
        assert (mine.name, mine.type, mine.flags) == (name, kind, flags)
        numbers = [mine.address, mine.offset, mine.size, mine.entry_size, mine.link, mine.info, mine.align]
        hexadecimal = [int(text, 16) for text in (address, offset, size, entry)]
        assert numbers == [*hexadecimal, int(link), int(info), int(align)]
    segments = re.findall(
        r"^  (\w+|LOOS\+\w+) +0x([0-9a-f]+) 0x([0-9a-f]+) 0x[0-9a-f]+ 0x([0-9a-f]+) 0x([0-9a-f]+)"
        r" (R| )(W| )(E| ) (0x[0-9a-f]+|0)$",
        readelf("-l", path),
        re.MULTILINE,
    )
    assert [
        (s.type, s.offset, s.address, s.file_size, s.memory_size, s.flags, s.align) for s in facts.segments
    ] == [
        (kind, *(int(text, 16) for text in numbers), "".join(flags).replace(" ", ""), int(align, 16))
        for kind, *rest in segments
        for numbers, flags, align in [(rest[:4], rest[4:7], rest[7])]
    ]


def stapsdt(path: Path) -> list[tuple[str, str, int, int, str]]:
    found = []
    for block in readelf("-n", path).split("  stapsdt ")[1:]:
        provider, name = (re.search(rf"{key}: (.*)", block).group(1) for key in ("Provider", "Name"))  # type: ignore[union-attr]
        place = re.search(r"Location: (\S+), Base: (\S+), Semaphore: (\S+)", block)
        assert place is not None
        arguments = re.search(r"Arguments: ?(.*)", block).group(1)  # type: ignore[union-attr]
        found.append((provider, name, int(place.group(1), 16), int(place.group(3), 16), arguments.strip()))
    return sorted(found)


@pytest.mark.parametrize("path", [*FILES, *WITH_USDT], ids=str)
def test_notes(path: Path) -> None:
    facts = read_facts(path.read_bytes())
    mine = [
        (probe.provider, probe.name, site.address, site.semaphore, site.raw_arguments.strip())
        for probe in facts.usdt
        for site in probe.sites
    ]
    assert sorted(mine) == stapsdt(path)
    match = re.search(r"Build ID: ([0-9a-f]+)", readelf("-n", path))
    assert facts.build_id == (match.group(1) if match else None)


@pytest.mark.parametrize("path", LARGE, ids=str)
def test_some_real_file_has_usdt_probes(path: Path) -> None:
    if path.name == "postgres":
        assert len(stapsdt(path)) > 50
