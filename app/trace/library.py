"""The library of scripts: each text once, by the hash of its content, with a title, and what it came from.

A script that a session runs is put in by itself; one that is saved by hand gets its title then. A name of a
script is its SHA-256 in hex; 12 digits of it or more do where only one begins so.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Sequence
from pathlib import Path

from app import audit
from app.errors import BadInput, NotFound
from app.trace.model import SavedScript
from app.trace.store import Store

TITLE_LONGEST = 200
_SHA = re.compile(r"[0-9a-f]{12,64}")


class Library:
    """The scripts of one data directory."""

    def __init__(self, store: Store, data: Path) -> None:
        self._store = store
        self._data = data

    def keep(self, text: str, title: str, recipe: str, author: str, parent: str | None = None) -> SavedScript:
        """Puts a script in, or finds it there; a title replaces the one it has.

        Raises BadInput, StorageFull; NotFound for a parent that is not there.
        """
        title = _title(title)
        sha = sha_of(text)
        above = self._store.script(_name(parent)).sha if parent else None
        # A text that was not changed is not made from itself.
        made = SavedScript(sha, text, title, recipe, above if above != sha else None, author, time.time())
        self._store.keep_script(made)
        if title:
            self._store.name_script(sha, title)
        return self._store.script(sha)

    def all(self, limit: int = 1000) -> Sequence[SavedScript]:
        """The newest first."""
        return self._store.scripts(limit)

    def get(self, name: str) -> SavedScript:
        """Raises NotFound."""
        return self._store.script(_name(name))

    def forks(self, sha: str) -> Sequence[SavedScript]:
        """What was made from a script."""
        return self._store.forks(sha)

    def forget(self, name: str, who: str) -> None:
        """Takes a script out; sessions that ran it keep their text. Raises NotFound, StorageFull."""
        found = self.get(name)
        audit.write(self._data, "script.delete", who, script=found.sha)
        self._store.delete_script(found.sha)


def sha_of(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _title(text: str) -> str:
    """A title as it is kept: one line. Raises BadInput for one that is too long."""
    title = " ".join(text.split())
    if len(title) > TITLE_LONGEST:
        raise BadInput(f"A title of {len(title)} characters is too long.", f"At most {TITLE_LONGEST}.")
    return title


def _name(text: str) -> str:
    if not _SHA.fullmatch(text):
        raise NotFound(f"{text[:80]!r} is no script's hash.", "Give 12 to 64 digits of its SHA-256.")
    return text
