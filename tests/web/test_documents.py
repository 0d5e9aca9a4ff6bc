"""docs/reference/http.md names every request of the interface, and no other."""

from __future__ import annotations

import re
from itertools import chain
from pathlib import Path

from app.web.server import ROUTERS

ROOT = Path(__file__).resolve().parents[2]
DATA = ("/api/", "/ws/", "/healthz", "/readyz", "/metrics", "/buildid/", "/metadata")


def test_every_request_is_described() -> None:
    there = set()
    for route in chain.from_iterable(router.routes for router in ROUTERS):
        for method in getattr(route, "methods", None) or ["WS"]:
            path = re.sub(r"\{[^}]*\}", "{}", getattr(route, "path", ""))
            if method != "HEAD" and path.startswith(DATA):
                there.add(f"{method} {path}")
    told = set()
    for page in ("http.md", "stream.md"):
        text = (ROOT / "docs/reference" / page).read_text()
        for method, path in re.findall(r"`(GET|POST|PUT|DELETE|WS) (/[^`?\s]*)", text):
            told.add(f"{method} " + re.sub(r"\{[^}]*\}", "{}", path).replace("{}-{}", "{}"))
    assert told == there
