"""A shelf of blobs in any S3, by way of obstore: signatures, retries, multipart uploads and create-once.

Loaded where a bucket is set, and there alone: a host needs no S3.
"""

from __future__ import annotations

import errno
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, cast

import obstore
from obstore import exceptions as failures
from obstore.store import S3Store

from app.config import object_store_options
from app.errors import StorageUnavailable
from app.index.shelves import Kept

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Config

_STEP = 8 << 20  # bytes of one request
_AT_ONCE = 4  # requests that carry one blob away


class Bucket:
    """A bucket, or what is below a prefix in it, that is this server's own."""

    def __init__(self, url: str) -> None:
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
        with self._asking("bucket"):
            for part in obstore.list(self._store):
                for meta in part:
                    yield Kept(meta["path"], meta["size"], meta["last_modified"].timestamp())

    def find(self, name: str) -> Kept | None:
        try:
            with self._asking():
                meta = obstore.head(self._store, name)
        except FileNotFoundError:
            return None
        return Kept(name, meta["size"], meta["last_modified"].timestamp())

    def take(self, part: Path, name: str, watch: Callable[[bytes], None]) -> None:
        """Small ones are created only where there is none. A large one goes up in parts, which S3 shows as
        a whole when all are there; if two do that at once, they bring the same content."""
        with self._asking("bucket"):
            if part.stat().st_size <= _STEP:
                try:
                    obstore.put(self._store, name, part.read_bytes(), mode="create")
                except failures.AlreadyExistsError:
                    obstore.put(self._store, name, part.read_bytes(), use_multipart=False)
                return
            with part.open("rb") as file:

                def steps() -> Iterator[bytes]:
                    while step := file.read(_STEP):
                        watch(step)
                        yield step

                obstore.put(self._store, name, steps(), chunk_size=_STEP, max_concurrency=_AT_ONCE)

    def open(self, name: str) -> io.BufferedReader:
        kept = self.find(name)
        if kept is None:
            raise FileNotFoundError(errno.ENOENT, "no such object", name)
        return io.BufferedReader(_Object(self, kept), _STEP)

    def part(self, name: str, start: int, length: int) -> bytes:
        with self._asking():
            return bytes(obstore.get_range(self._store, name, start=start, length=length))

    def renew(self, name: str) -> None:
        """Nothing: only the one server that owns the bucket sweeps it, before it takes anything in."""

    def drop(self, name: str) -> None:
        try:
            with self._asking():
                obstore.delete(self._store, name)
        except FileNotFoundError:
            pass

    @contextmanager
    def _asking(self, what: str = "object") -> Iterator[None]:
        """``what`` is missing when S3 finds nothing."""
        try:
            yield
        except (failures.BaseError, OSError) as error:
            # "Generic S3 error: Error performing GET URL in 2ms - REASON: <Error>…", and then its parts.
            reason = str(error).splitlines()[0].rpartition(" - ")[2].partition(": <")[0]
            # obstore raises its own error or the built-in one by version, and for lists the general one.
            if isinstance(error, failures.NotFoundError | FileNotFoundError) or "404 Not Found" in reason:
                if what == "object":
                    raise FileNotFoundError(errno.ENOENT, "no such object", self._url) from error
                text, hint = (
                    f"There is no bucket of {self._url}.",
                    "Make it, or correct PROBESCOPE_BLOB_STORE.",
                )
            elif (
                isinstance(error, failures.PermissionDeniedError | failures.UnauthenticatedError)
                or "403 Forbidden" in reason
            ):
                text = f"{self._url} refuses these credentials."
                hint = (
                    "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of one who may read, write and delete."
                )
            else:
                text = f"{self._url} cannot be used: {reason}."
                hint = "Look at PROBESCOPE_BLOB_STORE, AWS_ENDPOINT_URL and the network."
            raise StorageUnavailable(text, hint) from error


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
