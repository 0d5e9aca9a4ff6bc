"""The flame graph of a real session: the log's numbers, zoom, search, keys, from a frame to its probe."""

from __future__ import annotations

import re
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, ViewportSize, expect

from app.trace.stacks import split
from tests.browser.conftest import WIDE, NewTab, Tab, expect_state
from tests.browser.test_pages import NARROW
from tests.browser.wcag import violations, violations_of_shape
from tests.support.programs import compile_c
from tests.support.server import Server

BUSY = """
static volatile unsigned long sum;
__attribute__((noinline)) void grind(unsigned long n) { for (unsigned long i = 0; i < n; i++) sum += i * i; }
__attribute__((noinline)) void bake(void) { grind(300000); sum++; }
__attribute__((noinline)) void brew(void) { grind(100000); sum++; }
int main(void) { for (;;) { bake(); brew(); } }
"""


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[bytes]]:
    path = compile_c(tmp_path_factory.mktemp("busy"), BUSY, "bakeryd", "-fno-omit-frame-pointer")
    with subprocess.Popen(["nice", "-n", "10", path]) as process:
        yield process
        process.kill()


def begin(server: Server, pid: int) -> str:
    script = (
        f"profile:hz:99 /pid == {pid}/ {{ @stacks[pid, ustack(perf)] = count(); "
        "@names[ustack] = count(); }\n"
        "interval:ms:500 { print(@stacks); print(@names); }\n"
    )
    asked = {"script": script, "duration": 120}
    session = str(server.client.post("/api/v1/sessions", json=asked).raise_for_status().json()["id"])
    server.until(session, "running")
    return session


def counted(server: Server, session: str) -> Counter[str]:
    """What the last print of the log says of each function: in how many samples it is."""
    prints = [
        event["data"]["@stacks"] for event in server.events(session) if "@stacks" in (event["data"] or ())
    ]
    found: Counter[str] = Counter()
    for key, number in prints[-1].items():
        for name in {frame.name for frame in split(key)[1]}:
            found[name] += number
        found["all"] += number
    return found


def grown(server: Server, session: str, least: int) -> None:
    """Waits until the session has seen bake in so many samples."""
    deadline = time.monotonic() + 60
    while "@stacks" not in str(server.events(session)) or counted(server, session)["bake"] < least:
        assert time.monotonic() < deadline, server.events(session)[-3:]
        time.sleep(0.2)


@pytest.fixture(scope="module")
def ended(server: Server, busy: subprocess.Popen[bytes]) -> str:
    """A session that has seen the program for a while."""
    session = begin(server, busy.pid)
    grown(server, session, 40)
    server.client.post(f"/api/v1/sessions/{session}/stop")
    server.until(session, "ended")
    return session


def told(page: Page) -> Locator:
    return page.locator("[data-flame-told]")


def pick(page: Page, name: str) -> None:
    """Goes to main by keys, and from there to ``bake`` or ``brew``, which it calls."""
    expect(page.locator("[data-flame-facts]")).to_contain_text("boxes")
    page.locator("[data-flame-place] canvas").focus()
    page.keyboard.press("Home")
    for _ in range(12):
        page.keyboard.press("ArrowDown")
        if told(page).inner_text().startswith("main:"):
            break
    for key in ("ArrowDown", "ArrowRight" if name == "brew" else "ArrowLeft"):
        if not told(page).inner_text().startswith(f"{name}:"):
            page.keyboard.press(key)
    expect(told(page)).to_contain_text(f"{name}: ")


def total(page: Page, name: str) -> Any:
    return page.locator(f"[data-flame-table] tr[data-frame='{name}'] [data-total]")


def test_the_picture_has_the_numbers_of_the_log(tab: Tab, server: Server, ended: str) -> None:
    page = tab.open(f"/sessions/{ended}?view=flame")
    counts = counted(server, ended)
    for name in ("main", "bake", "brew", "grind"):
        expect(total(page, name)).to_have_attribute("data-total", str(counts[name]))
    expect(page.locator("[data-flame-facts]")).to_contain_text(f"{counts['all']} in ")
    # It calls bake and brew, which stand by name.
    pick(page, "bake")
    share = f"{100 * counts['bake'] / counts['all']:.2f} %"
    expect(told(page)).to_have_text(f"bake: {counts['bake']} of {counts['all']} ({share}), itself 0")
    page.keyboard.press("ArrowRight")
    expect(told(page)).to_contain_text(f"brew: {counts['brew']} of ")
    page.keyboard.press("ArrowUp")
    expect(told(page)).to_contain_text(f"main: {counts['main']} of ")


def pixels(page: Page) -> str:
    return str(page.locator("[data-flame-place] canvas").evaluate("canvas => canvas.toDataURL()"))


