"""The tables of names and rows: the native core against Python, and how debug information joins symbols."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.elf import threads
from app.elf.model import Facts
from app.elf.reader import read_facts
from app.elf.symbols import rows as symbol_rows
from app.elf.symbols.rows import is_native, native_tables, no_symbols
from app.index.column_file import ARRAYS
from app.index.columns import Array
from app.index.python_tables import python_tables
from tests.elf.corpus import elf_files
from tests.support.elfwriter import (
    EM_ARM,
    ET_REL,
    SHF_ALLOC,
    SHF_EXECINSTR,
    STT_OBJECT,
    STT_TLS,
    Section,
    Symbol,
    write_elf,
)
from tests.support.programs import compile_c

ADDRESS, LOCAL_STORAGE, INLINED = 2, 4, 4
needs_core = pytest.mark.skipif(not is_native(), reason="the core is not built")
Entry = tuple[str, str, int, int, int]  # name, linkage name, flags, address, size


def debug_information(functions: list[Entry], variables: list[Entry]) -> dict[str, memoryview]:
    """The arrays of which the tables are made."""
    strings = {"": 0}
    arrays: dict[str, Array] = {}
    for prefix, place, entries in (("fn", "low", functions), ("var", "address", variables)):
        rows = [
            (strings.setdefault(name, len(strings)), strings.setdefault(linkage, len(strings)), *rest)
            for name, linkage, *rest in entries
        ]
        table = np.array(rows, np.uint64).reshape(-1, 5)
        for column, name in enumerate(("name", "linkage", "flags", place, "size")):
            kind = ARRAYS[f"{prefix}_{name}"].dtype
            arrays[f"{prefix}_{name}"] = np.ascontiguousarray(table[:, column], kind)
    raw = [text.encode() for text in strings]
    arrays["string_blob"] = np.frombuffer(b"".join(raw), np.uint8)
    arrays["string_at"] = np.cumsum([0, *map(len, raw)]).astype(np.uint32)
    return {name: array.data for name, array in arrays.items()}


def made_up(facts: Facts, chance: random.Random) -> dict[str, memoryview]:
    """Debug information that partly fits the symbols."""
    symbols = facts.symbols or no_symbols()

    def entries(count: int) -> Iterator[Entry]:
        for _ in range(count):
            name, linkage = chance.choice(["", "f", "g", f"f{chance.randrange(30)}"]), ""
            address = chance.randrange(1 << 14)
            if symbols.rows and chance.random() < 0.7:
                row = chance.randrange(symbols.rows)
                address = max(0, int(symbols.address[row]) + chance.choice([0] * 8 + [-1, 1]))
                at = int(symbols.name_at[row])
                text = symbols.names[at : at + int(symbols.name_len[row])].decode("latin-1")
                name, linkage = chance.choice([(name, text), (text, ""), (text, text), (name, "")])
            yield name, linkage, chance.choice([0, 1, 2, 2, 2, 3, 6, 7]), address, chance.randrange(99)

    return debug_information(list(entries(chance.randrange(120))), list(entries(chance.randrange(60))))


def compare(facts: Facts, dwarf: dict[str, memoryview]) -> None:
    symbols = facts.symbols or no_symbols()
    relocatable = facts.header is not None and facts.header.type == "REL"
    mine = native_tables(symbols, facts.headers, relocatable, dwarf)
    oracle = python_tables(facts, symbols, dwarf)
    assert mine is not None
    assert mine.keys() == oracle.keys()
    for name, expected in oracle.items():
        found = np.frombuffer(mine[name], np.asarray(expected).dtype)
        assert np.array_equal(found, expected), name


@needs_core
def test_real_files_with_and_without_debug_information() -> None:
    chance = random.Random(3)
    for path in elf_files(40):
        if path.stat().st_size > 300_000:
            continue
        facts = read_facts(path.read_bytes())
        compare(facts, {})
        for _ in range(2):
            compare(facts, made_up(facts, chance))
        if facts.header is not None:
            compare(facts._replace(header=facts.header._replace(type="REL")), made_up(facts, chance))


@needs_core
def test_what_follows_from_many_names_is_made_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    threads.start(1)
    made: list[int] = []
    plain = threads.spread

    def counted(make: Any, items: Any) -> Any:
        made.append(len(items))
        return plain(make, items)

    monkeypatch.setattr(symbol_rows, "spread", counted)
    facts = read_facts(Path("/bin/bash").read_bytes())
    assert facts.symbols is not None
    few = native_tables(facts.symbols, facts.headers, False, {})
    monkeypatch.setattr(symbol_rows, "_MANY", 1)
    many = native_tables(facts.symbols, facts.headers, False, {})
    assert many == few
    assert made == [1, 3]


@needs_core
def test_names_of_several_parts() -> None:
    """Names that are mangled, plain, or for another demangler, in an order that no part keeps."""
    chance = random.Random(5)
    spelled = [*(f"_Z{len(f'fn{n}')}fn{n}i" for n in range(30_000)), *(f"plain_{n}" for n in range(9_000))]
    spelled += [f"_RNvC4demo{len(f'f{n}')}f{n}" for n in range(2_000)]
    chance.shuffle(spelled)
    symbols = [Symbol(name, value=0x1000 + 4 * n, size=4) for n, name in enumerate(spelled)]
    facts = read_facts(write_elf([Section(".text", bytes(16), flags=6, address=0x1000)], symbols=symbols))
    compare(facts, {})


@needs_core
def test_names_of_any_bytes() -> None:
    """Names that differ in case, in length, in what they end with, in control characters."""
    chance = random.Random(4)
    letters = "aAbB_zZ@[`{\n\x01\x7f\u00e4"
    prefixes = ["", "_ZN3foo3barE", "std::__cxx11::basic_string", "_RNvC6_123foo3bar", "A" * 40]
    for _ in range(10):
        names = [
            chance.choice(prefixes) + "".join(chance.choices(letters, k=chance.randrange(12)))
            for _ in range(400)
        ]
        made = [Symbol(name, chance.randrange(64), 4) for name in names]
        text = Section(".text", bytes(256), flags=SHF_ALLOC | SHF_EXECINSTR)
        facts = read_facts(write_elf([text], symbols=made))
        compare(facts, made_up(facts, chance))


@needs_core
def test_broken_files(tmp_path: Path) -> None:
    chance = random.Random(6)
    files = [path.read_bytes() for path in elf_files(60) if path.stat().st_size < 60_000][:8]
    files.append(compile_c(tmp_path, "int main(void) { return 0; }", "prog", "-g").read_bytes())
    for turn in range(200):
        data = bytearray(files[turn % len(files)])
        headers = int.from_bytes(data[40:48], "little")
        for _ in range(chance.randint(1, 8)):
            place = chance.choice([headers + chance.randrange(2000), chance.randrange(len(data))])
            if place < len(data):
                data[place] = chance.choice([0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)])
        facts = read_facts(bytes(data))
        compare(facts, made_up(facts, chance))


def rows(
    symbols: list[Symbol], functions: list[Entry], variables: list[Entry] | None = None, **how: int
) -> list[tuple[int | None, list[str], int]]:
    """Of each row the address, the names and the entry's number; of functions, unless there are variables."""
    text = Section(".text", bytes(0x100), flags=SHF_ALLOC | SHF_EXECINSTR, address=0x1000)
    facts = read_facts(write_elf([text], symbols=symbols, **how))  # type: ignore[arg-type]
    dwarf = debug_information(functions, variables or [])
    if is_native():
        compare(facts, dwarf)
    made = python_tables(facts, facts.symbols or no_symbols(), dwarf)
    kind, entry = ("function", "function_fn") if variables is None else ("variable", "variable_var")
    lines = made["text"].tobytes().split(b"\n")
    at = made[f"{kind}_name_at"].tolist()
    names = [lines[number].decode() for number in made[f"{kind}_names"].tolist()]
    return [
        (None if address == 0xFFFFFFFFFFFFFFFF else address, names[at[row] : at[row + 1]], known)
        for row, (address, known) in enumerate(
            zip(made[f"{kind}_address"].tolist(), made[entry].tolist(), strict=True)
        )
    ]


