"""Sessions as they stand and the scripts they ran, in SQLite, so that they outlive the server.

One row a session, its fields as one JSON document: nothing is asked of them but by id and by age. Their
events are in their logs. One row a script, by the hash of its text.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from pathlib import Path
from typing import Any

from app.errors import NotFound, StorageFull
from app.trace.model import Diagnostic, Loss, SavedScript, Session

NAME = "sessions.db"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS sessions (
    id TEXT PRIMARY KEY,
    started REAL NOT NULL,
    document TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS sessions_started ON sessions (started);
CREATE TABLE IF NOT EXISTS scripts (
    sha TEXT PRIMARY KEY,
    text TEXT NOT NULL,
    title TEXT NOT NULL,
    recipe TEXT NOT NULL,
    parent TEXT,
    author TEXT NOT NULL,
    created REAL NOT NULL
) STRICT;
"""
_COLUMNS = "sha, text, title, recipe, parent, author, created"


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

    def keep_script(self, script: SavedScript) -> None:
        """Puts a script in; one that is there stays as it is."""
        self._write(
            f"INSERT OR IGNORE INTO scripts ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
            (
                script.sha,
                script.text,
                script.title,
                script.recipe,
                script.parent,
                script.author,
                script.created,
            ),
        )

    def name_script(self, sha: str, title: str) -> None:
        self._write("UPDATE scripts SET title = ? WHERE sha = ?", (title, sha))

    def delete_script(self, sha: str) -> None:
        self._write("DELETE FROM scripts WHERE sha = ?", (sha,))

    def script(self, name: str) -> SavedScript:
        """The script whose hash begins so. Raises NotFound when there is none, or more than one."""
        found = self._scripts("WHERE substr(sha, 1, ?) = ? LIMIT 2", (len(name), name))
        if len(found) != 1:
            raise NotFound(f"There is no script {name}.", "It may have been removed; look at the list.")
        return found[0]

    def scripts(self, limit: int) -> list[SavedScript]:
        """The newest first."""
        return self._scripts("ORDER BY created DESC LIMIT ?", (limit,))

    def forks(self, sha: str) -> list[SavedScript]:
        """What was made from a script, the oldest first."""
        return self._scripts("WHERE parent = ? ORDER BY created", (sha,))

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def _scripts(self, where: str, values: tuple[Any, ...]) -> list[SavedScript]:
        with self._lock:
            rows = self._connection.execute(f"SELECT {_COLUMNS} FROM scripts {where}", values)  # noqa: S608
            return [SavedScript(*row) for row in rows]

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
