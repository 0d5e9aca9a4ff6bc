"""The bytes of uploaded files: one blob for each content, called by its SHA-256, packed by zstd.

A blob is created once. It is written beside its place, checked by its hash, and has its name when it is
whole; a kill leaves a part that the next start takes away. Who reads gets a descriptor of the unpacked bytes.
"""

from __future__ import annotations

import math
import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path

from app.config import Settings
from app.errors import Conflict, NotFound, StorageFull
from app.index.blob_cache import BlobCache
from app.index.locks import locked
from app.index.packing import Damaged, pack, unpack, unpacked_size
from app.index.shelves import Directory, Kept, Shelf, storing

GRACE = 3600.0  # seconds for which a sweep leaves what nothing refers to yet
_COUNT_SECONDS = 60.0  # that a count is believed: listing thousands costs more than putting one
Watch = Callable[[bytes], None]  # told of each step; raises where one should stop
_NAME = re.compile(r"[0-9a-f]{64}\.zst")
# Parts of a kill, and what was kept unpacked under its bare hash before blobs were packed.
_LEFT = re.compile(r"[0-9a-f]{64}(\.part)?")


class Blobs:
    """The blobs of one data directory, there or in a bucket. May be used from any thread and process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._directory = settings.data / "blobs"  # of parts, and of blobs where no bucket is set
        self._locks = settings.data / "locks"
        unpacked = settings.data / "unpacked"
        with storing(str(settings.data)):
            for directory in (self._directory, self._locks, unpacked):
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._used = 0  # bytes of all blobs, as of the last count and what was put since
        self._counted = -math.inf
        self._coming: dict[str, int] = {}  # bytes of those that are on their way to the shelf
        self._counting = threading.RLock()
        self._unpacked = BlobCache(unpacked, self._locks, settings.blob_cache)

    @cached_property
    def _shelf(self) -> Shelf:
        url = self._settings.blob_store
        if not url:
            return Directory(self._directory)
        from app.index.bucket import Bucket

        return Bucket(url)

    def put(self, file: int | Path, sha256: str, stopped: Callable[[], bool] = lambda: False) -> None:
        """Keeps a whole file under its hash; does nothing when it is there, and sound.

        Raises Conflict when it has another hash or was ``stopped``, StorageFull when blobs or disk have no
        room, StorageUnavailable, and FileNotFoundError for a path without a file.
        """
        if isinstance(file, Path):
            with storing(str(file)):
                descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
            try:
                return self.put(descriptor, sha256, stopped)
            finally:
                os.close(descriptor)

        def watch(_: bytes = b"") -> None:
            if stopped():
                raise Conflict("Keeping this upload was cancelled.", "Upload it again.", code="cancelled")

        with self._alone_with(sha256):
            if self._shelf.find(_name(sha256)) is not None and self._is_sound(sha256, watch):
                self._shelf.renew(_name(sha256))
                return None
            part = self._directory / f"{sha256}.part"
            try:
                self._pack(file, sha256, part, watch)
                with self._reserved(_name(sha256), part.stat().st_size):
                    self._shelf.take(part, _name(sha256), watch)
            finally:
                part.unlink(missing_ok=True)

    def _pack(self, descriptor: int, sha256: str, part: Path, watch: Watch) -> None:
        room = self._room(os.fstat(descriptor).st_size)
        with part.open("wb") as target:
            part.chmod(0o600)

            def write(packed: bytes) -> None:
                watch(packed)
                if target.tell() + len(packed) > room:
                    raise self._full()
                target.write(packed)

            try:
                found = pack(descriptor, write)
            except Damaged:
                found = None
        if found != sha256:
            raise Conflict("The file is not the one that was read: its SHA-256 differs.", "Upload it again.")

    @contextmanager
    def _reserved(self, name: str, size: int) -> Iterator[None]:
        """So that two together do not go over what one may. Raises StorageFull."""
        with self._counting:
            if size > self._room(size):
                raise self._full()
            self._coming[name] = size
        came = 0
        try:
            yield
            came = size
        finally:
            with self._counting:
                del self._coming[name]
                self._used += came

    def _room(self, wanted: int) -> int:
        """Bytes that blobs may still take; counted anew when that is long ago or they seem not to suffice."""
        with self._counting:
            coming = sum(self._coming.values())
            late = time.monotonic() - self._counted > _COUNT_SECONDS
            if late or self._used + coming + wanted > self._settings.blob_bytes:
                self._used = sum(kept.size for kept in self._kept() if kept.name not in self._coming)
                self._counted = time.monotonic()
            return self._settings.blob_bytes - self._used - coming

    def _full(self) -> StorageFull:
        return StorageFull(
            f"Uploaded files may take {self._settings.blob_bytes:,} bytes, and that is used up.",
            "Remove binaries that nobody needs, or raise PROBESCOPE_BLOB_BYTES.",
        )

    def _is_sound(self, sha256: str, watch: Watch) -> bool:
        """Whether a blob is there and gives its bytes; one that is damaged is put anew."""
        try:
            with self._shelf.open(_name(sha256)) as source:
                return unpack(source, unpacked_size(source), watch) == sha256
        except (FileNotFoundError, Damaged):
            return False

    @contextmanager
    def open(self, sha256: str) -> Iterator[int]:
        """A read-only descriptor of the whole bytes, which may be mapped.

        Raises NotFound when there is no such blob, Conflict when it is damaged, StorageFull when there is
        no room to unpack it, and StorageUnavailable.
        """
        try:
            descriptor = self._unpacked.open(sha256, lambda: self._shelf.open(_name(sha256)))
        except FileNotFoundError as error:
            raise NotFound("The bytes of this upload are gone.", "Upload it again.") from error
        except Damaged as error:
            raise Conflict(
                "The stored bytes of this upload are damaged, and are not used.",
                "Upload it again: that mends them.",
                code="damaged",
            ) from error
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    @contextmanager
    def _alone_with(self, sha256: str, wait: bool = True) -> Iterator[None]:
        with storing(str(self._directory)), locked(self._locks, f"blob-{sha256[0]}", wait):
            yield

    def delete(self, sha256: str) -> None:
        """Does nothing where there is none; who has it open keeps it."""
        with self._alone_with(sha256):
            self._shelf.drop(_name(sha256))
        self._unpacked.drop(sha256)

    def total(self) -> int:
        """Bytes that all blobs take, packed."""
        return sum(kept.size for kept in self._kept())

    def _kept(self) -> Iterator[Kept]:
        return (kept for kept in self._shelf.everything() if _NAME.fullmatch(kept.name))

    def sweep(self, referenced: Iterable[str], grace: float = GRACE) -> int:
        """Takes away what nothing refers to, and what a kill has left; how many blobs that were.

        A blob that is younger than ``grace`` seconds is left: its row may be on its way. A bucket must be
        this server's own, because what others refer to is not known here.
        """
        self._unpacked.clear()
        with storing(str(self._directory)):
            for path in self._directory.iterdir():
                if _LEFT.fullmatch(path.name):
                    with suppress(BlockingIOError), self._alone_with(path.name, wait=False):
                        path.unlink(missing_ok=True)
        wanted = {_name(each) for each in referenced}
        old = time.time() - grace
        count = 0
        for kept in list(self._kept()):
            if kept.name in wanted:
                continue
            with self._alone_with(kept.name):
                again = self._shelf.find(kept.name)
                if again is not None and again.changed <= old:
                    self._shelf.drop(kept.name)
                    count += 1
        return count


def _name(sha256: str) -> str:
    return f"{sha256}.zst"
