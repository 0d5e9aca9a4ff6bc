"""Files from the browser: chosen or dropped, one or several, good and bad."""

from __future__ import annotations

import base64
import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.conftest import Tab
from tests.support.elfwriter import Section, Symbol, write_elf
from tests.support.programs import compile_c

SOURCE = "int uploaded_%s(int x) { return x; } int main(void) { return uploaded_%s(1); }"
DROP = """([names, data]) => {
  const transfer = new DataTransfer();
  names.forEach((name, at) => transfer.items.add(
    new File([Uint8Array.from(atob(data[at]), (sign) => sign.charCodeAt(0))], name)));
  for (const type of ["dragenter", "dragover", "drop"]) {
    document.body.dispatchEvent(
      new DragEvent(type, { dataTransfer: transfer, bubbles: true, cancelable: true }));
  }
}"""


def program(tmp_path: Path, name: str) -> Path:
    return compile_c(tmp_path, SOURCE % (name, name), name)


def drop(page: Page, *files: Path) -> None:
    page.wait_for_load_state("networkidle")
    page.evaluate(DROP, [[f.name for f in files], [base64.b64encode(f.read_bytes()).decode() for f in files]])


def test_a_chosen_file_is_read_and_browsed(tab: Tab, tmp_path: Path) -> None:
    page = tab.open("/binaries/upload")
    page.locator("input[type=file]").first.set_input_files(program(tmp_path, "chosen"))
    page.get_by_role("button", name="Upload").first.click()
    page.wait_for_url("**/jobs/*")
    expect(page.locator("#job")).to_have_attribute("data-job", "done")
    page.get_by_role("link", name="chosen").click()
    page.get_by_role("link", name="Functions").click()
    page.wait_for_url("**/functions")
    page.locator("main input[name=q]").fill("uploaded")
    expect(page.locator("tbody [data-open]")).to_have_text(["uploaded_chosen"])


def test_several_files_are_dropped_anywhere(tab: Tab, tmp_path: Path) -> None:
    page = tab.open("/processes")
    text = tmp_path / "notes.txt"
    text.write_text("no program")
    drop(page, program(tmp_path, "first"), program(tmp_path, "second"), text)
    page.wait_for_url("**/jobs")
    # The list follows the jobs without being loaded again.
    latest = page.locator("#jobs tbody tr").filter(has_text=re.compile("first|second|notes.txt"))
    expect(latest.locator("[data-state=done]")).to_have_count(2)
    expect(latest.locator("[data-state=failed]")).to_have_count(1)
    expect(latest.get_by_role("link")).to_have_text(["upload notes.txt", "upload second", "upload first"])
    expect(page.locator("#jobs")).to_contain_text("notes.txt is neither an ELF file nor a package")
    for name in ("first", "second"):
        page.goto(f"{tab.server.url}/binaries?q={name}")
        expect(page.locator("main tbody [data-open]")).to_have_text([name])


def test_one_that_is_no_elf_file_says_so(tab: Tab, tmp_path: Path) -> None:
    page = tab.open("/")
    text = tmp_path / "notes.txt"
    text.write_text("no program")
    drop(page, text)
    page.wait_for_url("**/jobs/*")
    expect(page.locator("main")).to_contain_text("notes.txt is neither an ELF file nor a package")


def test_a_path_of_the_host(tab: Tab) -> None:
    page = tab.open("/binaries/upload")
    page.locator("[name=paths]").fill("/bin/true")
    page.locator("form", has=page.locator("[name=paths]")).get_by_role("button").click()
    page.wait_for_url("**/jobs/*")
    expect(page.locator("#job")).to_have_attribute("data-job", "done")
    page.locator("main tbody [data-open]").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("true")


def test_an_upload_shows_how_far_it_is(tab: Tab) -> None:
    page = tab.open("/binaries/upload")
    slow = tab.context.new_cdp_session(page)
    slow.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 300_000},
    )
    page.locator("input[type=file]").set_input_files("/usr/bin/bash")
    page.get_by_role("button", name="Upload").click()
    meter = page.locator("form progress")
    expect(meter).to_be_visible()
    expect(meter).to_have_attribute("value", re.compile(r"^0\.[1-9]"))
    page.wait_for_url("**/jobs/*")
    expect(page.locator("#job")).to_have_attribute("data-job", "done")


def test_a_job_shows_its_progress_and_is_cancelled(tab: Tab, tmp_path: Path) -> None:
    # So many that reading them takes seconds; how long a directory of the host takes to walk is not known.
    directory = tmp_path / "many"
    directory.mkdir()
    for number in range(10_000):
        code = Section(".text", number.to_bytes(8, "little"))
        (directory / str(number)).write_bytes(write_elf([code], symbols=[Symbol("many")]))
    page = tab.open("/binaries/upload")
    page.locator("[name=paths]").fill(str(directory))
    page.get_by_role("button", name="Index").click()
    page.wait_for_url("**/jobs/*")
    job = page.locator("#job")
    expect(job).to_have_attribute("data-job", "running")
    expect(job.locator("progress")).to_have_attribute("value", re.compile("^[1-9]"))
    expect(job).to_contain_text(re.compile(r"\d+ of 10,?000 files"))
    page.get_by_role("button", name="Cancel").click()
    expect(job).to_have_attribute("data-job", "cancelled")
    expect(job.locator("progress")).to_have_count(0)
