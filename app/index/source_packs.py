"""Source files that came in packages (debugsource and its kin): one blob a package, shown for its binaries.

They have room and clean-up as other blobs have. A file is found by the path that debug information names, and
shown for binaries of its package: those that came in it or beside it, or whose debug information names the
package in the path itself, ``/usr/src/debug/NAME-VERSION-RELEASE.ARCH/…`` as rpm lays sources.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from app.errors import AppError, StorageFull
from app.index import files
from app.index.binaries import Package, package_text
from app.index.catalogue import BinaryRow, Catalogue, SourceRow
from app.index.given_sources import canonical
from app.index.sources import Source, is_given
from app.index.unpacking import Unpacked
from app.index.uploads import Uploads

MOST_FILES = 100_000  # of one package
MOST_BYTES = 2 << 30
IDLE_SECONDS = 30 * 86400.0  # after which a pack goes that nothing belongs to and nobody looked at
_USED_SECONDS = 3600.0  # between notes that one is looked at
_MADE_OF = re.compile(r"-(?:debugsource|debuginfo|debug|dbgsym|dbg|dev|devel|libs?)$")
# Debian's way to lay what lies below /usr/src.
_DEBUG_ROOT = "/usr/lib/debug"
_BELOW = "/usr/src/debug/"


@dataclass(slots=True)
class _Pack:
    package: Package
    path: Path
    file: BinaryIO
    files: list[tuple[str, int, int]] = field(default_factory=list)


class Packing:
    """The sources of one upload, collected by their packages; ``close`` takes away what was not kept."""

    def __init__(self, scratch: Path) -> None:
        self.left_out = 0
        self._scratch = scratch
        self._packs: dict[str, _Pack] = {}

    def add(self, each: Unpacked, package: Package) -> None:
        """Takes in a source file, whose own is removed. Raises StorageFull."""
        path = canonical(each.name.removeprefix("."))
        if path.startswith(f"{_DEBUG_ROOT}/usr/src/"):
            path = path.removeprefix(_DEBUG_ROOT)
        try:
            if not each.whole or not is_given(path):
                return
            key = json.dumps(package, sort_keys=True)
            if key not in self._packs:
                self._packs[key] = self._begun(package, key)
            pack = self._packs[key]
            size = each.path.stat().st_size
            if len(pack.files) >= MOST_FILES or pack.file.tell() + size > MOST_BYTES:
                self.left_out += 1
                return
            pack.files.append((path, pack.file.tell(), size))
            with each.path.open("rb") as source:
                shutil.copyfileobj(source, pack.file)
        except OSError as error:
            raise StorageFull(
                "The disk has no room for the sources of a package.", "Free some space."
            ) from error
        finally:
            each.path.unlink(missing_ok=True)

    def _begun(self, package: Package, key: str) -> _Pack:
        path = self._scratch / f"{os.urandom(8).hex()}.member"
        file = path.open("xb")
        # The same files of another package are another blob.
        file.write(key.encode() + b"\n")
        return _Pack(package, path, file)

    def keep(self, packs: SourcePacks, stopped: Callable[[], bool]) -> int:
        """Stores what there is; how many files that are. Raises as ``Blobs.put`` does."""
        for pack in self._packs.values():
            pack.file.flush()
            packs.put(pack.path, pack.package, pack.files, stopped)
        return sum(len(pack.files) for pack in self._packs.values())

    def close(self) -> None:
        for pack in self._packs.values():
            pack.file.close()
            pack.path.unlink(missing_ok=True)


class SourcePacks:
    """Those of one data directory; may be used from any thread."""

    def __init__(self, catalogue: Catalogue, uploads: Uploads) -> None:
        self._catalogue = catalogue
        self._uploads = uploads

    def put(
        self,
        path: Path,
        package: Package,
        entries: list[tuple[str, int, int]],
        stopped: Callable[[], bool],
    ) -> None:
        """``entries``: path, offset and size of each file in the one at ``path``."""
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            sha256 = files.sha256(descriptor)
            with self._uploads.laying(sha256):
                self._uploads.put(descriptor, sha256, stopped)
                self._catalogue.put_sources(sha256, package, entries, time.time())
        finally:
            os.close(descriptor)

    def source(self, name: str, of: Sequence[BinaryRow]) -> Source | None:
        """``name``: as debug information has it; ``of``: the binary, and what else there is of its build."""
        with self.opened(name, of) as found:
            if found is None:
                return None
            descriptor, row = found
            content = os.pread(descriptor, row.size, row.offset)
        lines = tuple(content.decode("utf-8", "replace").split("\n"))
        return Source(name, lines, newer=False, origin=package_text(row.package))

    @contextmanager
    def opened(self, name: str, of: Sequence[BinaryRow]) -> Iterator[tuple[int, SourceRow] | None]:
        """The same as a descriptor of the pack, and where in it the file is."""
        path = canonical(name)
        packages = [row.info["package"] for row in of if row.info.get("package")]
        with ExitStack() as stack:
            yield next(
                (
                    (descriptor, row)
                    for row in self._catalogue.sources_at(path)
                    if is_named(row.package, path) or any(are_of_one(row.package, each) for each in packages)
                    if (descriptor := self._open(row.pack, stack)) is not None
                ),
                None,
            )

    def _open(self, pack: str, stack: ExitStack) -> int | None:
        """None for one that is damaged, or out of reach."""
        try:
            descriptor = stack.enter_context(self._uploads.opened(pack))
        except AppError:
            return None
        # Who only reads does so on a full disk, too.
        with suppress(StorageFull):
            self._catalogue.use_sources(pack, time.time(), _USED_SECONDS)
        return descriptor

    def drop_unused(self, gone: Package | None = None) -> None:
        """Takes away packs that no binary is of: of the package of one that is ``gone``, else old ones."""
        known = [row.info["package"] for row in self._catalogue.binaries() if row.info.get("package")]
        oldest = time.time() - IDLE_SECONDS
        for blob, package, used in self._catalogue.source_packs():
            wanted = are_of_one(package, gone) if gone is not None else used < oldest
            if wanted and not any(are_of_one(package, each) for each in known):
                self._catalogue.drop_sources(blob)
                self._uploads.drop(blob)


def are_of_one(one: Package, other: Package) -> bool:
    """Whether two packages were built together, by their names and versions; or are the same archive."""
    fields = ("version", "architecture", "kind")
    if any(one[key] != other[key] for key in fields):
        return False
    names = one["name"], other["name"]
    if one["kind"] == "archive" or names[0] == names[1]:
        return names[0] == names[1]
    base = _base(names[0])
    return base == _base(names[1]) or (base != names[0] and names[1].startswith(f"{base}-"))


def is_named(package: Package, path: str) -> bool:
    """Whether a path below /usr/src/debug has the package's name and version in it."""
    if not path.startswith(_BELOW) or not package["version"]:
        return False
    directory = path.removeprefix(_BELOW).partition("/")[0]
    release = f"{_base(package['name'])}-{package['version'].rpartition(':')[2]}"
    return directory in {release, f"{release}.{package['architecture']}"}


def _base(name: str) -> str:
    return _MADE_OF.sub("", name)
