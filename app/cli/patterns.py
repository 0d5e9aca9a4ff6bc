"""Probes as a shell's user writes them: ``uprobe:./prog:main`` means the file from here."""

from __future__ import annotations

import re
from pathlib import Path

_FROM_HERE = re.compile(r'([A-Za-z*]+):("?)(\.\.?/[^":]+)\2:')


def from_here(pattern: str) -> tuple[str, str, str]:
    """``pattern`` with an absolute path where its path starts with ``./`` or ``../``, quoted.

    Beside it the path as it was given and the absolute one; both empty where nothing was changed.
    """
    found = _FROM_HERE.match(pattern)
    if found is None:
        return pattern, "", ""
    given = found[3]
    absolute = str(Path(given).resolve())
    return f'{found[1]}:"{absolute}":{pattern[found.end() :]}', given, absolute
