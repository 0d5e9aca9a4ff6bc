"""The door of every request and websocket: Host, Origin, Fetch Metadata, credentials, headers of the answer.

One ASGI middleware before any route, so that no route can forget it. Sources: OWASP ASVS 5 (V3.5, V4.4),
W3C Fetch Metadata, RFC 6455 section 10.2.
"""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.config import Settings
from app.errors import AppError, BadInput, Forbidden, Unauthenticated
from app.web.auth import COOKIE_SECONDS, Lock
from app.web.unsigned import ACTOR, Unsigned, is_debuginfod

OPEN_PATHS = frozenset({"/healthz", "/readyz", "/login", "/favicon.ico"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
ANSWER_HEADERS = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Origins:
    """The Hosts that are ours and the public Origins; all in lower case, default ports left out."""

    hosts: frozenset[str]
    public: frozenset[str]

    @staticmethod
    def of(settings: Settings) -> Origins:
        names = {"127.0.0.1", "localhost", "[::1]"}
        if settings.host not in {"0.0.0.0", "::", ""}:  # noqa: S104 - compared with, not bound to
            names.add(f"[{settings.host}]" if ":" in settings.host else settings.host.lower())
        hosts = {f"{name}:{settings.port}" for name in names}
        if settings.port == 80:
            hosts |= names
        public = set()
        for url in settings.public_urls:
            parts = urlsplit(url)
            if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
                raise BadInput(f"The public URL {url!r} is not one.", "Write it as https://name:port.")
            host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
            if parts.port is not None and parts.port != DEFAULT_PORTS[parts.scheme]:
                host = f"{host}:{parts.port}"
            else:
                hosts.add(f"{host}:{DEFAULT_PORTS[parts.scheme]}")
            hosts.add(host)
            public.add(f"{parts.scheme}://{host}")
        return Origins(frozenset(hosts), frozenset(public))

    def refuse(self, scope: Scope, headers: Headers, by_cookie: bool) -> AppError | None:
        """The error for a request that is not ours to answer, or None."""
        hosts = headers.getlist("host")
        if len(hosts) != 1 or hosts[0].lower() not in self.hosts:
            shown = hosts[0] if len(hosts) == 1 else f"{len(hosts)} Host headers"
            return BadInput(
                f"This server does not answer for {shown!r}.",
                "Start it with --public-url URL for the address that browsers use.",
                code="host_not_allowed",
            )
        origins = headers.getlist("origin")
        websocket = scope["type"] == "websocket"
        unsafe = websocket or scope["method"] not in SAFE_METHODS
        if origins:
            same = origins == [f"http://{hosts[0].lower()}"] or (
                len(origins) == 1 and origins[0] in self.public
            )
            if not same:
                return Forbidden(
                    "The request comes from a page of another origin.",
                    "Use the dashboard's own pages, or start the server with --public-url for this address.",
                    code="foreign_origin",
                )
        site = headers.get("sec-fetch-site")
        if site in {"cross-site", "same-site"}:
            navigation = (
                headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
            )
            if unsafe or not navigation:
                return Forbidden(
                    "The request comes from a page of another site.",
                    "Open the dashboard itself.",
                    code="foreign_origin",
                )
        if unsafe and by_cookie and not origins and site not in {"same-origin", "none"}:
            return Forbidden(
                "A request with a cookie must say which page it comes from.",
                "Without a browser, send Authorization: Bearer TOKEN instead of the cookie.",
                code="origin_missing",
            )
        return None


class Guard:
    """ASGI middleware: refuses what ``Origins`` and ``Lock`` refuse, and sets the headers of each answer."""

    def __init__(self, app: ASGIApp, origins: Origins, lock: Lock, unsigned: Unsigned | None = None) -> None:
        self.app = app
        self.unsigned = unsigned or Unsigned("off", lock.token)
        self.origins = origins
        self.lock = lock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        found = self.lock.actor(headers.get("authorization"), "; ".join(headers.getlist("cookie")) or None)
        error = self.origins.refuse(scope, headers, by_cookie=found is not None and found[1])
        entered = self.unsigned.entered(scope)
        if entered is not None:
            scope, found = entered, found or (ACTOR, False)
        if error is None and found is None and not self._open(scope["path"]):
            error = Unauthenticated("This needs a token.", "Send Authorization: Bearer TOKEN, or sign in.")
        if error is None and found is not None and found[1] and self._token_in_url(scope):
            # Who is signed in opens the printed URL again: the token must not stay in the address bar.
            target = self._without_token(scope["path"], scope["query_string"].decode("latin-1"))
            await RedirectResponse(target, 303)(scope, receive, with_headers(send))
        elif error is None:
            scope.setdefault("state", {})["actor"] = found[0] if found else ""
            await self.app(scope, receive, with_headers(send) if scope["type"] == "http" else send)
        elif scope["type"] == "websocket":
            await _refuse_handshake(scope, receive, send, error)
        else:
            await self._refusal(scope, error)(scope, receive, with_headers(send))

    @staticmethod
    def _open(path: str) -> bool:
        return path in OPEN_PATHS or path.startswith("/static/")

    @staticmethod
    def _wants_page(scope: Scope) -> bool:
        path: str = scope["path"]
        # To a debuginfod client, a redirect to a page would be the file.
        data = path.startswith("/api/") or path == "/metrics" or is_debuginfod(path)
        return not data and scope["method"] in {"GET", "HEAD"}

    def _token_in_url(self, scope: Scope) -> bool:
        if scope["type"] != "http" or b"token=" not in scope["query_string"] or not self._wants_page(scope):
            return False
        return any(name == "token" for name, _ in parse_qsl(scope["query_string"].decode("latin-1")))

    def _refusal(self, scope: Scope, error: AppError) -> Response:
        wants_page = self._wants_page(scope)
        if isinstance(error, Unauthenticated) and wants_page:
            return self._sign_in(scope["path"], scope["query_string"].decode("latin-1"))
        if wants_page:
            return PlainTextResponse(f"{error.message}\n{error.hint}\n", error.status)
        return JSONResponse({"error": error.as_dict()}, error.status)

    @staticmethod
    def _without_token(path: str, query: str) -> str:
        pairs = parse_qsl(query, keep_blank_values=True)
        rest = urlencode([(name, value) for name, value in pairs if name != "token"])
        # One slash: two would name another host.
        return quote("/" + path.lstrip("/")) + (f"?{rest}" if rest else "")

    def _sign_in(self, path: str, query: str) -> Response:
        pairs = parse_qsl(query, keep_blank_values=True)
        target = self._without_token(path, query)
        if any(name == "token" and self.lock.token_fits(value) for name, value in pairs):
            response = RedirectResponse(target, 303)
            set_cookie(response, self.lock)
            return response
        return RedirectResponse("/login?" + urlencode({"next": target}), 303)


def set_cookie(response: Response, lock: Lock) -> None:
    response.set_cookie(
        lock.cookie_name,
        lock.new_cookie(),
        max_age=COOKIE_SECONDS,
        httponly=True,
        samesite="lax",
        secure=lock.secure,
        path="/",
    )


def with_headers(send: Send, extra: Iterable[tuple[str, str]] = ()) -> Send:
    async def wrapped(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in (*ANSWER_HEADERS.items(), *extra):
                headers.setdefault(name, value)
            headers.setdefault("cache-control", "no-store")
        await send(message)

    return wrapped


async def _refuse_handshake(scope: Scope, receive: Receive, send: Send, error: AppError) -> None:
    """Answers the handshake with the error's status, so that no socket is ever open to a stranger."""
    message: Message = await receive()
    if message["type"] != "websocket.connect":
        return
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 4403, "reason": error.message})
        return
    body = JSONResponse({"error": error.as_dict()}, error.status)
    await send({"type": "websocket.http.response.start", "status": error.status, "headers": body.raw_headers})
    await send({"type": "websocket.http.response.body", "body": body.body})
