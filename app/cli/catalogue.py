"""The index over the data directory of a command, and a command over several files."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from app.cli.output import note
from app.config import Settings
from app.errors import AppError, BadInput
from app.index.build import Child
from app.index.indexing import Indexing
from app.index.records import Binary

I = TypeVar("I", bound=Indexing)  # noqa: E741


@contextmanager
def opened(
    make: Callable[[Settings], I], settings: Settings, keep: bool = False, child: Child | None = None
) -> Iterator[I]:
    """An index over the data directory; over a temporary one where that cannot be written.

    With ``keep`` there is no way out: what is done is to stay. ``child``: a reader that was started before.
    Raises what the index raises.
    """
    if keep or _writable(settings.data):
        yield from _opened(make(settings), child)
        return
    import tempfile

    with tempfile.TemporaryDirectory(prefix="probescope-") as temporary:
        yield from _opened(make(replace(settings, data=Path(temporary))), child)


def read_ahead(settings: Settings, files: Sequence[str], child: Child) -> None:
    """Has the files read, so that they are known when they are asked for; what is wrong is said then."""
    if not _writable(settings.data):
        return
    with suppress(AppError), opened(Indexing, settings, child=child) as index:
        for file in files:
            with suppress(AppError):
                index.binary_at(str(Path(file).absolute()))


def apart(
    settings: Settings,
    options: argparse.Namespace,
    command: Callable[[argparse.Namespace, Settings], int],
) -> int:
    """A command with debug files of its own choice, over a catalogue of its own: the kept one knows others.

    Raises BadInput for a debug file that is not there.
    """
    import tempfile

    paths = tuple(str(Path(path).absolute()) for path in options.debug)
    for path in paths:
        if not Path(path).exists():
            raise BadInput(f"There is no {path}.", "Name a debug file, or a directory of some, by --debug.")
    with tempfile.TemporaryDirectory(prefix="probescope-") as temporary:
        chosen = replace(
            settings, data=Path(temporary), separate_debug=not options.no_debug, debug_paths=paths
        )
        return command(options, chosen)


def _opened(index: I, child: Child | None) -> Iterator[I]:
    if child is not None:
        index.take_reader(child)
    index.start(serving=False)
    try:
        yield index
    finally:
        index.close(wait=False)


def _writable(data: Path) -> bool:
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError:
        return False
    return os.access(data, os.W_OK | os.X_OK)


def each_file(files: Sequence[str], index: I, one: Callable[[I, Binary], None], hashed: bool = False) -> int:
    """``one`` of each file; 1 if some could not be read, with a line on stderr for each."""
    worst = 0
    for file in files:
        try:
            one(index, index.binary_at(str(Path(file).absolute()), hashed))
        except AppError as error:
            note(f"{error.message} {error.hint}")
            worst = 1
    return worst
