"""Who may use this server as a debuginfod: the setting, what it is when not set, and the token in a path."""

from __future__ import annotations

from typing import Any

import pytest

from app.config import load
from app.errors import BadInput
from app.web.unsigned import Unsigned, access_of

ADMIN = "a" * 43


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({}, "open"),
        ({"PROBESCOPE_HOST": "::1"}, "open"),
        ({"PROBESCOPE_HOST": "localhost"}, "open"),
        ({"PROBESCOPE_HOST": "0.0.0.0"}, "token"),
        ({"PROBESCOPE_HOST": "debug-host"}, "token"),
        ({"PROBESCOPE_PUBLIC_URLS": "https://scope.example"}, "token"),
        ({"PROBESCOPE_HOST": "0.0.0.0", "PROBESCOPE_DEBUGINFOD": "open"}, "open"),
        ({"PROBESCOPE_DEBUGINFOD": "off"}, "off"),
    ],
)
def test_it_is_open_on_loopback_alone_unless_the_settings_say_more(
    environment: dict[str, str], found: str
) -> None:
    assert access_of(load(environment)) == found


def test_a_setting_that_is_none_is_refused() -> None:
    with pytest.raises(BadInput):
        load({"PROBESCOPE_DEBUGINFOD": "yes"})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("https://a.example  http://b.example:8002/x", ("https://a.example", "http://b.example:8002/x")),
        ("ima:enforcing https://a.example, https://b.example", ("https://a.example", "https://b.example")),
        ("file:///etc", None),
        ("a.example", None),
        ("http://", None),
    ],
)
def test_servers_are_written_as_elfutils_has_them(text: str, found: tuple[str, ...] | None) -> None:
    environment = {"PROBESCOPE_DEBUGINFOD_URLS": text}
    if found is None:
        with pytest.raises(BadInput):
            load(environment)
    else:
        assert load(environment).debuginfod_urls == found


def scope(path: str, kind: str = "http") -> dict[str, Any]:
    return {"type": kind, "path": path, "raw_path": path.encode()}


def test_the_token_of_the_path_is_taken_off() -> None:
    door = Unsigned("token", ADMIN)
    assert door.token not in ADMIN
    assert door.entered(scope("/buildid/ab/debuginfo")) is None
    for token in (door.token, ADMIN):
        entered = door.entered(scope(f"/t/{token}/buildid/ab/source/a b"))
        assert entered is not None
        assert (entered["path"], entered["raw_path"]) == (
            "/buildid/ab/source/a b",
            b"/buildid/ab/source/a b",
        )
    for path in (
        f"/t/{door.token}/api/v1/binaries",
        f"/t/{door.token}/t/{door.token}/buildid/ab/debuginfo",
        f"/t/{door.token}//buildid/ab/debuginfo",
        f"/t/{door.token}/metadata/x",
        f"/t/{door.token}",
        "/t//buildid/ab/debuginfo",
        "/t/é/buildid/ab/debuginfo",
    ):
        assert door.entered(scope(path)) is None, path
    assert door.entered(scope(f"/t/{door.token}/buildid/ab/debuginfo", "websocket")) is None


def test_what_a_client_is_told() -> None:
    assert Unsigned("open", ADMIN).url("http://h:1") == "http://h:1"
    assert Unsigned("off", ADMIN).url("http://h:1") is None
    door = Unsigned("token", ADMIN)
    assert door.url("http://h:1") == f"http://h:1/t/{door.token}"
    assert Unsigned("off", ADMIN).entered(scope(f"/t/{door.token}/buildid/ab/debuginfo")) is None
