"""Who may come in: a token, shown once in the URL, then a signed cookie whose name carries the port.

The cookie's key is derived from the token: a new token makes every old cookie void, and a fixed
PROBESCOPE_TOKEN keeps people signed in over a restart. Signing out revokes the one cookie.
"""

from __future__ import annotations

import hashlib
import secrets
from http.cookies import CookieError, SimpleCookie

from itsdangerous import BadSignature, TimestampSigner

COOKIE_SECONDS = 30 * 86_400
ADMIN = "admin"


class Lock:
    """Checks tokens and cookies; holds the ids of cookies that were signed out."""

    def __init__(self, token: str | None, port: int, secure: bool = False) -> None:
        self.token = token or secrets.token_urlsafe(32)
        self.cookie_name = f"probescope-{port}"
        self.secure = secure
        key = hashlib.sha256(b"probescope cookie key\0" + self.token.encode()).digest()
        self._signer = TimestampSigner(key, salt="probescope.cookie")
        self._revoked: set[str] = set()

    def token_fits(self, text: str) -> bool:
        return secrets.compare_digest(text.encode(), self.token.encode())

    def new_cookie(self) -> str:
        return self._signer.sign(secrets.token_hex(16)).decode()

    def revoke(self, header: str) -> None:
        """Makes the cookie of a Cookie header void."""
        if found := self._cookie_id(header):
            self._revoked.add(found)

    def actor(self, authorization: str | None, cookie_header: str | None) -> tuple[str, bool] | None:
        """(role, by cookie) of the credentials at hand; None when there are none or they do not fit.

        A bearer token that does not fit is not rescued by a cookie beside it.
        """
        if authorization is not None:
            scheme, _, text = authorization.partition(" ")
            fits = scheme.lower() == "bearer" and self.token_fits(text.strip())
            return (ADMIN, False) if fits else None
        if cookie_header and self._cookie_id(cookie_header):
            return ADMIN, True
        return None

    def _cookie_id(self, header: str) -> str | None:
        try:
            morsel = SimpleCookie(header).get(self.cookie_name)
        except CookieError:
            return None
        if morsel is None:
            return None
        try:
            found = self._signer.unsign(morsel.value, max_age=COOKIE_SECONDS).decode()
        except BadSignature:
            return None
        return None if found in self._revoked else found
