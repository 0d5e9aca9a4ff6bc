"""debuginfod's clients, who can send no credentials: the way in that is open, or has the token in its path.

``/t/TOKEN/buildid/…`` is ``/buildid/…`` for who has the token, and opens nothing else. The token of a path is
written to logs and environments, so one is derived that opens nothing but this; the admin's fits, too.
"""

from __future__ import annotations

import hashlib
import secrets
from ipaddress import ip_address
from typing import Literal, cast

from starlette.types import Scope

from app.config import Settings

Access = Literal["open", "token", "off"]
ACTOR = "debuginfod"


def access_of(settings: Settings) -> Access:
    """As the settings say; else open for this machine alone, which a proxy with a public URL is not."""
    if settings.debuginfod is not None:
        return cast("Access", settings.debuginfod)
    try:
        own = settings.host == "localhost" or ip_address(settings.host).is_loopback
    except ValueError:
        own = False
    return "open" if own and not settings.public_urls else "token"


def is_debuginfod(path: str) -> bool:
    return path == "/metadata" or path.startswith(("/buildid/", "/t/"))


class Unsigned:
    """What the guard asks about a request of debuginfod."""

    def __init__(self, access: Access, token: str) -> None:
        self.access = access
        self._admin = token.encode()
        self.token = hashlib.sha256(b"probescope debuginfod\0" + self._admin).hexdigest()[:32]

    def entered(self, scope: Scope) -> Scope | None:
        """The request as its route has it, if it needs no further credentials."""
        path: str = scope["path"]
        if self.access == "off" or scope["type"] != "http" or not is_debuginfod(path):
            return None
        if not path.startswith("/t/"):
            return scope if self.access == "open" else None
        token, _, rest = path.removeprefix("/t/").partition("/")
        given = token.encode()
        fits = [secrets.compare_digest(given, each) for each in (self.token.encode(), self._admin)]
        if not any(fits) or not is_debuginfod(f"/{rest}") or rest.startswith("t/"):
            return None
        return {**scope, "path": f"/{rest}", "raw_path": f"/{rest}".encode()}

    def url(self, base: str) -> str | None:
        """What DEBUGINFOD_URLS should have, for a server that is reached at ``base``."""
        if self.access == "off":
            return None
        return base if self.access == "open" else f"{base}/t/{self.token}"
