"""Verdicts of a list against those made one by one, over every function of real files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.config import load
from app.index.model import Ask
from app.index.service import Index
from app.trace.bpftrace import Capabilities
from app.trace.verdict import function_verdict
from app.trace.verdicts import Verdicts
from tests.support.items import rows_of
from tests.support.programs import compile_c
from tests.trace.catalogues import binary, function

ABLE = Capabilities(True, "/usr/bin/bpftrace", (0, 17, 0), "bpftrace v0.17.0", True, None, "", False, False)
VERDICTS = {
    *("ifunc", "clone", "inlined", "alias", "clone_takes_calls"),
    *("only_inlined", "no_address", "no_size"),
}
SOURCE = """
#include <setjmp.h>
static inline __attribute__((always_inline)) int twice(int value) { return 2 * value; }
__attribute__((noinline)) int work(int value) { return twice(value) + twice(value + 1); }
int other(int) __attribute__((alias("work")));
int ThisFunction(int value) { return value; }
int ThisSymbol(int value) { return value; }
int main(int argc, char **argv) { return other(argc); }
"""


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    made = Index(load({}, data=tmp_path_factory.mktemp("index"), page_limit=100_000))
    made.start()
    yield made
    made.close()


@pytest.mark.parametrize("stripped", [False, True], ids=["whole", "stripped"])
def test_each_is_the_one_that_would_be_made_for_it(index: Index, tmp_path: Path, stripped: bool) -> None:
    names = ["prog", "/bin/bash", "/usr/bin/python3", "/usr/lib/x86_64-linux-gnu/libc.so.6"]
    names += ["/usr/lib/x86_64-linux-gnu/libstdc++.so.6"]
    compile_c(tmp_path, SOURCE, "prog", "-g", "-O2")
    compared = 0
    for path in [tmp_path / names[0], *(Path(name) for name in names[1:])]:
        if not path.exists():
            continue
        file = replace(index.binary_at(str(path)), stripped=stripped)
        verdicts = Verdicts(file, ABLE)
        rows, _ = index.rows(file.id, "function", Ask(limit=100_000))
        for item, text in zip(rows.items(), verdicts.json(rows), strict=True):
            assert json.loads(text) == function_verdict(item, file, ABLE).as_dict(), item
            compared += 1
    assert compared > 1000


def test_the_facet_counts_what_the_verdicts_say(index: Index, tmp_path: Path) -> None:
    paths = [Path("/bin/bash"), Path("/usr/lib/x86_64-linux-gnu/libc.so.6"), tmp_path / "prog"]
    extra = """
__attribute__((noinline, used)) int split(int a) { return a * 3; }
__attribute__((noinline, used)) static int copy(int) __asm__("split.constprop.0");
static int copy(int a) { return a; }
__attribute__((noinline, used)) static int rest(int) __asm__("split.cold");
static int rest(int a) { return a + 9; }
__asm__(".globl unsized\\n.type unsized,@function\\nunsized: ret\\n");
"""
    compile_c(tmp_path, SOURCE + extra, "prog", "-g", "-O2")
    seen: set[str] = set()
    for path in paths:
        if not path.exists():
            continue
        file = index.binary_at(str(path))
        page = index.functions(file.id, Ask(limit=100_000))
        codes = [{each.code for each in function_verdict(item, file, ABLE).reasons} for item in page.items]
        facet = page.facets["verdict"]
        for code in {*VERDICTS, *facet} - {"plain"}:
            assert facet.get(code, 0) == sum(code in each for each in codes), (path, code)
        assert facet["plain"] == sum(not each & VERDICTS for each in codes)
        for code, count in facet.items():
            only = index.functions(file.id, Ask(limit=100_000, filters={"verdict": code}))
            assert (only.total, only.facets["verdict"]) == (count, facet)
        seen |= set(facet)
    assert seen >= {"plain", "clone", "clone_takes_calls", "only_inlined", "no_size", "alias", "inlined"}
    both = index.functions(file.id, Ask(filters={"verdict": "clone_takes_calls,no_size"}))
    assert {item.name for item in both.items} >= {"split", "unsized"}
    (split,) = index.functions(file.id, Ask(q="split", filters={"verdict": "clone_takes_calls"})).items
    assert split.clones == ("split.constprop.0",)
    assert index.functions(file.id, Ask(filters={"verdict": "nothing"})).total == 0


NAMES = (
    *("work", "setjmp", "_start", "f.constprop.0", "f.cold", "f.cold.1", "f.part.0", "f.llvm.12", "f.", ".f"),
    *("a+1", "f.a+1", 'a"b', 'f."', "f.ä", "ä", "1up", "f.setjmp", "_Zlong", "_ZN1a1bEv", "_ZN1a1bEv.cold"),
    *("_RNvC1a1b", 'operator""_x', "~Shop", "twice<int>", "f*", "f.*", "f g", "", "true", "None"),
)


def test_names_that_mean_something_are_judged_by_themselves() -> None:
    file = binary("/opt/prog")
    verdicts = Verdicts(file, ABLE)
    changed: tuple[dict[str, object], ...] = (
        {},
        {"aliases": ("g",)},
        {"sources": ("dwarf",)},
        {"sources": ("dwarf", "dynsym")},
        {"address": None},
        {"address": None, "inlined": True, "inline_sites": 2},
        {"address": 0},
        {"size": 0},
        {"type": "IFUNC"},
        {"language": "c++"},
        {"inline_sites": 3},
        {"clones": ("f.isra.0",)},
    )
    items = [
        function(name, None, **changes, linkage_name=symbol)
        for changes in changed
        for name in NAMES
        for symbol in NAMES
    ]
    for turn in (items, items[::-1]):
        for item, text in zip(turn, verdicts.json(rows_of(turn)), strict=True):
            assert json.loads(text) == function_verdict(item, file, ABLE).as_dict(), item


def test_what_is_kept_has_an_end() -> None:
    """A file may give each of its functions a sort of its own, or an ending."""
    file = binary("/opt/prog")
    verdicts = Verdicts(file, ABLE)
    items = [function("f", inline_sites=at) for at in range(1, 6000)]
    items += [function(f"f.e{at}") for at in range(200)]
    for item, text in zip(items, verdicts.json(rows_of(items)), strict=True):
        assert json.loads(text) == function_verdict(item, file, ABLE).as_dict(), item
    assert len(verdicts._known) == 4096
    assert max(map(len, verdicts._known.values())) <= 64
