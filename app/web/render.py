"""Values into pages: the Jinja environment, its filters, and the choice between a page and its part."""

from __future__ import annotations

import hashlib
import socket
import time
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from fastapi import Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from app.index.model import Hit, signature, source
from app.paths import asset_dir
from app.web.names import short
from app.web.services import services

THEMES = ("auto", "light", "dark")
UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


@lru_cache(maxsize=1)
def asset_version() -> str:
    """A hash over all of static/: one version for the tree, because its modules import one another."""
    digest = hashlib.sha256()
    top = asset_dir("static")
    for path in sorted(path for path in top.rglob("*") if path.is_file()):
        digest.update(str(path.relative_to(top)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def asset(path: str) -> str:
    return f"/static/{asset_version()}/{path}"


def as_bytes(size: int | None) -> str:
    if size is None:
        return ""
    value, unit = float(size), 0
    while value >= 1024 and unit < len(UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{size} B" if unit == 0 else f"{value:.1f} {UNITS[unit]}"


def ago(seconds: float | None) -> str:
    if seconds is None:
        return ""
    passed = max(0.0, time.time() - seconds)
    for limit, size, word in (
        (60, 1, "s"),
        (3600, 60, "min"),
        (86_400, 3600, "h"),
        (float("inf"), 86_400, "d"),
    ):
        if passed < limit:
            return f"{int(passed // size)} {word} ago"
    return ""


def duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    whole = int(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def when(seconds: float | None) -> str:
    return "" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def plain(text: object) -> str:
    """The text with control and bidirectional characters shown as escapes, so that none acts on the page."""
    return "".join(
        f"\\u{ord(c):04x}" if unicodedata.category(c) in {"Cc", "Cf", "Cs"} and c != "\t" else c
        for c in str(text)
    )


def plain_lines(text: object) -> str:
    """``plain``, but lines stay lines."""
    return "\n".join(plain(line) for line in str(text).split("\n"))


def build_url(path: str, **query: object) -> str:
    """The path with those query values that are not empty; lists repeat their name."""
    pairs: list[tuple[str, str]] = []
    for name, value in query.items():
        for entry in value if isinstance(value, list | tuple) else [value]:
            if entry is not None and entry is not False and entry != "":
                pairs.append((name, "1" if entry is True else str(entry)))
    return path + (f"?{urlencode(pairs)}" if pairs else "")


def hit_url(hit: Hit) -> str:
    base = f"/binaries/{quote(hit.binary)}"
    if hit.kind == "function":
        return f"{base}/functions/{quote(hit.key)}"
    if hit.kind == "usdt":
        return f"{base}/usdt/{quote(hit.key)}"
    if hit.kind == "variable":
        return build_url(f"{base}/variables", q=hit.name)
    return base


def each_url(hit: Hit) -> str:
    """The search for every binary that has the name of this hit."""
    signs = "".join(f"[{sign}]" if sign in "*?[" else sign for sign in hit.demangled)
    return build_url("/search", q=signs, mode="glob", kind=hit.kind, each="1")


@lru_cache(maxsize=1)
def environment() -> Environment:
    env = Environment(
        loader=FileSystemLoader(asset_dir("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Callable[..., str]] = {
        "hex": lambda value: "" if value is None else f"{value:#x}",
        "bytes": as_bytes,
        "ago": ago,
        "when": when,
        "num": lambda value: "" if value is None else f"{value:,}",
        "duration": duration,
        "plain": plain,
        "short": short,
        "plain_lines": plain_lines,
        "signature": signature,
        "source": source,
    }
    env.filters |= filters
    env.globals |= {"asset": asset, "url": build_url, "hit_url": hit_url, "each_url": each_url}
    return env


def _context(request: Request) -> dict[str, Any]:
    found = services(request)
    able = found.bpftrace.capabilities()
    ready = able.available and not found.settings.read_only
    text = f"root, {able.version_text}" if ready else "read only"
    if found.settings.read_only:
        hint = "The server was started with --read-only."
    else:
        hint = "" if able.available else " ".join(part for part in (able.problem, able.hint) if part)
    path = request.url.path
    query = request.url.query

    def with_query(**changes: object) -> str:
        pairs = dict(parse_qsl(query))
        merged: dict[str, object] = {**pairs, **changes}
        return build_url(path, **merged)

    theme = request.cookies.get("theme", "auto")
    return {
        "chip": {"text": text, "ok": ready, "hint": hint},
        "host": socket.gethostname(),
        "live": sum(
            session.state in {"starting", "running", "stopping"} for session in found.sessions.list()
        ),
        "theme": theme if theme in THEMES else "auto",
        "request_path": path + (f"?{query}" if query else ""),
        "with_query": with_query,
    }


def wants_part(request: Request) -> bool:
    """Whether htmx asks for a part: not for a boosted page nor for the page on the way back."""
    headers = request.headers
    return "hx-request" in headers and "hx-history-restore-request" not in headers


def page(
    request: Request,
    name: str,
    title: str,
    section: str,
    *,
    part: str | None = None,
    status: int = 200,
    **values: Any,
) -> Response:
    """``templates/pages/NAME.html``, or ``templates/parts/PART.html`` alone when htmx asks for a part."""
    chosen = f"parts/{part}.html" if part and wants_part(request) else f"pages/{name}.html"
    about = {"title": title, "section": section, "path": request.url.path}
    text = environment().get_template(chosen).render(page=about, status=status, **_context(request), **values)
    # A name of a map may hold what UTF-8 cannot say.
    return HTMLResponse(
        text.encode("utf-8", "backslashreplace"), status, headers={"vary": "HX-Request, Cookie"}
    )
