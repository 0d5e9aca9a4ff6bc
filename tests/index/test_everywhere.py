"""Names of the whole catalogue: each once, kept in step with what comes and goes, kept over restarts."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.config import Settings
from app.elf.search import scan
from app.errors import BadInput
from app.index import everywhere, matching
from app.index import hits as search_hits
from app.index.model import Ask, Hit, Mode
from app.index.names import Part
from app.index.query import Selections
from app.index.service import Index
from tests.support.programs import compile_c

SHOP = """
#include <sys/sdt.h>
int stock_left = 4;
int sell_one(int n) { DTRACE_PROBE1(shop, sold, n); return n + stock_left; }
int SellAll(void) { return sell_one(9); }
int main(void) { return SellAll(); }
"""
CAFE = """
int sell_one(int n) { return n; }
int brew(void) { return sell_one(1); }
int main(void) { return brew(); }
"""
CPP = """
namespace shop { struct Cart { Cart(); int n; }; Cart::Cart() : n(1) {} }
int main() { return shop::Cart().n; }
"""


def hits(index: Index, text: str, mode: Mode = "substring", **filters: str) -> list[Hit]:
    return list(index.search(Ask(text, mode, limit=1000, filters=filters)).items)


@pytest.fixture
def two(index: Index, tmp_path: Path) -> tuple[str, str]:
    """The ids of shop and cafe, both of which have sell_one."""
    paths = [compile_c(tmp_path, source, name) for name, source in (("shop", SHOP), ("cafe", CAFE))]
    first, second = (index.binary_at(str(path)).id for path in paths)
    return first, second


def test_a_name_of_many_is_one_hit_and_each_can_be_asked_for(index: Index, two: tuple[str, str]) -> None:
    (hit,) = hits(index, "sell_one")
    assert (hit.kind, hit.name, hit.demangled, hit.binaries) == ("function", "sell_one", "sell_one", 2)
    assert hit.binary in two
    assert index.function(hit.binary, hit.key).name == "sell_one"
    several = hits(index, "sell_one", each="1")
    assert {each.binary for each in several} == set(two)
    assert [each.binaries for each in several] == [1, 1]
    for each in several:
        assert index.function(each.binary, each.key).name == "sell_one"


def test_kinds_are_counted_and_chosen(index: Index, two: tuple[str, str]) -> None:
    page = index.search(Ask("s"))
    assert page.total == sum(page.facets["kind"].values())
    for kind, count in page.facets["kind"].items():
        chosen = index.search(Ask("s", filters={"kind": kind}))
        assert chosen.total == count
        assert {hit.kind for hit in chosen.items} == {kind}
        assert chosen.facets == page.facets
    assert {"binary", "usdt", "function", "variable"} == set(page.facets["kind"])
    (probe,) = hits(index, "sold")
    assert (probe.kind, probe.name, probe.key) == ("usdt", "shop:sold", "shop/sold")
    assert hits(index, "sold", "prefix") == [probe]
    with pytest.raises(BadInput):
        index.search(Ask("s", filters={"kind": "nonsense"}))


def test_the_best_come_first_and_any_part_is_the_same_list(index: Index, two: tuple[str, str]) -> None:
    assert [hit.name for hit in hits(index, "shop")[:2]] == ["shop", "shop:sold"]
    assert [hit.name for hit in hits(index, "sell")] == ["sell_one", "SellAll"]
    assert [hit.name for hit in hits(index, "SellA")] == ["SellAll"]
    whole = hits(index, "e")
    assert [index.search(Ask("e", offset=at, limit=1)).items[0] for at in range(len(whole))] == whole
    page = index.search(Ask("e", offset=1, limit=2))
    assert (page.total, page.next) == (len(whole), 3)
    assert index.search(Ask("e", offset=10**9)).items == ()


def test_shown_and_raw_names_are_one_hit(index: Index, tmp_path: Path) -> None:
    (tmp_path / "c.cc").write_text(CPP)
    subprocess.run(["g++", "-O0", "-o", tmp_path / "c", tmp_path / "c.cc"], check=True)
    index.binary_at(str(tmp_path / "c"))
    for text in ("shop::Cart::Cart()", "_ZN4shop4CartC1Ev", "_ZN4shop4CartC2Ev", "Cart("):
        found = hits(index, text)
        assert [hit.demangled for hit in found] == ["shop::Cart::Cart()"]
        assert found[0].name in {"_ZN4shop4CartC1Ev", "_ZN4shop4CartC2Ev"}


def test_what_comes_and_goes(index: Index, two: tuple[str, str], tmp_path: Path) -> None:
    assert hits(index, "late_comer") == []
    late = index.binary_at(
        str(compile_c(tmp_path, "int late_comer(void) { return 1; } int main(void) { return 0; }", "late"))
    )
    (hit,) = hits(index, "late_comer")
    assert hit.binary == late.id
    names = [hit.demangled.lower() for hit in hits(index, "e", kind="function") if hit.demangled]
    inside = [name for name in names if not name.startswith("e")]
    assert inside == sorted(inside)
    index.remove(two[0])
    assert hits(index, "SellAll") == []
    (hit,) = hits(index, "sell_one")
    assert (hit.binary, hit.binaries) == (two[1], 1)
    index.remove(two[1])
    index.remove(late.id)
    assert hits(index, "e") == []


def reopened(settings: Settings) -> Index:
    index = Index(settings)
    index.start()
    return index


def test_names_outlive_the_server_and_a_damaged_file(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = reopened(settings)
    index.binary_at(str(compile_c(tmp_path, SHOP, "shop")))
    expected = hits(index, "s")
    index.close()
    made: list[str] = []
    make: Callable[..., Part | None] = Part.of

    def of(sources: list[tuple[str, object]], *rest: object) -> Part | None:
        listed = list(sources)
        made.extend(place for place, _ in listed)
        return make(listed, *rest)

    monkeypatch.setattr(Part, "of", staticmethod(of))
    index = reopened(settings)
    assert hits(index, "s") == expected
    assert made == []
    index.close()
    kept = (settings.data / "names").read_bytes()
    length = int.from_bytes(kept[8:16], "little")
    posts = -(-(16 + length) // 64) * 64 + json.loads(kept[16 : 16 + length])["arrays"]["post_line"][0]
    for damaged in (
        b"",
        kept[:20],
        kept[: len(kept) // 2],
        b"X" + kept[1:],
        kept[:posts] + b"\xff" * 4 + kept[posts + 4 :],
        kept[:16] + b"[" + kept[17:],
    ):
        (settings.data / "names").write_bytes(damaged)
        index = reopened(settings)
        assert hits(index, "s") == expected
        index.close()


def test_many_new_names_are_laid_into_the_large_part(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = reopened(settings)
    index.binary_at(str(compile_c(tmp_path, SHOP, "shop")))
    hits(index, "s")
    before = (settings.data / "names").read_bytes()
    index.binary_at(str(compile_c(tmp_path, CAFE, "cafe")))
    assert len(hits(index, "brew")) == 1
    # One hit, though one of the two has it in the large part, and one in the small.
    for text in ("sell_one", "main"):
        assert [(hit.name, hit.binaries) for hit in hits(index, text)] == [(text, 2)]
        assert len(hits(index, text, each="1")) == 2
    assert (settings.data / "names").read_bytes() == before
    monkeypatch.setattr(everywhere, "_FEW_NAMES", 3)
    index.binary_at("/bin/bash")
    assert [hit.name for hit in hits(index, "brew")] == ["brew"]
    assert (settings.data / "names").read_bytes() != before
    index.close()


def resident(path: Path) -> int:
    """Kilobytes of the pages of this file that the process has."""
    shown = 0
    here = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if "-" in line.split(" ")[0]:
            here = line.endswith(str(path))
        elif here and line.startswith("Rss:"):
            shown += int(line.split()[1])
    return shown


@pytest.fixture
def of_shop(settings: Settings, tmp_path: Path) -> Iterator[Index]:
    """An index whose names lie in their file; no timer of it stays."""
    index = reopened(settings)
    index.binary_at(str(compile_c(tmp_path, SHOP, "shop")))
    yield index
    index.close()
    assert not any(isinstance(thread, threading.Timer) for thread in threading.enumerate())


def test_names_that_nobody_asks_for_are_let_go_of(
    of_shop: Index, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(everywhere, "_REST", 0.2)
    hits(of_shop, "s")
    assert resident(settings.data / "names") > 0  # too few to be worth it
    monkeypatch.setattr(everywhere, "_MUCH", 1)
    for _ in range(2):
        found = hits(of_shop, "s")
        assert resident(settings.data / "names") > 0
        deadline = time.monotonic() + 10
        while resident(settings.data / "names") and time.monotonic() < deadline:
            time.sleep(0.05)
        assert resident(settings.data / "names") == 0
        assert hits(of_shop, "s") == found


def test_a_question_about_very_many_names_lets_go_of_what_it_read(
    of_shop: Index, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(everywhere, "_REST", 3600)
    found = hits(of_shop, "s")
    assert resident(settings.data / "names") > 0
    monkeypatch.setattr(everywhere, "_MOST", 1)
    for _ in range(2):
        of_shop._everywhere._selections = Selections()
        assert hits(of_shop, "s") == found
        assert resident(settings.data / "names") == 0


def test_a_later_part_is_put_in_order_without_another_search(
    index: Index, two: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = hits(index, "e")
    monkeypatch.setattr(everywhere, "FIRST", 2)
    monkeypatch.setattr(search_hits, "FIRST", 2)
    index._everywhere._selections = Selections()
    first = index.search(Ask("e", limit=2))
    assert (list(first.items), first.total) == (whole[:2], len(whole))
    monkeypatch.setattr(matching, "found", None)  # nothing more can be searched
    for at in range(len(whole) + 1):
        page = index.search(Ask("e", offset=at, limit=3))
        assert (list(page.items), page.total) == (whole[at : at + 3], len(whole))
        assert page.facets == first.facets


def test_without_the_core_the_answers_are_the_same(
    index: Index, two: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    texts: list[tuple[str, Mode]] = [("s", "substring"), ("sell*", "glob"), ("^s", "regex"), ("slo", "fuzzy")]
    ours = [hits(index, text, mode) for text, mode in texts]
    monkeypatch.setattr(scan, "_search", None)
    other = everywhere.Everywhere(
        index._settings.data / "other",
        index._catalogue.generation,
        index._catalogue.binaries,
        lambda row: index._store.columns(row)[0],
    )
    assert [list(other.ask(Ask(text, mode, limit=1000), 60)[1]) for text, mode in texts] == ours


def test_hostile_names_are_shown_and_found(index: Index, tmp_path: Path) -> None:
    program = compile_c(tmp_path, CAFE, "cafe")
    data = program.read_bytes().replace(b"\0brew\0", b"\0b\n\xff\x1b\0")
    program.write_bytes(data)
    index.binary_at(str(program))
    (hit,) = hits(index, "b\x01\udcff")
    assert hit.demangled == "b\x01\\xff\x01"
    assert [found.key for found in hits(index, "\x1b")] == [hit.key]
