"""The lock that keeps a second server from taking this one's sessions for left ones; a dead one's is free."""

from __future__ import annotations

import asyncio
import fcntl
import os
from contextlib import suppress
from pathlib import Path

from app.errors import Conflict, StorageFull

NAME = "sessions.lock"
# A server that is replaced may still be ending.
LOCK_SECONDS = 3.0


async def hold(data: Path) -> int:
    """A descriptor that holds the lock of a data directory until it is closed.

    Raises Conflict when a server that lives has it, and StorageFull.
    """
    held = _opened(data)
    for _ in range(round(LOCK_SECONDS / 0.1)):
        with suppress(BlockingIOError):
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return held
        await asyncio.sleep(0.1)
    os.close(held)
    raise Conflict(f"Another server uses {data}.", "Stop it, or give this one its own with --data.")


def _opened(data: Path) -> int:
    path = data / NAME
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise StorageFull(f"{path} cannot be made: {error.strerror}.", "Make room there.") from error
