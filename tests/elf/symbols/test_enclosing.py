"""Addresses to functions: the native core against Python, over functions that overlap in every way."""

from __future__ import annotations

import random

import pytest

from app.elf.image import open_image
from app.elf.model import SymbolColumns
from app.elf.symbols.enclosing import enclosing, rows_by_python
from app.elf.symbols.rows import is_native, native_enclosing, read_symbols
from tests.support.elfwriter import SHF_ALLOC, SHF_EXECINSTR, STT_OBJECT, Section, Symbol, write_elf

CODE = Section(".text", bytes(128), flags=SHF_ALLOC | SHF_EXECINSTR)


def symbols_of(*made: Symbol, sections: int = 1) -> SymbolColumns:
    found = read_symbols(open_image(write_elf([CODE] * sections, symbols=list(made))))
    assert found is not None
    return found


@pytest.mark.skipif(not is_native(), reason="the core is not built")
def test_the_core_finds_the_same_rows() -> None:
    chance = random.Random(7)
    for _ in range(300):
        made = [
            Symbol(
                f"f{number}",
                chance.randrange(40),
                chance.choice([0, 1, 4, 9, 30]),
                bind=chance.choice([0, 1, 2]),
                type=chance.choice([2, 2, 2, 10, STT_OBJECT]),
                section=chance.choice([0, 1, 1, 1]),
            )
            for number in range(chance.randint(1, 12))
        ]
        symbols = symbols_of(*made)
        addresses = sorted(chance.sample(range(60), chance.randrange(20)))
        found = native_enclosing(symbols, addresses)
        assert found is not None
        assert list(found) == rows_by_python(symbols, addresses)


def test_the_nearest_function_that_reaches_there() -> None:
    symbols = symbols_of(Symbol("outer", 0x10, 0x40), Symbol("inner", 0x20, 8), Symbol("none", 0x30, 0))
    assert enclosing(symbols, [0x24, 0xF, 0x10, 0x28, 0x24], relocatable=False) == [
        "inner",
        None,
        "outer",
        None,
        "inner",
    ]
    assert enclosing(None, [0x24], relocatable=False) == [None]


def test_code_in_several_sections_of_an_object_tells_nothing() -> None:
    one, two = Symbol("one", 0, 8, section=1), Symbol("two", 0, 8, section=2)
    assert enclosing(symbols_of(one, two, sections=2), [4], relocatable=True) == [None]
    assert enclosing(symbols_of(one, two, sections=2), [4], relocatable=False) == ["two"]
    assert enclosing(symbols_of(one), [4], relocatable=True) == ["one"]
