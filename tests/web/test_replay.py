"""The replay of a session that is over: the stream's frames, by the clock."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from tests.support.server import Server, running
from tests.web.test_stream import COUNTING, frames, start


def replay(server: Server, session: str, query: str = "") -> ClientConnection:
    url = f"ws://127.0.0.1:{server.port}/ws/sessions/{session}/replay?{query}"
    return connect(url, additional_headers=server.headers)


@pytest.fixture(scope="module")
def ended(server: Server) -> str:
    session = start(server, COUNTING, 1.0)
    server.until(session, "ended")
    return session


def events_of(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event for frame in found for event in frame["events"]]


@pytest.mark.parametrize("speed", [1, 16])
def test_every_event_comes_again_in_its_time(server: Server, ended: str, speed: int) -> None:
    kept = server.events(ended)
    begun = time.monotonic()
    with replay(server, ended, f"speed={speed}") as connection:
        found = list(frames(connection))
        passed = time.monotonic() - begun
        assert connection.close_code == 1000
    assert events_of(found) == kept
    # No event comes before its time, and the whole takes as long as it took.
    assert all(event["t"] <= frame["t"] for frame in found for event in frame["events"])
    assert passed * 1000 * speed >= kept[-1]["t"] - 200
    assert [frame["t"] for frame in found] == sorted(frame["t"] for frame in found)
    for frame in found:
        assert set(frame) == {"v", "first", "last", "t", "events", "session", "loss"}
        if frame["events"]:
            numbers = [event["n"] for event in frame["events"]]
            assert numbers == list(range(frame["first"], frame["last"] + 1))
    assert sum(bool(frame["events"]) for frame in found) > (5 if speed == 1 else 0)


def test_a_place_is_reached_at_once(server: Server, ended: str) -> None:
    kept = server.events(ended)
    at = kept[len(kept) // 2]["t"]
    before = [event for event in kept if event["t"] <= at]
    with replay(server, ended, f"at={at}&paused=1") as connection:
        assert next(frames(connection))["events"] == before
        # It stands there.
        with pytest.raises(TimeoutError):
            connection.recv(timeout=0.5)
        connection.send('{"pause": false}')
        assert before + events_of(list(frames(connection))) == kept


def test_a_replay_pauses_and_changes_its_speed(server: Server, ended: str) -> None:
    with replay(server, ended, "speed=0.01") as connection:
        first = next(frames(connection))
        connection.send('{"pause": true}')
        connection.send("nonsense")
        connection.send('{"speed": "fast"}')
        connection.send('{"speed": 50}')
        connection.send('{"pause": false}')
        found = [first, *frames(connection)]
        assert connection.close_code == 1000
    assert events_of(found) == server.events(ended)


def test_a_session_that_runs_is_not_replayed(server: Server) -> None:
    session = start(server, COUNTING, 30.0)
    with replay(server, session) as connection:
        assert list(frames(connection)) == []
        assert connection.close_code == 4409
    server.client.post(f"/api/v1/sessions/{session}/stop").raise_for_status()
    server.until(session, "ended")


def test_replays_of_an_old_session_have_a_ceiling(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        session = start(server, COUNTING, 0.5)
        server.until(session, "ended")
    with running(tmp_path, PROBESCOPE_VIEWERS="2") as server:
        with replay(server, session, "paused=1"), replay(server, session, "paused=1") as second:
            second.send('{"pause": false}')
            with replay(server, session) as third:
                assert list(frames(third)) == []
                assert third.close_code == 4429
            assert list(frames(second))
        # One that is closed makes room.
        with replay(server, session, "speed=100") as connection:
            assert events_of(list(frames(connection))) == server.events(session)


@pytest.mark.parametrize("query", ["at=x", "at=-1", "speed=0", "speed=1e9", "speed=nan", "at=inf"])
def test_what_is_no_place_or_speed_is_refused(server: Server, ended: str, query: str) -> None:
    with replay(server, ended, query) as connection:
        assert list(frames(connection)) == []
        assert connection.close_code == 4400


def test_no_such_session(server: Server) -> None:
    with replay(server, "none") as connection:
        assert list(frames(connection)) == []
        assert connection.close_code == 4404