def test_an_entry_joins_the_symbols_of_its_address() -> None:
    symbols = [Symbol("work", 0x1000, 8), Symbol("work_twin", 0x1000, 8), Symbol("rest", 0x1040, 8)]
    found = rows(symbols, [("rest", "", ADDRESS, 0x1040, 8), ("work", "", ADDRESS, 0x1000, 8)])
    assert found == [(0x1000, ["work", "work_twin"], 1), (0x1040, ["rest"], 0)]


def test_of_several_entries_the_one_with_a_symbols_name_stands_for_the_row() -> None:
    functions: list[Entry] = [
        ("other", "", ADDRESS, 0x1000, 8),
        ("take", "work", ADDRESS, 0x1000, 8),
        ("last", "", ADDRESS, 0x1000, 8),
    ]
    assert rows([Symbol("work", 0x1000, 8)], functions) == [(0x1000, ["work", "take", "other", "last"], 1)]
    assert rows([Symbol("nobody", 0x1000, 8)], functions) == [
        (0x1000, ["nobody", "other", "work", "take", "last"], 0)
    ]


def test_entries_without_a_symbol_are_rows_of_their_own() -> None:
    functions: list[Entry] = [
        ("inlined", "", INLINED, 0, 0),
        ("hidden", "", ADDRESS, 0x1020, 8),
        ("twice", "", ADDRESS, 0x1020, 8),
        ("", "", ADDRESS, 0x1060, 8),
    ]
    assert rows([Symbol("work", 0x1040, 8)], functions) == [
        (0x1020, ["hidden", "twice"], 1),
        (0x1040, ["work"], -1),
        (0x1060, [""], 3),
        (None, ["inlined"], 0),
    ]


