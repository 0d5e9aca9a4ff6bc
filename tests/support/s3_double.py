"""An S3 on loopback: objects in memory, as much of the protocol as a blob store uses, and who may use it.

After the API reference of Amazon S3: PutObject with If-None-Match, GetObject with Range, HeadObject,
DeleteObject, ListObjectsV2, and the four requests of a multipart upload. Signatures are not computed anew;
the key that signed is looked at.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

KEY = "key-of-the-tests"


@dataclass(slots=True)
class Bucket:
    """What lies in it, and what was asked; ``down`` answers 503 to all."""

    url: str = ""
    objects: dict[str, bytes] = field(default_factory=dict)
    uploads: dict[str, dict[int, bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    changed: float = 0.0  # when all was put, in seconds since 1970
    down: bool = False

    def environment(self, key: str = KEY) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "eu-test-1",
            "AWS_ENDPOINT_URL": self.url,
        }


@contextmanager
def bucket() -> Iterator[Bucket]:
    """Serves ``s3://bucket`` until the end."""
    made = Bucket()

    class Handler(_Handler):
        held = made

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = False
        made.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    held: Bucket
    protocol_version = "HTTP/1.0"  # a connection a request: none is left open at the end

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        sent = {
            "Content-Length": str(len(body)),
            "Last-Modified": formatdate(self.held.changed, usegmt=True),
            **headers,
        }
        for name, value in sent.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _refuse(self, status: int, code: str) -> None:
        self._answer(status, f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode())

    def _serve(self) -> None:
        split = urlsplit(self.path)
        query = {key: value[0] for key, value in parse_qs(split.query, keep_blank_values=True).items()}
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        name, _, key = unquote(split.path).lstrip("/").partition("/")
        self.held.asked.append(f"{self.command} {'part' if 'partNumber' in query else key}")
        if self.held.down:
            self._refuse(503, "SlowDown")
        elif f"Credential={KEY}/" not in self.headers.get("Authorization", ""):
            self._refuse(403, "InvalidAccessKeyId")
        elif name != "bucket":
            self._refuse(404, "NoSuchBucket")
        elif not key:
            self._list(query.get("prefix", ""))
        else:
            getattr(self, f"_{self.command.lower()}")(key, query, body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _serve

    def _list(self, prefix: str) -> None:
        changed = datetime.fromtimestamp(self.held.changed, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        entries = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(data)}</Size>"
            f"<LastModified>{changed}</LastModified></Contents>"
            for key, data in self.held.objects.items()
            if key.startswith(prefix)
        )
        inner = f"<IsTruncated>false</IsTruncated>{entries}"
        self._answer(200, f"<ListBucketResult>{inner}</ListBucketResult>".encode())

    def _get(self, key: str, _: dict[str, str], __: bytes) -> None:
        data = self.held.objects.get(key)
        if data is None:
            self._refuse(404, "NoSuchKey")
        elif wanted := self.headers.get("Range"):
            start, end = wanted.removeprefix("bytes=").split("-")
            part = data[int(start) : int(end) + 1]
            place = f"bytes {start}-{int(start) + len(part) - 1}/{len(data)}"
            self._answer(206, part, ETag=_tag(data), Content_Range=place)
        else:
            self._answer(200, data, ETag=_tag(data))

    _head = _get

    def _put(self, key: str, query: dict[str, str], body: bytes) -> None:
        if "uploadId" in query:
            self.held.uploads[query["uploadId"]][int(query["partNumber"])] = body
        elif self.headers.get("If-None-Match") == "*" and key in self.held.objects:
            self._refuse(412, "PreconditionFailed")
            return
        else:
            self.held.objects[key] = body
        self._answer(200, ETag=_tag(body))

    def _post(self, key: str, query: dict[str, str], _: bytes) -> None:
        if "uploads" in query:
            number = str(len(self.held.uploads))
            self.held.uploads[number] = {}
            self._answer(200, _xml("InitiateMultipartUploadResult", UploadId=number))
            return
        parts = self.held.uploads.pop(query["uploadId"])
        self.held.objects[key] = b"".join(parts[number] for number in sorted(parts))
        tag = _tag(self.held.objects[key])
        self._answer(200, _xml("CompleteMultipartUploadResult", ETag=tag, Key=key))

    def _delete(self, key: str, query: dict[str, str], _: bytes) -> None:
        if "uploadId" in query:
            self.held.uploads.pop(query["uploadId"], None)
        else:
            self.held.objects.pop(key, None)
        self._answer(204)


def _tag(data: bytes) -> str:
    return f'"{hashlib.md5(data).hexdigest()}"'


def _xml(name: str, **values: str) -> bytes:
    inner = "".join(f"<{key}>{escape(value)}</{key}>" for key, value in values.items())
    return f"<{name}>{inner}</{name}>".encode()
