"""The table of many rows: it jumps anywhere, keeps few rows, and shows hostile names as text."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Tab, indexed
from tests.support.programs import compile_c
from tests.support.server import Server

SOURCE = "void one(void) {} void two(void) {} void three(void) {} int main(void) { return 0; }"
HOSTILE = {
    "one": "<img src=x onerror=document.title='taken'>",
    "two": "<script>document.title='taken'</script>",
    "three": "right\u202eleft",
}


@pytest.fixture(scope="module")
def large(server: Server) -> str:
    """A binary with tens of thousands of symbols: the largest of the usual libraries."""
    wanted = ("/usr/lib/llvm-14/lib/libLLVM-14.so.1", "/usr/bin/node", "/usr/bin/gdb")
    found = [Path(path) for path in wanted if Path(path).exists()]
    found += sorted(Path("/usr/lib").glob("*-linux-gnu/libLLVM*.so.*"))
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    return indexed(server, found[0].resolve())


def test_it_jumps_to_the_end_and_the_middle_with_few_rows(tab: Tab, server: Server, large: str) -> None:
    page = tab.open(f"/binaries/{large}/symbols")
    total = int(page.locator("[data-total-rows]").first.get_attribute("data-total-rows") or 0)
    assert total > 5000
    last = server.get(f"/api/v1/binaries/{large}/symbols", offset=total - 1, limit=1)["items"][0]
    region = page.locator(".vtable")
    region.evaluate("(region) => { region.scrollTop = region.scrollHeight; }")
    expect(page.locator("[data-table]")).to_contain_text(last["address_hex"])
    middle = server.get(f"/api/v1/binaries/{large}/symbols", offset=total // 2, limit=1)["items"][0]
    region.evaluate("(region) => { region.scrollTop = (region.scrollHeight - region.clientHeight) / 2; }")
    expect(page.locator("[data-table]")).to_contain_text(middle["address_hex"])
    assert page.locator("[data-table] tr").count() < 250


def test_search_as_you_type_and_facets(tab: Tab, server: Server, large: str) -> None:
    page = tab.open(f"/binaries/{large}/functions")
    page.locator("main input[name=q]").press_sequentially("init")
    expected = server.get(f"/api/v1/binaries/{large}/functions", q="init")["total"]
    expect(page.locator("[data-total-rows]").first).to_have_attribute("data-total-rows", str(expected))
    facets = server.get(f"/api/v1/binaries/{large}/functions", q="init")["facets"]["bind"]
    value, counted = min(facets.items(), key=lambda facet: facet[1])
    assert 0 < counted < expected
    page.get_by_role("link", name=re.compile(f"^{value} ")).click()
    expect(page.locator("[data-total-rows]").first).to_have_attribute("data-total-rows", str(counted))
    assert f"bind={value}" in page.url
    only = server.get(f"/api/v1/binaries/{large}/functions", q="init", bind=value)["items"]
    assert {item["bind"] for item in only} == {value}
    first = page.locator("[data-table] tbody tr").first
    expect(first).to_contain_text(only[0]["address_hex"])


def test_hostile_names_are_text(tab: Tab, server: Server, tmp_path: Path) -> None:
    program = compile_c(tmp_path, SOURCE, "hostile")
    renamed = [f"--redefine-sym={name}={hostile}" for name, hostile in HOSTILE.items()]
    subprocess.run(["objcopy", *renamed, program], check=True)
    binary = indexed(server, program)
    image, script = HOSTILE["one"], HOSTILE["two"]
    for kind in ("functions", "symbols"):
        page = tab.open(f"/binaries/{binary}/{kind}")
        for text in (image, script, r"right\u202eleft"):
            expect(page.locator("main table")).to_contain_text(text)
        assert "\u202e" not in page.locator("main").inner_text()
        page.locator("main input[name=q]").fill("<")
        expect(page.locator("[data-total-rows]").first).to_have_attribute("data-total-rows", "2")
        expect_no_markup(page)
    key = server.get(f"/api/v1/binaries/{binary}/functions", q="<img")["items"][0]["key"]
    page = tab.open(f"/binaries/{binary}/functions/{key}")
    expect(page.get_by_role("heading", level=1)).to_contain_text(image)
    expect_no_markup(page)
    page = tab.open("/search?q=%3Cscript%3E")
    expect(page.locator("main")).to_contain_text(script)
    expect_no_markup(page)
    page.keyboard.press("Control+k")
    page.keyboard.type("<img")
    expect(page.locator("#palette [role=option]").first).to_contain_text(image)
    expect_no_markup(page)


def expect_no_markup(page: Page) -> None:
    """Nothing of a name became an element, and no script in one ran."""
    assert page.locator("body img, body script").count() == 0
    assert page.title() != "taken"


def test_a_list_says_in_a_word_what_is_against_tracing(tab: Tab, server: Server, tmp_path: Path) -> None:
    """The word of the facet; the sentence is under the pointer, and read out."""
    binary = indexed(server, compile_c(tmp_path, "int main(void) { return 0; }", "plain"))
    page = tab.open(f"/binaries/{binary}/functions?verdict=no_size&q=_init&mode=prefix")
    why = page.locator("[data-table] .why").first
    expect(why).to_have_text(re.compile(r"^no size: The symbol _init has no size"))
    expect(why).to_have_attribute("title", re.compile("bpftrace attaches to none without"))
    assert why.evaluate("(element) => element.scrollWidth <= element.clientWidth")


def test_functions_whose_copies_take_the_calls_are_found_by_their_verdict(
    tab: Tab, server: Server, tmp_path: Path
) -> None:
    source = Path(__file__).parents[1] / "runtime/programs/fast.c"
    binary = indexed(server, compile_c(tmp_path, source.read_text(), "fast"))
    page = tab.open(f"/binaries/{binary}/functions")
    facet = page.get_by_role("group", name="verdict")
    facet.get_by_role("link", name=re.compile("^clone takes calls 1$")).click()
    expect(page.locator("[data-total-rows]").first).to_have_attribute("data-total-rows", "1")
    assert "verdict=clone_takes_calls" in page.url
    badge = page.locator("[data-table] .badge", has_text="copies")
    expect(badge).to_have_attribute("title", "split.constprop.0")
