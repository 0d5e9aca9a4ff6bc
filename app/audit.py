"""One JSON line in ``data/audit.jsonl`` for each act of consequence, on disk before the act is done.

A line is ``{"time", "act", "who", ...}``. A writer that died may leave half a line: the act it was about
never began, so the next writer cuts it off. Whoever cannot write the line must not do the act.
"""

from __future__ import annotations

import fcntl
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.errors import StorageFull

NAME = "audit.jsonl"


def write(data: Path, act: str, who: str, **fields: Any) -> None:
    """Append one fsynced line; ``fields`` that JSON does not know are written as text.

    Safe among threads and processes. Raises StorageFull when the line cannot be kept, whatever the cause.
    """
    entry = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "act": act, "who": who, **fields}
    line = json.dumps(entry, default=str).encode() + b"\n"
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(data / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            _append(descriptor, line)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise StorageFull(
            f"The audit log cannot be written ({error.strerror}), so nothing was done.",
            f"Make room and check the permissions of {data / NAME}.",
        ) from error


def _append(descriptor: int, line: bytes) -> None:
    end = _end_of_lines(descriptor)
    os.ftruncate(descriptor, end)
    try:
        done = 0
        while done < len(line):
            done += os.pwrite(descriptor, line[done:], end + done)
        os.fsync(descriptor)
    except OSError:
        os.ftruncate(descriptor, end)
        raise


def _end_of_lines(descriptor: int) -> int:
    """The offset after the last newline: where the last whole line ends."""
    end = os.fstat(descriptor).st_size
    while end:
        start = max(0, end - 4096)
        chunk = os.pread(descriptor, end - start, start)
        cut = chunk.rfind(b"\n")
        if cut >= 0:
            return start + cut + 1
        end = start
    return 0
