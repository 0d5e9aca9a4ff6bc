"""Sessions as they stand, in SQLite, so that they outlive the server; their events are in their logs.

One row a session, its fields as one JSON document: nothing is asked of them but by id and by age.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from pathlib import Path
from typing import Any

from app.errors import StorageFull
from app.trace.model import Diagnostic, Loss, Session

NAME = "sessions.db"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS sessions (
    id TEXT PRIMARY KEY,
    started REAL NOT NULL,
    document TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS sessions_started ON sessions (started);
"""


class Store:
    """The table of sessions in ``data``; safe among threads. Methods that write raise StorageFull."""

    def __init__(self, data: Path) -> None:
        self._lock = threading.Lock()
        self._path = data / NAME
        try:
            data.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._connection = sqlite3.connect(self._path, check_same_thread=False, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._connection.execute("PRAGMA busy_timeout=5000")
            self._connection.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise self._full(error) from error

    def put(self, session: Session) -> None:
        """Writes a session, new or changed."""
        document = json.dumps(session.as_dict())
        self._write(
            "INSERT OR REPLACE INTO sessions VALUES (?, ?, ?)",
            (session.id, session.started, document),
        )

    def delete(self, id: str) -> None:
        self._write("DELETE FROM sessions WHERE id = ?", (id,))

    def all(self) -> list[Session]:
        """Every session, newest first."""
        with self._lock:
            rows = self._connection.execute("SELECT document FROM sessions ORDER BY started DESC").fetchall()
        return [_session(json.loads(document)) for (document,) in rows]

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def _write(self, statement: str, values: tuple[Any, ...]) -> None:
        with self._lock:
            try:
                self._connection.execute(statement, values)
            except sqlite3.OperationalError as error:
                raise self._full(error) from error

    def _full(self, error: Exception) -> StorageFull:
        return StorageFull(
            f"The list of sessions cannot be written ({error}).", f"Make room and check {self._path}."
        )


def _session(document: dict[str, Any]) -> Session:
    return Session(
        **{
            **document,
            "probes": tuple(document["probes"]),
            "warnings": tuple(document["warnings"]),
            "loss": Loss(**document["loss"]),
            "diagnostics": tuple(Diagnostic(**entry) for entry in document["diagnostics"]),
        }
    )
