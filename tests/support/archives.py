"""What the reader of packages says of bytes, in a form that tests compare; and what archivers say."""

from __future__ import annotations

import hashlib
import io
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from app.debuginfo.packages import Crew, Limits, Package, Reader, members


class Unseekable:
    """A stream that gives what it likes: at most ``step`` bytes, front to back."""

    def __init__(self, data: bytes, step: int = 1 << 20) -> None:
        self._inner = io.BytesIO(data)
        self._step = step

    def read(self, size: int, /) -> bytes:
        return self._inner.read(min(size, self._step))


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    kind: str
    size: int | None
    link: str
    sha256: str  # of files
    inside: tuple[str, ...]
    whole: bool


@dataclass(frozen=True, slots=True)
class Said:
    rows: list[Row]
    codes: list[str]
    packages: list[Package]
    texts: list[str]

    @property
    def names(self) -> list[str]:
        return [row.name for row in self.rows]

    @property
    def whole(self) -> list[str]:
        return [row.name for row in self.rows if row.whole]


def said(data: bytes, limits: Limits | None = None, step: int = 1 << 20, crew: Crew | None = None) -> Said:
    """Everything, read to its end. A zip is given as a file, with a crew all is; else as a stream."""
    if crew is not None:
        with tempfile.TemporaryFile() as file:
            file.write(data)
            file.seek(0)
            return said_of(members(file, limits, crew))
    zipped = data.rfind(b"PK\x05\x06") >= 0 and not data.startswith((b"!<arch>", b"\x1f\x8b"))
    return said_of(members(io.BytesIO(data) if zipped else Unseekable(data, step), limits))


def said_of(reader: Reader) -> Said:
    rows = []
    for member in reader:
        digest = hashlib.sha256()
        size = 0
        for chunk in member.chunks():
            digest.update(chunk)
            size += len(chunk)
        whole = member.whole
        if whole and member.kind == "file" and member.size is not None:
            assert size == member.size
        sha256 = digest.hexdigest() if member.kind == "file" else ""
        rows.append(Row(member.name, member.kind, member.size, member.link, sha256, member.inside, whole))
    return Said(
        rows,
        [problem.code for problem in reader.problems],
        reader.packages,
        [problem.text for problem in reader.problems],
    )


def laid_down(directory: Path) -> dict[str, tuple[str, str]]:
    """Of a tree that an archiver laid down: path to (kind, hash or target); hard links as files."""
    found = {}
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory).as_posix()
        if path.is_symlink():
            found[name] = "symlink", str(path.readlink())
        elif path.is_file():
            found[name] = "file", hashlib.sha256(path.read_bytes()).hexdigest()
        else:
            found[name] = "other", ""
    return found


def as_laid_down(rows: list[Row]) -> dict[str, tuple[str, str]]:
    """The same of the reader's rows."""
    found: dict[str, tuple[str, str]] = {}
    for row in rows:
        name = row.name.removeprefix("./").strip("/")
        if not name or name == ".":
            continue
        if row.kind == "hardlink":
            found[name] = found[row.link.removeprefix("./").strip("/")]
        else:
            found[name] = row.kind, row.sha256 or row.link
    return found


def run(*command: str | Path, cwd: Path | None = None) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=cwd).stdout


def unpacked_by_bsdtar(archive: Path, directory: Path) -> dict[str, tuple[str, str]]:
    directory.mkdir()
    run("bsdtar", "-xf", archive, "-C", directory)
    return laid_down(directory)


def tree(directory: Path) -> Path:
    """Files of several sizes, names and kinds; directories among them only with files."""
    root = directory / "tree"
    places = {
        "usr/bin/program": b"\x7fELF" + bytes(range(256)) * 3000,
        "usr/lib/debug/.build-id/ab/cdef.debug": b"\x7fELF debug" * 100_000,
        "usr/share/doc/made/empty": b"",
        "usr/share/doc/made/one": b"1",
        "usr/share/" + "long-directory/" * 12 + "name-" * 20 + "end": b"long",
        "usr/share/doc/made/grüße": b"umlauts",
    }
    for name, data in places.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (root / "usr/lib/debug/.build-id/ab/link").symlink_to("../../../../bin/program")
    (root / "usr/bin/same").hardlink_to(root / "usr/bin/program")
    (root / "usr/bin/third").hardlink_to(root / "usr/bin/program")
    return root
