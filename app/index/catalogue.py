"""The catalogue in SQLite: binaries, the paths that hold them, jobs. All SQL of the index is here.

WAL mode, one transaction an act, so that a kill leaves no half of one. Rows are small: facts lie in columns.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from app.errors import BadInput, StorageFull
from app.index.model import Job

_SCHEMA_EPOCH = 1
_SCHEMA = """
CREATE TABLE binaries (
    id TEXT PRIMARY KEY, build_id TEXT, sha256 TEXT, name TEXT NOT NULL, size INTEGER NOT NULL,
    uploaded INTEGER NOT NULL, indexed REAL NOT NULL, columns TEXT NOT NULL, blob TEXT, info TEXT NOT NULL
);
CREATE INDEX binaries_indexed ON binaries (indexed);
CREATE TABLE paths (
    path TEXT PRIMARY KEY, binary TEXT REFERENCES binaries (id) ON DELETE CASCADE,
    device INTEGER NOT NULL, inode INTEGER NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    problem TEXT, seen REAL NOT NULL
);
CREATE INDEX paths_binary ON paths (binary);
CREATE TABLE jobs (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, spec TEXT NOT NULL, job TEXT NOT NULL, started REAL NOT NULL
);
"""
Stamp = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class BinaryRow:
    """One binary as stored; ``info`` is what its columns' meta says, without the long parts."""

    id: str
    build_id: str | None
    sha256: str | None
    name: str
    size: int
    uploaded: bool
    indexed: float
    columns: str  # name below the columns directory
    blob: str | None  # name below the blobs directory
    info: dict[str, Any]
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PathRow:
    """What is known of a path: its binary, or the problem that reading it had, as of ``stamp``."""

    path: str
    binary: str | None
    stamp: Stamp
    problem: dict[str, str] | None


