"""The websocket of a session: frames, resume from any number, replay, several viewers, refusals."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.sync.client import ClientConnection, connect

from app.web.sockets import WINDOW_BITS, Websocket
from tests.support.programs import compile_c
from tests.support.server import Server, running

COUNTING = 'interval:ms:20 { @n = count(); printf("line %d\\n", 7); print(@n); }'
WAIT = 60.0


def start(server: Server, script: str, duration: float) -> str:
    answer = server.client.post("/api/v1/sessions", json={"script": script, "duration": duration})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def socket(
    server: Server, session: str, start: str = "1", headers: dict[str, str] | None = None, **options: Any
) -> ClientConnection:
    url = f"ws://127.0.0.1:{server.port}/ws/sessions/{session}?from={start}"
    connection: ClientConnection = connect(
        url, additional_headers=server.headers if headers is None else headers, **options
    )
    return connection


def frames(connection: ClientConnection) -> Iterator[dict[str, Any]]:
    """Until the server closes; fails after a minute without a frame."""
    while True:
        try:
            yield json.loads(connection.recv(timeout=WAIT))
        except ConnectionClosed:
            return


@pytest.fixture(scope="module")
def ended(server: Server) -> str:
    session = start(server, COUNTING, 1.0)
    server.until(session, "ended")
    return session


def test_frames_have_the_fields_of_the_contract_and_number_every_event(server: Server) -> None:
    session = start(server, COUNTING, 1.5)
    with socket(server, session) as connection:
        found = list(frames(connection))
        assert connection.close_code == 1000
    for frame in found:
        assert set(frame) == {"v", "first", "last", "t", "events", "session", "loss"}
        assert frame["v"] == 1
        assert set(frame["loss"]) == {"kernel", "server", "viewer"}
        assert frame["session"]["state"] in {"starting", "running", "stopping", "ended"}
        if frame["events"]:
            assert [event["n"] for event in frame["events"]] == list(range(frame["first"], frame["last"] + 1))
    events = [event for frame in found for event in frame["events"]]
    assert [event["n"] for event in events] == list(range(1, len(events) + 1))
    assert all(set(event) <= {"n", "t", "type", "data", "key"} for event in events)
    assert {"printf", "map"} <= {event["type"] for event in events}
    assert found[-1]["session"]["state"] == "ended"
    assert found[-1]["session"]["events"] == len(events)
    # What came live is what is kept.
    assert events == server.events(session)


def test_frames_tell_how_many_probes_are_attached_while_a_session_ends(
    server: Server, tmp_path: Path
) -> None:
    names = [f"f{n}" for n in range(24)]
    source = "".join(f"int {name}(int a) {{ return a + 1; }}\n" for name in names)
    path = compile_c(tmp_path, source + "int main(void) { return 0; }\n", "several")
    body = {"recipe": "count", "probes": [f'uprobe:"{path}":{name}' for name in names], "duration": 0.5}
    session = server.client.post("/api/v1/sessions", json=body).raise_for_status().json()["id"]
    with socket(server, session) as connection:
        found = [frame["session"] for frame in frames(connection)]
    starting = [each["attached_probes"] or 0 for each in found if each["state"] == "starting"]
    assert starting == sorted(starting) and all(0 <= number <= 24 for number in starting)
    stopping = [each["still_attached"] for each in found if each["still_attached"] is not None]
    assert stopping == sorted(stopping, reverse=True)
    if not server.get("/api/v1/host")["tracing"]["multi"]:
        assert len(set(stopping)) > 3
    assert {(each["pid"], each["wait_for"]) for each in found} == {(None, None)}
    assert (found[-1]["attached_probes"], found[-1]["still_attached"]) == (24, None)


@pytest.mark.parametrize("number", [1, 2, 17])
def test_a_viewer_is_served_from_the_number_that_it_asks_for(server: Server, ended: str, number: int) -> None:
    kept = server.events(ended)
    with socket(server, ended, str(number)) as connection:
        events = [event for frame in frames(connection) for event in frame["events"]]
    assert events == kept[number - 1 :]


def test_a_cut_connection_resumes_without_a_hole_or_a_double(server: Server) -> None:
    session = start(server, COUNTING, 3.0)
    seen: list[dict[str, Any]] = []
    closed = False
    while not closed:
        with socket(server, session, str(len(seen) + 1)) as connection:
            for turn, frame in enumerate(frames(connection)):
                seen += frame["events"]
                if turn == 5:
                    break
            else:
                closed = connection.close_code == 1000
    assert [event["n"] for event in seen] == list(range(1, len(seen) + 1))
    assert seen == server.events(session)


def test_two_viewers_see_the_same_and_are_counted(server: Server) -> None:
    session = start(server, COUNTING, 2.0)
    with socket(server, session) as one, socket(server, session) as other:
        first = list(frames(one))
        second = list(frames(other))
    assert [e for f in first for e in f["events"]] == [e for f in second for e in f["events"]]
    assert max(frame["session"]["viewers"] for frame in first) == 2


def test_a_paused_viewer_misses_nothing(server: Server) -> None:
    session = start(server, COUNTING, 2.5)
    with socket(server, session) as connection:
        found = [json.loads(connection.recv(timeout=WAIT))]
        connection.send('{"pause": true}')
        server.until(session, "ended")
        connection.send("no json at all")
        connection.send('{"pause": false}')
        found += list(frames(connection))
    events = [event for frame in found for event in frame["events"]]
    # Maps that a later one made old may be left out for who lags, and are counted; lines may not.
    lines = [event for event in server.events(session) if event["type"] == "printf"]
    assert [event for event in events if event["type"] == "printf"] == lines


@pytest.mark.parametrize(
    ("session", "number", "code"),
    [
        ("nosuchsession", "1", 4404),
        ("ended", "minus", 4400),
        ("ended", "1e3", 4400),
        ("ended", "9" * 30, 4400),
    ],
)
def test_close_codes(server: Server, ended: str, session: str, number: str, code: int) -> None:
    with socket(server, ended if session == "ended" else session, number) as connection:
        assert list(frames(connection)) == []
        assert connection.close_code == code


def test_one_that_asks_beyond_the_end_is_told_that_all_is_sent(server: Server, ended: str) -> None:
    with socket(server, ended, "1000000") as connection:
        assert [event for frame in frames(connection) for event in frame["events"]] == []
        assert connection.close_code == 1000


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"authorization": "Bearer wrong"}, 401),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
    ],
)
def test_who_may_not_look(server: Server, ended: str, headers: dict[str, str], status: int) -> None:
    if "origin" in headers:
        headers = headers | server.headers
    with pytest.raises(InvalidStatus) as caught:
        socket(server, ended, headers=headers)
    assert caught.value.response.status_code == status


def test_viewers_and_kept_events_have_ceilings(tmp_path: Path) -> None:
    script = 'BEGIN { $i = 0; } interval:ms:1 { printf("a line\\n"); }'
    with running(tmp_path, PROBESCOPE_VIEWERS="2", PROBESCOPE_SESSION_EVENTS="200") as server:
        session = start(server, script, 3.0)
        with socket(server, session), socket(server, session), socket(server, session) as third:
            assert list(frames(third)) == []
            assert third.close_code == 4429
        found = server.until(session, "ended")
        assert found["last"] > 400
        with socket(server, session) as connection:
            events = [event for frame in frames(connection) for event in frame["events"]]
    gap = events[0]
    assert gap["type"] == "gap"
    assert gap["data"] == {"from": 1, "to": events[1]["n"] - 1, "count": events[1]["n"] - 1}
    assert [event["n"] for event in events[1:]] == list(range(events[1]["n"], found["last"] + 1))


def test_frames_are_packed_for_who_takes_it_and_say_the_same(server: Server, ended: str) -> None:
    with socket(server, ended) as packed, socket(server, ended, compression=None) as plain:
        assert [extension.name for extension in packed.protocol.extensions] == ["permessage-deflate"]
        assert plain.protocol.extensions == []
        found = [[event for frame in frames(each) for event in frame["events"]] for each in (packed, plain)]
    assert found[0] == found[1] == server.events(ended)


async def _nothing(scope: Any, receive: Any, send: Any) -> None: ...


def test_frames_are_packed_at_the_fastest_level() -> None:
    config = uvicorn.Config(_nothing, log_config=None)
    loop = asyncio.new_event_loop()
    try:
        made = Websocket(config=config, server_state=ServerState(), app_state={}, _loop=loop)
    finally:
        loop.close()
    assert made.conn.available_extensions is not None
    (offered,) = made.conn.available_extensions
    assert isinstance(offered, ServerPerMessageDeflateFactory)
    settings = offered.compress_settings
    assert settings is not None
    assert settings["level"] == 1
    text = b",".join(b'{"n":%d,"t":%d,"type":"printf","data":"sold(%d)\\n"}' % (n, n, n) for n in range(1500))
    sizes = []
    for level in (settings["level"], 6):
        packer = zlib.compressobj(level, zlib.DEFLATED, -WINDOW_BITS, settings["memLevel"])
        sizes.append(len(packer.compress(text) + packer.flush(zlib.Z_SYNC_FLUSH)))
    assert sizes[0] < 1.5 * sizes[1] < len(text) / 4
