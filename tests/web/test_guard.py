"""The door of http and websocket alike: Host, Origin, Fetch Metadata, credentials, answer headers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocket

from app.config import load
from app.errors import BadInput
from app.web.auth import Lock
from app.web.guard import Guard, Origins

TOKEN = "t" * 43
HOST = "127.0.0.1:8340"
BEARER = {"authorization": f"Bearer {TOKEN}"}


async def hello(request: Request) -> PlainTextResponse:
    return PlainTextResponse("hello " + request.scope["state"]["actor"])


async def socket(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text("hello")
    await websocket.close()


@pytest.fixture
def lock() -> Lock:
    return Lock(TOKEN, 8340)


@pytest.fixture
def client(lock: Lock) -> Iterator[TestClient]:
    app = Starlette(
        routes=[
            Route("/", hello, methods=["GET", "POST"]),
            Route("/api/v1/x", hello, methods=["GET", "POST"]),
            Route("/healthz", hello),
            WebSocketRoute("/ws", socket),
        ]
    )
    settings = load({"PROBESCOPE_PUBLIC_URLS": "https://scope.example.com,http://tunnel:9000"})
    guarded: Any = Guard(app, Origins.of(settings), lock)
    with TestClient(guarded, base_url=f"http://{HOST}", follow_redirects=False) as found:
        yield found


def cookie(lock: Lock) -> dict[str, str]:
    return {"cookie": f"{lock.cookie_name}={lock.new_cookie()}"}


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.nip.io:8340", "127.0.0.1:8341", "127.0.0.1", "", "[::1]:80", "localhost"],
)
def test_a_foreign_host_is_refused_on_http_and_websocket(client: TestClient, host: str) -> None:
    answer = client.get("/api/v1/x", headers={**BEARER, "host": host})
    assert answer.status_code == 400
    assert "--public-url" in answer.json()["error"]["hint"]
    with (
        pytest.raises(WebSocketDenialResponse) as refused,
        client.websocket_connect("/ws", headers={**BEARER, "host": host}),
    ):
        pass
    assert refused.value.status_code == 400


def test_two_host_headers_are_refused(client: TestClient) -> None:
    answer = client.get("/api/v1/x", headers=[("host", HOST), ("host", HOST), *BEARER.items()])
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "host", [HOST, "localhost:8340", "[::1]:8340", "LOCALHOST:8340", "scope.example.com"]
)
def test_our_own_hosts_pass(client: TestClient, host: str) -> None:
    assert client.get("/api/v1/x", headers={**BEARER, "host": host}).status_code == 200


ORIGINS = [
    (f"http://{HOST}", True),
    (f"https://{HOST}", False),
    ("http://localhost:8340", False),
    ("http://127.0.0.1:8341", False),
    ("http://evil.example", False),
    ("https://evil.example", False),
    ("null", False),
    ("", False),
    ("https://scope.example.com", True),
    ("http://scope.example.com", False),
    ("http://tunnel:9000", True),
    ("http://tunnel", False),
]


@pytest.mark.parametrize(("origin", "passes"), ORIGINS)
@pytest.mark.parametrize("by", ["cookie", "bearer"])
def test_only_the_same_origin_passes_whatever_the_credential(
    client: TestClient, lock: Lock, origin: str, passes: bool, by: str
) -> None:
    headers = {**(cookie(lock) if by == "cookie" else BEARER), "origin": origin}
    for method in ("GET", "POST"):
        assert client.request(method, "/api/v1/x", headers=headers).status_code == (200 if passes else 403)
    if passes:
        with client.websocket_connect("/ws", headers={"host": HOST, **headers}) as opened:
            assert opened.receive_text() == "hello"
    else:
        with (
            pytest.raises(WebSocketDenialResponse) as refused,
            client.websocket_connect("/ws", headers={"host": HOST, **headers}),
        ):
            pass
        assert refused.value.status_code == 403


def test_a_cookie_without_origin_changes_nothing_and_opens_no_socket(client: TestClient, lock: Lock) -> None:
    headers = cookie(lock)
    assert client.get("/api/v1/x", headers=headers).status_code == 200
    assert client.post("/api/v1/x", headers=headers).status_code == 403
    with (
        pytest.raises(WebSocketDenialResponse),
        client.websocket_connect("/ws", headers={"host": HOST, **headers}),
    ):
        pass


def test_a_bearer_without_origin_passes_everywhere(client: TestClient) -> None:
    assert client.post("/api/v1/x", headers=BEARER).text == "hello admin"
    with client.websocket_connect("/ws", headers={"host": HOST, **BEARER}) as opened:
        assert opened.receive_text() == "hello"


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_other_sites_may_only_link_to_pages(client: TestClient, lock: Lock, site: str) -> None:
    base = {**cookie(lock), "sec-fetch-site": site}
    link = {**base, "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert client.get("/", headers=link).status_code == 200
    assert client.post("/", headers=link).status_code == 403
    assert (
        client.get("/", headers={**base, "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"}).status_code
        == 403
    )
    framed = {**base, "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"}
    assert client.get("/", headers=framed).status_code == 403


def test_without_credentials_pages_go_to_sign_in_and_the_rest_is_refused(client: TestClient) -> None:
    answer = client.get("/?view=log&x=1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=%2F%3Fview%3Dlog%26x%3D1")
    assert client.get("/api/v1/x").status_code == 401
    assert client.post("/").status_code == 401
    assert client.get("/healthz").status_code == 200
    with (
        pytest.raises(WebSocketDenialResponse) as refused,
        client.websocket_connect("/ws", headers={"host": HOST}),
    ):
        pass
    assert refused.value.status_code == 401


def test_the_token_in_the_url_becomes_a_cookie_and_leaves_the_url(client: TestClient, lock: Lock) -> None:
    answer = client.get(f"/?q=a&token={TOKEN}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/?q=a")
    set_cookie = answer.headers["set-cookie"]
    assert set_cookie.startswith("probescope-8340=")
    assert "SameSite=lax" in set_cookie
    assert "HttpOnly" in set_cookie
    assert TOKEN not in set_cookie
    value = set_cookie.split(";")[0]
    assert client.get("/", headers={"cookie": value}).status_code == 200
    again = client.get(f"/?q=a&token={TOKEN}", headers={"cookie": value})
    assert (again.status_code, again.headers["location"]) == (303, "/?q=a")
    assert "set-cookie" not in again.headers
    away = client.get(f"http://{HOST}//elsewhere.org/?token=x", headers={"cookie": value})
    assert away.headers["location"] == "/elsewhere.org/"
    lock.revoke(value)
    client.cookies.clear()
    assert client.get("/", headers={"cookie": value}).status_code == 303


def test_wrong_credentials_do_not_pass(client: TestClient, lock: Lock) -> None:
    assert client.get("/?token=wrong").status_code == 303
    assert "set-cookie" not in client.get("/?token=wrong").headers
    for value in ("Bearer wrong", "Bearer", "Basic " + TOKEN, ""):
        assert client.get("/api/v1/x", headers={"authorization": value, **cookie(lock)}).status_code == 401
    forged = Lock("another", 8340).new_cookie()
    assert client.get("/api/v1/x", headers={"cookie": f"{lock.cookie_name}={forged}"}).status_code == 401


def test_every_answer_carries_the_strict_headers(client: TestClient) -> None:
    for path in ("/", "/api/v1/x", "/healthz"):
        headers = client.get(path, headers=BEARER).headers
        assert "unsafe" not in headers["content-security-policy"]
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"


def test_a_public_url_that_is_none_is_refused() -> None:
    with pytest.raises(BadInput):
        Origins.of(load({"PROBESCOPE_PUBLIC_URLS": "scope.example.com"}))
