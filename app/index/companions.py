"""The files that a binary of the host refers to, opened for a reader: its dwz file and its split parts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

from app.debuginfo import companions as places
from app.errors import AppError
from app.index import files


class Companions(NamedTuple):
    """Open descriptors; none where no file was found. ``owner``: whose readers read them, "" for any."""

    alternate: int | None = None
    parts: tuple[int, ...] = ()
    owner: str = ""

    def __bool__(self) -> bool:
        return self.alternate is not None or bool(self.parts)


@contextmanager
def opened(
    path: str | None,
    links: Mapping[str, Any],
    roots: Sequence[str],
    of_build: Callable[[str], tuple[int, str] | None],
    cache: str | None = None,
) -> Iterator[Companions]:
    """``links`` is what the file says (app.elf.links); whether a file fits is for its reader to tell.

    ``of_build`` opens what the catalogue has of a build-id, which is this function's to close, and says whose
    readers read it; ``cache`` is where files are that debuginfod servers gave.
    """
    with ExitStack() as stack:

        def first(paths: Sequence[str], inside: Sequence[str] = roots) -> int | None:
            for each in paths:
                try:
                    return stack.enter_context(files.open_elf(each, inside)).descriptor
                except AppError:
                    continue
            return None

        found: list[int | None] = []
        alternate, owner = None, ""
        if path is not None and path.startswith("/"):
            package = first(places.packages(path, links))
            found = [package] if package is not None else [first(each) for each in places.parts(path, links)]
            inside = (*roots, cache) if roots and cache else roots
            alternate = first(places.alternates(path, links, cache), inside)
        if alternate is None and links.get("alternate"):
            known = of_build(links["alternate"][1])
            if known is not None:
                alternate, owner = known
                stack.callback(os.close, alternate)
        yield Companions(alternate, tuple(each for each in found if each is not None), owner)
