"""``mark``: what is asked of a dashboard that runs, over its HTTP interface.

Which one is meant, and its token, are told by the option or the environment; the URL that ``serve`` prints
will do as it is. The token goes to that server alone: no redirect is followed, and no proxy is asked.
"""

from __future__ import annotations

import argparse
import json
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import parse_qs, quote, urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from app.cli.output import put, put_json
from app.config import Settings
from app.errors import AppError, BadInput, Unauthenticated, Unreachable

SECONDS = 10.0
_MOST_BYTES = 1 << 20


def mark(options: argparse.Namespace, settings: Settings) -> int:
    """``mark SESSION TEXT``: puts a marker into the log of a session that runs."""
    path = f"/api/v1/sessions/{quote(options.session, safe='')}/markers"
    answer = post(options.url or settings.url, settings, path, {"text": options.text})
    number = answer.get("n")
    if options.json:
        put_json({"session": options.session, "n": number})
    else:
        put(f"Event {number} of session {options.session}.")
    return 0


def post(url: str | None, settings: Settings, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """The server's answer; ``url`` None: the server of these settings.

    Raises BadInput for a URL that is none, Unauthenticated, Unreachable, and what the server says.
    """
    base, token = _server(url, settings)
    headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
    try:
        # The scheme was looked at.
        request = Request(base + path, json.dumps(body).encode(), headers, method="POST")  # noqa: S310
        with build_opener(ProxyHandler({}), _NoRedirect()).open(request, timeout=SECONDS) as answer:
            return _object(answer.read(_MOST_BYTES), base)
    except HTTPError as error:
        with error:
            raise _refusal(error, base) from error
    except (URLError, HTTPException, OSError) as error:
        reason = error.reason if isinstance(error, URLError) else error
        raise Unreachable(
            f"No dashboard answers at {base}: {reason}.",
            "Start it with probescope serve, or name another with --url or PROBESCOPE_URL.",
        ) from error
    except ValueError as error:
        raise BadInput(f"The token cannot be sent: {error}.", "Look at PROBESCOPE_TOKEN.") from error


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def _server(url: str | None, settings: Settings) -> tuple[str, str]:
    """(scheme and place, token)."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    try:
        found = urlsplit(url or f"http://{host}:{settings.port}")
    except ValueError:
        found = urlsplit("")
    if found.scheme not in {"http", "https"} or not found.hostname:
        raise BadInput(f"{url!r} is no URL of a dashboard.", "Such as http://127.0.0.1:8340.")
    token = parse_qs(found.query).get("token", [settings.token or ""])[-1]
    if not token:
        raise Unauthenticated(
            "There is no token for the dashboard.",
            "Set PROBESCOPE_TOKEN, or give the URL that probescope serve printed with --url.",
        )
    return f"{found.scheme}://{found.netloc}{found.path.rstrip('/')}", token


def _object(text: bytes, base: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Unreachable(f"What answers at {base} is no dashboard of probescope.", "Look at the URL.")
    return found


def _refusal(error: HTTPError, base: str) -> AppError:
    if error.code == 401:
        return Unauthenticated(
            f"The dashboard at {base} does not take the token.",
            "Set PROBESCOPE_TOKEN to its own, or give the URL that probescope serve printed with --url.",
        )
    said = _object(error.read(_MOST_BYTES), base).get("error")
    if not isinstance(said, dict) or not isinstance(said.get("message"), str):
        return Unreachable(f"The server at {base} answers with {error.code}.", "Look at the URL.")
    return AppError(said["message"], str(said.get("hint") or ""), code=str(said.get("code") or "internal"))


COMMANDS = {"mark": mark}
