"""A debuginfod server that does what a test wants, lies and hangs included."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Double:
    """``answer`` is called with the handler of each GET; ``paths`` are those that were asked for."""

    url: str
    answer: Callable[[BaseHTTPRequestHandler], None]
    paths: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def hang(self, _: BaseHTTPRequestHandler) -> None:
        """Never answers."""
        self.over.wait()


def giving(body: bytes, status: int = 200, **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    """An answer with this body; ``_`` in the names of headers stands for ``-``; "" leaves one out."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        every = {"content_length": str(len(body)), **headers}
        for name, value in every.items():
            if value:
                handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


@contextmanager
def double(answer: Callable[[BaseHTTPRequestHandler], None] | None = None) -> Iterator[Double]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.paths.append(self.path)
            # Who asks may leave before the end.
            with suppress(OSError):
                found.answer(self)

        def log_message(self, *_: object) -> None:
            pass

    class Listening(ThreadingHTTPServer):
        daemon_threads = False

    server = Listening(("127.0.0.1", 0), Handler)
    found = Double(f"http://127.0.0.1:{server.server_port}", answer or giving(b"", 404))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield found
    finally:
        found.over.set()
        server.shutdown()
        thread.join()
        server.server_close()
