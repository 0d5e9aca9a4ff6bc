"""Names for bpftrace that a binary has not: a directory of small ELF files, laid for one session.

Those of functions that strip took away, of Go's methods in a spelling that bpftrace can be given, and of
instructions inside of functions (marks.py).

libbcc looks below ``BCC_SYMFS`` for a file at the binary's own path, compares the build-ids where the binary
has one, and takes its symbols. Nothing on the host is touched. Tried with bpftrace 0.17 and 0.23, with paths
through /proc/PID/root too; without a build-id with 0.17. Source: find_debug_via_symfs in libbcc's bcc_elf.c.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from app.errors import AppError, BadInput, StorageFull
from app.trace.catalogue import Catalogue, function_named
from app.trace.marks import marked
from app.trace.policy import attach_points
from app.trace.quoting import parse_probe, spoken

_KINDS = {"uprobe", "uretprobe"}


def lay(script: str, index: Catalogue, directory: Path) -> Path | None:
    """``directory`` with what the script's probes need; None, and nothing made, where they need nothing.

    Raises StorageFull.
    """
    needed: dict[str, set[str]] = {}
    for text in attach_points(script):
        try:
            probe = parse_probe(text)
        except BadInput:
            continue
        if probe.kind in _KINDS and probe.address is None and probe.path.startswith("/"):
            needed.setdefault(probe.path, set()).add(probe.name.partition("+")[0])
    try:
        laid = [_lay_one(index, path, names, directory) for path, names in needed.items()]
    except OSError as error:
        shutil.rmtree(directory, ignore_errors=True)
        raise StorageFull(f"{directory} cannot be written: {error.strerror}.", "Make room there.") from error
    return directory if any(laid) else None


def _place(index: Catalogue, id: str, name: str) -> int | None:
    """The address of a name that no table has: of an instruction, or of a function in another spelling."""
    if spoken(name) != name:
        function = function_named(index, id, name)
        if function is not None and function.linkage_name == spoken(name):
            return function.address
    return marked(index, id, name)


def _lay_one(index: Catalogue, path: str, names: set[str], directory: Path) -> bool:
    # One file names all functions of a binary: with a wildcard as many as it matches.
    pattern = next(iter(names)) if len(names) == 1 else "*"
    try:
        binary = index.binary_at(path)
        marks = {name: at for name in names if (at := _place(index, binary.id, name)) is not None}
        content = index.symbol_file(binary.id, pattern, marks)
    except AppError:
        # The session says what is wrong with its probe.
        return False
    if content is None:
        return False
    place = directory / Path(path).relative_to("/")
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    place.write_bytes(content)
    return True
