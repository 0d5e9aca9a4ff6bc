"""One at a time among threads and processes: a lock on a file, which a kill lets go."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(directory: Path, name: str, wait: bool = True) -> Iterator[None]:
    """Alone with the file ``name``, one of few, in ``directory``.

    Raises BlockingIOError where another has it and we do not ``wait``, and OSError.
    """
    descriptor = os.open(directory / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(descriptor)
