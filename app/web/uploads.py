"""A multipart body into files on disk, as it streams: bounded in bytes, in files, and by the free disk.

Nothing is named by what the body says; memory does not grow with the upload (RFC 7578, by python-multipart).
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool

from app.config import MIB, Settings
from app.errors import BadInput, StorageFull, TooLarge

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

FIELD = "files"
PART_HEADER_LIMIT = 16 * 1024
NAME_LIMIT = 255
DISK_CHECK = 64 * MIB


class Receiver:
    """The callbacks of the parser: each part of the field ``files`` becomes one temporary file (0600)."""

    def __init__(self, directory: Path, settings: Settings) -> None:
        self.files: list[tuple[str, Path]] = []
        self._directory = directory
        self._settings = settings
        self._headers: dict[bytes, bytes] = {}
        self._field, self._value, self._header_bytes = b"", b"", 0
        self._open: BinaryIO | None = None
        self.whole = False  # the closing boundary came

    def callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._part_begin,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._part_data,
            "on_part_end": self._part_end,
            "on_end": self._end,
        }

    def discard(self) -> None:
        self._part_end()
        for _, path in self.files:
            path.unlink(missing_ok=True)

    def _part_begin(self) -> None:
        self._headers, self._header_bytes = {}, 0

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._count(end - start)
        self._field += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._count(end - start)
        self._value += data[start:end]

    def _end(self) -> None:
        self.whole = True

    def _count(self, length: int) -> None:
        self._header_bytes += length
        if self._header_bytes > PART_HEADER_LIMIT:
            raise BadInput(
                "A part of the upload has too long a header.", "Upload the files by a browser or curl."
            )

    def _header_end(self) -> None:
        self._headers[self._field.lower()] = self._value
        self._field, self._value = b"", b""

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        if options.get(b"name") != FIELD.encode() or b"filename" not in options:
            return
        if len(self.files) >= self._settings.upload_files:
            raise TooLarge(
                f"The upload has more than {self._settings.upload_files} files.", "Send fewer at once."
            )
        name = options[b"filename"].decode("utf-8", "replace").replace("\\", "/").rsplit("/", 1)[-1]
        handle, path = tempfile.mkstemp(prefix="part-", dir=self._directory)
        self._open = os.fdopen(handle, "wb")
        self.files.append((name[:NAME_LIMIT] or "upload", Path(path)))

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._open is not None:
            self._open.write(data[start:end])

    def _part_end(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None


async def receive(request: Request, directory: Path, settings: Settings) -> list[tuple[str, Path]]:
    """(name, temporary file in ``directory``) of each file sent; on any failure nothing is left there.

    Raises BadInput, TooLarge, StorageFull; a disconnect raises starlette's ClientDisconnect.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise BadInput("The body is not multipart/form-data.", f"Send the files in the field {FIELD!r}.")
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > settings.upload_bytes:
        raise _too_large(settings)
    receiver = Receiver(directory, settings)
    parser = MultipartParser(options[b"boundary"], receiver.callbacks())
    received, checked = 0, -DISK_CHECK
    try:
        async for chunk in request.stream():
            received += len(chunk)
            if received > settings.upload_bytes:
                raise _too_large(settings)
            if received - checked >= DISK_CHECK:
                checked = received
                if shutil.disk_usage(directory).free < settings.free_disk:
                    raise StorageFull(
                        "The disk has too little room for an upload.", "Free some space, or use --data."
                    )
            await run_in_threadpool(parser.write, chunk)
        parser.finalize()
        if not receiver.whole:
            raise BadInput("The upload was cut off before its end.", "Send it again.")
        if not receiver.files:
            raise BadInput("The upload has no file.", f"Send the files in the field {FIELD!r}.")
    except FormParserError as error:
        receiver.discard()
        raise BadInput(
            "The upload is not well-formed.", "It may have been cut off; send it again."
        ) from error
    except BaseException:
        receiver.discard()
        raise
    return receiver.files


def _too_large(settings: Settings) -> TooLarge:
    return TooLarge(
        f"The upload is larger than {settings.upload_bytes // MIB} MiB.",
        "Raise PROBESCOPE_UPLOAD_BYTES, or index the file from the host.",
    )
