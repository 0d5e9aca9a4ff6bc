"""Rows of figures to a page below benchmarks/results, and to the terminal."""

from __future__ import annotations

import compileall
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.machine import machine

RESULTS = Path(__file__).parent / "results"
Work = Callable[[], object]


def interleaved(works: dict[str, Work], turns: int) -> dict[str, list[float]]:
    """Seconds of each, ``turns`` times, one after another in each turn, so that all meet the same noise.

    One turn before, not counted, warms caches. Our modules are compiled, as those of an installed copy are:
    where PYTHONDONTWRITEBYTECODE is set, each start would do it anew.
    """
    compileall.compile_dir("app", quiet=1)
    found: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(turns + 1):
        for name, work in works.items():
            began = time.perf_counter()
            work()
            if turn:
                found[name].append(time.perf_counter() - began)
    return found


def timing_table(found: dict[str, list[float]], ours: str) -> list[list[str]]:
    """Minimum, median, maximum in ms, and how many times the minimum of ``ours`` each took."""
    base = min(found[ours])
    rows = [["what", "min ms", "median ms", "max ms", "times ours"]]
    for name, seconds in found.items():
        rows.append(
            [
                name,
                f"{min(seconds) * 1e3:.1f}",
                f"{statistics.median(seconds) * 1e3:.1f}",
                f"{max(seconds) * 1e3:.1f}",
                f"{min(seconds) / base:.2f}",
            ]
        )
    return rows


def table(rows: Sequence[Sequence[str]]) -> str:
    head, *rest = rows
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rest)])


def write(name: str, title: str, parts: Sequence[str], versions: dict[str, str]) -> None:
    """``results/NAME.md``, made anew."""
    facts = machine() | versions
    page = [
        f"# {title}",
        f"Measured on {time.strftime('%Y-%m-%d')} by `python -m benchmarks {name}`.",
        *parts,
    ]
    page.append("## Machine and versions")
    page.append(table([["what", "value"], *([key, value] for key, value in facts.items())]))
    RESULTS.mkdir(exist_ok=True)
    text = "\n\n".join(page) + "\n"
    (RESULTS / f"{name}.md").write_text(text)
    sys.stdout.write(text)