def test_zoom_by_key_and_click_and_back(tab: Tab, ended: str) -> None:
    page = tab.open(f"/sessions/{ended}?view=flame")
    canvas = page.locator("[data-flame-place] canvas")
    expect(page.locator("[data-flame-facts]")).to_contain_text("boxes")
    canvas.focus()
    back, whole = page.locator("[data-flame-back]"), page.locator("[data-flame-reset]")
    expect(back).to_be_disabled()
    pick(page, "brew")
    before = pixels(page)
    page.keyboard.press("Enter")
    expect(back).to_be_enabled()
    page.wait_for_timeout(100)
    zoomed = pixels(page)
    assert zoomed != before
    # What is zoomed to fills the width: a click at its right end is a click on it.
    depth = 2
    for row in range(12):
        canvas.hover(position={"x": 20, "y": 20 * row + 10})
        if page.locator("[data-flame-hover]").inner_text().startswith("brew"):
            depth = row
            break
    canvas.hover(position={"x": 1000, "y": 20 * depth + 10})
    expect(page.locator("[data-flame-hover]")).to_contain_text("brew: ")
    page.keyboard.press("Escape")
    expect(back).to_be_disabled()
    canvas.click(position={"x": 20, "y": 20 * depth + 10})
    expect(page.locator("[data-flame-told]")).to_contain_text("bake: ")
    expect(whole).to_be_enabled()
    whole.click()
    expect(whole).to_be_disabled()
    expect(back).to_be_disabled()


def test_search_says_the_share_and_narrows_the_table(tab: Tab, server: Server, ended: str) -> None:
    page = tab.open(f"/sessions/{ended}?view=flame")
    counts = counted(server, ended)
    expect(page.locator("[data-flame-facts]")).to_contain_text("boxes")
    before = pixels(page)
    page.keyboard.press("/")
    page.keyboard.type("BAK")
    share = f"{100 * counts['bake'] / counts['all']:.2f} %"
    match = page.locator("[data-flame-match]")
    expect(match).to_have_text(f"found in 1 name: {counts['bake']} ({share})")
    expect(page.locator("[data-flame-table] tbody tr")).to_have_count(1)
    page.wait_for_timeout(100)
    assert pixels(page) != before
    page.locator("[data-flame-search]").fill("")
    expect(match).to_have_text("")
    expect(total(page, "main")).to_be_visible()


def test_inverted_the_innermost_is_on_top_and_the_table_is_sorted(
    tab: Tab, server: Server, ended: str
) -> None:
    page = tab.open(f"/sessions/{ended}?view=flame")
    expect(page.locator("[data-flame-facts]")).to_contain_text("boxes")
    page.locator("[data-flame-inverted]").check()
    canvas = page.locator("[data-flame-place] canvas")
    canvas.focus()
    expect(page.locator("[data-flame-place] canvas[data-inverted='true']")).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(told(page)).to_contain_text("grind: ")
    names = page.locator("[data-flame-table] tbody tr")
    page.get_by_role("button", name="Function", exact=True).click()
    found = names.evaluate_all("rows => rows.map((row) => row.dataset.frame)")
    assert found == sorted(found, key=str.lower)
    page.get_by_role("button", name="Total", exact=True).click()
    totals = names.evaluate_all(
        "rows => rows.map((row) => Number(row.querySelector('[data-total]').dataset.total))"
    )
    assert totals == sorted(totals, reverse=True)
    expect(page.get_by_role("columnheader", name="Total")).to_have_attribute("aria-sort", "descending")


def test_another_map_is_chosen(tab: Tab, server: Server, ended: str) -> None:
    page = tab.open(f"/sessions/{ended}?view=flame")
    choice = page.locator("[data-flame-map]")
    expect(choice.locator("option")).to_have_text(["@stacks", "@names"])
    expect(choice).to_have_value("@stacks")
    expect(page.locator("[data-flame-facts]")).to_contain_text("boxes")
    choice.select_option("@names")
    expect(page.locator("caption", has_text="Functions of @names")).to_be_visible()
    expect(page).to_have_url(re.compile("map=%40names"))
    # Its keys have no process before the stack.
    page.locator("[data-flame-place] canvas").focus()
    page.keyboard.press("ArrowDown")
    expect(told(page)).not_to_contain_text(re.compile(r"^\d+:"))
    expect(told(page)).to_contain_text("main")


def test_a_frame_leads_to_the_builder_with_its_probe(
    tab: Tab, ended: str, busy: subprocess.Popen[bytes]
) -> None:
    page = tab.open(f"/sessions/{ended}?view=flame")
    expect(page.locator("[data-flame-facts]")).to_contain_text("boxes")
    trace = page.locator("[data-flame-trace]")
    expect(trace).to_be_hidden()
    pick(page, "bake")
    expect(trace).to_be_visible()
    page.keyboard.press("t")
    path = Path(f"/proc/{busy.pid}/exe").readlink()
    expect(page.locator("[name=probe]").first).to_have_value(f'uprobe:"{path}":bake')


