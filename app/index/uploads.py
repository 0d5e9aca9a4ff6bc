"""The bytes that are kept of uploads: each blob lives as long as a row of the catalogue has it.

Blobs are opened at the first question about one: files of the host have none, and who only indexes them loads
nothing of it.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cached_property
from typing import TYPE_CHECKING

from app.config import Settings
from app.errors import StorageUnavailable
from app.index.catalogue import Catalogue

if TYPE_CHECKING:
    from app.index.blobs import Blobs


class Uploads:
    """The blobs and the rows of one data directory, kept in step. May be used from any thread."""

    def __init__(self, settings: Settings, catalogue: Catalogue) -> None:
        self._settings = settings
        self._catalogue = catalogue
        self._lock = threading.Lock()
        self._laying: Counter[str] = Counter()  # blobs whose rows are on their way

    @cached_property
    def _blobs(self) -> Blobs:
        from app.index.blobs import Blobs

        return Blobs(self._settings)

    @contextmanager
    def laying(self, sha256: str) -> Iterator[None]:
        """Nobody takes this blob away until its row is written; without one it goes."""
        with self._lock:
            self._laying[sha256] += 1
        try:
            yield
        finally:
            with self._lock:
                self._laying[sha256] -= 1
            self.drop(sha256)

    def put(self, descriptor: int, sha256: str, stopped: Callable[[], bool]) -> None:
        """Within ``laying``. Raises as ``Blobs.put`` does."""
        self._blobs.put(descriptor, sha256, stopped)

    def opened(self, sha256: str) -> AbstractContextManager[int]:
        """A descriptor of the whole bytes. Raises as ``Blobs.open`` does."""
        return self._blobs.open(sha256)

    def drop(self, sha256: str) -> None:
        """Unless a row has it. One that cannot be taken away now goes at a start."""
        with self._lock, suppress(StorageUnavailable):
            if not self._laying[sha256] and not self._catalogue.has_blob(sha256):
                del self._laying[sha256]
                self._blobs.delete(sha256)

    def drop_leftovers(self) -> None:
        """What a kill left without its row. A bucket that is out of reach now is swept at another start."""
        with suppress(StorageUnavailable):
            self._blobs.sweep(self._catalogue.blobs())
