"""Items by their fields: objects and lines of JSON that are those of ``as_dict``, from any names."""

from __future__ import annotations

import json
import lzma
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import fields
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from app.index.cells import Alike, Numbers, Rows, Texts, quoted
from app.index.model import Ask, Function, Page, Parameter, Symbol, Variable
from app.index.query import Kind
from app.index.service import Index
from tests.support.elfwriter import STT_FUNC, STT_OBJECT, Section, write_elf
from tests.support.elfwriter import Symbol as Written
from tests.support.items import rows_of
from tests.support.programs import compile_c

GO = Path(__file__).parent.parent / "binaries" / "go" / "stripped.xz"
KINDS: tuple[Kind, ...] = ("symbol", "function", "variable")
HOSTILE = (
    "", "plain", '"', '","', 'a",', ',"b', "\\", '\\"', "a\\", "line\nline", "\x00", "\x1f", "\x7f", "\t",
    "\u2028", "ä", "\N{GRINNING FACE}", "\ufffe", '","\\', "'", "</script>", "%s%d", "{0}", "null", "\\udcff",
)  # fmt: skip


def lines(items: Sequence[Any]) -> str:
    return "".join(orjson.dumps(item.as_dict()).decode() + "\n" for item in items)


def hostile() -> dict[type, list[Any]]:
    """Items whose every text is each of the hostile ones."""
    parameters = tuple(Parameter(text, other) for text, other in zip(HOSTILE, HOSTILE[::-1], strict=True))
    functions = [
        Function(
            text, text, text, text, None if at % 3 else 1 << 63, at, None if at % 2 else at, text, text, text,
            text or None, at or None, text or None, None if at % 4 == 0 else parameters[: at - 1],
            text or None, at % 2 == 0, at % 3 == 0, at, (text, "dwarf"), (text,) * (at % 3),
            (text,) * (at % 2),
        )
        for at, text in enumerate(HOSTILE)
    ]  # fmt: skip
    variables = [
        Variable(text, text, text, text, at or None, at, text or None, text, text or None, at or None,
                 text or None, at % 2 == 0, (text,))
        for at, text in enumerate(HOSTILE)
    ]  # fmt: skip
    symbols = [
        Symbol(text, text, text or None, (1 << 64) - 1 - at, at, text, text, text, text, text, at or None)
        for at, text in enumerate(HOSTILE)
    ]
    return {Function: functions, Variable: variables, Symbol: symbols}


@pytest.mark.parametrize("way", range(3))
@pytest.mark.parametrize("kind", [Function, Variable, Symbol])
def test_what_is_written_is_what_as_dict_gives(kind: type, way: int) -> None:
    items = hostile()[kind]
    rows = rows_of(items, way)
    assert rows.items() == items
    assert [rows.item(at) for at in range(len(rows))] == items
    for name in (each.name for each in fields(kind)):
        assert list(rows.values(name)) == [getattr(item, name) for item in items]
    assert rows.json() == lines(items)
    assert list(json.loads(rows.json().splitlines()[0])) == list(items[0].as_dict())


def test_further_fields_stand_behind_an_items_own() -> None:
    items = hostile()[Variable]
    texts = [str(at) for at in range(len(items))]
    found = [json.loads(line) for line in rows_of(items).json(verdict=texts, more=texts).split("\n")[:-1]]
    assert found == [{**item.as_dict(), "verdict": at, "more": at} for at, item in enumerate(items)]


def test_texts_are_cut_where_they_end() -> None:
    short = ["".join(letters) for length in range(4) for letters in product('",\\a', repeat=length)]
    for count in (1, 2):
        for texts in product(short, repeat=count):
            assert [json.loads(text) for text in quoted(texts)] == list(texts)
    assert quoted([]) == []


def test_a_dataclass_and_its_cells_cannot_differ() -> None:
    texts = Texts(["a", "b"])
    with pytest.raises(KeyError, match="type"):
        Rows(Parameter, name=texts)
    with pytest.raises(ValueError, match="other"):
        Rows(Parameter, name=texts, type=texts, other=texts)
    with pytest.raises(ValueError, match="Parameter"):
        Rows(Parameter, name=texts, type=Texts(["a"]))


def test_groups_are_the_rows_that_are_alike() -> None:
    items = hostile()[Function] * 3
    further = np.arange(len(items)) % 2
    names = [each.name for each in fields(Function) if each.name != "parameters"] * 3
    for asked in (names, ["external", "inlined"], []):
        numbers, firsts = rows_of(items).groups(asked, further)
        keys = [
            (at % 2, *(getattr(item, name) for name in asked)) for at, item in enumerate(items)
        ]  # more kinds of each than 64 bits could number at once
        assert [keys[firsts[number]] for number in numbers] == keys
        assert len(firsts) == len(set(keys))
        assert firsts == [keys.index(keys[first]) for first in firsts]


