"""Where packed blobs lie: a directory of this machine, or a bucket of any S3 by way of obstore.

A shelf knows names and bytes, not what is in them. What goes wrong there is an AppError with a sentence.
obstore is loaded for a bucket alone: a host needs no S3, and a library of 15 MB adds nothing to a rename.
"""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from app.config import object_store_options
from app.errors import StorageFull, StorageUnavailable

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Config

_STEP = 8 << 20  # bytes of one request
_AT_ONCE = 4  # requests that carry one blob away
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True, slots=True)
class Kept:
    """One blob as it lies there; ``changed`` in seconds since 1970."""

    name: str
    size: int
    changed: float


class Shelf(Protocol):
    """All methods may be called from any thread; each raises StorageFull or StorageUnavailable."""

    def everything(self) -> Iterator[Kept]: ...

    def find(self, name: str) -> Kept | None: ...

    def take(self, part: Path, name: str) -> None:
        """The whole file ``part`` becomes ``name`` at once, or not at all. It may be gone afterwards."""

    def open(self, name: str) -> io.BufferedReader:
        """Raises FileNotFoundError where there is none."""

    def renew(self, name: str) -> None:
        """Makes it look new, so that a sweep leaves it."""

    def drop(self, name: str) -> None:
        """Does nothing where there is none."""


@contextmanager
def storing(where: str) -> Iterator[None]:
    """Failures of a file system as errors for people."""
    try:
        yield
    except (FileNotFoundError, BlockingIOError):
        raise
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull(
                f"{where} has no room left.",
                "Free some space, remove binaries that nobody needs, or use --data.",
            ) from error
        raise StorageUnavailable(
            f"{where} cannot be used: {error.strerror}.", "Look at its file system and its permissions."
        ) from error


class Directory:
    """A shelf whose parts are written beside it, on the same file system."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __str__(self) -> str:
        return str(self._path)

    def everything(self) -> Iterator[Kept]:
        with storing(str(self)), os.scandir(self._path) as entries:
            names = [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
        for name in names:
            kept = self.find(name)
            if kept is not None:
                yield kept

    def find(self, name: str) -> Kept | None:
        try:
            with storing(str(self)):
                status = (self._path / name).stat()
        except FileNotFoundError:
            return None
        return Kept(name, status.st_size, status.st_mtime)

    def take(self, part: Path, name: str) -> None:
        with storing(str(self)):
            descriptor = os.open(part, os.O_RDONLY | os.O_CLOEXEC)
            try:
                # What has its name must outlive a loss of power whole.
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            part.rename(self._path / name)

    def open(self, name: str) -> io.BufferedReader:
        with storing(str(self)):
            return (self._path / name).open("rb")

    def renew(self, name: str) -> None:
        with storing(str(self)):
            os.utime(self._path / name)

    def drop(self, name: str) -> None:
        with storing(str(self)):
            (self._path / name).unlink(missing_ok=True)


class Bucket:
    """A bucket, or what is below a prefix in it, that is this server's own."""

    def __init__(self, url: str) -> None:
        from obstore.store import S3Store

        options = object_store_options()
        plain = any(value.startswith("http://") for key, value in options.items() if "endpoint" in key)
        client: ClientConfig = {"timeout": "60s", "connect_timeout": "5s", "allow_http": plain}
        self._url = url
        self._store = S3Store.from_url(
            url,
            # Deletes of one are what every S3 knows.
            config=cast("S3Config", {**options, "disable_bulk_delete": "true"}),
            client_options=client,
            retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=60)},
        )

    def __str__(self) -> str:
        return self._url

    def everything(self) -> Iterator[Kept]:
        import obstore

        with self._asking():
            for part in obstore.list(self._store):
                for meta in part:
                    yield Kept(meta["path"], meta["size"], meta["last_modified"].timestamp())

    def find(self, name: str) -> Kept | None:
        import obstore

        try:
            with self._asking():
                meta = obstore.head(self._store, name)
        except FileNotFoundError:
            return None
        return Kept(name, meta["size"], meta["last_modified"].timestamp())

    def take(self, part: Path, name: str) -> None:
        """Small ones are created only where there is none. A large one goes up in parts, which S3 shows as
        a whole when all are there; if two do that at once, they bring the same content."""
        import obstore
        from obstore.exceptions import AlreadyExistsError

        with self._asking():
            if part.stat().st_size <= _STEP:
                try:
                    obstore.put(self._store, name, part.read_bytes(), mode="create")
                except AlreadyExistsError:
                    obstore.put(self._store, name, part.read_bytes(), use_multipart=False)
                return
            obstore.put(self._store, name, part, chunk_size=_STEP, max_concurrency=_AT_ONCE)

    def open(self, name: str) -> io.BufferedReader:
        kept = self.find(name)
        if kept is None:
            raise FileNotFoundError(errno.ENOENT, "no such object", name)
        return io.BufferedReader(_Object(self, kept), _STEP)

    def part(self, name: str, start: int, length: int) -> bytes:
        import obstore

        with self._asking():
            return bytes(obstore.get_range(self._store, name, start=start, length=length))

    def renew(self, name: str) -> None:
        """Nothing: only the one server that owns the bucket sweeps it, before it takes anything in."""

    def drop(self, name: str) -> None:
        import obstore

        try:
            with self._asking():
                obstore.delete(self._store, name)
        except FileNotFoundError:
            pass

    @contextmanager
    def _asking(self) -> Iterator[None]:
        from obstore import exceptions as failures

        try:
            yield
        # obstore raises its own error or the built-in one, by version.
        except (failures.NotFoundError, FileNotFoundError) as error:
            raise FileNotFoundError(errno.ENOENT, "no such object", self._url) from error
        except (failures.BaseError, OSError) as error:
            # "Generic S3 error: Error performing GET URL in 2ms - REASON: <Error>…", and then its parts.
            reason = str(error).splitlines()[0].rpartition(" - ")[2].partition(": <")[0]
            refused = isinstance(error, failures.PermissionDeniedError | failures.UnauthenticatedError)
            if refused or "403 Forbidden" in reason:
                raise StorageUnavailable(
                    f"{self._url} refuses these credentials.",
                    "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of one who may read, write and delete.",
                ) from error
            raise StorageUnavailable(
                f"{self._url} cannot be used: {reason}.",
                "Look at PROBESCOPE_BLOB_STORE, AWS_ENDPOINT_URL and the network.",
            ) from error


class _Object(io.RawIOBase):
    """An object read from its begin to its end, a request for each step."""

    def __init__(self, bucket: Bucket, kept: Kept) -> None:
        self._bucket = bucket
        self._kept = kept
        self._at = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        length = min(len(buffer), self._kept.size - self._at)
        if length <= 0:
            return 0
        part = self._bucket.part(self._kept.name, self._at, length)
        buffer[: len(part)] = part
        self._at += len(part)
        return len(part)