def test_what_the_linker_threw_away_is_no_row_unless_it_was_inlined() -> None:
    functions: list[Entry] = [("gone", "", ADDRESS, 0, 8), ("inlined", "", ADDRESS | INLINED, 0, 8)]
    assert rows([], functions) == [(None, ["inlined"], 1)]


def test_in_a_relocatable_file_only_a_name_joins() -> None:
    sections = [Section(f".text.{name}", bytes(16), flags=SHF_ALLOC | SHF_EXECINSTR) for name in ("a", "b")]
    symbols = [Symbol("one", 0, 8, section=".text.a"), Symbol("two", 0, 8, section=".text.b")]
    facts = read_facts(write_elf(sections, symbols=symbols, type=ET_REL))
    dwarf = debug_information([("two", "", ADDRESS, 0, 8), ("third", "", ADDRESS, 0, 8)], [])
    made = python_tables(facts, facts.symbols or no_symbols(), dwarf)
    assert made["function_fn"].tolist() == [-1, 0, 1]
    if is_native():
        compare(facts, dwarf)


def test_a_thumb_function_joins_at_the_even_address() -> None:
    symbol, entry = Symbol("work", 0x1001, 8), ("work", "", ADDRESS, 0x1000, 8)
    assert rows([symbol], [entry], machine=EM_ARM, bits=32) == [(0x1001, ["work"], 0)]
    assert rows([symbol], [entry]) == [(0x1000, ["work"], 0), (0x1001, ["work"], -1)]


def test_thread_local_variables_are_offsets_of_another_kind() -> None:
    symbols = [
        Symbol("plain", 0x1010, 4, STT_OBJECT),
        Symbol("each", 0x10, 4, STT_TLS),
        Symbol("first", 0x1020, 4, STT_OBJECT),
    ]
    variables: list[Entry] = [
        ("each", "", ADDRESS | LOCAL_STORAGE, 0x10, 4),
        ("late", "", ADDRESS, 0x1080, 4),
        ("other", "", ADDRESS | LOCAL_STORAGE, 0x1010, 4),
        ("constant", "", 0, 0, 4),
    ]
    assert rows(symbols, [], variables) == [
        (0x1010, ["plain"], -1),
        (0x1020, ["first"], -1),
        (0x1080, ["late"], 1),
        (0x10, ["each"], 0),
        (0x1010, ["other"], 2),
        (None, ["constant"], 3),
    ]


@needs_core
def test_names_as_nm_shows_them() -> None:
    """Every C++ name of a real library, demangled in bulk."""
    library = next(Path("/usr/lib").glob("*-linux-gnu/libstdc++.so.6"))
    facts = read_facts(library.read_bytes())
    found = native_tables(facts.symbols or no_symbols(), facts.headers, False, {})
    assert found is not None
    lines = found["text"].split(b"\n")
    shown = {line.decode() for line in lines}
    done = subprocess.run(["nm", "-D", "-C", library], capture_output=True, text=True, check=True)
    theirs = {line[19:].split("@")[0] for line in done.stdout.splitlines()}
    assert theirs - shown == set()


@needs_core
def test_the_core_keeps_its_order_of_work() -> None:
    from app.elf import _symbols

    symbols = no_symbols()
    buffers = [getattr(symbols, name) for name in symbol_rows._TAKEN]
    buffers += [b""] * (22 - len(buffers))
    tables = _symbols.Tables(tuple(buffers), False, False)
    for wrong in (tables.names, tables.functions, tables.variables, lambda: tables.order(list)):
        with pytest.raises(ValueError, match="order"):
            wrong()
    assert tables.parts == 1
    with pytest.raises(ValueError, match="part"):
        tables.demangle(1)
    tables.demangle(0)
    with pytest.raises(ValueError, match="part"):
        tables.demangle(0)
    tables.order(list)
    with pytest.raises(ValueError, match="once"):
        tables.order(list)
    assert tables.names()["text"] == b""
    with pytest.raises(ValueError, match="22 buffers"):
        _symbols.Tables((), False, False)