def test_it_grows_while_the_session_runs(tab: Tab, server: Server, busy: subprocess.Popen[bytes]) -> None:
    session = begin(server, busy.pid)
    page = tab.open(f"/sessions/{session}?view=flame")
    cell = total(page, "main")
    expect(cell).to_be_visible()
    expect(total(page, "bake")).to_be_visible()
    pick(page, "bake")
    page.keyboard.press("Enter")
    first = int(cell.get_attribute("data-total") or 0)
    expect(cell).not_to_have_attribute("data-total", str(first))
    # What is picked and zoomed to stays so, with the numbers of now.
    expect(page.locator("[data-flame-reset]")).to_be_enabled()
    expect(told(page)).to_contain_text("bake: ")
    page.keyboard.press("Shift+S")
    expect_state(page, "ended")
    counts = counted(server, session)
    expect(cell).to_have_attribute("data-total", str(counts["main"]))
    expect(told(page)).to_contain_text(f"bake: {counts['bake']} of {counts['all']}")


LATE = """async (t) => {
  const base = document.querySelector("script[type=module]").src.replace("main.js", "live/");
  const { Flame } = await import(base + "flame.js");
  const flame = new Flame(document.querySelector("[data-view-panel=flame]"), "");
  const asked = [];
  const refresh = flame.refresh.bind(flame);
  flame.refresh = () => refresh(asked.push(flame.query().get("t1")));
  const come = (ms) => flame.add({ t: ms, data: { "@stacks": { "1,\\n  main+1\\n": 1 } } });
  come(t);
  flame.paint();
  come(t + 1);  // before what was painted is asked for
  await new Promise((resolve) => setTimeout(resolve, 50));
  flame.paint();
  await new Promise((resolve) => setTimeout(resolve, 1500));
  flame.paint();
  await new Promise((resolve) => setTimeout(resolve, 1500));
  return asked;
}"""


def test_the_last_print_is_asked_for_however_late_it_came(tab: Tab, server: Server, ended: str) -> None:
    page = tab.open(f"/sessions/{ended}?view=flame")
    expect(page.locator("[data-flame-facts]")).to_contain_text("boxes")
    last = server.events(ended)[-1]["t"]
    assert page.evaluate(LATE, last) == [str(last), str(last + 1)]


def test_a_range_of_time_and_what_is_chosen_are_in_the_address(tab: Tab, server: Server, ended: str) -> None:
    prints = [event for event in server.events(ended) if "@stacks" in (event["data"] or ())]
    first, last = prints[0], prints[-1]
    sums = [sum(event["data"]["@stacks"].values()) for event in (first, last)]
    assert sums[0] < sums[1]
    page = tab.open(f"/sessions/{ended}?view=flame&t1={first['t']}")
    facts = page.locator("[data-flame-facts]")
    expect(facts).to_contain_text(re.compile(rf"^{sums[0]} in .* boxes"))
    # Before anything was printed there is nothing to draw, and it says so.
    page = tab.open(f"/sessions/{ended}?view=flame&t1={first['t'] - 1}")
    expect(facts).to_contain_text(re.compile("printed no map .*with stacks"))
    expect(page.locator("[data-flame-place]")).to_be_hidden()
    tab.excuse("404")
    page = tab.open(f"/sessions/{ended}?view=flame&t0={first['t']}")
    expect(facts).to_contain_text(re.compile(rf"^{sums[1] - sums[0]} in .* boxes"))
    page.locator("[data-flame-inverted]").check()
    page.locator("[data-flame-search]").fill("bake")
    expect(page).to_have_url(re.compile(r"t0=\d+&map=%40stacks&inverted=1&q=bake$"))
    page.reload()
    expect(page.locator("[data-flame-inverted]")).to_be_checked()
    expect(page.locator("[data-flame-match]")).to_contain_text("found in 1 name")
    expect(page.locator("[data-flame-place] canvas[data-inverted='true']")).to_be_visible()


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["1440", "390"])
def test_no_view_violates_wcag(new_tab: NewTab, ended: str, size: ViewportSize) -> None:
    tab = new_tab(viewport=size)
    check = violations if size == WIDE else violations_of_shape
    for path in (f"/sessions/{ended}?view=flame", f"/sessions/{ended}/vs/{ended}", f"/sessions/{ended}/vs"):
        page = tab.open(path)
        if not path.endswith("/vs"):
            expect(page.locator("[data-flame-facts]")).to_contain_text("boxes")
        assert check(page) == []
        assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")


