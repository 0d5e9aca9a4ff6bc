"""Copies by their names: whose they are, and which names only look like some."""

from __future__ import annotations

from pathlib import Path

from app.index.model import Ask
from app.index.service import Index
from tests.support.programs import compile_c

NAMES = {
    "f": "f",
    "f_isra": "f.isra.0",
    "f_both": "f.isra.0.constprop.1",
    "f_part": "f.part.0.constprop.0",
    "f_cold": "f.cold",
    "g_lto": "g.lto_priv.0",
    "g_lto_copy": "g.lto_priv.0.constprop.0",
    "g": "g",
    "mangled": "_ZN4shop4sellEi",
    "mangled_copy": "_ZN4shop4sellEi.constprop.0",
    "lengthy": "a_name_that_is_longer_than_eight_bytes_f",
    "alone": "alone.constprop.0",
    "almost": "f.constproper",
    "dotted": "f.else",
}


def test_copies_belong_to_the_functions_that_they_are_named_after(index: Index, tmp_path: Path) -> None:
    lines = [f'__attribute__((used)) int {name}(int) __asm__("{symbol}");' for name, symbol in NAMES.items()]
    lines += [f"int {name}(int a) {{ return a + {at}; }}" for at, name in enumerate(NAMES)]
    path = compile_c(tmp_path, "\n".join([*lines, "int main(void) { return 0; }"]), "copies", "-O0")
    binary = index.binary_at(str(path))
    items = {item.linkage_name: item for item in index.functions(binary.id, Ask(limit=1000)).items}
    assert set(NAMES.values()) <= set(items)
    assert {name: item.clones for name, item in items.items() if item.clones} == {
        "f": ("f.isra.0", "f.isra.0.constprop.1"),
        "g": ("g.lto_priv.0.constprop.0",),
        "g.lto_priv.0": ("g.lto_priv.0.constprop.0",),
        "_ZN4shop4sellEi": ("_ZN4shop4sellEi.constprop.0",),
    }
    made = index.functions(binary.id, Ask(limit=1000, filters={"verdict": "clone"})).items
    assert {item.linkage_name for item in made} == {
        *("f.isra.0", "f.isra.0.constprop.1", "f.part.0.constprop.0", "f.cold", "g.lto_priv.0"),
        *("g.lto_priv.0.constprop.0", "_ZN4shop4sellEi.constprop.0", "alone.constprop.0"),
    }


def test_a_file_without_functions_has_none(index: Index, tmp_path: Path) -> None:
    path = compile_c(tmp_path, "int value = 3;", "values.so", "-shared", "-nostdlib", "-s")
    page = index.functions(index.binary_at(str(path)).id, Ask())
    assert (page.total, page.facets["verdict"]) == (0, {})
