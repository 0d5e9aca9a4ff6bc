"""Every test of tracing leaves no bpftrace behind."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest


def _bpftraces_below(root: int) -> list[int]:
    """The bpftrace processes whose line of parents comes to ``root``."""
    parents: dict[int, tuple[int, str]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                text = (entry / "stat").read_text(errors="replace")
            except OSError:
                continue
            parents[int(entry.name)] = (
                int(text[text.rindex(")") + 2 :].split()[1]),
                text[text.index("(") + 1 : text.rindex(")")],
            )
    found = []
    for pid, (_, command) in parents.items():
        above = pid
        while above not in (0, root) and above in parents:
            above = parents[above][0]
        if command == "bpftrace" and above == root:
            found.append(pid)
    return found


@pytest.fixture(autouse=True)
def no_bpftrace_stays() -> Iterator[None]:
    yield
    for _ in range(100):
        left = _bpftraces_below(os.getpid())
        if not left:
            return
        time.sleep(0.05)
    raise AssertionError(f"bpftrace still runs: {left}")