def test_two_sessions_compared_show_the_difference(
    tab: Tab, server: Server, ended: str, busy: subprocess.Popen[bytes]
) -> None:
    session = begin(server, busy.pid)
    grown(server, session, 5)
    server.client.post(f"/api/v1/sessions/{session}/stop")
    server.until(session, "ended")
    page = tab.open(f"/sessions/{ended}")
    page.get_by_role("link", name="Compare with…").click()
    page.locator(f"a[href='/sessions/{ended}/vs/{session}']").click()
    expect(page.locator("[data-flame-facts]")).to_contain_text(f"{counted(server, session)['all']} in ")
    page.locator("[data-flame-place] canvas").focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator("[data-flame-told]")).to_contain_text("before ")
    row = page.locator("[data-flame-table] tr[data-frame='grind']")
    expect(row).to_be_visible()


def test_the_file_for_a_ticket_opens_anywhere(tab: Tab, server: Server, ended: str, tmp_path: Path) -> None:
    """From the disk, under its own policy, with nothing fetched and nothing said against it."""
    page = tab.open(f"/sessions/{ended}")
    page.locator("summary", has_text="Export").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Whole session (.html)").click()
    path = tmp_path / "session.html"
    download.value.save_as(path)
    # Modules of the session's page may come late.
    page.wait_for_load_state("networkidle")
    fetched: list[str] = []
    page.on("request", lambda request: fetched.append(request.url))
    page.goto(path.as_uri())
    assert fetched == [path.as_uri()]
    counts = counted(server, ended)
    box = page.locator("svg g", has=page.locator("title", has_text=f"brew: {counts['brew']} ("))
    # In each of its two maps.
    expect(box).to_have_count(2)
    expect(page.locator("pre").first).to_contain_text("ustack(perf)")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert violations(page) == []


def test_without_scripts_it_is_a_table_and_the_heaviest_stacks(
    new_tab: NewTab, server: Server, ended: str
) -> None:
    page = new_tab(java_script_enabled=False).open(f"/sessions/{ended}?view=flame")
    counts = counted(server, ended)
    expect(total(page, "grind")).to_have_attribute("data-total", str(counts["grind"]))
    expect(page.locator("ol.stacks li").first).to_contain_text("main")
    page.locator("[data-flame-search]").fill("bre")
    page.locator("[data-flame-show]").click()
    expect(page.locator("[data-flame-table] tbody tr")).to_have_count(1)
    expect(page.locator("[data-flame-match]")).to_have_text(f"found in 1 name: {counts['brew']}")


def test_boxes_are_found_by_halving_and_cover_each_place_once(tab: Tab, ended: str) -> None:
    """f calls itself below main: what is searched for covers its outermost boxes."""
    page = tab.open(f"/sessions/{ended}?view=flame")
    answer = {
        "names": ["main", "f", "g"],
        "modules": ["/opt/a", "/opt/a", None],
        "heads": [],
        "apart": False,
        "columns": {
            "depth": [0, 1, 2, 2, 3, 3, 4],
            "x": [0, 0, 0, 6, 0, 6, 6],
            "width": [10, 10, 5, 3, 4, 2, 1],
            "name": [-1, 0, 1, 2, 1, 1, 1],
            "self": [0, 2, 1, 1, 4, 1, 1],
        },
    }
    found = page.evaluate(
        """async (answer) => {
          const main = document.querySelector("script[type=module]").src;
          const { Boxes } = await import(main.replace("main.js", "live/flameboxes.js"));
          const boxes = new Boxes(answer);
          return {
            covered: boxes.covered(boxes.hits("F")),
            all: boxes.covered(boxes.hits("a")),
            none: boxes.hits(""),
            places: [[1, 9.5], [2, 5.5], [2, 6], [3, 7.9], [3, 8], [4, 0], [5, 0], [-1, 0]]
              .map(([row, x]) => boxes.at(row, x)),
            parents: [0, 1, 2, 3, 4, 5, 6].map((box) => boxes.parent(box)),
            children: [0, 1, 2, 3, 4, 6].map((box) => boxes.children(box)),
            widest: boxes.widestChild(1),
            path: boxes.path(6),
            back: boxes.follow(["main", "g", "f", "f"]),
            lost: boxes.follow(["main", "g", "nosuch"]),
          };
        }""",
        answer,
    )
    assert found == {
        "covered": 7,
        "all": 10,
        "none": None,
        "places": [1, -1, 3, 5, -1, -1, -1, -1],
        "parents": [-1, 0, 1, 1, 2, 3, 5],
        "children": [[1], [2, 3], [4], [5], [], []],
        "widest": 2,
        "path": ["main", "g", "f", "f"],
        "back": 6,
        "lost": 3,
    }
