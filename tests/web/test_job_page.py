"""The part of a page that shows a job: what it tells while it runs, and when it is over."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.index.model import Job
from app.web import render

GOING = Job(
    id="a1",
    kind="index",
    state="running",
    phase="reading",
    done=812,
    total=2463,
    bytes_done=1 << 30,
    bytes_total=3 << 30,
    current="/usr/lib/<x>",
    results=tuple(
        {"path": f"/usr/lib/{number}", "id": "ab", "state": "ok", "code": "", "message": "", "hint": ""}
        for number in range(80)
    ),
    message=None,
    started=0.0,
    ended=None,
    files_per_second=1640.4,
    bytes_per_second=512.0 * 1024 * 1024,
    seconds_left=75.0,
)


def shown(job: Job) -> str:
    return render.environment().get_template("parts/job.html").render(job=job)


def test_one_that_runs_says_how_fast_and_how_long() -> None:
    page = shown(GOING)
    for text in (
        "812",
        "2,463",
        "1,640 files/s",
        "512.0 MiB/s",
        "1 min 15 s",
        "/usr/lib/&lt;x&gt;",
        "Cancel",
    ):
        assert text in page
    assert f'max="{3 << 30}" value="{1 << 30}"' in page
    assert 'hx-trigger="every 1s"' in page
    # All rows each second would be too many.
    assert page.count("data-open") == 50


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"phase": "walking", "total": None, "bytes_total": None, "seen": 12345}, "12,345</b> files seen"),
        ({"files_per_second": None, "bytes_per_second": None, "seconds_left": None}, "812"),
        ({"unchanged": 700, "failed": 3}, "700 did not change. 3 could not be read."),
    ],
)
def test_other_moments(changes: dict[str, object], text: str) -> None:
    assert text in shown(replace(GOING, **changes))  # type: ignore[arg-type]


def test_one_that_is_over_asks_no_more() -> None:
    page = shown(
        replace(GOING, state="done", phase="over", done=2463, ended=61.0, seen=117_000, current=None)
    )
    assert "hx-get" not in page
    assert "Cancel" not in page
    assert "in 1 min 01 s" in page
    assert "117,000 files of all kinds were seen." in page
    assert "80 of 2,463 are shown" in page
