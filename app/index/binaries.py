"""Rows of the catalogue as the other rooms see them."""

from __future__ import annotations

from pathlib import Path

from app.elf.problem import Problem
from app.index.catalogue import BinaryRow
from app.index.records import Binary, Debug

# Name, version, architecture and kind (deb, rpm, apk, arch), or the name of an archive alone, kind archive.
Package = dict[str, str]


def package_text(package: Package) -> str | None:
    """For people: ``shop 1-2 (amd64)``."""
    words = [package["name"], package["version"]]
    words.append(f"({package['architecture']})" if package["architecture"] else "")
    return " ".join(word for word in words if word) or None


def package_of(row: BinaryRow) -> str | None:
    """The package that a file came in; None for one that came alone, or lies on the host."""
    found: Package | None = row.info.get("package")
    return None if found is None else package_text(found)


def binary_of(row: BinaryRow) -> Binary:
    """A row as the other rooms see it."""
    info = row.info
    there = next((path for path in row.paths if _there(path)), None)
    return Binary(
        id=row.id,
        build_id=row.build_id,
        name=row.name,
        path=there or (row.paths[0] if row.paths else None),
        paths=row.paths,
        sha256=row.sha256,
        size=row.size,
        type=info["type"],
        machine=info["machine"],
        bits=info["bits"],
        endian=info["endian"],
        stripped=info["stripped"],
        language=info["language"],
        runtime=info["runtime"],
        interpreter_of=info["interpreter_of"],
        debug=Debug(**info["debug"]),
        counts=info["counts"],
        needed=tuple(info["needed"]),
        frame_pointers=info["frame_pointers"],
        debug_only=info["debug_only"],
        state=info["state"],
        problems=tuple(Problem(**problem) for problem in info["problems"]),
        uploaded=row.uploaded,
        indexed=row.indexed,
        gone=bool(row.paths) and there is None,
    )


def _there(path: str) -> bool:
    """Whether something is at the path; one that may not be looked at is taken to be there."""
    try:
        Path(path).stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True
