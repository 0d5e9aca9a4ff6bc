"""The most memory that a command and all its children held at once."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

_EVERY = 0.005  # seconds


def peak(command: Sequence[str], env: Mapping[str, str] | None = None) -> int:
    """Bytes, summed over the tree of processes; of a page that two of them map, each has a half."""
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env)
    most = 0
    over = threading.Event()

    def watch() -> None:
        nonlocal most
        while not over.is_set():
            most = max(most, sum(_resident(pid) for pid in _tree(child.pid)))
            time.sleep(_EVERY)

    watcher = threading.Thread(target=watch)
    watcher.start()
    child.wait()
    over.set()
    watcher.join()
    return most


def _tree(pid: int) -> Iterator[int]:
    waiting = [pid]
    while waiting:
        one = waiting.pop()
        yield one
        # Any of them may end meanwhile.
        with suppress(OSError):
            for path in Path(f"/proc/{one}/task").glob("*/children"):
                with suppress(OSError):
                    waiting += [int(number) for number in path.read_text().split()]


def _resident(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        return 1024 * int(text.split("\nPss:")[1].split()[0])
    except (OSError, IndexError):
        return 0
