"""Query parameters of a list into one ``Ask``; what cannot be understood is refused with a sentence."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Request

from app.errors import BadInput
from app.index.model import MODES, Ask, Page
from app.web.names import short
from app.web.services import services

FILTERS = (
    "type",
    "bind",
    "section",
    "table",
    "source",
    "visibility",
    "provider",
    "verdict",
    "language",
    "debug",
    "kind",
    "each",
    "what",
    "file",
)
TEXT_LIMIT = 1000


def read_ask(request: Request) -> Ask:
    """The Ask of this request's ``q, mode, sort, offset, limit`` and filters; raises BadInput."""
    query = request.query_params
    mode = query.get("mode") or "substring"
    if mode not in MODES:
        raise BadInput(f"There is no kind of match called {mode!r}.", "Use one of: " + ", ".join(MODES) + ".")
    text = query.get("q", "")
    if len(text) > TEXT_LIMIT:
        raise BadInput(f"The text is longer than {TEXT_LIMIT} characters.", "Search for less.")
    ceiling = services(request).settings.page_limit
    return Ask(
        q=text,
        mode=mode,
        sort=query.get("sort", ""),
        offset=_number(query.get("offset"), "offset", 0, 2**53),
        limit=min(_number(query.get("limit"), "limit", 100, 2**53), ceiling),
        filters={name: query[name] for name in FILTERS if query.get(name)},
    )


def _number(text: str | None, name: str, default: int, most: int) -> int:
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or int(text[:20]) > most:
        raise BadInput(
            f"{name}={text[:40]!r} is not a whole number from 0.", "Leave it out, or give a number."
        )
    return int(text)


def as_list(page: Page[Any], items: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """The contract's list: total, items, next, took_ms, and facets.

    Beside a ``demangled`` name stands ``short``, the one that a list has room for.
    """
    items = [item.as_dict() for item in page.items] if items is None else items
    return {
        "total": page.total,
        "items": [
            {**item, "short": short(item["demangled"])} if "demangled" in item else item for item in items
        ],
        "next": page.next,
        "took_ms": page.took_ms,
        "facets": page.facets,
    }


Asked = Annotated[Ask, Depends(read_ask)]
