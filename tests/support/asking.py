"""A real server that asks the double of a debuginfod server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from tests.support.debuginfod_double import Double, double
from tests.support.server import Server, running


@contextmanager
def asking(
    place: Path, answer: Callable[[BaseHTTPRequestHandler], None] | None, *arguments: str
) -> Iterator[tuple[Server, Double]]:
    """Its data lie in ``place/data`` and what it fetched in ``place/cache``."""
    with (
        double(answer) as away,
        running(
            place / "data",
            *arguments,
            PROBESCOPE_DEBUGINFOD_URLS=away.url,
            PROBESCOPE_DEBUGINFOD_CACHE=str(place / "cache"),
        ) as server,
    ):
        yield server, away
