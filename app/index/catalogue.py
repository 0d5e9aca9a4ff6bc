"""The catalogue in SQLite: binaries, the paths that hold them, jobs. All SQL of the index is here.

WAL mode, one transaction an act or a batch: a kill leaves no half of one. Rows are small: facts lie in
columns. Files that are no ELF are a stamp of 32 bytes each, all those of a directory tree in one row.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple

from app.elf.tree import Stamp, pack
from app.errors import BadInput, StorageFull
from app.index.absent import Absent
from app.index.files import Known
from app.index.records import Job

# Goes up with that of app.index.columns: what an older one has left is read again.
_SCHEMA_EPOCH = 4
_MOST_COPIES, _MOST_DEBUG = 32, 16  # of one build
_OF_BUILD = """
SELECT * FROM (SELECT * FROM binaries WHERE build_id = :build AND json_extract(info, '$.debug_only')
    ORDER BY indexed LIMIT :debug)
UNION SELECT * FROM (SELECT * FROM binaries WHERE build_id = :build ORDER BY indexed LIMIT :copies)
ORDER BY indexed
"""
_JOBS = 200  # that are remembered
_SCHEMA = """
CREATE TABLE binaries (
    id TEXT PRIMARY KEY, build_id TEXT, sha256 TEXT, name TEXT NOT NULL, size INTEGER NOT NULL,
    uploaded INTEGER NOT NULL, indexed REAL NOT NULL, columns TEXT NOT NULL, blob TEXT,
    state TEXT NOT NULL, info TEXT NOT NULL
);
CREATE INDEX binaries_build ON binaries (build_id, indexed);
CREATE INDEX binaries_debug ON binaries (build_id, indexed) WHERE json_extract(info, '$.debug_only');
CREATE INDEX binaries_columns ON binaries (columns);
CREATE INDEX binaries_indexed ON binaries (indexed);
CREATE TABLE paths (
    path TEXT PRIMARY KEY, binary TEXT REFERENCES binaries (id) ON DELETE CASCADE,
    device INTEGER NOT NULL, inode INTEGER NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    problem TEXT, seen REAL NOT NULL
);
CREATE INDEX paths_binary ON paths (binary);
CREATE TABLE trees (top TEXT PRIMARY KEY, plain BLOB NOT NULL);
CREATE TABLE jobs (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, spec TEXT NOT NULL, job TEXT NOT NULL, results TEXT NOT NULL,
    started REAL NOT NULL, ended REAL
);
CREATE INDEX jobs_started ON jobs (started);
"""
# Came later, and need no other epoch.
_LATER = """
CREATE TABLE IF NOT EXISTS source_packs (
    blob TEXT PRIMARY KEY, package TEXT NOT NULL, used REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS source_files (
    path TEXT NOT NULL, pack TEXT NOT NULL REFERENCES source_packs (blob) ON DELETE CASCADE,
    offset INTEGER NOT NULL, size INTEGER NOT NULL, PRIMARY KEY (path, pack)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS source_files_pack ON source_files (pack)
"""


class SourceRow(NamedTuple):
    """A source file in a pack: the blob that holds all of a package, and where in it the file is."""

    pack: str
    package: dict[str, str]
    offset: int
    size: int


class BinaryRow(NamedTuple):
    """One binary as stored; ``info`` is what its columns' meta says, without the long parts."""

    id: str
    build_id: str | None
    sha256: str | None
    name: str
    size: int
    uploaded: bool
    indexed: float
    columns: str  # NAME@OFFSET+SIZE: a part of a file in the columns directory
    blob: str | None  # SHA-256 of the bytes that are kept of an upload
    info: dict[str, Any]
    paths: tuple[str, ...] = ()

    @property
    def owner(self) -> str:
        """Whose readers read its bytes: an upload has some of its own, which nobody else's are given to."""
        return f"upload {self.id}" if self.uploaded else ""


@dataclass(frozen=True, slots=True)
class PathRow:
    """What is known of a path: its binary, or the problem that reading it had, as of ``stamp``."""

    path: str
    binary: str | None
    stamp: Stamp
    problem: dict[str, str] | None


@dataclass(frozen=True, slots=True)
class KnownRow(PathRow):
    """The same with what a job tells of it: the columns and the state of its binary."""

    columns: str | None
    state: str | None


@dataclass(slots=True)
class Batch:
    """What a job has found and not written yet."""

    binaries: dict[str, BinaryRow] = field(default_factory=dict)
    paths: list[PathRow] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.binaries) + len(self.paths)


class Catalogue:
    """One connection, used by one thread at a time; ``open`` comes first."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.RLock()
        self.absent = Absent(self._rows, self._lock)

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
            for statement in _LATER.split(";"):
                connection.execute(statement)
            if found == _SCHEMA_EPOCH:
                return
            # What an older epoch holds is read again from the files themselves.
            for table in ("paths", "binaries", "jobs", "trees"):
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

    def of_build(self, build_id: str) -> list[BinaryRow]:
        """Those of one build: the program, its debug file, copies of other content; the first of each kind.

        A build has a handful; whoever makes thousands of copies of one shall not make each of them wait.
        """
        values = {"build": build_id, "debug": _MOST_DEBUG, "copies": _MOST_COPIES}
        with self._lock, _storage():
            rows = self._connection.execute(_OF_BUILD, values).fetchall()
        return [self._binary(row) for row in rows]

    def shared_builds(self) -> set[str]:
        """The build-ids that several binaries have."""
        rows = self._rows(
            "SELECT build_id FROM binaries WHERE build_id IS NOT NULL GROUP BY build_id HAVING count(*) > 1"
        )
        return {row[0] for row in rows}

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

    def leaning(self) -> list[tuple[str, str]]:
        """Binaries whose debug information leans on a common file (dwz), each with that file's build-id."""
        alternate = "json_extract(info, '$.links.alternate[1]')"
        rows = self._rows(f"SELECT id, {alternate} FROM binaries WHERE {alternate} IS NOT NULL")  # noqa: S608
        return [(row[0], row[1]) for row in rows]

    def count_binaries(self) -> int:
        return int(self._rows("SELECT count(*) FROM binaries")[0][0])

    def by_sha256(self, sha256: str) -> BinaryRow | None:
        rows = self._rows("SELECT * FROM binaries WHERE sha256 = ?", sha256)
        return self._binary(rows[0]) if rows else None

    def _binary(self, row: sqlite3.Row, paths: tuple[str, ...] | None = None) -> BinaryRow:
        if paths is None:
            found = self._rows("SELECT path FROM paths WHERE binary = ? ORDER BY seen, rowid", row["id"])
            paths = tuple(entry["path"] for entry in found)
        values = {key: row[key] for key in row.keys() if key != "state"}  # noqa: SIM118 - a Row is no dict
        values |= {"uploaded": bool(row["uploaded"]), "info": json.loads(row["info"])}
        return BinaryRow(**values, paths=paths)

    def write(self, batch: Batch, now: float) -> None:
        """Lays or replaces binaries, and says what the paths hold; all of it or nothing."""
        with self._writing() as connection:
            for each in batch.binaries.values():
                self.absent.came((each.id, each.build_id or each.id))
            connection.executemany(
                "INSERT INTO binaries VALUES (?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (id) DO UPDATE SET "
                "sha256 = excluded.sha256, name = excluded.name, size = excluded.size, "
                "uploaded = excluded.uploaded, indexed = excluded.indexed, columns = excluded.columns, "
                "blob = excluded.blob, state = excluded.state, info = excluded.info",
                [
                    (
                        each.id,
                        each.build_id,
                        each.sha256,
                        each.name,
                        each.size,
                        each.uploaded,
                        each.indexed,
                        each.columns,
                        each.blob,
                        each.info["state"],
                        json.dumps(each.info),
                    )
                    for each in batch.binaries.values()
                ],
            )
            connection.executemany(
                "INSERT OR REPLACE INTO paths VALUES (?,?,?,?,?,?,?,?)",
                [
                    (
                        each.path,
                        each.binary,
                        *each.stamp,
                        json.dumps(each.problem) if each.problem else None,
                        now,
                    )
                    for each in batch.paths
                ],
            )

    def set_sha256(self, binary_id: str, sha256: str) -> None:
        with self._writing() as connection:
            connection.execute("UPDATE binaries SET sha256 = ? WHERE id = ?", (sha256, binary_id))

    def columns(self) -> set[str]:
        """Where all columns are."""
        return {row[0] for row in self._rows("SELECT columns FROM binaries")}

    def uses(self, file: str) -> bool:
        """Whether some columns are in a file."""
        below = (f"{file}@", f"{file}A")  # "A" comes behind "@"
        return bool(self._rows("SELECT 1 FROM binaries WHERE columns >= ? AND columns < ? LIMIT 1", *below))

    def blobs(self) -> set[str]:
        """The hashes of all uploads whose bytes are kept, packs of sources among them."""
        both = "SELECT blob FROM binaries WHERE blob IS NOT NULL UNION SELECT blob FROM source_packs"
        return {row[0] for row in self._rows(both)}

    def has_blob(self, sha256: str) -> bool:
        """Whether some binary's bytes, or a package's sources, are this blob."""
        one = "SELECT 1 FROM binaries WHERE blob = ? UNION SELECT 1 FROM source_packs WHERE blob = ? LIMIT 1"
        return bool(self._rows(one, sha256, sha256))

    def remove(self, binary_id: str) -> None:
        with self._writing() as connection:
            connection.execute("DELETE FROM binaries WHERE id = ?", (binary_id,))

    # Sources of packages

    def put_sources(
        self, blob: str, package: dict[str, str], files: Sequence[tuple[str, int, int]], now: float
    ) -> None:
        """``files``: path, offset and size of each in the blob."""
        with self._writing() as connection:
            connection.execute("DELETE FROM source_packs WHERE blob = ?", (blob,))
            connection.execute("INSERT INTO source_packs VALUES (?,?,?)", (blob, json.dumps(package), now))
            rows = [(path, blob, offset, size) for path, offset, size in files]
            connection.executemany("INSERT OR REPLACE INTO source_files VALUES (?,?,?,?)", rows)

    def sources_at(self, path: str) -> list[SourceRow]:
        """All source files of this path, of the package that came last first."""
        rows = self._rows(
            "SELECT pack, package, offset, size FROM source_files JOIN source_packs ON blob = pack "
            "WHERE path = ? ORDER BY source_packs.rowid DESC",
            path,
        )
        return [SourceRow(row[0], json.loads(row[1]), row[2], row[3]) for row in rows]

    def source_packs(self) -> list[tuple[str, dict[str, str], float]]:
        """(blob, package, when a file of it was last shown)."""
        rows = self._rows("SELECT blob, package, used FROM source_packs")
        return [(row[0], json.loads(row[1]), row[2]) for row in rows]

    def use_sources(self, blob: str, now: float, apart: float) -> None:
        """Notes that a file of a pack is looked at, if that was not noted in the last ``apart`` seconds."""
        if self._rows("SELECT 1 FROM source_packs WHERE blob = ? AND used < ?", blob, now - apart):
            with self._writing() as connection:
                connection.execute("UPDATE source_packs SET used = ? WHERE blob = ?", (now, blob))

    def drop_sources(self, blob: str) -> None:
        with self._writing() as connection:
            connection.execute("DELETE FROM source_packs WHERE blob = ?", (blob,))

    # Paths

    def path(self, path: str) -> PathRow | None:
        rows = self._rows("SELECT * FROM paths WHERE path = ?", path)
        if not rows:
            return None
        row = rows[0]
        stamp = (row["device"], row["inode"], row["size"], row["mtime_ns"])
        return PathRow(path, row["binary"], stamp, json.loads(row["problem"]) if row["problem"] else None)

    # Directory trees

    def known_below(self, top: str) -> Known:
        """What was seen below a directory. The rows of paths are KnownRow."""
        below = (top.rstrip("/") + "/", top.rstrip("/") + "0")  # "0" comes behind "/"
        rows = [
            KnownRow(
                path=row["path"],
                binary=row["binary"],
                stamp=(row["device"], row["inode"], row["size"], row["mtime_ns"]),
                problem=json.loads(row["problem"]) if row["problem"] else None,
                columns=row["columns"],
                state=row["state"],
            )
            for row in self._rows(
                "SELECT path, binary, device, inode, paths.size, mtime_ns, problem, columns, "
                "state FROM paths LEFT JOIN binaries ON binaries.id = binary "
                "WHERE path >= ? AND path < ?",
                *below,
            )
        ]
        above = [top[:at] or "/" for at in range(len(top)) if top[at] == "/" and at + 1 < len(top)]
        marks = ",".join("?" * len(above))
        larger = self._rows(f"SELECT plain FROM trees WHERE top IN ({marks}) LIMIT 1", *above)  # noqa: S608
        plain = larger or self._rows(
            "SELECT plain FROM trees WHERE top = ? OR top >= ? AND top < ?", top, *below
        )
        stamps = pack([row.stamp for row in rows])
        return Known(b"".join([row["plain"] for row in plain]), rows, stamps, not larger)

    def saw(self, plain: dict[str, bytes], gone: Sequence[str]) -> None:
        """The stamps of each directory's files that are no ELF, and paths that are no more."""
        if not plain and not gone:
            return
        with self._writing() as connection:
            connection.executemany("DELETE FROM paths WHERE path = ?", [(path,) for path in gone])
            for top, stamps in plain.items():
                below = (top.rstrip("/") + "/", top.rstrip("/") + "0")
                connection.execute("DELETE FROM trees WHERE top >= ? AND top < ?", below)
                connection.execute("INSERT OR REPLACE INTO trees VALUES (?,?)", (top, stamps))

    # Jobs

    def put_job(self, job: Job, owner: str, spec: dict[str, Any]) -> None:
        values = {each.name: getattr(job, each.name) for each in fields(job)}
        results = values.pop("results")
        with self._writing() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO jobs VALUES (?,?,?,?,?,?,?)",
                (
                    job.id,
                    owner,
                    json.dumps(spec),
                    json.dumps(values),
                    json.dumps(results),
                    job.started,
                    job.ended,
                ),
            )
            connection.execute(
                "DELETE FROM jobs WHERE ended IS NOT NULL AND started < "
                "(SELECT started FROM jobs ORDER BY started DESC LIMIT 1 OFFSET ?)",
                (_JOBS,),
            )

    def job(self, job_id: str) -> Job | None:
        rows = self._rows("SELECT * FROM jobs WHERE id = ?", job_id)
        return _job(rows[0], json.loads(rows[0]["results"])) if rows else None

    def jobs(self, limit: int) -> list[Job]:
        """The latest first, without their results."""
        return [_job(row) for row in self._rows("SELECT * FROM jobs ORDER BY started DESC LIMIT ?", limit)]

    def unfinished_jobs(self) -> list[tuple[Job, str, dict[str, Any]]]:
        """(job, owner, spec), the first first."""
        rows = self._rows("SELECT * FROM jobs WHERE ended IS NULL ORDER BY started")
        return [(_job(row), row["owner"], json.loads(row["spec"])) for row in rows]


def _job(row: sqlite3.Row, results: Sequence[dict[str, Any]] = ()) -> Job:
    values = json.loads(row["job"])
    return Job(**{**values, "what": tuple(values.get("what", ())), "results": tuple(results)})


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
