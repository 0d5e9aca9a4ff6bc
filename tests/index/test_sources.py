"""Which source files are shown: those that debug information names, and that everybody may read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from app.index.model import Ask
from app.index.service import Index
from app.index.sources import MOST_BYTES, source
from tests.index.test_intake import upload
from tests.support.programs import compile_c

APP, ME = "/usr/bin/app", os.getuid()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "order.c"
    path.write_bytes(b"int one;\nint two; /* \xff */\n")
    path.chmod(0o644)
    return path


def test_its_lines_whatever_bytes_it_has(file: Path) -> None:
    found = source(str(file), APP, 2e10, ME)
    assert found is not None
    assert found.lines[:2] == ("int one;", "int two; /* \ufffd */")
    assert (found.path, found.newer) == (str(file), False)


def test_one_that_changed_after_the_binary_says_so(file: Path) -> None:
    os.utime(file, (1000, 1000))
    for changed, newer in ((999.0, True), (1001.0, False)):
        found = source(str(file), APP, changed, ME)
        assert found is not None
        assert found.newer == newer


def test_what_is_no_source_is_never_shown(file: Path, tmp_path: Path) -> None:
    secret = tmp_path / "shadow"
    secret.write_text("root:")
    renamed = tmp_path / "key.pem"
    renamed.write_text("PRIVATE")
    link = tmp_path / "link.c"
    link.symlink_to(secret)
    for name in (str(secret), str(renamed), "order.c", "", "/", str(file) + "\0", str(tmp_path)):
        assert source(name, APP, 0, ME) is None
    # A link leads to its file; that file's own rights count, and its own place among the roots.
    assert source(str(link), APP, 0, ME, (str(tmp_path / "elsewhere"),)) is None
    assert source(str(link), APP, 0, ME) is None


def test_private_and_huge_files_and_those_outside_the_roots(file: Path, tmp_path: Path) -> None:
    assert source(str(file), APP, 0, ME, (str(tmp_path),)) is not None
    assert source(str(file), APP, 0, ME, ("/usr",)) is None
    file.chmod(0o640)
    # The owner of the binary could read it anyway; nobody else is shown it.
    assert source(str(file), APP, 0, ME) is not None
    assert source(str(file), APP, 0, None) is None
    file.chmod(0o644)
    file.parent.chmod(0o700)
    assert source(str(file), APP, 0, None) is None
    os.truncate(file, MOST_BYTES + 1)
    assert source(str(file), APP, 0, ME) is None


def test_a_fifo_does_not_hold_anybody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "wait.c", 0o644)
    assert source(str(tmp_path / "wait.c"), APP, 0, ME) is None


def test_in_a_container_its_own_file_comes_first(file: Path) -> None:
    found = source(str(file), f"/proc/{os.getpid()}/root/usr/bin/app", 0, ME)
    assert found is not None
    assert found.path == f"/proc/{os.getpid()}/root{file}"


def test_an_uploaded_binary_names_nothing(index: Index, tmp_path: Path) -> None:
    program = compile_c(tmp_path, "int main(void) { return 0; }", "prog")
    text = str(program.with_suffix(".c"))
    assert upload(index, program).state == "done"
    (uploaded,) = index.binaries(Ask()).items
    assert index.source(uploaded.id, text) is None
    assert index.source(index.binary_at(str(program)).id, text) is not None
