"""Our client against Debian's debuginfod: what elfutils serves is fetched, proved and merged."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from tests.index.test_debug_files import build
from tests.support.debuginfod_real import URL, real_debuginfod

ROOT = Path(__file__).resolve().parents[2]


def test_a_stripped_program_gets_its_names_and_lines_from_it(tmp_path: Path) -> None:
    made = build(tmp_path / "programs")
    served = tmp_path / "served"
    served.mkdir()
    shutil.copy(made.debug, served / "app.debug")
    settings = {
        "PROBESCOPE_DATA": str(tmp_path / "data"),
        "PROBESCOPE_DEBUGINFOD_CACHE": str(tmp_path / "cache"),
        "PROBESCOPE_DEBUGINFOD_URLS": f"http://127.0.0.1:1 {URL}",
        "PYTHONPATH": str(ROOT),
    }
    with real_debuginfod(tmp_path, served) as server:
        server.until_it_has(made.build_id)
        ours = server.run(
            sys.executable, "-m", "app", "debuginfo", "--fetch", "--json", made.stripped, **settings
        )
        assert ours.returncode == 0, ours.stderr
        places = [json.loads(line) for line in ours.stdout.splitlines()]
        told = {each["path"]: each["state"] for each in places if each["kind"] == "debuginfod"}
        assert told == {"http://127.0.0.1:1": "missing", URL: "matched"}
        kept = tmp_path / "cache" / made.build_id / "debuginfo"
        assert kept.read_bytes() == made.debug.read_bytes()
        listed = server.run(
            sys.executable, "-m", "app", "functions", "-q", "checkout", "--json", made.stripped, **settings
        )
        (checkout,) = [json.loads(line) for line in listed.stdout.splitlines()]
        assert [each["type"] for each in checkout["parameters"]] == ["struct order *", "int"]
        assert checkout["line"]
        # elfutils' own client takes ours for its own: the server need not be asked.
        theirs = server.run(
            "debuginfod-find",
            "debuginfo",
            made.build_id,
            DEBUGINFOD_URLS="http://127.0.0.1:1",
            DEBUGINFOD_CACHE_PATH=str(tmp_path / "cache"),
        )
        assert theirs.stdout.strip() == str(kept), theirs.stderr


def test_what_it_has_not_is_kept_as_missing_by_both(tmp_path: Path) -> None:
    made = build(tmp_path / "programs")
    known = build(tmp_path / "others", "int main(void) { return 0; }")
    served = tmp_path / "served"
    served.mkdir()
    shutil.copy(known.debug, served / "known.debug")
    settings = {
        "PROBESCOPE_DATA": str(tmp_path / "data"),
        "PROBESCOPE_DEBUGINFOD_CACHE": str(tmp_path / "cache"),
        "PROBESCOPE_DEBUGINFOD_URLS": URL,
        "PYTHONPATH": str(ROOT),
    }
    with real_debuginfod(tmp_path, served) as server:
        server.until_it_has(known.build_id)
        ours = server.run(sys.executable, "-m", "app", "debuginfo", "--fetch", made.stripped, **settings)
        assert ours.returncode == 1
        assert "No server has the debug file." in ours.stderr
        assert (tmp_path / "cache" / made.build_id / "debuginfo").stat().st_size == 0
        theirs = server.run(
            "debuginfod-find",
            "-v",
            "debuginfo",
            made.build_id,
            DEBUGINFOD_URLS="http://127.0.0.1:1",
            DEBUGINFOD_CACHE_PATH=str(tmp_path / "cache"),
        )
        # Without our note it would say that the server cannot be reached.
        assert "No such file or directory" in theirs.stderr