class Catalogue:
    """One connection, used by one thread at a time; ``open`` comes first."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.RLock()

    def open(self) -> None:
        """Raises StorageFull, and BadInput for a file that is no catalogue."""
        try:
            with _storage():
                self._connection = sqlite3.connect(self._path, check_same_thread=False, isolation_level=None)
            try:
                self._prepare()
            except BaseException:
                self._connection.close()
                raise
        except sqlite3.Error as error:
            raise BadInput(
                f"The catalogue {self._path} cannot be opened: {error}.",
                "Move it away: it is made anew, and files are indexed again.",
            ) from error

    def _prepare(self) -> None:
        with _storage():
            self._connection.row_factory = sqlite3.Row
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.execute("PRAGMA foreign_keys = ON")
            self._connection.execute("PRAGMA busy_timeout = 10000")
            self._lay()

    def _lay(self) -> None:
        with self._writing() as connection:
            found = connection.execute("PRAGMA user_version").fetchone()[0]
            if found == _SCHEMA_EPOCH:
                return
            # What an older epoch holds is read again from the files themselves.
            for table in ("paths", "binaries", "jobs"):
                connection.execute(f"DROP TABLE IF EXISTS {table}")
            for statement in _SCHEMA.split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {_SCHEMA_EPOCH}")

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock, _storage():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def _rows(self, sql: str, *values: object) -> list[sqlite3.Row]:
        with self._lock, _storage():
            return self._connection.execute(sql, values).fetchall()

    # Binaries

    def binary(self, binary_id: str) -> BinaryRow | None:
        rows = self._rows("SELECT * FROM binaries WHERE id = ?", binary_id)
        return self._binary(rows[0]) if rows else None

    def binaries(self) -> list[BinaryRow]:
        """All, the latest first."""
        paths: dict[str, list[str]] = {}
        with self._lock:
            for row in self._rows(
                "SELECT path, binary FROM paths WHERE binary IS NOT NULL ORDER BY seen, rowid"
            ):
                paths.setdefault(row["binary"], []).append(row["path"])
            rows = self._rows("SELECT * FROM binaries ORDER BY indexed DESC, rowid DESC")
        return [self._binary(row, tuple(paths.get(row["id"], ()))) for row in rows]

    def generation(self) -> tuple[int, int]:
        """Changes with every write, of this process or of another one."""
        with self._lock:
            return self._rows("PRAGMA data_version")[0][0], self._connection.total_changes

    def count_binaries(self) -> int:
        return int(self._rows("SELECT count(*) FROM binaries")[0][0])

    def by_sha256(self, sha256: str) -> BinaryRow | None:
        rows = self._rows("SELECT * FROM binaries WHERE sha256 = ?", sha256)
        return self._binary(rows[0]) if rows else None

    def _binary(self, row: sqlite3.Row, paths: tuple[str, ...] | None = None) -> BinaryRow:
        if paths is None:
            found = self._rows("SELECT path FROM paths WHERE binary = ? ORDER BY seen, rowid", row["id"])
            paths = tuple(entry["path"] for entry in found)
        values = {key: row[key] for key in row.keys()}  # noqa: SIM118 - a Row iterates over its values
        values |= {"uploaded": bool(row["uploaded"]), "info": json.loads(row["info"])}
        return BinaryRow(**values, paths=paths)

    def store(self, binary: BinaryRow, path: str | None, stamp: Stamp | None, now: float) -> None:
        """Lays or replaces a binary, and says that ``path`` holds it."""
        with self._writing() as connection:
            connection.execute(
                "INSERT INTO binaries VALUES (?,?,?,?,?,?,?,?,?,?) ON CONFLICT (id) DO UPDATE SET "
                "sha256 = excluded.sha256, name = excluded.name, size = excluded.size, "
                "uploaded = excluded.uploaded, indexed = excluded.indexed, columns = excluded.columns, "
                "blob = excluded.blob, info = excluded.info",
                (
                    binary.id,
                    binary.build_id,
                    binary.sha256,
                    binary.name,
                    binary.size,
                    binary.uploaded,
                    binary.indexed,
                    binary.columns,
                    binary.blob,
                    json.dumps(binary.info),
                ),
            )
            if path is not None and stamp is not None:
                self._put_path(connection, path, binary.id, stamp, None, now)

    def remove(self, binary_id: str) -> None:
        with self._writing() as connection:
            connection.execute("DELETE FROM binaries WHERE id = ?", (binary_id,))

    # Paths

    def path(self, path: str) -> PathRow | None:
        rows = self._rows("SELECT * FROM paths WHERE path = ?", path)
        if not rows:
            return None
        row = rows[0]
        stamp = (row["device"], row["inode"], row["size"], row["mtime_ns"])
        return PathRow(path, row["binary"], stamp, json.loads(row["problem"]) if row["problem"] else None)

    def put_path(
        self, path: str, binary: str | None, stamp: Stamp, problem: dict[str, str] | None, now: float
    ) -> None:
        with self._writing() as connection:
            self._put_path(connection, path, binary, stamp, problem, now)

    def _put_path(
        self,
        connection: sqlite3.Connection,
        path: str,
        binary: str | None,
        stamp: Stamp,
        problem: dict[str, str] | None,
        now: float,
    ) -> None:
        connection.execute(
            "INSERT OR REPLACE INTO paths VALUES (?,?,?,?,?,?,?,?)",
            (path, binary, *stamp, json.dumps(problem) if problem else None, now),
        )

    def forget_path(self, path: str) -> None:
        with self._writing() as connection:
            connection.execute("DELETE FROM paths WHERE path = ?", (path,))

    # Jobs

    def put_job(self, job: Job, owner: str, spec: dict[str, Any]) -> None:
        with self._writing() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO jobs VALUES (?,?,?,?,?)",
                (job.id, owner, json.dumps(spec), json.dumps(asdict(job)), job.started),
            )

    def jobs(self) -> list[tuple[Job, str, dict[str, Any]]]:
        """(job, owner, spec), the latest first."""
        found = []
        for row in self._rows("SELECT * FROM jobs ORDER BY started DESC, rowid DESC LIMIT 1000"):
            values = json.loads(row["job"])
            values["results"] = tuple(values["results"])
            found.append((Job(**values), row["owner"], json.loads(row["spec"])))
        return found


@contextmanager
def _storage() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        if "full" in str(error) or "disk I/O" in str(error) or "unable to open" in str(error):
            raise StorageFull(
                "The catalogue cannot be written: the disk is full or not writable.",
                "Free some space, or use --data for another directory.",
            ) from error
        raise