def test_no_rows() -> None:
    rows = Rows(Parameter, name=Texts([]), type=Alike([], np.zeros(0, np.intp)))
    assert (len(rows), rows.items(), rows.json(), rows.texts()) == (0, [], "", [])
    assert rows.groups(["name", "type"]) == ([], [])
    assert (Numbers([]).json(), Texts([]).json()) == ([], [])


def everything(index: Index, path: Path, kind: Kind, **asked: Any) -> int:
    """Compares all parts of a list with the page of all its items; how many these are."""
    identity = index.binary_at(str(path)).id
    pages: dict[Kind, Callable[[str, Ask], Page[Symbol] | Page[Function] | Page[Variable]]] = {
        "symbol": index.symbols,
        "function": index.functions,
        "variable": index.variables,
    }
    page = pages[kind](identity, Ask(limit=1 << 20, **asked))
    text = ""
    offset: int | None = 0
    while offset is not None:
        rows, following = index.rows(identity, kind, Ask(limit=777, offset=offset, facets=False, **asked))
        assert following is None or following == offset + len(rows)
        text += rows.json()
        offset = following
    assert text == lines(page.items)
    assert page.total == len(page.items)
    return page.total


def real_files(tmp_path: Path) -> list[Path]:
    """C, C++, Rust and Go; whole, stripped, relocatable and of DWARF alone."""
    code = "namespace shop { struct Box { virtual ~Box(); int v; }; Box::~Box() {} "
    code += "static int seen; template <class T> T twice(T t) { return t + t + seen++; } } "
    code += "int main() { return shop::twice(2) + (int)shop::twice(2.0); }"
    whole = compile_c(tmp_path, code, "boxes", "-O1", compiler="g++")
    found = [whole, compile_c(tmp_path, code, "boxes.o", "-c", compiler="g++")]
    for name, flag in (("boxes.stripped", "--strip-all"), ("boxes.debug", "--only-keep-debug")):
        subprocess.run(["objcopy", flag, whole, tmp_path / name], check=True)
        found.append(tmp_path / name)
    if shutil.which("rustc"):
        (tmp_path / "sum.rs").write_text('fn add(a: &str) -> usize { a.len() } fn main() { add("x"); }')
        subprocess.run(["rustc", "-g", "-o", tmp_path / "sum", tmp_path / "sum.rs"], check=True)
        found.append(tmp_path / "sum")
    (tmp_path / "go").write_bytes(lzma.decompress(GO.read_bytes()))
    found.append(tmp_path / "go")
    names = ("/usr/bin/bash", "/usr/bin/python3.11", *map("/usr/lib/x86_64-linux-gnu/{}".format,
             ("libc.so.6", "libstdc++.so.6", "libcrypto.so.3")))  # fmt: skip
    found += [Path(os.path.realpath(name)) for name in names if Path(name).exists()]
    return found


def test_lists_of_real_files(shared: Index, tmp_path: Path) -> None:
    counts = dict.fromkeys(KINDS, 0)
    for path in real_files(tmp_path):
        for kind in KINDS:
            counts[kind] += everything(shared, path, kind)
    assert all(count > 1000 for count in counts.values()), counts


def test_lists_that_were_searched_sorted_and_filtered(shared: Index, tmp_path: Path) -> None:
    path = compile_c(tmp_path, "int a_b(int b) { return b; } int ab_c; int main(void) { return a_b(ab_c); }",
                     "few", "-g")  # fmt: skip
    for kind in KINDS:
        assert everything(shared, path, kind, q="a*b*", mode="glob")
        assert everything(shared, path, kind, sort="-size")
        assert everything(shared, path, kind, filters={"bind": "LOCAL"})
        assert everything(shared, path, kind, q="no such name") == 0


def test_names_that_nobody_would_choose(index: Index, tmp_path: Path) -> None:
    names = [
        b'"',
        b'","',
        b'a",',
        b"\\",
        b"\x01\x1f",
        b"\xff\xfe",
        b"\xed\xa0\x80",
        "ä".encode(),
        b"%s",
        b"_ZN1aE\xff",
    ]
    symbols = [
        Written(name.decode(errors="surrogateescape"), 0x1000 + 16 * at, 16, kind)
        for at, (name, kind) in enumerate(product(names, (STT_OBJECT, STT_FUNC)))
    ]
    path = tmp_path / "hostile"
    path.write_bytes(write_elf([Section(".text", b"\x90" * 4096, address=0x1000)], symbols=symbols))
    for kind in KINDS:
        assert everything(index, path, kind) >= len(names)


def test_facets_are_counted_for_who_shows_them(index: Index, tmp_path: Path) -> None:
    identity = index.binary_at(str(compile_c(tmp_path, "int main(void) { return 0; }"))).id
    assert index.functions(identity, Ask(facets=False)).facets == {}
    assert index.functions(identity, Ask()).facets["type"]
